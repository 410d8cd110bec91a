// g' = clip g + weight_decay w;  v = momentum v + g';  w -= lr (nesterov ? g' + momentum v : v).   (PyTorch's SGD)
// v is moment1. One invocation owns four parameters of one replica, or one kept one.
const MOMENTS: u32 = 1u;
#import optimizer

fn updated(r: u32, p: Parameter) -> Parameter {
    let h = hyper[r];
    let g = fma(vec4<f32>(select(0.0, h.weight_decay, p.decays)), p.w, p.g * state[r].clip);
    let v = fma(vec4<f32>(h.momentum), p.m1, g);
    let d = select(v, fma(vec4<f32>(h.momentum), v, g), h.nesterov != 0u);
    return Parameter(fma(vec4<f32>(-state[r].lr), d, p.w), p.g, v, p.decays);
}

@compute @workgroup_size(64)
fn sgd_momentum_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    optimizer_step(group.z, flat_index(group, groups, 64u, local));
}
