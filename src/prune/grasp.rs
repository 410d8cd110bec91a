//! The Hessian times the gradient (Wang et al. 2020), by a finite difference along g on which no kink is crossed.

use super::error::PruneError;
use crate::gpu::{Buffer, Gpu, Observe};
use crate::train::{GradientStatistic, Replicas, Trainer, norms, weights_only};

/// Length of a step along g, as a share of the weights' own length: 2^-8.
///
/// A central difference errs by the square of the step (about 2^-16 of the curvature's change) and by the rounding of the two
/// gradients over the step (2^-24 over 2^-8, again 2^-16): the two are equal near the cube root of the rounding unit, which is
/// 2^-8. Relative to the weights, the step is the same for gradients of any size.
const STEP: f64 = 1.0 / 256.0;

/// H g of every replica up to a positive factor each, `[replica][float]`: the sums over the batches of the gradients at w + s g
/// minus those at w - s g, with ReLUs and maxima as they are at w, so that H is what double backward finds. g is the gradient by the
/// weights that exist; s |g| is [`STEP`] of |w|, both L2. Parameters are as before afterwards.
///
/// # Errors
/// The device failed, or `observe` stopped it.
pub fn hessian_gradient(
    gpu: &Gpu,
    replicas: &Replicas,
    trainer: &Trainer<'_>,
    observe: Observe<'_>,
) -> Result<Buffer, PruneError> {
    let g = gpu.buffer("gradients at the weights", replicas.params.bytes())?;
    trainer.accumulate_gradients(GradientStatistic::Gradients, &g, observe)?;
    let masks = weights_only(gpu, replicas)?;
    let lengths = norms(gpu, replicas, &masks, &g)?;
    let weights = norms(gpu, replicas, &masks, &replicas.params)?;
    let step = |(&g, &w): (&f64, &f64)| if g == 0.0 { 0.0 } else { (STEP * w / g) as f32 };
    let steps: Vec<f32> = lengths.iter().zip(&weights).map(step).collect();
    let differences = gpu.buffer("differences of gradients", replicas.params.bytes())?;
    trainer.accumulate_differences(&steps, [&masks, &g], &differences, observe)?;
    Ok(differences)
}
