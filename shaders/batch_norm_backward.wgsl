// dX = scale ((dY - a) - (X - mean) b), 0 in empty slots;   a = D / n, b = P / deviation^2 / n,  D = sum dY, P = sum dY (X - mean), over
// all pixels and the n / pixels samples there are;   d bias = D, d weight = P / deviation.   dY is 0 in empty slots.
// kept[r][c] = (mean, 1 / deviation, scale, bias), as batch_norm_forward leaves it.   X, dX, dY: [R][channels][pixels][columns] vec4.
// u.lanes lanes of a workgroup own one channel, and lane l its vec4s l, l + lanes, ...
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

@compute @workgroup_size(256)
fn batch_norm_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let first = flat_index(group, groups, 1u, 0u) * (256u / u.lanes);
    // Lanes past the last channel work on it too and write nothing: all must meet at the barriers.
    let wanted = first + local / u.lanes;
    let c = min(wanted, u.channels - 1u);
    let lane = local % u.lanes;
    let owns = wanted == c;
    let count = state[group.z].count;
    let start = (group.z * u.channels + c) * u.pixels * u.columns;
    let all = u.pixels * u.columns;
    let own = kept[group.z * u.channels + c];
    let mean = own.x;
    let inverse = own.y;
    var sum = vec4<f32>();
    var products = vec4<f32>();
    for (var k = lane; k < all; k += u.lanes) {
        let g = dy[start + k];
        sum = sum + g;
        products = fma(g, x[start + k] - mean, products);
    }
    let sums = sum_of_lanes(vec2<f32>(across(sum), across(products)), local, u.lanes);
    if !owns { return; }
    let slope = sums.y * inverse;
    if lane == 0u && u.learns != 0u {
        let to = group.z * u.param_stride + c;
        grads[to + u.weight_offset] = slope;
        grads[to + u.bias_offset] = sums.x;
    }
    if LEAVES_DX == 0u { return; }
    let n = f32(u.pixels * count);
    let a = sums.x / n;
    let b = slope * inverse / n;
    let step = u.lanes % u.columns;
    var column = lane % u.columns;
    for (var k = lane; k < all; k += u.lanes) {
        let v = fma(mean - x[start + k], vec4<f32>(b), dy[start + k] - a) * own.z;
        dx[start + k] = present(v, column, count);
        column = later_column(column, step);
    }
}
