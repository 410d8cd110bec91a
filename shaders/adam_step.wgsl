// g' = clip g (+ weight_decay w unless decoupled);  m = beta1 m + (1 - beta1) g';  v = beta2 v + (1 - beta2) g'^2;
// w (*= 1 - lr weight_decay if decoupled) -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps).
// (Kingma and Ba 2015; AdamW: Loshchilov and Hutter 2019; order of operations as in PyTorch.)
// m is moment1, v is moment2. One invocation owns four parameters of one replica, or one kept one.
const MOMENTS: u32 = 2u;
#import optimizer

fn updated(r: u32, p: Parameter) -> Parameter {
    let h = hyper[r];
    let s = state[r];
    let decay = select(0.0, h.weight_decay, p.decays);
    var w = p.w;
    var g = p.g * s.clip;
    if h.decoupled != 0u {
        w = w * fma(-s.lr, decay, 1.0);
    } else {
        g = fma(vec4<f32>(decay), w, g);
    }
    let m = fma(vec4<f32>(h.momentum), p.m1, h.rest1 * g);
    let v = fma(vec4<f32>(h.beta2), p.m2, (h.rest2 * g) * g);
    let denominator = sqrt(v) / sqrt(s.correction2) + h.eps;
    let rate = s.lr / s.correction1;
    return Parameter(fma(vec4<f32>(-rate), m / denominator, w), p.g, m, v, p.decays);
}

@compute @workgroup_size(64)
fn adam_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    optimizer_step(group.z, flat_index(group, groups, 64u, local));
}
