// mask bit = 1 where fewer than u.keep keys of the same run are larger, or equal with a lower index; a key of 0 is never kept.
// A run is u.run keys of one row, the last of a row what is left of it. Bits past the tensor's end stay 1.
// One invocation owns one mask word (32 keys) of one tensor of one replica.
#import grid
struct RunsShape {
    offset: u32,       // of the tensor, in keys
    count: u32,        // keys of the tensor
    row: u32,          // keys of a row
    score_stride: u32, // keys per replica
    mask_words: u32,   // per replica
    keep: u32,         // of each run
    run: u32,          // keys of a run
}
@group(0) @binding(0) var<uniform> u: RunsShape;
@group(0) @binding(1) var<storage, read> score: array<u32>;
@group(0) @binding(2) var<storage, read_write> masks: array<u32>;

@compute @workgroup_size(64)
fn select_runs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let word = flat_index(group, groups, 64u, local);
    if word * 32u >= u.count { return; }
    let base = group.z * u.score_stride + u.offset;
    var bits = 0xffffffffu;
    for (var k = 0u; k < 32u; k++) {
        let i = word * 32u + k;
        if i < u.count {
            let within = (i % u.row) % u.run;
            let first = i - within;
            let end = min(first + u.run, (i / u.row + 1u) * u.row);
            let key = score[base + i];
            var before = 0u;
            for (var j = first; j < end; j++) { // at most u.run
                let other = score[base + j];
                before += u32(other > key || (other == key && j < i));
            }
            if key == 0u || before >= u.keep { bits &= ~(1u << k); }
        }
    }
    masks[group.z * u.mask_words + u.offset / 32u + word] = bits;
}
