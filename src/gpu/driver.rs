//! What one driver does and another does not, asked of it when it is opened.

use super::layout::shader_struct;
use super::{Gpu, GpuError, Program};
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
    /// Asks the driver, in one dispatch.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn probe(gpu: &Gpu) -> Result<Self, GpuError> {
        let asked = DriverProbeShape::ASKED;
        let out = gpu.buffer("probe of the driver", 16)?;
        let mut program = Program::new("probe of the driver");
        let kernel = gpu.kernel("probe_driver", &[])?;
        program.push(gpu, kernel, &asked, &[&out], 1, 1)?;
        gpu.run(&program)?;
        let told: Vec<u32> = gpu.read(&out, 0, 3)?;
        Ok(Self {
            loop_limit: (told[0] < asked.passes).then_some(told[0]),
            fused_fma: told[1] != 0,
            flushes_subnormals: told[2] == 0,
        })
    }
}
