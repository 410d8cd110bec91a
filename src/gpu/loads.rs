//! Loads of two floats at a time, as a 64-bit integer.
//!
//! Lavapipe loads a vector number by number, and a number takes as long whether it has 32 bits or 64: kernels that are bound by loads
//! are 1.2 to 1.8 times as fast (docs/performance.md). The bits are the same.

/// What `shaders/shared/loads.wgsl` says.
const QUADS: [&str; 2] = [
    "alias Quad = vec4<f32>;",
    "fn loaded(quad: Quad) -> vec4<f32> { return quad; }",
];
/// What stands for it.
const PAIRS: [&str; 2] = [
    "alias Quad = vec2<u64>;",
    "fn loaded(quad: Quad) -> vec4<f32> {
    let low = vec2<u32>(u32(quad.x & 0xfffffffflu), u32(quad.y & 0xfffffffflu));
    let high = vec2<u32>(u32(quad.x >> 32u), u32(quad.y >> 32u));
    return bitcast<vec4<f32>>(vec4<u32>(low.x, high.x, low.y, high.y));
}",
];

/// The text of a kernel whose loads through `shaders/shared/loads.wgsl` are of 64-bit integers.
pub(super) fn in_pairs(text: &str) -> String {
    let pairs = QUADS.iter().zip(PAIRS);
    pairs.fold(text.to_owned(), |text, (quad, pair)| {
        text.replace(quad, pair)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_text_is_the_one_that_is_replaced() {
        let shared = include_str!("../../shaders/shared/loads.wgsl");
        for (quad, pair) in QUADS.iter().zip(PAIRS) {
            assert!(shared.contains(quad) && in_pairs(shared).contains(pair));
        }
    }
}
