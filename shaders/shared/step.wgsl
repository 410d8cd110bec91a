// How an optimizer walks the parameters: all of them, four neighbours per invocation, or the list of the kept ones, one per
// invocation. The arithmetic is `updated` of the kernel that imports this; it sees the same numbers either way. Needs the
// bindings u, masks, params, grads, moment1 and moment2, and the constants KEPT and SECOND.
struct Parameter {
    w: vec4<f32>,
    g: vec4<f32>,
    m1: vec4<f32>,
    m2: vec4<f32>,
}

// The mask is a law: where a weight is pruned, w, g and the moments are exactly 0 afterwards.
fn step_all(r: u32, q: u32) {
    if q >= u.quads { return; }
    let i = r * u.quads + q;
    let kept = kept_of(masks[r * u.mask_words + q / 8u], q);
    var before = Parameter(params[i], grads[i], moment1[i], vec4<f32>());
    if SECOND == 1u { before.m2 = moment2[i]; }
    let after = updated(r, before);
    params[i] = select(vec4<f32>(), after.w, kept);
    moment1[i] = select(vec4<f32>(), after.m1, kept);
    if SECOND == 1u { moment2[i] = select(vec4<f32>(), after.m2, kept); }
    if any(!kept) { grads[i] = select(vec4<f32>(), before.g, kept); }
}

// `masks` is the list of kept flat indices here, 0xffffffff past its end. Pruned weights were 0 when the list was made, and
// nothing writes them, their gradients or their moments.
fn step_kept(r: u32, k: u32) {
    if k >= u.kept_stride { return; }
    let flat = masks[r * u.kept_stride + k];
    if flat == 0xffffffffu { return; }
    let i = r * u.quads + flat / 4u;
    let c = flat % 4u;
    var before = Parameter(vec4<f32>(params[i][c]), vec4<f32>(grads[i][c]), vec4<f32>(moment1[i][c]), vec4<f32>());
    if SECOND == 1u { before.m2 = vec4<f32>(moment2[i][c]); }
    let after = updated(r, before);
    params[i][c] = after.w.x;
    moment1[i][c] = after.m1.x;
    if SECOND == 1u { moment2[i][c] = after.m2.x; }
}
