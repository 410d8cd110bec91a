// out[r][offset + j] = mask[r][offset + permuted(j)] for one tensor of `count` weights: the same number kept, at random places.
// Keyed by (seed, tensor, mask steps so far). One invocation owns one word of 32 weights; bits past the tensor's end stay 1.
#import grid
#import random
struct ShuffleShape {
    first_word: u32, // of the tensor in a replica's mask
    count: u32,      // weights
    tensor: u32,
    mask_words: u32, // per replica
}
@group(0) @binding(0) var<uniform> u: ShuffleShape;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica
@group(0) @binding(2) var<storage, read> masks: array<u32>;
@group(0) @binding(3) var<storage, read_write> shuffled: array<u32>;

@compute @workgroup_size(64)
fn mask_shuffle(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let word = flat_index(group, groups, 64u, local);
    if word * 32u >= u.count { return; }
    let key = keys[group.z];
    let base = group.z * u.mask_words + u.first_word;
    var bits = 0xffffffffu;
    for (var k = 0u; k < 32u; k++) {
        let j = word * 32u + k;
        if j < u.count {
            let source = permuted(u.count, key.x, stream(STREAM_MASK, u.tensor, key.w), 0u, j);
            if ((masks[base + source / 32u] >> (source % 32u)) & 1u) == 0u { bits &= ~(1u << k); }
        }
    }
    shuffled[base + word] = bits;
}
