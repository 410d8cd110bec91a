// to[r][p][o] = sum over the pixels of part p and all b of dY[r][o][pixel][b];  one part is one output row (a linear layer has one).
// One invocation owns one (part, o). Sum: starts at 0 (ACCUMULATE: at what stands there), chunks of samples ascending, then pixels, then b
// in the chunk, plain additions. `to` is the flat gradients where there is one part, else scratch whose parts `partial_sum` adds.
#import grid
#import chunk
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
struct BiasShape {
    outputs: u32,
    parts: u32,
    pixels: u32,  // per part
    columns: u32, // vec4s of samples
    offset: u32,  // in `to`
    stride: u32,  // floats per replica in `to`
}
@group(0) @binding(0) var<uniform> u: BiasShape;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>; // [R][outputs][parts * pixels][columns]
@group(0) @binding(2) var<storage, read_write> to: array<f32>;

@compute @workgroup_size(64)
fn bias_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let p = flat / u.outputs;
    let o = flat % u.outputs;
    if p >= u.parts { return; }
    let start = ((group.z * u.outputs + o) * u.parts + p) * u.pixels * u.columns;
    let at = group.z * u.stride + u.offset + p * u.outputs + o;
    var sum = 0.0;
    if ACCUMULATE == 1u { sum = to[at]; }
    for (var chunk = 0u; chunk < u.columns; chunk += CHUNK) {
        let end = min(chunk + CHUNK, u.columns);
        for (var pixel = 0u; pixel < u.pixels; pixel++) {
            for (var b = chunk; b < end; b++) { // at most CHUNK
                let v = dy[start + pixel * u.columns + b];
                sum = sum + v.x;
                sum = sum + v.y;
                sum = sum + v.z;
                sum = sum + v.w;
            }
        }
    }
    to[at] = sum;
}
