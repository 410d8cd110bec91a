// g' = clip g (+ weight_decay w unless decoupled);  m = beta1 m + (1 - beta1) g';  v = beta2 v + (1 - beta2) g'^2;
// w (*= 1 - lr weight_decay if decoupled) -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps).
// (Kingma and Ba 2015; AdamW: Loshchilov and Hutter 2019; order of operations as in PyTorch.)
// m is moment1, v is moment2. One invocation owns four parameters of one replica, or one kept one.
#import grid
#import hyper
#import params
#import state
#import step
const KEPT: u32 = 0u; // 1: walk the list of kept floats
const TRAITS: u32 = 0u; // 1: some parameters do not learn, or do not decay
const SECOND: u32 = 1u; // 1: there is a second moment
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> hyper: array<Hyper>;
@group(0) @binding(2) var<storage, read> state: array<State>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> grads: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> moment2: array<vec4<f32>>;

fn updated(r: u32, p: Parameter) -> Parameter {
    let h = hyper[r];
    let s = state[r];
    let decay = select(0.0, h.weight_decay, p.decays);
    var w = p.w;
    var g = p.g * s.clip;
    if h.decoupled != 0u {
        w = w * fma(-s.lr, decay, 1.0);
    } else {
        g = fma(vec4<f32>(decay), w, g);
    }
    let m = fma(vec4<f32>(h.momentum), p.m1, (1.0 - h.momentum) * g);
    let v = fma(vec4<f32>(h.beta2), p.m2, ((1.0 - h.beta2) * g) * g);
    let denominator = sqrt(v) / sqrt(1.0 - s.beta2_power) + h.eps;
    let rate = s.lr / (1.0 - s.beta1_power);
    return Parameter(fma(vec4<f32>(-rate), m / denominator, w), p.g, m, v, p.decays);
}

@compute @workgroup_size(64)
fn adam_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    let at = flat_index(group, groups, 64u, local);
    if KEPT == 1u { step_kept(group.z, at); } else { step_all(group.z, at); }
}
