// params = base + step[r] d where the mask has a 1, base elsewhere: a step along d, for the finite difference of GraSP.
// All [R][u.quads] vec4s; `masks` has a 1 only for weights that exist, and 0 for biases.   One invocation owns four parameters.
#import grid
#import params
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> steps: array<f32>; // per replica
@group(0) @binding(2) var<storage, read> masks: array<u32>;
@group(0) @binding(3) var<storage, read> direction: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> base: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> params: array<vec4<f32>>;

@compute @workgroup_size(64)
fn params_shift(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let q = flat_index(group, groups, 64u, local);
    if q >= u.quads { return; }
    let i = group.z * u.quads + q;
    let moved = fma(vec4<f32>(steps[group.z]), direction[i], base[i]);
    params[i] = select(base[i], moved, kept_of(masks[group.z * u.mask_words + q / 8u], q));
}
