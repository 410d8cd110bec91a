// starts[r][c] = kept weights of input c; `prefix_sum` turns the counts into starts.   One invocation owns one input.
#import grid
#import columns
@group(0) @binding(0) var<uniform> u: ColumnsShape;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read_write> starts: array<u32>; // [R][inputs + 1]

@compute @workgroup_size(64)
fn column_count(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let c = flat_index(group, groups, 64u, local);
    if c >= u.inputs { return; }
    var count = 0u;
    for (var o = 0u; o < u.outputs; o++) {
        for (var ky = 0u; ky < u.kernel; ky++) {
            for (var kx = 0u; kx < u.kernel; kx++) {
                let flat = u.weight_offset + ((o * u.inputs + c) * u.kernel + ky) * u.kernel + kx;
                let bit = (masks[group.z * u.mask_words + flat / 32u] >> (flat % 32u)) & 1u;
                count += bit;
            }
        }
    }
    starts[group.z * (u.inputs + 1u) + c] = count;
}
