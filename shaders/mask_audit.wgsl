// violations[r] += pruned positions whose weight, gradient or optimizer state is anything but 0.
// One invocation owns four parameters of one replica; the count is an integer, so atomics cannot disturb it.
#import grid
#import params
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read> params: array<vec4<u32>>;  // bits of floats
@group(0) @binding(3) var<storage, read> grads: array<vec4<u32>>;
#repeat m 1 4
@group(0) @binding({m+3}) var<storage, read> moment{m}: array<vec4<u32>>; // grads again where the optimizer has none
#end
@group(0) @binding(7) var<storage, read_write> violations: array<atomic<u32>>;

@compute @workgroup_size(64)
fn mask_audit(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let q = flat_index(group, groups, 64u, local);
    if q >= u.quads { return; }
    let i = group.z * u.quads + q;
    let kept = kept_of(masks[group.z * u.mask_words + q / 8u], q);
    // The sign of a zero does not matter; any other bit does, NaN's too.
    let bits = (params[i] | grads[i] | moment1[i] | moment2[i] | moment3[i]) & vec4<u32>(0x7fffffffu);
    let bad = select(vec4<u32>(), vec4<u32>(1u), !kept & (bits != vec4<u32>()));
    let count = bad.x + bad.y + bad.z + bad.w;
    if count > 0u { atomicAdd(&violations[group.z], count); }
}
