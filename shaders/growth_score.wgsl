// key[r][i] = 0xfffffffe for weights that exist, so that all of them stay; for pruned ones, by GROW:
// 0: bits(|g|) + 1, g the dense gradient (RigL: Evci et al. 2020, algorithm 1);  1: a random word from 1 to 2^32 - 3 (SET: Mocanu
// et al. 2018), keyed by (seed, tensor, trainings so far, step, i).
// NaN has no rank: it is counted, and the host ends the training.   One invocation owns one weight of one tensor.
#import grid
#import random
const GROW: u32 = 0u; // 1: random
struct GrowthShape {
    offset: u32,       // of the tensor in the flat parameters
    count: u32,
    param_stride: u32, // floats per replica
    mask_words: u32,   // per replica
    tensor: u32,
    step: u32,         // optimizer steps before this growth
}
@group(0) @binding(0) var<uniform> u: GrowthShape;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica
@group(0) @binding(2) var<storage, read> masks: array<u32>;
@group(0) @binding(3) var<storage, read> grads: array<u32>; // bits of floats
@group(0) @binding(4) var<storage, read_write> score: array<u32>;
@group(0) @binding(5) var<storage, read_write> unordered: array<atomic<u32>>; // NaN gradients per replica

@compute @workgroup_size(64)
fn growth_score(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    let p = u.offset + i;
    let exists = ((masks[group.z * u.mask_words + p / 32u] >> (p % 32u)) & 1u) != 0u;
    var order = 0u;
    if GROW == 0u {
        let bits = grads[group.z * u.param_stride + p] & 0x7fffffffu;
        if !exists && bits > 0x7f800000u { atomicAdd(&unordered[group.z], 1u); }
        order = bits + 1u;
    } else {
        let key = keys[group.z];
        let word = pcg4d(vec4<u32>(key.x, stream(STREAM_GROW, u.tensor, key.z), u.step, i)).x;
        order = clamp(word, 1u, 0xfffffffdu);
    }
    score[group.z * u.param_stride + p] = select(order, 0xfffffffeu, exists);
}
