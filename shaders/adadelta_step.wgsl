// g' = clip g + weight_decay w;  s = rho s + (1 - rho) g'^2;  d = sqrt(a + eps) / sqrt(s + eps) g';  a = rho a + (1 - rho) d^2;
// w -= lr d.   (Zeiler 2012; order of operations as in PyTorch.)  s is moment1, a is moment2.
// One invocation owns four parameters of one replica, or one kept one.
const MOMENTS: u32 = 2u;
#import optimizer

fn updated(r: u32, p: Parameter) -> Parameter {
    let h = hyper[r];
    let g = fma(vec4<f32>(select(0.0, h.weight_decay, p.decays)), p.w, p.g * state[r].clip);
    let s = fma(vec4<f32>(h.momentum), p.m1, (h.rest1 * g) * g);
    let d = sqrt(p.m2 + h.eps) / sqrt(s + h.eps) * g;
    let a = fma(vec4<f32>(h.momentum), p.m2, (h.rest1 * d) * d);
    return Parameter(fma(vec4<f32>(-state[r].lr), d, p.w), p.g, s, a, p.decays);
}

@compute @workgroup_size(64)
fn adadelta_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    optimizer_step(group.z, flat_index(group, groups, 64u, local));
}
