// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b], then ReLU where u.relu.   X: [R][inputs][columns] vec4, Y: [R][outputs][columns] vec4.
// Variant for hardware GPUs and few outputs: parts of a sum are worked on side by side, so that no chain is longer than it must be.
// Same sums in the same order as dense_forward, so the same bits.
// One workgroup owns ROWS outputs x LANES vec4s of samples of one replica; each of its SLOTS slots of LANES invocations sums a part, then the
// one SLOTS later. Invocations of slot k add the parts of output k.
// Sum: in parts of u.part inputs, see shared/parts.wgsl; i ascending, one fma each.
#import grid
#import dense
#import parts
#import relu
const ROWS: u32 = 4u;
const LANES: u32 = 32u; // 8, 16: for fewer vec4s of samples
const SLOTS: u32 = 256u / LANES;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;
var<workgroup> sums: array<vec4<f32>, 256u * ROWS>; // [slot][row][lane]

@compute @workgroup_size(256)
fn dense_forward_parts(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let column_tiles = (u.columns + LANES - 1u) / LANES;
    let row = (number / column_tiles) * ROWS;
    let slot = local / LANES;
    let lane = local % LANES;
    let column = (number % column_tiles) * LANES + lane;
    let base = group.z * u.param_stride;
    let at = group.z * u.inputs * u.columns + min(column, u.columns - 1u);
    // Rows and columns past the edge read the last one and are not stored.
    var w: array<u32, ROWS>;
    for (var k = 0u; k < ROWS; k++) { w[k] = base + u.weight_offset + min(row + k, u.outputs - 1u) * u.inputs; }
    // Of the output whose parts this slot adds.
    var bias = 0.0;
    if u.bias_offset != 0xffffffffu { bias = params[base + u.bias_offset + min(row + slot, u.outputs - 1u)]; }
    var all = vec4<f32>(bias);
    for (var first = 0u; first < u.inputs; first += SLOTS * u.part) {
        let begin = first + slot * u.part;
        let end = min(begin + u.part, u.inputs);
        var sum: array<vec4<f32>, ROWS>;
        for (var k = 0u; k < ROWS; k++) {
            var start = 0.0;
            if u.bias_offset != 0xffffffffu { start = params[base + u.bias_offset + min(row + k, u.outputs - 1u)]; }
            sum[k] = part_start(start);
        }
        for (var i = begin; i < end; i++) { // at most u.part
            let xs = x[at + i * u.columns];
            for (var k = 0u; k < ROWS; k++) { sum[k] = fma(vec4<f32>(params[w[k] + i]), xs, sum[k]); }
        }
        for (var k = 0u; k < ROWS; k++) { sums[(slot * ROWS + k) * LANES + lane] = sum[k]; }
        workgroupBarrier();
        if slot < ROWS {
            let parts = min(SLOTS, (u.inputs - first + u.part - 1u) / u.part);
            for (var s = 0u; s < parts; s++) { // at most SLOTS
                all = with_part(all, sums[(s * ROWS + slot) * LANES + lane]);
            }
        }
        workgroupBarrier();
    }
    if slot < ROWS && row + slot < u.outputs && column < u.columns {
        y[(group.z * u.outputs + row + slot) * u.columns + column] = rectified(all, u.relu);
    }
}
