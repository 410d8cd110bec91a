// key[r][i] = a random word from 1 to 2^32 - 2 for weights that exist, 0 for pruned ones.
// Keyed by (seed, tensor, selections so far, i).   One invocation owns one weight of one tensor.
#import grid
#import random
#import score
@group(0) @binding(0) var<uniform> u: ScoreShape;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica
@group(0) @binding(2) var<storage, read> masks: array<u32>;
@group(0) @binding(3) var<storage, read> params: array<u32>; // unused, so that all criteria bind alike
@group(0) @binding(4) var<storage, read_write> score: array<u32>;
@group(0) @binding(5) var<storage, read_write> unordered: array<atomic<u32>>; // NaN scores per replica; none here

@compute @workgroup_size(64)
fn random_score(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    let p = u.offset + i;
    let key = keys[group.z];
    let word = pcg4d(vec4<u32>(key.x, stream(STREAM_SELECT, u.tensor, key.w), 0u, i)).x;
    let exists = u.revive != 0u || ((masks[group.z * u.mask_words + p / 32u] >> (p % 32u)) & 1u) != 0u;
    score[group.z * u.param_stride + p] = select(0u, clamp(word, 1u, 0xfffffffeu), exists);
}
