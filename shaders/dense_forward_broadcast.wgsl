// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b], then ReLU where u.relu.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row's weights and every lane reads them from there. Same sums in the same order as dense_forward, so the same bits.
// Needs `inputs` divisible by 4: weights are read four at a time.
// One invocation owns ROWS outputs x one vec4 of samples; 8 neighbouring lanes own 8 vec4s of the same rows.
#import grid
#import dense
#import parts
#import quads
#import relu
const ROWS: u32 = 16u; // or 8
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

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
#repeat k 0 8
    let bias{k} = subgroupBroadcast(bias_a, {k}u);
#end
#repeat k 8 16
    let bias{k} = subgroupBroadcast(bias_b, {k-8}u);
#end
#repeat k 0 16
    var all{k} = vec4<f32>(bias{k});
    var s{k} = part_start(bias{k});
#end
    // Parts are of whole quads.
    for (var p = 0u; p < part_count(); p++) { // at most u.inputs / u.part + 1u
        let first = p * u.part;
        let end = min(first + u.part, u.inputs);
        for (var i = first; i < end; i += 4u) { // at most u.part / 4u
            let x0 = x[at + i * u.columns];
            let x1 = x[at + (i + 1u) * u.columns];
            let x2 = x[at + (i + 2u) * u.columns];
            let x3 = x[at + (i + 3u) * u.columns];
            let wa = params[a + i / 4u];
            let wb = params[b + i / 4u];
#repeat k 0 8
            s{k} = add_quad(s{k}, subgroupBroadcast(wa, {k}u), x0, x1, x2, x3);
#end
            if ROWS == 16u {
#repeat k 8 16
                s{k} = add_quad(s{k}, subgroupBroadcast(wb, {k-8}u), x0, x1, x2, x3);
#end
            }
        }
#repeat k 0 8
        all{k} = with_part(all{k}, s{k});
        s{k} = vec4<f32>();
#end
        if ROWS == 16u {
#repeat k 8 16
            all{k} = with_part(all{k}, s{k});
            s{k} = vec4<f32>();
#end
        }
    }
    if column >= u.columns { return; }
    let to = (group.z * u.outputs + row) * u.columns + column;
#repeat k 0 8
    if row + {k}u < u.outputs { y[to + {k}u * u.columns] = rectified(all{k}, u.relu); }
#end
    if ROWS == 16u {
#repeat k 8 16
        if row + {k}u < u.outputs { y[to + {k}u * u.columns] = rectified(all{k}, u.relu); }
#end
    }
}
