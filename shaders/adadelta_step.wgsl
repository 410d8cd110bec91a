// g' = clip g + weight_decay w;  s = rho s + (1 - rho) g'^2;  d = sqrt(a + eps) / sqrt(s + eps) g';  a = rho a + (1 - rho) d^2;
// w -= lr d.   (Zeiler 2012; order of operations as in PyTorch.)  s is moment1, a is moment2.
// One invocation owns four parameters of one replica, or one kept one.
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
    let g = fma(vec4<f32>(select(0.0, h.weight_decay, p.decays)), p.w, p.g * state[r].clip);
    let s = fma(vec4<f32>(h.momentum), p.m1, ((1.0 - h.momentum) * g) * g);
    let d = sqrt(p.m2 + h.eps) / sqrt(s + h.eps) * g;
    let a = fma(vec4<f32>(h.momentum), p.m2, ((1.0 - h.momentum) * d) * d);
    return Parameter(fma(vec4<f32>(-state[r].lr), d, p.w), p.g, s, a, p.decays);
}

@compute @workgroup_size(64)
fn adadelta_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let at = flat_index(group, groups, 64u, local);
    if KEPT == 1u { step_kept(group.z, at); } else { step_all(group.z, at); }
}
