// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b], then ReLU where u.relu.   X: [R][inputs][columns] vec4, Y: [R][outputs][columns] vec4.
// One invocation owns ROWS outputs x COLS vec4s of samples of one replica; see shared/spread.wgsl.
// Sum: in parts of u.part inputs, see shared/parts.wgsl; i ascending, one fma each. Tiles never change it.
#import grid
#import dense
#import parts
#import put_part
#import relu
#import spread
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

// Adds `terms` inputs from `first` on. Rows of weights begin at w, vec4s of samples at `at`.
fn add_terms(sum: ptr<function, array<vec4<f32>, ROWS * COLS>>, w: ptr<function, array<u32, ROWS>>, at: ptr<function, array<u32, COLS>>,
             first: u32, terms: u32) {
    for (var t = 0u; t < terms; t++) {
        let i = first + t;
        var xs: array<vec4<f32>, COLS>;
        for (var c = 0u; c < COLS; c++) { xs[c] = x[(*at)[c] + i * u.columns]; }
        for (var k = 0u; k < ROWS; k++) {
            let weight = vec4<f32>(params[(*w)[k] + i]);
            for (var c = 0u; c < COLS; c++) { (*sum)[k * COLS + c] = fma(weight, xs[c], (*sum)[k * COLS + c]); }
        }
    }
}

@compute @workgroup_size(32)
fn dense_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let at_tile = spread(flat_index(group, groups, 1u, 0u), local);
    let column = at_tile.column;
    let apart = at_tile.apart;
    let row = at_tile.tile * ROWS;
    if row >= u.outputs { return; }
    let base = group.z * u.param_stride;
    // Rows and columns past the edge read the last one and are not stored.
    var w: array<u32, ROWS>;
    var sum: array<vec4<f32>, ROWS * COLS>;
    let to = (group.z * u.outputs + row) * u.columns + column;
    for (var k = 0u; k < ROWS; k++) {
        let o = min(row + k, u.outputs - 1u);
        w[k] = base + u.weight_offset + o * u.inputs;
        var bias = 0.0;
        if u.bias_offset != 0xffffffffu { bias = params[base + u.bias_offset + o]; }
        for (var c = 0u; c < COLS; c++) {
            sum[k * COLS + c] = part_start(bias);
            if row + k < u.outputs && column + c * apart < u.columns { begin_parts(to + k * u.columns + c * apart, bias); }
        }
    }
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) {
        at[c] = group.z * u.inputs * u.columns + min(column + c * apart, u.columns - 1u);
    }
    let last = part_count() - 1u;
    if IN_PARTS == 1u {
        for (var p = 0u; p < last; p++) { // at most u.inputs / u.part + 1u
            add_terms(&sum, &w, &at, p * u.part, u.part);
            for (var k = 0u; k < ROWS; k++) {
                for (var c = 0u; c < COLS; c++) {
                    if row + k < u.outputs && column + c * apart < u.columns { add_part(to + k * u.columns + c * apart, sum[k * COLS + c]); }
                    sum[k * COLS + c] = vec4<f32>();
                }
            }
        }
    }
    add_terms(&sum, &w, &at, last * u.part, u.inputs - last * u.part);
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.outputs && column + c * apart < u.columns { end_parts(to + k * u.columns + c * apart, sum[k * COLS + c]); }
        }
    }
}
