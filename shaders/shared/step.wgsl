// How an optimizer walks the parameters: all of them, four neighbours per invocation, or the list of the kept ones, one per
// invocation. The arithmetic is `updated` of the kernel that imports this; it sees the same numbers either way. Needs the
// bindings u, masks, params, grads, moment1 and moment2, and the constants KEPT, SECOND and TRAITS.
struct Parameter {
    w: vec4<f32>,
    g: vec4<f32>,
    m1: vec4<f32>,
    m2: vec4<f32>,
    decays: bool, // weight decay applies to it
}

// What may be done to the 64 floats that quad q lies in: bit 0: the optimizer changes them; bit 1: weight decay applies.
// Behind the masks or the list there is a word for each 64 floats, the same for all replicas.
fn traits_of(q: u32) -> u32 {
    if TRAITS == 0u { return 3u; }
    return masks[u.traits + q / 16u];
}

// The mask is a law: where a weight is pruned, w, g and the moments are exactly 0 afterwards.
fn step_all(r: u32, q: u32) {
    if q >= u.quads { return; }
    let i = r * u.quads + q;
    let kept = kept_of(masks[r * u.mask_words + q / 8u], q);
    let traits = traits_of(q);
    var before = Parameter(params[i], grads[i], moment1[i], vec4<f32>(), (traits & 2u) != 0u);
    if SECOND == 1u { before.m2 = moment2[i]; }
    var after = before;
    if (traits & 1u) != 0u { after = updated(r, before); }
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
    let traits = traits_of(flat / 4u);
    if (traits & 1u) == 0u { return; }
    let i = r * u.quads + flat / 4u;
    let c = flat % 4u;
    var before = Parameter(vec4<f32>(params[i][c]), vec4<f32>(grads[i][c]), vec4<f32>(moment1[i][c]), vec4<f32>(),
                           (traits & 2u) != 0u);
    if SECOND == 1u { before.m2 = vec4<f32>(moment2[i][c]); }
    let after = updated(r, before);
    params[i][c] = after.w.x;
    moment1[i][c] = after.m1.x;
    if SECOND == 1u { moment2[i][c] = after.m2.x; }
}
