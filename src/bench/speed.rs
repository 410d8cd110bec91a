//! How long a cohort takes as it is: a step of its training, and a pass over the test set.

use super::error::BenchError;
use super::timing::time;
use crate::gpu::Gpu;
use crate::train::{EvalSplit, Trainer};
use std::time::{Duration, Instant};

/// Passes over the test set, of which the fastest counts.
const PASSES: u32 = 3;

/// Seconds by the host's clock, of all replicas together.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// One training step.
    pub step_seconds: f64,
    /// One pass over the test set, forward only.
    pub test_seconds: f64,
}

/// Measures a trainer; its replicas go on training meanwhile.
///
/// # Errors
/// The device failed.
pub fn speed(gpu: &Gpu, trainer: &Trainer<'_>, window: Duration) -> Result<Speed, BenchError> {
    trainer.rewind()?;
    let step_seconds = time(gpu, &trainer.training_program()?, window)?
        .blocks
        .fastest;
    // Once before the clock, to compile shaders.
    trainer.evaluate(EvalSplit::Test, &mut |_| true)?;
    let mut test_seconds = f64::INFINITY;
    for _ in 0..PASSES {
        let begun = Instant::now();
        trainer.evaluate(EvalSplit::Test, &mut |_| true)?;
        test_seconds = test_seconds.min(begun.elapsed().as_secs_f64());
    }
    Ok(Speed {
        step_seconds,
        test_seconds,
    })
}
