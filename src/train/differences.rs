//! Differences of gradients between two places, with the branches that layers take at the weights between them.
//!
//! A network with ReLUs and max pooling is smooth between its kinks, and its second derivatives are those of the smooth piece
//! that the weights are in. A difference of gradients that crosses kinks measures the jumps there as well, however short the step; with
//! the branches held it stays on the piece.

use super::error::TrainError;
use super::program::StepKernels;
use super::scoring::{copy_of, record_on_all};
use super::trainer::Trainer;
use crate::gpu::{Buffer, Observe, Program};
use crate::ops::Mode;

impl Trainer<'_> {
    /// Adds to `sums` (`[replica][float]`) the gradients at w + s d less those at w - s d, for the batches that
    /// [`Trainer::accumulate_gradients`] takes, each under the branches that layers take on it at w. `steps` are s of each replica,
    /// d the direction; weights with a 0 in `masks` stay. The parameters are w, also afterwards.
    ///
    /// # Errors
    /// The device failed, or `observe` stopped it.
    pub fn accumulate_differences(
        &self,
        steps: &[f32],
        [masks, direction]: [&Buffer; 2],
        sums: &Buffer,
        observe: Observe<'_>,
    ) -> Result<(), TrainError> {
        let (gpu, r, w) = (self.gpu, self.replicas, &self.workspace);
        self.rewind()?;
        let base = copy_of(gpu, &r.params)?;
        let branches = w.room_for_branches(gpu, &r.model)?;
        let holding = StepKernels {
            branches: Some(&branches),
            ..self.kernels()
        };
        let steps_of = |sign: f32| {
            let steps: Vec<f32> = steps.iter().map(|step| sign * step).collect();
            gpu.buffer_with("steps", &steps)
        };
        let nowhere = steps_of(0.0)?;
        let moved_by = |program: &mut Program, steps: &Buffer| {
            let buffers = [steps, masks, direction, &base, &r.params];
            record_on_all(gpu, program, r, ("params_shift", &[]), &buffers)
        };
        let mut program = Program::new("differences of gradients");
        self.record_draw(&mut program, &self.training_draw(), false)?;
        // KIND of gradient_accumulate: the gradients, and with their sign turned.
        for (sign, kind) in [(1.0, 0), (-1.0, 3)] {
            let away = steps_of(sign)?;
            for &window in &w.windows {
                moved_by(&mut program, &nowhere)?;
                self.record_gather(&mut program, window, self.augment(), false)?;
                self.record_forward(&mut program, window, Mode::Scoring, self.kernels())?;
                w.record_hold(gpu, &mut program, (r, window), &branches)?;
                moved_by(&mut program, &away)?;
                self.record_forward(&mut program, window, Mode::Scoring, holding)?;
                self.record_backward(&mut program, window, Mode::Scoring, holding)?;
            }
            self.record_strays(&mut program)?;
            let buffers = [&r.params, &r.grads, sums];
            let kernel = ("gradient_accumulate", &[("KIND", kind)][..]);
            record_on_all(gpu, &mut program, r, kernel, &buffers)?;
        }
        self.record_advance(&mut program, self.samples, self.steps as u32)?;
        self.run_scoring(&program, Some(&base), observe)
    }
}
