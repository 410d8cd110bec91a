// Sums over the lanes of a workgroup of 256, in a fixed order. `lanes` of them, a multiple of 16, make one sum, and 256 / lanes sums are
// made at once: lanes l, l + 16, l + 32, ... ascending, from lane l on, for each l < 16; then those sixteen, ascending from 0.
var<workgroup> lane_values: array<vec2<f32>, 256>;
var<workgroup> lane_sums: array<vec2<f32>, 256>; // sixteen of each sum

// The sum of `value` over the lanes that share `local / lanes`. Every lane of the workgroup must call it.
fn sum_of_lanes(value: vec2<f32>, local: u32, lanes: u32) -> vec2<f32> {
    let lane = local % lanes;
    let first = local - lane;
    lane_values[local] = value;
    workgroupBarrier();
    if lane < 16u {
        var sum = value;
        for (var i = lane + 16u; i < lanes; i += 16u) { sum = sum + lane_values[first + i]; }
        lane_sums[local] = sum;
    }
    workgroupBarrier();
    var all = vec2<f32>();
    for (var i = 0u; i < 16u; i++) { all = all + lane_sums[first + i]; }
    return all;
}
