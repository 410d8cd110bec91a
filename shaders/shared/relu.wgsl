// max(v, 0) where `on` is not 0; NaN stays NaN. By bits, from -0 to -infinity: NVIDIA's compiler makes a maximum of the
// comparison `v <= 0`, and its maximum loses a NaN.
fn rectified(v: vec4<f32>, on: u32) -> vec4<f32> {
    let negative = bitcast<vec4<u32>>(v) - vec4<u32>(0x80000000u) <= vec4<u32>(0x7f800000u);
    return select(v, vec4<f32>(), negative & vec4<bool>(on != 0u));
}

// The gradient g where the ReLU's output y is above 0, else 0: the derivative at 0 is 0.
fn gated(g: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(g, vec4<f32>(), y <= vec4<f32>());
}
