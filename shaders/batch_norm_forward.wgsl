// Y = (X - mean) scale + bias [+ Z, where ADDS], then max(Y, 0) where u.relu;   kept[r][c] = (mean, 1 / deviation, scale, bias) of channel c,
// deviation = sqrt(variance + eps), scale = weight / deviation.   X, Y, Z: [R][channels][pixels][columns] vec4.
// Training: mean = sum X / n, variance = S / n, S = sum (X - mean)^2, over all pixels and the n / pixels samples there are; the running ones
// += momentum (new - running), the new variance being S / (n - 1). Recalibration: likewise with 1 / (step + 1) for momentum, from 0: the
// plain average. Evaluation: the running ones.
// u.lanes lanes of a workgroup own one channel: eight neighbouring ones a run of its vec4s, each every eighth; see shared/batch_norm.wgsl.
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
var<workgroup> means: array<f32, 256>; // of each lane's channel

@compute @workgroup_size(WIDTH)
fn batch_norm_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let s = state[group.z];
    let n = f32(u.pixels * s.count);
    let step = 8u % u.columns;
    if u.mode != 0u {
        for (var l = local; l < 256u; l += WIDTH) {
            let lane = lane_of(l, number, group.z);
            var sum = vec4<f32>();
            var column = lane.column;
            for (var k = lane.begin; k < lane.end; k += 8u) { // at most u.pixels * u.columns / u.lanes + 2u
                sum = sum + present(x[k], column, s.count);
                column = later_column(column, step);
            }
            lane_values[l] = vec2<f32>(across(sum), 0.0);
        }
        add_lanes(local, u.lanes);
        for (var l = local; l < 256u; l += WIDTH) {
            let lane = lane_of(l, number, group.z);
            let mean = sum_of_lanes(l, u.lanes).x / n;
            var squares = vec4<f32>();
            var column = lane.column;
            for (var k = lane.begin; k < lane.end; k += 8u) { // at most u.pixels * u.columns / u.lanes + 2u
                let d = present(x[k] - mean, column, s.count);
                squares = fma(d, d, squares);
                column = later_column(column, step);
            }
            means[l] = mean;
            lane_values[l] = vec2<f32>(across(squares), 0.0);
        }
        add_lanes(local, u.lanes);
    }
    for (var l = local; l < 256u; l += WIDTH) {
        let lane = lane_of(l, number, group.z);
        if lane.owns {
            let own = group.z * u.param_stride + lane.channel;
            var mean = 0.0;
            var variance = 0.0;
            if u.mode == 0u {
                mean = params[own + u.mean_offset];
                variance = params[own + u.variance_offset];
            } else {
                let squares = sum_of_lanes(l, u.lanes).x;
                mean = means[l];
                variance = squares / n;
                if lane.first {
                    let first_batch = u.mode == 2u && s.step == 0u;
                    let old_mean = select(params[own + u.mean_offset], 0.0, first_batch);
                    let old_variance = select(params[own + u.variance_offset], 0.0, first_batch);
                    let rate = select(u.momentum, 1.0 / f32(s.step + 1u), u.mode == 2u);
                    params[own + u.mean_offset] = fma(rate, mean - old_mean, old_mean);
                    params[own + u.variance_offset] = fma(rate, squares / max(n - 1.0, 1.0) - old_variance, old_variance);
                }
            }
            let inverse = 1.0 / sqrt(variance + u.eps);
            let scale = params[own + u.weight_offset] * inverse;
            let bias = params[own + u.bias_offset];
            if lane.first { kept[group.z * u.channels + lane.channel] = vec4<f32>(mean, inverse, scale, bias); }
            for (var k = lane.begin; k < lane.end; k += 8u) { // at most u.pixels * u.columns / u.lanes + 2u
                var v = fma(x[k] - mean, vec4<f32>(scale), vec4<f32>(bias));
                if ADDS == 1u { v = v + z[k]; }
                y[k] = rectified(v, u.relu);
            }
        }
    }
}
