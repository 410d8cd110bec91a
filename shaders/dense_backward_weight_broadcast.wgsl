// dW[r][o][i] = sum_b dY[r][o][b] X[r][i][b].   Written to the flat gradients at weight_offset.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row of dY and every lane reads it from there. Same sums in the same order as dense_backward_weight, so the same bits.
// One invocation owns ROWS outputs x 4 inputs; 8 neighbouring lanes own 8 x 4 inputs of the same outputs.
#import grid
#import dense
#import samples
const ROWS: u32 = 16u; // or 8
const ONTO: u32 = 0u; // 1: a later window of the batch, whose sums go on from what stands there
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;

// Where the sums of a row's four inputs stand.
fn sums_at(row: u32, column: u32, replica: u32) -> u32 {
    return replica * u.param_stride + u.weight_offset + row * u.inputs + column;
}

// What the sums start at. Rows and inputs past the last read what is there; they are not stored.
fn start(row: u32, column: u32, replica: u32) -> vec4<f32> {
    if ONTO == 0u { return vec4<f32>(); }
    let at = sums_at(row, column, replica);
    return vec4<f32>(grads[at], grads[at + 1u], grads[at + 2u], grads[at + 3u]);
}

fn store(row: u32, column: u32, replica: u32, s: vec4<f32>) {
    if row >= u.outputs { return; }
    let to = sums_at(row, column, replica);
    if column < u.inputs { grads[to] = s.x; }
    if column + 1u < u.inputs { grads[to + 1u] = s.y; }
    if column + 2u < u.inputs { grads[to + 2u] = s.z; }
    if column + 3u < u.inputs { grads[to + 3u] = s.w; }
}

@compute @workgroup_size(64)
fn dense_backward_weight_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per row tile: lanes past the last input repeat it and store nothing.
    let tiles = (u.inputs + 31u) / 32u * 8u;
    let column = (flat % tiles) * 4u;
    let row = (flat / tiles) * ROWS;
    if row >= u.outputs { return; }
    // This lane's rows; the second where ROWS is 16.
    let yat_a = (group.z * u.outputs + min(row + lane, u.outputs - 1u)) * u.columns;
    let yat_b = (group.z * u.outputs + min(row + 8u + lane, u.outputs - 1u)) * u.columns;
    let xbase = group.z * u.inputs;
    let x0at = (xbase + min(column, u.inputs - 1u)) * u.columns;
    let x1at = (xbase + min(column + 1u, u.inputs - 1u)) * u.columns;
    let x2at = (xbase + min(column + 2u, u.inputs - 1u)) * u.columns;
    let x3at = (xbase + min(column + 3u, u.inputs - 1u)) * u.columns;
    var s0 = start(row + 0u, column, group.z);
    var s1 = start(row + 1u, column, group.z);
    var s2 = start(row + 2u, column, group.z);
    var s3 = start(row + 3u, column, group.z);
    var s4 = start(row + 4u, column, group.z);
    var s5 = start(row + 5u, column, group.z);
    var s6 = start(row + 6u, column, group.z);
    var s7 = start(row + 7u, column, group.z);
    var s8 = start(row + 8u, column, group.z);
    var s9 = start(row + 9u, column, group.z);
    var s10 = start(row + 10u, column, group.z);
    var s11 = start(row + 11u, column, group.z);
    var s12 = start(row + 12u, column, group.z);
    var s13 = start(row + 13u, column, group.z);
    var s14 = start(row + 14u, column, group.z);
    var s15 = start(row + 15u, column, group.z);
    for (var b = 0u; b < u.columns; b++) {
        let own_a = dy[yat_a + b];
        let own_b = dy[yat_b + b];
        let x0 = x[x0at + b];
        let x1 = x[x1at + b];
        let x2 = x[x2at + b];
        let x3 = x[x3at + b];
        let t0 = vec4<f32>(x0.x, x1.x, x2.x, x3.x);
        let t1 = vec4<f32>(x0.y, x1.y, x2.y, x3.y);
        let t2 = vec4<f32>(x0.z, x1.z, x2.z, x3.z);
        let t3 = vec4<f32>(x0.w, x1.w, x2.w, x3.w);
        s0 = add_samples(s0, subgroupBroadcast(own_a, 0u), t0, t1, t2, t3);
        s1 = add_samples(s1, subgroupBroadcast(own_a, 1u), t0, t1, t2, t3);
        s2 = add_samples(s2, subgroupBroadcast(own_a, 2u), t0, t1, t2, t3);
        s3 = add_samples(s3, subgroupBroadcast(own_a, 3u), t0, t1, t2, t3);
        s4 = add_samples(s4, subgroupBroadcast(own_a, 4u), t0, t1, t2, t3);
        s5 = add_samples(s5, subgroupBroadcast(own_a, 5u), t0, t1, t2, t3);
        s6 = add_samples(s6, subgroupBroadcast(own_a, 6u), t0, t1, t2, t3);
        s7 = add_samples(s7, subgroupBroadcast(own_a, 7u), t0, t1, t2, t3);
        if ROWS == 16u {
            s8 = add_samples(s8, subgroupBroadcast(own_b, 0u), t0, t1, t2, t3);
            s9 = add_samples(s9, subgroupBroadcast(own_b, 1u), t0, t1, t2, t3);
            s10 = add_samples(s10, subgroupBroadcast(own_b, 2u), t0, t1, t2, t3);
            s11 = add_samples(s11, subgroupBroadcast(own_b, 3u), t0, t1, t2, t3);
            s12 = add_samples(s12, subgroupBroadcast(own_b, 4u), t0, t1, t2, t3);
            s13 = add_samples(s13, subgroupBroadcast(own_b, 5u), t0, t1, t2, t3);
            s14 = add_samples(s14, subgroupBroadcast(own_b, 6u), t0, t1, t2, t3);
            s15 = add_samples(s15, subgroupBroadcast(own_b, 7u), t0, t1, t2, t3);
        }
    }
    store(row + 0u, column, group.z, s0);
    store(row + 1u, column, group.z, s1);
    store(row + 2u, column, group.z, s2);
    store(row + 3u, column, group.z, s3);
    store(row + 4u, column, group.z, s4);
    store(row + 5u, column, group.z, s5);
    store(row + 6u, column, group.z, s6);
    store(row + 7u, column, group.z, s7);
    if ROWS == 16u {
        store(row + 8u, column, group.z, s8);
        store(row + 9u, column, group.z, s9);
        store(row + 10u, column, group.z, s10);
        store(row + 11u, column, group.z, s11);
        store(row + 12u, column, group.z, s12);
        store(row + 13u, column, group.z, s13);
        store(row + 14u, column, group.z, s14);
        store(row + 15u, column, group.z, s15);
    }
}
