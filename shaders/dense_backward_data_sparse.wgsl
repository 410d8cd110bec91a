// dX[r][i][b] = sum_o W[r][o][i] dY[r][o][b] over the kept weights.
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// One invocation owns one input x COLS vec4s of samples; see shared/spread.wgsl.
// Sum: starts at 0, o ascending, one fma each. dense_backward_data adds 0 * dY in between, which changes no bit.
#import grid
#import dense
#import relu
#import gate
#import loads
#import spread
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;  // [R][inputs + 1]
@group(0) @binding(5) var<storage, read> entries: array<u32>; // [R][kept_stride], see shared/columns.wgsl
@group(0) @binding(6) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(32)
fn dense_backward_data_sparse(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                              @builtin(local_invocation_index) local: u32) {
    let at_tile = spread(flat_index(group, groups, 1u, 0u), local);
    let apart = at_tile.apart;
    let column = at_tile.column;
    let row = at_tile.tile;
    if row >= u.inputs { return; }
    let base = group.z * u.param_stride + u.weight_offset + row;
    let begin = starts[group.z * (u.inputs + 1u) + row];
    let end = starts[group.z * (u.inputs + 1u) + row + 1u];
    var sum: array<vec4<f32>, COLS>;
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) {
        sum[c] = vec4<f32>();
        at[c] = group.z * u.outputs * u.columns + min(column + c * apart, u.columns - 1u);
    }
    for (var k = begin; k < end; k++) { // at most u.outputs
        let o = entries[group.z * u.kept_stride + k] >> 10u;
        let weight = vec4<f32>(params[base + o * u.inputs]);
        for (var c = 0u; c < COLS; c++) { sum[c] = fma(weight, loaded(dy[at[c] + o * u.columns]), sum[c]); }
    }
    for (var c = 0u; c < COLS; c++) {
        let own = column + c * apart;
        if own < u.columns { put((group.z * u.inputs + row) * u.columns + own, sum[c]); }
    }
}
