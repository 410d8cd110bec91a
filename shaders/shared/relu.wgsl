// max(v, 0) where `on` is not 0; NaN stays NaN.
fn rectified(v: vec4<f32>, on: u32) -> vec4<f32> {
    return select(v, vec4<f32>(), (v <= vec4<f32>()) & vec4<bool>(on != 0u));
}

// The gradient g where the ReLU's output y is above 0, else 0: the derivative at 0 is 0.
fn gated(g: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(g, vec4<f32>(), y <= vec4<f32>());
}
