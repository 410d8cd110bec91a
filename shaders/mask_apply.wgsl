// values = 0 where the mask says the weight does not exist: parameters, gradients, optimizer states.
// One invocation owns four values of one replica.
#import grid
#import params
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<vec4<f32>>;

@compute @workgroup_size(64)
fn mask_apply(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let q = flat_index(group, groups, 64u, local);
    if q >= u.quads { return; }
    let i = group.z * u.quads + q;
    values[i] = select(vec4<f32>(), values[i], kept_of(masks[group.z * u.mask_words + q / 8u], q));
}
