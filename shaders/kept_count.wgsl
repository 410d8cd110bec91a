// ranks[r][w] = kept floats in mask word w; `prefix_sum` turns the counts into ranks.   One invocation owns one word.
#import grid
#import params
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read_write> ranks: array<u32>; // [R][mask_words + 1]

@compute @workgroup_size(64)
fn kept_count(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let w = flat_index(group, groups, 64u, local);
    if w >= u.mask_words { return; }
    ranks[group.z * (u.mask_words + 1u) + w] = countOneBits(masks[group.z * u.mask_words + w]);
}
