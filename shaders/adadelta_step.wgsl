// g' = clip g + weight_decay w;  s = rho s + (1 - rho) g'^2;  d = sqrt(a + eps) / sqrt(s + eps) g';  a = rho a + (1 - rho) d^2;
// w -= lr d.   (Zeiler 2012; order of operations as in PyTorch.)  s is moment1, a is moment2.
// The mask is a law: where a weight is pruned, w, g, s and a are exactly 0 afterwards. One invocation owns four parameters.
#import grid
#import hyper
#import params
#import state
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> hyper: array<Hyper>;
@group(0) @binding(2) var<storage, read> state: array<State>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> grads: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> moment2: array<vec4<f32>>;

@compute @workgroup_size(64)
fn adadelta_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let q = flat_index(group, groups, 64u, local);
    if q >= u.quads { return; }
    let r = group.z;
    let i = r * u.quads + q;
    let h = hyper[r];
    let kept = kept_of(masks[r * u.mask_words + q / 8u], q);
    let w = params[i];
    let g = fma(vec4<f32>(h.weight_decay), w, grads[i] * state[r].clip);
    let s = fma(vec4<f32>(h.momentum), moment1[i], ((1.0 - h.momentum) * g) * g);
    let a = moment2[i];
    let d = sqrt(a + h.eps) / sqrt(s + h.eps) * g;
    params[i] = select(vec4<f32>(), fma(vec4<f32>(-state[r].lr), d, w), kept);
    moment1[i] = select(vec4<f32>(), s, kept);
    moment2[i] = select(vec4<f32>(), fma(vec4<f32>(h.momentum), a, ((1.0 - h.momentum) * d) * d), kept);
    if any(!kept) { grads[i] = select(vec4<f32>(), grads[i], kept); }
}
