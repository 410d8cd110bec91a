// dX[r][i][b] = sum_o W[r][o][i] dY[r][o][b].
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row's weight and every lane reads it from there. Same sums in the same order as dense_backward_data, so the same bits.
// One invocation owns ROWS inputs x one vec4 of samples; 8 neighbouring lanes own 8 vec4s of the same rows.
#import grid
#import dense
#import relu
#import gate
const ROWS: u32 = 16u; // or 8
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn dense_backward_data_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per row tile: lanes past the last column repeat it and store nothing.
    let padded = (u.columns + 7u) / 8u * 8u;
    let column = flat % padded;
    let row = (flat / padded) * ROWS;
    if row >= u.inputs { return; }
    let at = group.z * u.outputs * u.columns + min(column, u.columns - 1u);
    // This lane's rows; the second where ROWS is 16.
    let base = group.z * u.param_stride + u.weight_offset;
    let a = base + min(row + lane, u.inputs - 1u);
    let b = base + min(row + 8u + lane, u.inputs - 1u);
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    var s4 = vec4<f32>();
    var s5 = vec4<f32>();
    var s6 = vec4<f32>();
    var s7 = vec4<f32>();
    var s8 = vec4<f32>();
    var s9 = vec4<f32>();
    var s10 = vec4<f32>();
    var s11 = vec4<f32>();
    var s12 = vec4<f32>();
    var s13 = vec4<f32>();
    var s14 = vec4<f32>();
    var s15 = vec4<f32>();
    for (var o = 0u; o < u.outputs; o++) {
        let ys = dy[at + o * u.columns];
        let wa = params[a + o * u.inputs];
        let wb = params[b + o * u.inputs];
        s0 = fma(vec4<f32>(subgroupBroadcast(wa, 0u)), ys, s0);
        s1 = fma(vec4<f32>(subgroupBroadcast(wa, 1u)), ys, s1);
        s2 = fma(vec4<f32>(subgroupBroadcast(wa, 2u)), ys, s2);
        s3 = fma(vec4<f32>(subgroupBroadcast(wa, 3u)), ys, s3);
        s4 = fma(vec4<f32>(subgroupBroadcast(wa, 4u)), ys, s4);
        s5 = fma(vec4<f32>(subgroupBroadcast(wa, 5u)), ys, s5);
        s6 = fma(vec4<f32>(subgroupBroadcast(wa, 6u)), ys, s6);
        s7 = fma(vec4<f32>(subgroupBroadcast(wa, 7u)), ys, s7);
        if ROWS == 16u {
            s8 = fma(vec4<f32>(subgroupBroadcast(wb, 0u)), ys, s8);
            s9 = fma(vec4<f32>(subgroupBroadcast(wb, 1u)), ys, s9);
            s10 = fma(vec4<f32>(subgroupBroadcast(wb, 2u)), ys, s10);
            s11 = fma(vec4<f32>(subgroupBroadcast(wb, 3u)), ys, s11);
            s12 = fma(vec4<f32>(subgroupBroadcast(wb, 4u)), ys, s12);
            s13 = fma(vec4<f32>(subgroupBroadcast(wb, 5u)), ys, s13);
            s14 = fma(vec4<f32>(subgroupBroadcast(wb, 6u)), ys, s14);
            s15 = fma(vec4<f32>(subgroupBroadcast(wb, 7u)), ys, s15);
        }
    }
    if column >= u.columns { return; }
    let to = (group.z * u.inputs + row) * u.columns + column;
    if row + 0u < u.inputs { put(to + 0u * u.columns, s0); }
    if row + 1u < u.inputs { put(to + 1u * u.columns, s1); }
    if row + 2u < u.inputs { put(to + 2u * u.columns, s2); }
    if row + 3u < u.inputs { put(to + 3u * u.columns, s3); }
    if row + 4u < u.inputs { put(to + 4u * u.columns, s4); }
    if row + 5u < u.inputs { put(to + 5u * u.columns, s5); }
    if row + 6u < u.inputs { put(to + 6u * u.columns, s6); }
    if row + 7u < u.inputs { put(to + 7u * u.columns, s7); }
    if ROWS == 16u {
        if row + 8u < u.inputs { put(to + 8u * u.columns, s8); }
        if row + 9u < u.inputs { put(to + 9u * u.columns, s9); }
        if row + 10u < u.inputs { put(to + 10u * u.columns, s10); }
        if row + 11u < u.inputs { put(to + 11u * u.columns, s11); }
        if row + 12u < u.inputs { put(to + 12u * u.columns, s12); }
        if row + 13u < u.inputs { put(to + 13u * u.columns, s13); }
        if row + 14u < u.inputs { put(to + 14u * u.columns, s14); }
        if row + 15u < u.inputs { put(to + 15u * u.columns, s15); }
    }
}
