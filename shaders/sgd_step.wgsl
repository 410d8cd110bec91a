// w -= lr g',  g' = clip g + weight_decay w.   (PyTorch's SGD without momentum)
// One invocation owns four parameters of one replica, or one kept one.
const MOMENTS: u32 = 0u;
#import optimizer

fn updated(r: u32, p: Parameter) -> Parameter {
    let g = fma(vec4<f32>(select(0.0, hyper[r].weight_decay, p.decays)), p.w, p.g * state[r].clip);
    return Parameter(fma(vec4<f32>(-state[r].lr), g, p.w), p.g, p.decays);
}

@compute @workgroup_size(64)
fn sgd_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    optimizer_step(group.z, flat_index(group, groups, 64u, local));
}
