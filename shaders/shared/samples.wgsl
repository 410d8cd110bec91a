// s[c] + y.x x_c.x, then y.y, y.z, y.w: t0..t3 are the four inputs' samples, transposed.
fn add_samples(s: vec4<f32>, y: vec4<f32>, t0: vec4<f32>, t1: vec4<f32>, t2: vec4<f32>, t3: vec4<f32>) -> vec4<f32> {
    let s0 = fma(vec4<f32>(y.x), t0, s);
    let s1 = fma(vec4<f32>(y.y), t1, s0);
    let s2 = fma(vec4<f32>(y.z), t2, s1);
    return fma(vec4<f32>(y.w), t3, s2);
}
