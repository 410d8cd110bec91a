// index[r][b] = which sample of the dataset is number `position + b` of replica r's current pass, and its label.
// Training: split(n_validation + shuffle(position + b)); validation: split(position + b); test: position + b.
// split and shuffle are permutations keyed by the replica's seed, so each seed holds out its own validation set.
// Balanced, split(p) is a permutation of every class by itself: the classes take turns, lower first, and leave the round when
// they are used up, so that every range of positions holds them as equally as can be. Turn p is the k-th of class c, and is
// the sample that is number permuted(k) of class c. The table says k and c; see src/train/class_order.rs.
// One invocation owns one (replica, b). Slots past the batch's end get 0xffffffff.
#import grid
#import random
#import state
struct Draw {
    total: u32,   // samples in the dataset's split
    base: u32,    // first position of ours in the seed's permutation of them
    samples: u32, // how many are ours
    mode: u32,    // 0 training, 1 validation, 2 test
    slots: u32,   // batch rounded up to a multiple of 4
    balanced: u32, // 1: class-balanced order
}
@group(0) @binding(0) var<uniform> u: Draw;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica
@group(0) @binding(2) var<storage, read> state: array<State>;
@group(0) @binding(3) var<storage, read> all_labels: array<u32>; // bytes, four a word
@group(0) @binding(4) var<storage, read> table: array<u32>; // order[total], sorted[total], starts[classes + 1]
@group(0) @binding(5) var<storage, read_write> index: array<u32>;
@group(0) @binding(6) var<storage, read_write> label: array<u32>;

fn label_of(sample: u32) -> u32 {
    return (all_labels[sample >> 2u] >> ((sample & 3u) * 8u)) & 255u;
}

fn split(seed: u32, position: u32) -> u32 {
    if u.balanced == 0u { return permuted(u.total, seed, stream(STREAM_SPLIT, 0u, 0u), 0u, position); }
    let place = table[position];
    let c = label_of(table[u.total + place]);
    let start = table[2u * u.total + c];
    let count = table[2u * u.total + c + 1u] - start;
    // Stream 0 is the split of the whole.
    return table[u.total + start + permuted(count, seed, stream(STREAM_SPLIT, c + 1u, 0u), 0u, place - start)];
}

@compute @workgroup_size(64)
fn batch_draw(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let b = flat_index(group, groups, 64u, local);
    let r = group.z;
    if b >= u.slots { return; }
    var sample = 0xffffffffu;
    var class_index = 0xffffffffu;
    let s = state[r];
    if b < s.count {
        let seed = keys[r].x;
        var position = s.position + b;
        if u.mode == 0u {
            position = permuted(u.samples, seed, stream(STREAM_SHUFFLE, 0u, keys[r].z), s.epoch, position);
        }
        if u.mode < 2u {
            position = split(seed, u.base + position);
        }
        sample = position;
        class_index = label_of(sample);
    }
    index[r * u.slots + b] = sample;
    label[r * u.slots + b] = class_index;
}
