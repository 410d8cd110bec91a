// dX = scale ((dY - a) - (X - mean) b), 0 in empty slots;   a = D / n, b = P / deviation^2 / n,  D = sum dY, P = sum dY (X - mean), over
// all pixels and the n / pixels samples there are;   d bias = D, d weight = P / deviation.   dY is 0 in empty slots.
// kept[r][c] = (mean, 1 / deviation, scale, bias), as batch_norm_forward leaves it.   X, dX, dY: [R][channels][pixels][columns] vec4.
// u.lanes lanes of a workgroup own one channel: eight neighbouring ones a run of its vec4s (see shared/batch_norm.wgsl), each every eighth.
// Sums: each lane's from 0, one for each place in a vec4, ascending; ((x + y) + z) + w; then the lanes' as shared/lanes.wgsl has it.
#import across
#import batch_norm
#import grid
#import lanes
#import state
const LEAVES_DX: u32 = 1u; // 0: dX is not wanted
@group(0) @binding(0) var<uniform> u: BatchNormShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> kept: array<vec4<f32>>; // [R][channels]
@group(0) @binding(5) var<storage, read_write> grads: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(WIDTH)
fn batch_norm_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let count = state[group.z].count;
    for (var l = local; l < 256u; l += WIDTH) {
        let lane = lane_of(l, number, group.z);
        let mean = kept[group.z * u.channels + lane.channel].x;
        var sum = vec4<f32>();
        var products = vec4<f32>();
        for (var k = lane.begin; k < lane.end; k += 8u) { // at most u.pixels * u.columns / u.lanes + 2u
            let g = dy[k];
            sum = sum + g;
            products = fma(g, x[k] - mean, products);
        }
        lane_values[l] = vec2<f32>(across(sum), across(products));
    }
    add_lanes(local, u.lanes);
    let n = f32(u.pixels * count);
    let step = 8u % u.columns;
    for (var l = local; l < 256u; l += WIDTH) {
        let lane = lane_of(l, number, group.z);
        if lane.owns {
            let own = kept[group.z * u.channels + lane.channel];
            let sums = sum_of_lanes(l, u.lanes);
            let slope = sums.y * own.y;
            if lane.first && u.learns != 0u {
                let to = group.z * u.param_stride + lane.channel;
                grads[to + u.weight_offset] = slope;
                grads[to + u.bias_offset] = sums.x;
            }
            if LEAVES_DX == 1u {
                let a = sums.x / n;
                let b = slope * own.y / n;
                var column = lane.column;
                for (var k = lane.begin; k < lane.end; k += 8u) { // at most u.pixels * u.columns / u.lanes + 2u
                    let v = fma(own.x - x[k], vec4<f32>(b), dy[k] - a) * own.z;
                    dx[k] = present(v, column, count);
                    column = later_column(column, step);
                }
            }
        }
    }
}
