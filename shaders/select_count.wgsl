// histogram[r][g][digit] += keys of group g that match the threshold's decided bits, by their next 8 bits.
// One workgroup owns one block of one replica: it counts in workgroup memory, then adds its integer counts once.
#import select
@group(0) @binding(0) var<uniform> u: SelectShape;
@group(0) @binding(1) var<storage, read> blocks: array<vec4<u32>>; // (first key, keys, group, 0)
@group(0) @binding(2) var<storage, read> score: array<u32>;
@group(0) @binding(3) var<storage, read> thresholds: array<Threshold>; // [R][groups]
@group(0) @binding(4) var<storage, read_write> histogram: array<atomic<u32>>; // [R][groups][256]
var<workgroup> local_count: array<atomic<u32>, 256>;

@compute @workgroup_size(256)
fn select_count(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    atomicStore(&local_count[local], 0u);
    workgroupBarrier();
    let number = group.y * groups.x + group.x;
    // Every invocation reaches the barriers: a block past the end is an empty one.
    let block = select(vec4<u32>(), blocks[min(number, u.blocks - 1u)], number < u.blocks);
    let slot = group.z * u.groups + block.z;
    let t = thresholds[slot];
    let shift = 24u - 8u * (t.round % 4u);
    let decided = select(0u, 0xffffffffu << ((shift + 8u) & 31u), shift < 24u);
    let keys = select(block.y, 0u, t.round >= DECIDED); // none once the threshold is decided
    for (var k = local; k < keys; k += 256u) { // at most BLOCK / 256u
        let key = score[group.z * u.score_stride + block.x + k];
        let inverse = 0xffffffffu - (u.base + block.x + k);
        if t.round < 4u {
            if key != 0u && (key & decided) == (t.key & decided) {
                atomicAdd(&local_count[(key >> shift) & 255u], 1u);
            }
        } else if key == t.key && (inverse & decided) == (t.index & decided) {
            atomicAdd(&local_count[(inverse >> shift) & 255u], 1u);
        }
    }
    workgroupBarrier();
    let n = atomicLoad(&local_count[local]);
    if n != 0u { atomicAdd(&histogram[slot * 256u + local], n); }
}
