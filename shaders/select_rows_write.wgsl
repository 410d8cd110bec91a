// mask bit = 1 where (key, inverted index) is at or above the threshold of its row; bits past the tensor's end stay 1.
// One invocation owns one mask word (32 keys) of one tensor of one replica.
#import grid
#import rows
#import select
@group(0) @binding(0) var<uniform> u: RowsShape;
@group(0) @binding(1) var<storage, read> score: array<u32>;
@group(0) @binding(2) var<storage, read> thresholds: array<Threshold>; // [R][rows]
@group(0) @binding(3) var<storage, read_write> masks: array<u32>;

@compute @workgroup_size(64)
fn select_rows_write(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let word = flat_index(group, groups, 64u, local);
    if word * 32u >= u.count { return; }
    var bits = 0xffffffffu;
    for (var k = 0u; k < 32u; k++) {
        let i = word * 32u + k;
        if i < u.count {
            let t = thresholds[group.z * u.rows + u.first + i / u.row];
            let key = score[group.z * u.score_stride + u.offset + i];
            let inverse = 0xffffffffu - (u.offset + i);
            let selected = key > t.key || (key == t.key && key != 0u && inverse >= t.index);
            if !selected { bits &= ~(1u << k); }
        }
    }
    masks[group.z * u.mask_words + u.offset / 32u + word] = bits;
}
