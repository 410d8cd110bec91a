// sum += g, g^2, -w g or -g, by KIND (0 to 3): what scoring adds up over batches, one dispatch after each backward pass.
// All [R][u.quads] vec4s.   One invocation owns four parameters of one replica. Order: that of the batches; g^2 and -w g by fma.
#import grid
#import params
const KIND: u32 = 0u; // 1: squares, 2: -w g, 3: -g
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4<f32>>;

@compute @workgroup_size(64)
fn gradient_accumulate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let q = flat_index(group, groups, 64u, local);
    if q >= u.quads { return; }
    let i = group.z * u.quads + q;
    let g = grads[i];
    switch KIND {
        case 0u: { sum[i] = sum[i] + g; }
        case 1u: { sum[i] = fma(g, g, sum[i]); }
        case 2u: { sum[i] = fma(-params[i], g, sum[i]); }
        default: { sum[i] = sum[i] - g; }
    }
}
