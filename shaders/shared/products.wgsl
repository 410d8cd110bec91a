// s + dY X over four samples.
fn add_product(s: f32, ys: vec4<f32>, xs: vec4<f32>) -> f32 {
    let s0 = fma(ys.x, xs.x, s);
    let s1 = fma(ys.y, xs.y, s0);
    let s2 = fma(ys.z, xs.z, s1);
    return fma(ys.w, xs.w, s2);
}
