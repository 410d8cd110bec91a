// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b], then ReLU where u.relu.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row's weights and every lane reads them from there. Same sums in the same order as dense_forward, so the same bits.
// Needs `inputs` divisible by 4: weights are read four at a time.
// One invocation owns ROWS outputs x one vec4 of samples; 8 neighbouring lanes own 8 vec4s of the same rows.
#import grid
#import dense
#import relu
const ROWS: u32 = 16u; // or 8
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

// s + w.x x_i, then w.y, w.z, w.w with the next three inputs.
fn add_inputs(s: vec4<f32>, w: vec4<f32>, x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>) -> vec4<f32> {
    let s0 = fma(vec4<f32>(w.x), x0, s);
    let s1 = fma(vec4<f32>(w.y), x1, s0);
    let s2 = fma(vec4<f32>(w.z), x2, s1);
    return fma(vec4<f32>(w.w), x3, s2);
}

fn bias_of(base: u32, row: u32) -> f32 {
    if u.bias_offset == 0xffffffffu { return 0.0; }
    let place = base + u.bias_offset + row;
    return params[place / 4u][place % 4u];
}

@compute @workgroup_size(64)
fn dense_forward_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per row tile: lanes past the last column repeat it and store nothing.
    let padded = (u.columns + 7u) / 8u * 8u;
    let column = flat % padded;
    let row = (flat / padded) * ROWS;
    if row >= u.outputs { return; }
    let at = group.z * u.inputs * u.columns + min(column, u.columns - 1u);
    let base = group.z * u.param_stride;
    // This lane's rows; the second where ROWS is 16.
    let row_a = min(row + lane, u.outputs - 1u);
    let row_b = min(row + 8u + lane, u.outputs - 1u);
    let a = (base + u.weight_offset + row_a * u.inputs) / 4u;
    let b = (base + u.weight_offset + row_b * u.inputs) / 4u;
    let bias_a = bias_of(base, row_a);
    let bias_b = bias_of(base, row_b);
    var s0 = vec4<f32>(subgroupBroadcast(bias_a, 0u));
    var s1 = vec4<f32>(subgroupBroadcast(bias_a, 1u));
    var s2 = vec4<f32>(subgroupBroadcast(bias_a, 2u));
    var s3 = vec4<f32>(subgroupBroadcast(bias_a, 3u));
    var s4 = vec4<f32>(subgroupBroadcast(bias_a, 4u));
    var s5 = vec4<f32>(subgroupBroadcast(bias_a, 5u));
    var s6 = vec4<f32>(subgroupBroadcast(bias_a, 6u));
    var s7 = vec4<f32>(subgroupBroadcast(bias_a, 7u));
    var s8 = vec4<f32>(subgroupBroadcast(bias_b, 0u));
    var s9 = vec4<f32>(subgroupBroadcast(bias_b, 1u));
    var s10 = vec4<f32>(subgroupBroadcast(bias_b, 2u));
    var s11 = vec4<f32>(subgroupBroadcast(bias_b, 3u));
    var s12 = vec4<f32>(subgroupBroadcast(bias_b, 4u));
    var s13 = vec4<f32>(subgroupBroadcast(bias_b, 5u));
    var s14 = vec4<f32>(subgroupBroadcast(bias_b, 6u));
    var s15 = vec4<f32>(subgroupBroadcast(bias_b, 7u));
    for (var i = 0u; i < u.inputs; i += 4u) {
        let x0 = x[at + i * u.columns];
        let x1 = x[at + (i + 1u) * u.columns];
        let x2 = x[at + (i + 2u) * u.columns];
        let x3 = x[at + (i + 3u) * u.columns];
        let wa = params[a + i / 4u];
        let wb = params[b + i / 4u];
        s0 = add_inputs(s0, subgroupBroadcast(wa, 0u), x0, x1, x2, x3);
        s1 = add_inputs(s1, subgroupBroadcast(wa, 1u), x0, x1, x2, x3);
        s2 = add_inputs(s2, subgroupBroadcast(wa, 2u), x0, x1, x2, x3);
        s3 = add_inputs(s3, subgroupBroadcast(wa, 3u), x0, x1, x2, x3);
        s4 = add_inputs(s4, subgroupBroadcast(wa, 4u), x0, x1, x2, x3);
        s5 = add_inputs(s5, subgroupBroadcast(wa, 5u), x0, x1, x2, x3);
        s6 = add_inputs(s6, subgroupBroadcast(wa, 6u), x0, x1, x2, x3);
        s7 = add_inputs(s7, subgroupBroadcast(wa, 7u), x0, x1, x2, x3);
        if ROWS == 16u {
            s8 = add_inputs(s8, subgroupBroadcast(wb, 0u), x0, x1, x2, x3);
            s9 = add_inputs(s9, subgroupBroadcast(wb, 1u), x0, x1, x2, x3);
            s10 = add_inputs(s10, subgroupBroadcast(wb, 2u), x0, x1, x2, x3);
            s11 = add_inputs(s11, subgroupBroadcast(wb, 3u), x0, x1, x2, x3);
            s12 = add_inputs(s12, subgroupBroadcast(wb, 4u), x0, x1, x2, x3);
            s13 = add_inputs(s13, subgroupBroadcast(wb, 5u), x0, x1, x2, x3);
            s14 = add_inputs(s14, subgroupBroadcast(wb, 6u), x0, x1, x2, x3);
            s15 = add_inputs(s15, subgroupBroadcast(wb, 7u), x0, x1, x2, x3);
        }
    }
    if column >= u.columns { return; }
    let to = (group.z * u.outputs + row) * u.columns + column;
    if row + 0u < u.outputs { y[to + 0u * u.columns] = rectified(s0, u.relu); }
    if row + 1u < u.outputs { y[to + 1u * u.columns] = rectified(s1, u.relu); }
    if row + 2u < u.outputs { y[to + 2u * u.columns] = rectified(s2, u.relu); }
    if row + 3u < u.outputs { y[to + 3u * u.columns] = rectified(s3, u.relu); }
    if row + 4u < u.outputs { y[to + 4u * u.columns] = rectified(s4, u.relu); }
    if row + 5u < u.outputs { y[to + 5u * u.columns] = rectified(s5, u.relu); }
    if row + 6u < u.outputs { y[to + 6u * u.columns] = rectified(s6, u.relu); }
    if row + 7u < u.outputs { y[to + 7u * u.columns] = rectified(s7, u.relu); }
    if ROWS == 16u {
        if row + 8u < u.outputs { y[to + 8u * u.columns] = rectified(s8, u.relu); }
        if row + 9u < u.outputs { y[to + 9u * u.columns] = rectified(s9, u.relu); }
        if row + 10u < u.outputs { y[to + 10u * u.columns] = rectified(s10, u.relu); }
        if row + 11u < u.outputs { y[to + 11u * u.columns] = rectified(s11, u.relu); }
        if row + 12u < u.outputs { y[to + 12u * u.columns] = rectified(s12, u.relu); }
        if row + 13u < u.outputs { y[to + 13u * u.columns] = rectified(s13, u.relu); }
        if row + 14u < u.outputs { y[to + 14u * u.columns] = rectified(s14, u.relu); }
        if row + 15u < u.outputs { y[to + 15u * u.columns] = rectified(s15, u.relu); }
    }
}
