// SynFlow's values v are held as x 2^e: x in f32, one integer e for each value of a replica, so that no pass over- or underflows.
// Exponents lie in `exponents` [R][u.nodes]. Scaling by powers of two rounds nothing.

// 2^k for k from -126 to 127; 0 below, where what it scales is too small to count.
fn power_of_two(k: i32) -> f32 {
    return select(bitcast<f32>(u32(min(k, 127) + 127) << 23u), 0.0, k < -126);
}
