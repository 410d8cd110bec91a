// dX[r][i][b] = sum_o W[r][o][i] dY[r][o][b] over the kept weights.
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads one
// kept weight and every lane reads it from there. Same sums in the same order as dense_backward_data_sparse, so the same bits.
// One invocation owns one input x COLS vec4s of samples; 8 neighbouring lanes own the same input.
// Sum: starts at 0, o ascending, one fma each. dense_backward_data adds 0 * dY in between, which changes no bit.
#import grid
#import dense
#import relu
#import gate
#import loads
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;  // [R][inputs + 1]
@group(0) @binding(5) var<storage, read> entries: array<u32>; // [R][kept_stride], see shared/columns.wgsl
@group(0) @binding(6) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn dense_backward_data_sparse_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                        @builtin(local_invocation_index) local: u32,
                                        @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per input: lanes past the last column repeat it and store nothing.
    let column_tiles = ((u.columns + COLS - 1u) / COLS + 7u) / 8u * 8u;
    let tile = flat % column_tiles;
    let row = flat / column_tiles;
    if row >= u.inputs { return; }
    let base = group.z * u.param_stride + u.weight_offset + row;
    let begin = starts[group.z * (u.inputs + 1u) + row];
    let end = starts[group.z * (u.inputs + 1u) + row + 1u];
    var sum: array<vec4<f32>, COLS>;
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) {
        sum[c] = vec4<f32>();
        at[c] = group.z * u.outputs * u.columns + min(tile + c * column_tiles, u.columns - 1u);
    }
    for (var k = begin; k < end; k += 8u) { // at most (u.outputs + 7u) / 8u
        let o = entries[group.z * u.kept_stride + min(k + lane, end - 1u)] >> 10u;
        let own_weight = params[base + o * u.inputs];
        let own_line = o * u.columns;
#repeat j 0 8
        if k + {j}u < end {
            let weight = vec4<f32>(subgroupBroadcast(own_weight, {j}u));
            let line = subgroupBroadcast(own_line, {j}u);
            for (var c = 0u; c < COLS; c++) { sum[c] = fma(weight, loaded(dy[at[c] + line]), sum[c]); }
        }
#end
    }
    for (var c = 0u; c < COLS; c++) {
        let column = tile + c * column_tiles;
        if column < u.columns { put((group.z * u.inputs + row) * u.columns + column, sum[c]); }
    }
}
