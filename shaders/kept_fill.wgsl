// kept[r][ranks[r][w] ...] = the flat indices of the bits of mask word w that are 1, ascending.   One invocation owns one word.
#import grid
#import params
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read> ranks: array<u32>;      // [R][mask_words + 1]
@group(0) @binding(3) var<storage, read_write> kept: array<u32>; // [R][kept_stride]

@compute @workgroup_size(64)
fn kept_fill(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    let w = flat_index(group, groups, 64u, local);
    if w >= u.mask_words { return; }
    let bits = masks[group.z * u.mask_words + w];
    var to = group.z * u.kept_stride + ranks[group.z * (u.mask_words + 1u) + w];
    for (var b = 0u; b < 32u; b++) {
        if ((bits >> b) & 1u) == 1u {
            kept[to] = w * 32u + b;
            to += 1u;
        }
    }
}
