// kept[r][c] = (mean, 1 / sqrt(variance + eps), weight / sqrt(variance + eps), bias) of channel c.   Training: of the batch, from its
// parts (Chan, Golub and LeVeque 1983: d = m_p - mean;  mean += d / (p + 1);  S += s_p + d^2 n p / (p + 1),  n values a part), and
// running += momentum (new - running), the new variance being S / (N - 1), N values in all. Recalibration: likewise with
// 1 / (step + 1) for momentum, from 0: the plain average. Evaluation: the running ones.
// One invocation owns one channel. Sum: parts ascending from 0.
#import batch_norm
#import grid
#import state
@group(0) @binding(0) var<uniform> u: BatchNormShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> part: array<vec2<f32>>; // [R][parts][channels]
@group(0) @binding(3) var<storage, read_write> params: array<f32>;
@group(0) @binding(4) var<storage, read_write> kept: array<vec4<f32>>; // [R][channels][2]

@compute @workgroup_size(64)
fn batch_norm_combine(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let c = flat_index(group, groups, 64u, local);
    if c >= u.channels { return; }
    let own = group.z * u.param_stride + c;
    let s = state[group.z];
    var mean = params[own + u.mean_offset];
    var variance = params[own + u.variance_offset];
    if u.mode != 0u {
        let first = u.mode == 2u && s.step == 0u;
        let old_mean = select(mean, 0.0, first);
        let old_variance = select(variance, 0.0, first);
        let rate = select(u.momentum, 1.0 / f32(s.step + 1u), u.mode == 2u);
        let n = f32(u.pixels * s.count);
        mean = 0.0;
        var squares = 0.0;
        for (var p = 0u; p < u.parts; p++) {
            let next = part[(group.z * u.parts + p) * u.channels + c];
            let share = 1.0 / f32(p + 1u);
            let d = next.x - mean;
            mean = fma(d, share, mean);
            squares = fma(d * d, n * (f32(p) * share), squares + next.y);
        }
        let all = n * f32(u.parts);
        variance = squares / all;
        params[own + u.mean_offset] = fma(rate, mean - old_mean, old_mean);
        params[own + u.variance_offset] = fma(rate, squares / max(all - 1.0, 1.0) - old_variance, old_variance);
    }
    let inverse = 1.0 / sqrt(variance + u.eps);
    kept[2u * (group.z * u.channels + c)] =
        vec4<f32>(mean, inverse, params[own + u.weight_offset] * inverse, params[own + u.bias_offset]);
}
