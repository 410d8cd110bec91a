// grads[r][i] = 0 where weight i of one tensor is pruned: after a backward-weight kernel that computes every gradient, where the
// optimizer walks the kept ones only.   One invocation owns four parameters.
#import grid
#import params
struct TensorShape {
    first: u32,      // quad of the tensor's first value
    count: u32,      // quads
    quads: u32,      // per replica
    mask_words: u32, // per replica
}
@group(0) @binding(0) var<uniform> u: TensorShape;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read_write> grads: array<vec4<f32>>;

@compute @workgroup_size(64)
fn gradient_mask(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let q = u.first + flat;
    let kept = kept_of(masks[group.z * u.mask_words + q / 8u], q);
    if any(!kept) {
        let i = group.z * u.quads + q;
        grads[i] = select(vec4<f32>(), grads[i], kept);
    }
}
