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
#repeat k 0 16
    var s{k} = vec4<f32>();
#end
    for (var o = 0u; o < u.outputs; o++) {
        let ys = dy[at + o * u.columns];
        let wa = params[a + o * u.inputs];
        let wb = params[b + o * u.inputs];
#repeat k 0 8
        s{k} = fma(vec4<f32>(subgroupBroadcast(wa, {k}u)), ys, s{k});
#end
        if ROWS == 16u {
#repeat k 8 16
            s{k} = fma(vec4<f32>(subgroupBroadcast(wb, {k-8}u)), ys, s{k});
#end
        }
    }
    if column >= u.columns { return; }
    let to = (group.z * u.inputs + row) * u.columns + column;
#repeat k 0 8
    if row + {k}u < u.inputs { put(to + {k}u * u.columns, s{k}); }
#end
    if ROWS == 16u {
#repeat k 8 16
        if row + {k}u < u.inputs { put(to + {k}u * u.columns, s{k}); }
#end
    }
}
