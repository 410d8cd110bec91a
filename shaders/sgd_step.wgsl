// g' = clip g + weight_decay w;  v = momentum v + g';  w -= lr (nesterov ? g' + momentum v : v).   (PyTorch's SGD)
// The mask is a law: where a weight is pruned, w, g and v are exactly 0 afterwards.
// One invocation owns four parameters of one replica.
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
@group(0) @binding(7) var<storage, read_write> moment2: array<vec4<f32>>; // unused, so that all optimizers bind alike

@compute @workgroup_size(64)
fn sgd_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let q = flat_index(group, groups, 64u, local);
    if q >= u.quads { return; }
    let r = group.z;
    let i = r * u.quads + q;
    let h = hyper[r];
    let kept = kept_of(masks[r * u.mask_words + q / 8u], q);
    let w = params[i];
    let g = fma(vec4<f32>(h.weight_decay), w, grads[i] * state[r].clip);
    let v = fma(vec4<f32>(h.momentum), moment1[i], g);
    let d = select(v, fma(vec4<f32>(h.momentum), v, g), h.nesterov != 0u);
    params[i] = select(vec4<f32>(), fma(vec4<f32>(-state[r].lr), d, w), kept);
    moment1[i] = select(vec4<f32>(), v, kept);
    if any(!kept) { grads[i] = select(vec4<f32>(), grads[i], kept); }
}
