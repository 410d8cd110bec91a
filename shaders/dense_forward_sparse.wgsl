// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b] over the kept weights, then ReLU where u.relu.
// One invocation owns one output x COLS vec4s of samples; see shared/spread.wgsl.
// Sum: in parts of u.part inputs, as shared/parts.wgsl has it; i ascending, one fma each. dense_forward adds 0 * X in between, which changes no bit but the sign of a -0.
#import grid
#import dense
#import kept
#import parts
#import relu
#import loads
#import spread
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Quad>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read> ranks: array<u32>;
@group(0) @binding(5) var<storage, read> kept: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(32)
fn dense_forward_sparse(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) local: u32) {
    let at_tile = spread(flat_index(group, groups, 1u, 0u), local);
    let apart = at_tile.apart;
    let column = at_tile.column;
    let row = at_tile.tile;
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
        at[c] = group.z * u.inputs * u.columns + min(column + c * apart, u.columns - 1u);
    }
    for (var p = 0u; p < part_count(); p++) { // at most u.inputs / u.part + 1u
        let end = rank_of(group.z, first + min((p + 1u) * u.part, u.inputs), u.param_stride / 32u);
        for (var k = begin; k < end; k++) { // at most u.part
            let place = kept[group.z * u.kept_stride + k];
            let weight = vec4<f32>(params[base + place]);
            let line = (place - first) * u.columns;
            for (var c = 0u; c < COLS; c++) { sum[c] = fma(weight, loaded(x[at[c] + line]), sum[c]); }
        }
        begin = end;
        for (var c = 0u; c < COLS; c++) {
            all[c] = with_part(all[c], sum[c]);
            sum[c] = vec4<f32>();
        }
    }
    for (var c = 0u; c < COLS; c++) {
        let own = column + c * apart;
        if own < u.columns { y[(group.z * u.outputs + row) * u.columns + own] = rectified(all[c], u.relu); }
    }
}
