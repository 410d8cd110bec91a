// state[r].clip = min(1, clip_norm / (norm + 1e-6)),  norm = sqrt(sum_k part[r][k])   (PyTorch's clip_grad_norm_).
// One invocation owns one replica. Sum: starts at 0, k ascending, plain additions. clip_norm = 0 leaves 1.
#import hyper
#import params
#import state
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> part: array<f32>;
@group(0) @binding(2) var<storage, read> hyper: array<Hyper>;
@group(0) @binding(3) var<storage, read_write> state: array<State>;

@compute @workgroup_size(1)
fn gradient_clip(@builtin(workgroup_id) group: vec3<u32>) {
    let r = group.z;
    let blocks = (u.quads + 255u) / 256u;
    var sum = 0.0;
    for (var k = 0u; k < blocks; k++) { sum = sum + part[r * blocks + k]; }
    let limit = hyper[r].clip_norm;
    state[r].clip = select(1.0, min(1.0, limit / (sqrt(sum) + 1e-6)), limit > 0.0);
}
