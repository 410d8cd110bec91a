// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b].
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row's weight and every lane reads it from there. Same sums in the same order as dense_forward, so the same bits.
// One invocation owns 16 outputs x one vec4 of samples; 8 neighbouring lanes own 8 vec4s of the same rows.
#import grid
#import dense
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn dense_forward_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per row tile: lanes past the last column repeat it and store nothing.
    let padded = (u.columns + 7u) / 8u * 8u;
    let column = flat % padded;
    let row = (flat / padded) * 16u;
    if row >= u.outputs { return; }
    let at = group.z * u.inputs * u.columns + min(column, u.columns - 1u);
    let base = group.z * u.param_stride;
    // This lane's two rows.
    let row_a = min(row + lane, u.outputs - 1u);
    let row_b = min(row + 8u + lane, u.outputs - 1u);
    let a = base + u.weight_offset + row_a * u.inputs;
    let b = base + u.weight_offset + row_b * u.inputs;
    var bias_a = 0.0;
    var bias_b = 0.0;
    if u.bias_offset != 0xffffffffu {
        bias_a = params[base + u.bias_offset + row_a];
        bias_b = params[base + u.bias_offset + row_b];
    }
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
    for (var i = 0u; i < u.inputs; i++) {
        let xs = x[at + i * u.columns];
        let wa = params[a + i];
        let wb = params[b + i];
        s0 = fma(vec4<f32>(subgroupBroadcast(wa, 0u)), xs, s0);
        s1 = fma(vec4<f32>(subgroupBroadcast(wa, 1u)), xs, s1);
        s2 = fma(vec4<f32>(subgroupBroadcast(wa, 2u)), xs, s2);
        s3 = fma(vec4<f32>(subgroupBroadcast(wa, 3u)), xs, s3);
        s4 = fma(vec4<f32>(subgroupBroadcast(wa, 4u)), xs, s4);
        s5 = fma(vec4<f32>(subgroupBroadcast(wa, 5u)), xs, s5);
        s6 = fma(vec4<f32>(subgroupBroadcast(wa, 6u)), xs, s6);
        s7 = fma(vec4<f32>(subgroupBroadcast(wa, 7u)), xs, s7);
        s8 = fma(vec4<f32>(subgroupBroadcast(wb, 0u)), xs, s8);
        s9 = fma(vec4<f32>(subgroupBroadcast(wb, 1u)), xs, s9);
        s10 = fma(vec4<f32>(subgroupBroadcast(wb, 2u)), xs, s10);
        s11 = fma(vec4<f32>(subgroupBroadcast(wb, 3u)), xs, s11);
        s12 = fma(vec4<f32>(subgroupBroadcast(wb, 4u)), xs, s12);
        s13 = fma(vec4<f32>(subgroupBroadcast(wb, 5u)), xs, s13);
        s14 = fma(vec4<f32>(subgroupBroadcast(wb, 6u)), xs, s14);
        s15 = fma(vec4<f32>(subgroupBroadcast(wb, 7u)), xs, s15);
    }
    if column >= u.columns { return; }
    let to = (group.z * u.outputs + row) * u.columns + column;
    if row + 0u < u.outputs { y[to + 0u * u.columns] = s0; }
    if row + 1u < u.outputs { y[to + 1u * u.columns] = s1; }
    if row + 2u < u.outputs { y[to + 2u * u.columns] = s2; }
    if row + 3u < u.outputs { y[to + 3u * u.columns] = s3; }
    if row + 4u < u.outputs { y[to + 4u * u.columns] = s4; }
    if row + 5u < u.outputs { y[to + 5u * u.columns] = s5; }
    if row + 6u < u.outputs { y[to + 6u * u.columns] = s6; }
    if row + 7u < u.outputs { y[to + 7u * u.columns] = s7; }
    if row + 8u < u.outputs { y[to + 8u * u.columns] = s8; }
    if row + 9u < u.outputs { y[to + 9u * u.columns] = s9; }
    if row + 10u < u.outputs { y[to + 10u * u.columns] = s10; }
    if row + 11u < u.outputs { y[to + 11u * u.columns] = s11; }
    if row + 12u < u.outputs { y[to + 12u * u.columns] = s12; }
    if row + 13u < u.outputs { y[to + 13u * u.columns] = s13; }
    if row + 14u < u.outputs { y[to + 14u * u.columns] = s14; }
    if row + 15u < u.outputs { y[to + 15u * u.columns] = s15; }
}
