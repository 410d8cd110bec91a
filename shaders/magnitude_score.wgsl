// key[r][i] = bits(|w|) + 1 for weights that exist, 0 for pruned ones: the order of |w|, and +0 = -0.   (Han et al. 2015)
// NaN has no rank: it is counted, and the host refuses to prune.   One invocation owns one weight of one tensor.
#import grid
#import score
@group(0) @binding(0) var<uniform> u: ScoreShape;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica; unused here
@group(0) @binding(2) var<storage, read> masks: array<u32>;
@group(0) @binding(3) var<storage, read> params: array<u32>; // bits of floats
@group(0) @binding(4) var<storage, read_write> score: array<u32>;
@group(0) @binding(5) var<storage, read_write> unordered: array<atomic<u32>>; // NaN scores per replica

@compute @workgroup_size(64)
fn magnitude_score(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    let p = u.offset + i;
    let bits = params[group.z * u.param_stride + p] & 0x7fffffffu;
    let exists = u.revive != 0u || ((masks[group.z * u.mask_words + p / 32u] >> (p % 32u)) & 1u) != 0u;
    if exists && bits > 0x7f800000u { atomicAdd(&unordered[group.z], 1u); }
    score[group.z * u.param_stride + p] = select(0u, bits + 1u, exists);
}
