// params = |base| where the mask has a 1, 0 elsewhere: SynFlow's weights.   (Tanaka et al. 2020, algorithm 1)
// All [R][u.quads] vec4s; `masks` has a 1 only for weights that exist, and 0 for biases.   One invocation owns four parameters.
#import grid
#import params
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read> base: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> params: array<vec4<f32>>;

@compute @workgroup_size(64)
fn params_absolute(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let q = flat_index(group, groups, 64u, local);
    if q >= u.quads { return; }
    let i = group.z * u.quads + q;
    params[i] = select(vec4<f32>(), abs(base[i]), kept_of(masks[group.z * u.mask_words + q / 8u], q));
}
