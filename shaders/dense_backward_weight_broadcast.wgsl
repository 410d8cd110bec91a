// dW[r][o][i] = sum_b dY[r][o][b] X[r][i][b].   Written to the flat gradients at weight_offset.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row of dY and every lane reads it from there. Same sums in the same order as dense_backward_weight, so the same bits.
// One invocation owns ROWS outputs x 4 inputs; 8 neighbouring lanes own 8 x 4 inputs of the same outputs.
// The first workgroups own the biases, see shared/bias.wgsl.
#import across
#import bias
#import grid
#import dense
#import samples
#import loads
const ROWS: u32 = 16u; // or 8
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;

// Where the sums of a row's four inputs stand.
fn sums_at(row: u32, column: u32, replica: u32) -> u32 {
    return replica * u.param_stride + u.weight_offset + row * u.inputs + column;
}

// What the sums start at. Rows and inputs past the last read what is there; they are not stored.
fn start(row: u32, column: u32, replica: u32) -> vec4<f32> {
    if ACCUMULATE == 0u { return vec4<f32>(); }
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
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(64u);
    if number < biases {
        bias_gradient(number * 64u + local, group.z);
        return;
    }
    let flat = (number - biases) * 64u + local;
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
#repeat k 0 16
    var s{k} = start(row + {k}u, column, group.z);
#end
    for (var b = 0u; b < u.columns; b++) {
        let own_a = loaded(dy[yat_a + b]);
        let own_b = loaded(dy[yat_b + b]);
#repeat k 0 4
        let x{k} = loaded(x[x{k}at + b]);
#end
        let t0 = vec4<f32>(x0.x, x1.x, x2.x, x3.x);
        let t1 = vec4<f32>(x0.y, x1.y, x2.y, x3.y);
        let t2 = vec4<f32>(x0.z, x1.z, x2.z, x3.z);
        let t3 = vec4<f32>(x0.w, x1.w, x2.w, x3.w);
#repeat k 0 8
        s{k} = add_samples(s{k}, subgroupBroadcast(own_a, {k}u), t0, t1, t2, t3);
#end
        if ROWS == 16u {
#repeat k 8 16
            s{k} = add_samples(s{k}, subgroupBroadcast(own_b, {k-8}u), t0, t1, t2, t3);
#end
        }
    }
#repeat k 0 8
    store(row + {k}u, column, group.z, s{k});
#end
    if ROWS == 16u {
#repeat k 8 16
        store(row + {k}u, column, group.z, s{k});
#end
    }
}
