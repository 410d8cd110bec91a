// d bias = S = sum_p part.x;  d weight = P / deviation,  P = sum_p part.y;  kept[r][c][1] = (mean, scale, S / n, P / deviation^2 / n),
// n values a channel, which is what dX needs.   One invocation owns one channel. Sums: from 0, p ascending, plain additions.
#import batch_norm
#import grid
#import state
@group(0) @binding(0) var<uniform> u: BatchNormShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> part: array<vec2<f32>>; // [R][parts][channels]
@group(0) @binding(3) var<storage, read_write> kept: array<vec4<f32>>; // [R][channels][2]
@group(0) @binding(4) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn batch_norm_backward_combine(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                               @builtin(local_invocation_index) local: u32) {
    let c = flat_index(group, groups, 64u, local);
    if c >= u.channels { return; }
    var sum = vec2<f32>();
    for (var p = 0u; p < u.parts; p++) {
        sum = sum + part[(group.z * u.parts + p) * u.channels + c];
    }
    let i = 2u * (group.z * u.channels + c);
    let k = kept[i];
    let slope = sum.y * k.y;
    let n = f32(u.parts * u.pixels * state[group.z].count);
    kept[i + 1u] = vec4<f32>(k.x, k.z, sum.x / n, slope * k.y / n);
    if u.learns != 0u {
        let own = group.z * u.param_stride + c;
        grads[own + u.weight_offset] = slope;
        grads[own + u.bias_offset] = sum.x;
    }
}
