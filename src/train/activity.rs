//! Sums over what units do on batches.

use super::error::TrainError;
use super::scoring::copy_of;
use super::trainer::Trainer;
use crate::gpu::{Buffer, Observe, Program, shader_struct};
use crate::model::Structure;
use crate::ops::Mode;

shader_struct! {
    /// Uniform of `unit_activity`.
    pub struct ActivityShape {
        /// Units of the value.
        pub units: u32,
        /// Features per unit.
        pub len: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Which of the batch's the first is.
        pub column: u32,
        /// Where the group's sums start.
        pub base: u32,
        /// Sums per replica.
        pub stride: u32,
    }
}

impl Trainer<'_> {
    /// Adds to `sums` (`[replica][stride]`, group g's units from `bases[g]` on) the mean of |x| over samples and pixels, once for each
    /// batch of this training and each layer that reads units of the group: x is what it reads. The passes are as in
    /// [`Trainer::accumulate_gradients`], on the samples that [`Trainer::train`] would draw; nothing else changes. `observe` is as in
    /// [`Trainer::recalibrate`].
    ///
    /// # Errors
    /// The device failed, or `observe` stopped it.
    pub fn gather_activity(
        &self,
        structure: &Structure,
        (bases, stride): (&[Option<u32>], u32),
        sums: &Buffer,
        observe: Observe<'_>,
    ) -> Result<(), TrainError> {
        let (gpu, w, r) = (self.gpu, &self.workspace, self.replicas);
        self.rewind()?;
        let before = copy_of(gpu, &r.params)?;
        let mode = Mode::Scoring;
        let mut program = Program::new("activity");
        self.record_draw(&mut program, &self.training_draw(), false)?;
        for &window in &w.windows {
            self.record_gather(&mut program, window, None, false)?;
            for (i, layer) in r.model.layers.iter().enumerate() {
                let sparsity = self.sparsity.as_ref();
                let context = w.context(r, self.variants[i], sparsity, window, mode, i);
                let read = structure.of_source(layer.from);
                if let Some(base) = bases[read.group].filter(|_| layer.operator.mixes_channels()) {
                    let units = structure.groups[read.group].units;
                    let shape = ActivityShape {
                        units: units as u32,
                        len: (layer.input.features() / units) as u32,
                        columns: window.columns,
                        column: window.first,
                        base,
                        stride,
                    };
                    let kernel = gpu.kernel("unit_activity", &[])?;
                    let buffers = [&w.state, context.x, sums];
                    program.push(gpu, kernel, &shape, &buffers, 64 * units as u64, r.count)?;
                }
                w.record_input(gpu, &mut program, r, window, i)?;
                layer.operator.forward(gpu, &mut program, &context, mode)?;
            }
        }
        self.record_advance(&mut program, self.samples, self.steps as u32)?;
        let ran = gpu.run_repeated(&program, self.steps, observe)?;
        // Running statistics moved.
        gpu.copy(&before, &r.params, 0, before.bytes())?;
        if ran < self.steps {
            return Err(TrainError::Interrupted);
        }
        Ok(())
    }
}
