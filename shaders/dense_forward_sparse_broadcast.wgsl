// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b] over the kept weights, then ReLU where u.relu.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads one
// kept weight and every lane reads it from there. Same sums in the same order as dense_forward_sparse, so the same bits.
// One invocation owns one output x COLS vec4s of samples; 8 neighbouring lanes own the same output.
// Sum: in parts of u.part inputs, as shared/parts.wgsl has it; i ascending, one fma each. dense_forward adds 0 * X in between, which changes no bit but the sign of a -0.
#import grid
#import dense
#import kept
#import parts
#import relu
#import loads
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Quad>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read> ranks: array<u32>;
@group(0) @binding(5) var<storage, read> kept: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn dense_forward_sparse_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                  @builtin(local_invocation_index) local: u32,
                                  @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per output: lanes past the last column repeat it and store nothing.
    let column_tiles = ((u.columns + COLS - 1u) / COLS + 7u) / 8u * 8u;
    let tile = flat % column_tiles;
    let row = flat / column_tiles;
    if row >= u.outputs { return; }
    let base = group.z * u.param_stride;
    let first = u.weight_offset + row * u.inputs;
    var begin = rank_of(group.z, first, u.param_stride / 32u);
    var bias = 0.0;
    if u.bias_offset != 0xffffffffu { bias = params[base + u.bias_offset + row]; }
    var all: array<vec4<f32>, COLS>;
    var sum: array<vec4<f32>, COLS>;
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) {
        all[c] = vec4<f32>(bias);
        sum[c] = part_start(bias);
        at[c] = group.z * u.inputs * u.columns + min(tile + c * column_tiles, u.columns - 1u);
    }
    for (var p = 0u; p < part_count(); p++) { // at most u.inputs / u.part + 1u
        let end = rank_of(group.z, first + min((p + 1u) * u.part, u.inputs), u.param_stride / 32u);
        for (var k = begin; k < end; k += 8u) { // at most (u.part + 7u) / 8u
            let place = kept[group.z * u.kept_stride + min(k + lane, end - 1u)];
            let own_weight = params[base + place];
            let own_line = (place - first) * u.columns;
#repeat j 0 8
            if k + {j}u < end {
                let weight = vec4<f32>(subgroupBroadcast(own_weight, {j}u));
                let line = subgroupBroadcast(own_line, {j}u);
                for (var c = 0u; c < COLS; c++) { sum[c] = fma(weight, loaded(x[at[c] + line]), sum[c]); }
            }
#end
        }
        begin = end;
        for (var c = 0u; c < COLS; c++) {
            all[c] = with_part(all[c], sum[c]);
            sum[c] = vec4<f32>();
        }
    }
    for (var c = 0u; c < COLS; c++) {
        let column = tile + c * column_tiles;
        if column < u.columns { y[(group.z * u.outputs + row) * u.columns + column] = rectified(all[c], u.relu); }
    }
}
