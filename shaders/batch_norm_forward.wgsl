// Y = (X - mean) scale + bias [+ Z, where ADDS], then max(Y, 0) where u.relu;   kept[r][c] = (mean, 1 / deviation, scale, bias) of channel c,
// deviation = sqrt(variance + eps), scale = weight / deviation.   X, Y, Z: [R][channels][pixels][columns] vec4.
// Training: mean = sum X / n, variance = S / n, S = sum (X - mean)^2, over all pixels and the n / pixels samples there are; the running ones
// += momentum (new - running), the new variance being S / (n - 1). Recalibration: likewise with 1 / (step + 1) for momentum, from 0: the
// plain average. Evaluation: the running ones.
// u.lanes lanes of a workgroup own one channel, and lane l its vec4s l, l + lanes, ...
// Sums: each lane's from 0, one for each place in a vec4, ascending; ((x + y) + z) + w; then the lanes' as shared/lanes.wgsl has it.
#import across
#import batch_norm
#import grid
#import lanes
#import relu
#import state
const ADDS: u32 = 0u; // 1: Z is added
@group(0) @binding(0) var<uniform> u: BatchNormShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> params: array<f32>;
@group(0) @binding(5) var<storage, read_write> kept: array<vec4<f32>>; // [R][channels]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn batch_norm_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let first = flat_index(group, groups, 1u, 0u) * (256u / u.lanes);
    // Lanes past the last channel work on it too and write nothing: all must meet at the barriers.
    let wanted = first + local / u.lanes;
    let c = min(wanted, u.channels - 1u);
    let lane = local % u.lanes;
    let owns = wanted == c;
    let own = group.z * u.param_stride + c;
    let s = state[group.z];
    let start = (group.z * u.channels + c) * u.pixels * u.columns;
    let all = u.pixels * u.columns;
    var mean = 0.0;
    var variance = 0.0;
    if u.mode == 0u {
        mean = params[own + u.mean_offset];
        variance = params[own + u.variance_offset];
    } else {
        let first_column = lane % u.columns;
        let step = u.lanes % u.columns;
        let n = f32(u.pixels * s.count);
        var sum = vec4<f32>();
        var column = first_column;
        for (var k = lane; k < all; k += u.lanes) {
            sum = sum + present(x[start + k], column, s.count);
            column = later_column(column, step);
        }
        mean = sum_of_lanes(vec2<f32>(across(sum), 0.0), local, u.lanes).x / n;
        var squares = vec4<f32>();
        column = first_column;
        for (var k = lane; k < all; k += u.lanes) {
            let d = present(x[start + k] - mean, column, s.count);
            squares = fma(d, d, squares);
            column = later_column(column, step);
        }
        let total = sum_of_lanes(vec2<f32>(across(squares), 0.0), local, u.lanes).x;
        if lane == 0u && owns {
            let first_batch = u.mode == 2u && s.step == 0u;
            let old_mean = select(params[own + u.mean_offset], 0.0, first_batch);
            let old_variance = select(params[own + u.variance_offset], 0.0, first_batch);
            let rate = select(u.momentum, 1.0 / f32(s.step + 1u), u.mode == 2u);
            params[own + u.mean_offset] = fma(rate, mean - old_mean, old_mean);
            params[own + u.variance_offset] = fma(rate, total / max(n - 1.0, 1.0) - old_variance, old_variance);
        }
        variance = total / n;
    }
    let inverse = 1.0 / sqrt(variance + u.eps);
    let scale = params[own + u.weight_offset] * inverse;
    let bias = params[own + u.bias_offset];
    if !owns { return; }
    if lane == 0u { kept[group.z * u.channels + c] = vec4<f32>(mean, inverse, scale, bias); }
    for (var k = lane; k < all; k += u.lanes) {
        var v = fma(x[start + k] - mean, vec4<f32>(scale), vec4<f32>(bias));
        if ADDS == 1u { v = v + z[start + k]; }
        y[start + k] = rectified(v, u.relu);
    }
}
