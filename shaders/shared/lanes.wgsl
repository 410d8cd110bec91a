// Sums over the 256 lanes of a workgroup in a fixed order. `lanes` of them, 16 or another power of two, make one sum, and 256 / lanes sums are made at
// once: lanes l, l + 16, l + 32, ... ascending, from lane l on, for each l < 16; then those sixteen, ascending from 0.
// WIDTH invocations play the lanes, each those that are WIDTH apart: `for (var l = local; l < 256u; l += WIDTH)`.
const WIDTH: u32 = 256u; // or 8: software adapters take microseconds for every 8 invocations that meet at a barrier
var<workgroup> lane_values: array<vec2<f32>, 256>;
var<workgroup> lane_sums: array<vec2<f32>, 256>; // sixteen of each sum

// Adds up lane_values, which every lane has written, for sum_of_lanes. Every invocation must call it.
fn add_lanes(local: u32, lanes: u32) {
    workgroupBarrier();
    for (var l = local; l < 256u; l += WIDTH) {
        let lane = l & (lanes - 1u);
        if lane < 16u {
            var sum = lane_values[l];
            for (var i = 16u; i < lanes - lane; i += 16u) { sum = sum + lane_values[l + i]; } // at most lanes / 16u
            lane_sums[l] = sum;
        }
    }
    workgroupBarrier();
}

// The sum over the lanes that share lane l's.
fn sum_of_lanes(l: u32, lanes: u32) -> vec2<f32> {
    let first = l / lanes * lanes;
    var all = vec2<f32>();
    for (var i = 0u; i < 16u; i++) { all = all + lane_sums[first + i]; }
    return all;
}
