// Our own exp, ln and cosine: the built-in ones differ between drivers by up to 5e-4, and a result must not.
// Only +, *, / and fma in a fixed order; the twins in tests/reference/math.rs are the same text in Rust.
// Mesa rewrites a*b + a*c to a*(b + c) and (a*b + c*d) + e to a*b + (c*d + e), which round otherwise; nothing here has that form.

// e^x, relative error below 3e-7; 0 below -87.
fn exp_exact(x: f32) -> f32 {
    let n = floor(fma(x, 1.44269504, 0.5));
    // n ln 2 in two parts. The same number comes once as it is and once by way of an integer, so that it is no common factor.
    let k = clamp(i32(n), -126, 127);
    let r = fma(f32(k), 2.12194440e-4, fma(n, -0.693359375, x));
    var p = fma(1.9841270e-4, r, 1.3888889e-3);
    p = fma(p, r, 8.3333333e-3);
    p = fma(p, r, 4.1666667e-2);
    p = fma(p, r, 1.6666667e-1);
    p = fma(p, r, 0.5);
    p = fma(p, r, 1.0);
    p = fma(p, r, 1.0);
    let scale = bitcast<f32>(u32(k + 127) << 23u);
    return select(p * scale, 0.0, x < -87.0);
}

// ln x for normal x > 0, relative error below 3e-7 also near 1; x itself where it is infinite or NaN.
fn ln_exact(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    // Mantissa in [sqrt(1/2), sqrt(2)): 0x3f3504f3 is sqrt(1/2).
    let shifted = bits - 0x3f3504f3u;
    let e = f32(i32(shifted) >> 23u);
    let m = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u);
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    var p = fma(2.2222222e-1, q, 2.8571429e-1);
    p = fma(p, q, 0.4);
    p = fma(p, q, 6.6666667e-1);
    p = fma(p, q, 2.0);
    return select(fma(e, 0.69314718, p * s), x, bits >= 0x7f800000u);
}

// cos(2 pi u) for 0 <= u < 1, absolute error below 3e-7.
fn cos_turn(u: f32) -> f32 {
    let z = 0.25 - abs(u - 0.5);
    let q = z * z;
    // Taylor coefficients of sin(2 pi z).
    var p = fma(3.8199526, q, -15.0946426);
    p = fma(p, q, 42.0586940);
    p = fma(p, q, -76.7058598);
    p = fma(p, q, 81.6052493);
    p = fma(p, q, -41.3417022);
    p = fma(p, q, 6.2831853);
    return -(p * z);
}
