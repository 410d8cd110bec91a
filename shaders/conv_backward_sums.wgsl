// dW[r][i] = sum_p part[r][p][i];   db[r][o] = sum over all pixels and b of dY[r][o][pixel][b].   Both written to the flat gradients.
// The first u.outputs workgroups own a bias each: eight slots of 32 lanes, lane l of slot s owns pixels s, s + 8, ... of vec4s l, l + 32, ...
// In the others an invocation owns one weight.
// Sums: of a weight from 0, p ascending. Of a bias from 0 (ACCUMULATE: from what stands there), vec4s ascending, of each its slots
// ascending, of each ((x + y) + z) + w of the sum from 0 over its pixels ascending. Plain additions. So a batch may come in several windows.
#import across
#import grid
struct ConvSumsShape {
    weights: u32,       // 0: none are complete yet
    parts: u32,
    weight_offset: u32, // in the flat gradients
    outputs: u32,       // whose biases are wanted
    pixels: u32,        // of an output
    columns: u32,       // vec4s of samples
    bias_offset: u32,
    param_stride: u32,  // floats per replica
}
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the biases' sums that stand there
@group(0) @binding(0) var<uniform> u: ConvSumsShape;
@group(0) @binding(1) var<storage, read> part: array<f32>; // [R][parts][weights]
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>; // [R][outputs][pixels][columns]
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;
var<workgroup> of_slots: array<f32, 256>;
var<workgroup> of_columns: array<f32, 32>;

@compute @workgroup_size(256)
fn conv_backward_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    if number < u.outputs {
        bias(number, group.z, local);
        return;
    }
    let i = (number - u.outputs) * 256u + local;
    if i >= u.weights { return; }
    var sum = 0.0;
    for (var p = 0u; p < u.parts; p++) {
        sum = sum + part[(group.z * u.parts + p) * u.weights + i];
    }
    grads[group.z * u.param_stride + u.weight_offset + i] = sum;
}

fn bias(o: u32, replica: u32, local: u32) {
    let slot = local / 32u;
    let lane = local % 32u;
    let start = (replica * u.outputs + o) * u.pixels * u.columns;
    let to = replica * u.param_stride + u.bias_offset + o;
    var sum = 0.0;
    if ACCUMULATE == 1u { sum = grads[to]; }
    for (var first = 0u; first < u.columns; first += 32u) {
        var own = vec4<f32>();
        if first + lane < u.columns {
            for (var pixel = slot; pixel < u.pixels; pixel += 8u) { own = own + dy[start + pixel * u.columns + first + lane]; }
        }
        of_slots[local] = across(own);
        workgroupBarrier();
        if slot == 0u {
            var column = 0.0;
            for (var s = 0u; s < 8u; s++) { column = column + of_slots[s * 32u + lane]; }
            of_columns[lane] = column;
        }
        workgroupBarrier();
        if local == 0u {
            for (var c = 0u; c < min(32u, u.columns - first); c++) { sum = sum + of_columns[c]; }
        }
    }
    if local == 0u { grads[to] = sum; }
}
