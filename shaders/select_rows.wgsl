// thresholds[r][u.first + o] = the (key, inverted index) of the ranks[..]-th largest of row o: the rounds of select_count and
// select_pick, in workgroup memory. Keys [R][u.score_stride].
// One workgroup owns one row of one replica.
#import rows
#import select
@group(0) @binding(0) var<uniform> u: RowsShape;
@group(0) @binding(1) var<storage, read> score: array<u32>;
@group(0) @binding(2) var<storage, read> ranks: array<u32>; // [R][rows]: how many stay
@group(0) @binding(3) var<storage, read_write> thresholds: array<Threshold>; // [R][rows]
var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> found: Threshold;

@compute @workgroup_size(256)
fn select_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let o = group.y * groups.x + group.x;
    let inside = o < u.count / u.row;
    // Every invocation reaches the barriers: a row past the end is an empty one.
    let count = select(0u, u.row, inside);
    let slot = group.z * u.rows + u.first + min(o, u.count / u.row - 1u);
    let start = u.offset + o * u.row;
    if local == 0u { found = Threshold(0u, 0u, ranks[slot], 0u); }
    workgroupBarrier();
    for (var round = 0u; round < 8u; round++) {
        let t = found;
        atomicStore(&histogram[local], 0u);
        workgroupBarrier();
        let shift = 24u - 8u * (round % 4u);
        let decided = select(0u, 0xffffffffu << ((shift + 8u) & 31u), shift < 24u);
        for (var k = local; k < count; k += 256u) {
            let key = score[group.z * u.score_stride + start + k];
            let inverse = 0xffffffffu - (start + k);
            if round < 4u {
                if key != 0u && (key & decided) == (t.key & decided) {
                    atomicAdd(&histogram[(key >> shift) & 255u], 1u);
                }
            } else if key == t.key && (inverse & decided) == (t.index & decided) {
                atomicAdd(&histogram[(inverse >> shift) & 255u], 1u);
            }
        }
        workgroupBarrier();
        if local == 0u {
            var rank = t.rank;
            var digit = 255u;
            for (var k = 0u; k < 255u; k++) {
                let n = atomicLoad(&histogram[digit]);
                if n >= rank { break; }
                rank -= n;
                digit -= 1u;
            }
            let bits = digit << shift;
            let early = round < 4u;
            found = Threshold(t.key | select(0u, bits, early), t.index | select(bits, 0u, early), rank, round + 1u);
        }
        workgroupBarrier();
    }
    if local == 0u && inside { thresholds[slot] = found; }
}
