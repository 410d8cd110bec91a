// share = |w| g 2^(e[x] + e[dy] - e[y]) for one weight tensor: SynFlow's score |w dR/dw|, over R to within a power of two that all
// layers share.   (Tanaka et al. 2020, equation 2)   One invocation owns one weight. Two factors, so that neither overflows.
#import flow
#import grid
struct Share {
    offset: u32,       // of the tensor in the flat parameters
    count: u32,
    param_stride: u32, // floats per replica
    nodes: u32,        // exponents per replica
    input: u32,        // e[x], of the layer's input
    gradient: u32,     // e[dy], of the gradient of its output
    output: u32,       // e[y], of the model's output
}
@group(0) @binding(0) var<uniform> u: Share;
@group(0) @binding(1) var<storage, read> exponents: array<i32>;
@group(0) @binding(2) var<storage, read> params: array<f32>;
@group(0) @binding(3) var<storage, read> grads: array<f32>;
@group(0) @binding(4) var<storage, read_write> share: array<f32>;

@compute @workgroup_size(64)
fn flow_share(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    let at = group.z * u.param_stride + u.offset + i;
    let e = group.z * u.nodes;
    let k = exponents[e + u.input] + exponents[e + u.gradient] - exponents[e + u.output];
    let half = k / 2;
    share[at] = params[at] * power_of_two(half) * grads[at] * power_of_two(k - half);
}
