//! What one driver does and another does not, asked of it when it is opened.

use super::layout::shader_struct;
use serde::Serialize;

shader_struct! {
    /// Numbers whose product, sum and half tell drivers apart.
    pub struct DriverProbeShape {
        /// Passes of a loop.
        pub passes: u32,
        /// Its square is not a number of `f32`.
        pub factor: f32,
        /// Minus its square, rounded.
        pub addend: f32,
        /// The smallest normal number.
        pub tiny: f32,
    }
}

impl DriverProbeShape {
    /// More passes than Mesa's lavapipe counted before 25 (65,535), and a factor of 1 + 2^-12, whose square is 2^-24 above the
    /// nearest `f32`.
    pub const ASKED: Self = Self {
        passes: 70_000,
        factor: 1.0 + 1.0 / 4096.0,
        addend: -(1.0 + 1.0 / 2048.0),
        tiny: f32::MIN_POSITIVE,
    };
}

/// How a driver's arithmetic and loops differ from others'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DriverTraits {
    /// After so many passes, those of all loops together and the checks at their ends counted, an invocation's loops end
    /// without a word.
    pub loop_limit: Option<u32>,
    /// `fma` rounds once, not product and sum each for itself. Results of drivers that differ here differ in their last bits.
    pub fused_fma: bool,
    /// Subnormal numbers become 0.
    pub flushes_subnormals: bool,
}

impl DriverTraits {
    /// From what `probe_driver` answered to [`DriverProbeShape::ASKED`].
    pub(super) fn told(words: [u32; 3]) -> Self {
        let [counted, sum, half] = words;
        Self {
            loop_limit: (counted < DriverProbeShape::ASKED.passes).then_some(counted),
            fused_fma: sum != 0,
            flushes_subnormals: half == 0,
        }
    }
}
