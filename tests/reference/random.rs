//! The text of `shaders/shared/random.wgsl` in Rust.

/// Fresh values of parameters.
pub const STREAM_INIT: u32 = 1;
/// Which samples are held out.
pub const STREAM_SPLIT: u32 = 2;
/// The order of the samples of a pass.
pub const STREAM_SHUFFLE: u32 = 3;
/// Which units drop out.
pub const STREAM_DROPOUT: u32 = 4;
/// Random scores.
pub const STREAM_SELECT: u32 = 5;
/// Shuffled masks.
pub const STREAM_MASK: u32 = 6;
/// How training images are bent.
pub const STREAM_AUGMENT: u32 = 7;
/// Which pruned weights grow.
pub const STREAM_GROW: u32 = 8;

/// Names one use of random numbers.
pub fn stream(kind: u32, layer: u32, ordinal: u32) -> u32 {
    kind | (layer << 8) | (ordinal << 20)
}

/// Four words from four words (Jarzynski and Olano 2020).
pub fn pcg4d(key: [u32; 4]) -> [u32; 4] {
    let mut v = key.map(|k| k.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let mix = |v: &mut [u32; 4]| {
        v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
        v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
        v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
        v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
    };
    mix(&mut v);
    v = v.map(|w| w ^ (w >> 16));
    mix(&mut v);
    v
}

/// Where `position` goes in a pseudo-random permutation of 0..n.
pub fn permuted(n: u32, seed: u32, stream: u32, step: u32, position: u32) -> u32 {
    // The smallest even number of bits that holds 0..n, and at least two.
    let bits = 32 - (n.max(2) - 1).leading_zeros();
    let half = bits.div_ceil(2);
    let low = (1u32 << half) - 1;
    let mut x = position;
    loop {
        let (mut left, mut right) = (x >> half, x & low);
        for round in 0..6 {
            let word = pcg4d([seed, stream, step, (round << 16) | right])[0];
            let mixed = left ^ ((word >> 16) & low);
            (left, right) = (right, mixed);
        }
        x = (left << half) | right;
        if x < n {
            return x;
        }
    }
}
