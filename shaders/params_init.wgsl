// Fresh values of one tensor: kind 0: scale; kind 1: uniform in [-scale, scale); kind 2: normal, mean 0, standard deviation scale
// (Box and Muller 1958: sqrt(-2 ln a) cos(2 pi b)). Keyed by (seed, tensor, fresh restarts so far, i): no order, no state.
// One invocation owns one value of one replica.
#import grid
#import math
#import random
struct InitShape {
    offset: u32,       // of the tensor in the flat parameters
    count: u32,
    kind: u32,
    tensor: u32,
    scale: f32,
    param_stride: u32, // floats per replica
}
@group(0) @binding(0) var<uniform> u: InitShape;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica
@group(0) @binding(2) var<storage, read_write> params: array<f32>;

@compute @workgroup_size(64)
fn params_init(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    let key = keys[group.z];
    let word = pcg4d(vec4<u32>(key.x, stream(STREAM_INIT, u.tensor, key.y), 0u, i));
    var value = u.scale;
    if u.kind == 1u {
        value = u.scale * fma(f32(word.x >> 8u), 1.1920929e-7, -1.0);
    } else if u.kind == 2u {
        let a = f32((word.x >> 8u) + 1u) * 5.9604645e-8;
        let b = f32(word.y >> 8u) * 5.9604645e-8;
        value = u.scale * (sqrt(-2.0 * ln_exact(a)) * cos_turn(b));
    }
    params[group.z * u.param_stride + u.offset + i] = value;
}
