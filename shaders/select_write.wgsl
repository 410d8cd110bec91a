// mask bit = 1 where (key, inverted index) is at or above the group's threshold; bits outside the blocks keep their value.
// One invocation owns one mask word (32 keys); one workgroup owns one block.
#import select
@group(0) @binding(0) var<uniform> u: SelectShape;
@group(0) @binding(1) var<storage, read> blocks: array<vec4<u32>>; // (first key, keys, group, 0); first key divisible by 32
@group(0) @binding(2) var<storage, read> score: array<u32>;
@group(0) @binding(3) var<storage, read> thresholds: array<Threshold>; // [R][groups]
@group(0) @binding(4) var<storage, read_write> masks: array<u32>;

@compute @workgroup_size(256)
fn select_write(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let number = group.y * groups.x + group.x;
    if number >= u.blocks { return; }
    let block = blocks[number];
    let first = local * 32u;
    if first >= block.y { return; }
    let t = thresholds[group.z * u.groups + block.z];
    var bits = 0xffffffffu;
    for (var k = 0u; k < 32u; k++) {
        let i = first + k;
        if i < block.y {
            let key = score[group.z * u.score_stride + block.x + i];
            let inverse = 0xffffffffu - (u.base + block.x + i);
            let selected = key > t.key || (key == t.key && key != 0u && inverse >= t.index);
            if !selected { bits &= ~(1u << k); }
        }
    }
    masks[group.z * u.mask_words + (block.x + first) / 32u] = bits;
}
