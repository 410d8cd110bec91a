// y = y * scale where the unit survives, else 0, in place; forward on activations, backward on their gradients: the same
// numbers, since a unit's fate is a hash of (seed, layer, training, step, unit, sample).   One invocation owns one vec4 of samples.
// With GATE, 0 too where `output` is not above 0: y is the gradient of dropout's output, which stands where that of the ReLU
// below stood, and its sign is the ReLU's wherever the unit survives.
#import grid
#import dropout
#import relu
const GATE: u32 = 0u; // 1: the backward pass of the ReLU below is done too
struct DropoutShape {
    count: u32,     // vec4s per replica
    columns: u32,   // vec4s of samples
    first_column: u32,  // in the batch
    batch_columns: u32, // of the whole batch
    plane: u32,     // features per unit
    threshold: u32, // p * 2^32
    scale: f32,
    layer: u32,
}
@group(0) @binding(0) var<uniform> u: DropoutShape;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica
@group(0) @binding(2) var<storage, read> state: array<State>;
@group(0) @binding(3) var<storage, read> output: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn dropout_apply(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let r = group.z;
    let i = r * u.count + flat;
    let v = dropped(y[i], survives(r, flat / u.columns, flat % u.columns));
    if GATE == 1u { y[i] = gated(v, output[i]); } else { y[i] = v; }
}
