// An optimizer: what it binds, and how it walks the parameters: all of them, four neighbours per invocation, or the list of the
// kept ones, one per invocation. The arithmetic is `updated` of the kernel that imports this; it sees the same numbers either
// way. That kernel says in MOMENTS how many floats it keeps for each parameter from step to step: moment1, moment2, ...
#import grid
#import hyper
#import params
#import state
const KEPT: u32 = 0u; // 1: walk the list of kept floats
const FLAGS: u32 = 0u; // 1: some parameters do not learn, or do not decay
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> hyper: array<Hyper>;
@group(0) @binding(2) var<storage, read> state: array<State>;
@group(0) @binding(3) var<storage, read> masks: array<u32>; // or the list
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> grads: array<vec4<f32>>;
#repeat m 0 MOMENTS
@group(0) @binding({m+6}) var<storage, read_write> moment{m+1}: array<vec4<f32>>;
#end

struct Parameter {
    w: vec4<f32>,
    g: vec4<f32>,
#repeat m 0 MOMENTS
    m{m+1}: vec4<f32>,
#end
    decays: bool, // weight decay applies to it
}

// What may be done to the 64 floats that quad q lies in: bit 0: the optimizer changes them; bit 1: weight decay applies.
// Behind the masks or the list there is a word for each 64 floats, the same for all replicas.
fn flags_of(q: u32) -> u32 {
    if FLAGS == 0u { return 3u; }
    return masks[u.flags + q / 16u];
}

// The mask is a law: where a weight is pruned, w, g and the moments are exactly 0 afterwards.
fn step_all(r: u32, q: u32) {
    if q >= u.quads { return; }
    let i = r * u.quads + q;
    let kept = kept_of(masks[r * u.mask_words + q / 8u], q);
    let flags = flags_of(q);
    var before: Parameter;
    before.w = params[i];
    before.g = grads[i];
#repeat m 0 MOMENTS
    before.m{m+1} = moment{m+1}[i];
#end
    before.decays = (flags & 2u) != 0u;
    var after = before;
    if (flags & 1u) != 0u { after = updated(r, before); }
    params[i] = select(vec4<f32>(), after.w, kept);
#repeat m 0 MOMENTS
    moment{m+1}[i] = select(vec4<f32>(), after.m{m+1}, kept);
#end
    if any(!kept) { grads[i] = select(vec4<f32>(), before.g, kept); }
}

// `masks` is the list of kept flat indices here, 0xffffffff past its end. Pruned weights were 0 when the list was made, and
// nothing writes them, their gradients or their moments.
fn step_kept(r: u32, k: u32) {
    if k >= u.kept_stride { return; }
    let flat = masks[r * u.kept_stride + k];
    if flat == 0xffffffffu { return; }
    let flags = flags_of(flat / 4u);
    if (flags & 1u) == 0u { return; }
    let i = r * u.quads + flat / 4u;
    let c = flat % 4u;
    var before: Parameter;
    before.w = vec4<f32>(params[i][c]);
    before.g = vec4<f32>(grads[i][c]);
#repeat m 0 MOMENTS
    before.m{m+1} = vec4<f32>(moment{m+1}[i][c]);
#end
    before.decays = (flags & 2u) != 0u;
    let after = updated(r, before);
    params[i][c] = after.w.x;
#repeat m 0 MOMENTS
    moment{m+1}[i][c] = after.m{m+1}.x;
#end
}

fn optimizer_step(r: u32, at: u32) {
    if KEPT == 1u { step_kept(r, at); } else { step_all(r, at); }
}
