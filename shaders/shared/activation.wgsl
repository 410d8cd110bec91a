// Activations by KIND: 0 tanh, 1 leaky ReLU, 2 GELU in its tanh form (Hendrycks and Gimpel 2016, eq. 2). Needs the constant KIND
// and u. Twin: ActivationShape in src/ops/activation.rs.
struct ActivationShape {
    count: u32, // vec4s per replica
    slope: f32, // leaky ReLU: below 0
}

// tanh x = sign(x) (1 - t) / (1 + t), t = e^(-2 |x|): absolute error below 5e-7.
fn tanh_exact(x: f32) -> f32 {
    let t = exp_exact(-2.0 * abs(x));
    let y = (1.0 - t) / (1.0 + t);
    return select(y, -y, x < 0.0);
}

// 1 / (1 + e^(-z)), by powers of at most 1: t / (1 + t) or 1 / (1 + t), t = e^(-|z|).
fn logistic(z: f32) -> f32 {
    let t = exp_exact(-abs(z));
    return select(1.0, t, z < 0.0) / (1.0 + t);
}

// sqrt(8 / pi) (x + 0.044715 x^3): GELU(x) is x times the logistic function of this. (c x) x is what Mesa makes of c (x x).
fn gelu_argument(x: f32) -> f32 {
    return x * fma(0.07135482 * x, x, 1.5957691);
}

fn activated(x: f32) -> f32 {
    if KIND == 0u { return tanh_exact(x); }
    if KIND == 1u { return select(x * u.slope, x, x > 0.0); }
    return x * logistic(gelu_argument(x));
}

// The derivative; leaky ReLU's at 0 is the slope.
fn activation_slope(x: f32) -> f32 {
    if KIND == 0u {
        let y = tanh_exact(x);
        return fma(-y, y, 1.0);
    }
    if KIND == 1u { return select(u.slope, 1.0, x > 0.0); }
    let s = logistic(gelu_argument(x));
    let inner = fma(0.21406446 * x, x, 1.5957691);
    return fma(x * inner, s * (1.0 - s), s);
}
