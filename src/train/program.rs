//! The programs of a training: recorded once, run for every step.

use super::gather::Batch;
use super::held::HeldBranches;
use super::hyper::optimizer_kernel;
use super::scoring::copy_of;
use super::sparsity::Sparsity;
use super::state::{Advance, Draw, ParamsShape};
use super::trainer::{EvalSplit, Trainer};
use super::workspace::MOMENTS;
use crate::gpu::{Buffer, GpuError, Program};
use crate::ops::{LayerContext, LossShape, Mode, Variants, Window, record_loss};
use crate::spec::Augment;

/// How the passes of each layer run.
#[derive(Clone, Copy)]
pub(super) struct StepKernels<'a> {
    pub(super) variants: &'a [Variants],
    pub(super) sparsity: Option<&'a Sparsity>,
    /// Those of an earlier pass, if this one takes the same.
    pub(super) branches: Option<&'a HeldBranches>,
}

impl Trainer<'_> {
    pub(super) fn audit_program(&self) -> Result<Program, GpuError> {
        let mut program = Program::new("audit");
        let shape = self.replicas.params_shape();
        let kernel = self.gpu.kernel("mask_audit", &[])?;
        let w = &self.workspace;
        let r = self.replicas;
        let mut buffers = vec![&r.masks, &r.params];
        buffers.extend(&w.moments);
        // The gradients, and again in place of moments that the optimizer does not have: a pruned position counts once.
        buffers.resize(3 + MOMENTS.len(), &r.grads);
        buffers.push(&w.violations);
        let count = u64::from(shape.quads);
        program.push(self.gpu, kernel, &shape, &buffers, count, r.count)?;
        Ok(program)
    }

    /// The dispatches of one optimizer step, each with the name of its layer as [`Program::place`].
    ///
    /// # Errors
    /// The device refused a kernel or a buffer.
    pub fn training_program(&self) -> Result<Program, GpuError> {
        let mut program = Program::new("training step");
        self.record_passes(&mut program, Mode::Training)?;
        self.record_update(&mut program)?;
        self.record_advance(&mut program, self.samples, self.steps as u32)?;
        Ok(program)
    }

    pub(super) fn training_draw(&self) -> Draw {
        Draw {
            total: self.data.train.count,
            base: self.spec().validation,
            samples: self.samples,
            mode: 0,
            slots: self.workspace.slots(),
            balanced: u32::from(self.spec().balanced),
        }
    }

    pub(super) fn evaluation_program(
        &self,
        part: EvalSplit,
        samples: u32,
    ) -> Result<Program, GpuError> {
        let mut program = Program::new("evaluation");
        let test = part == EvalSplit::Test;
        let draw = Draw {
            total: self.data.train.count,
            base: 0,
            samples,
            mode: if test { 2 } else { 1 },
            slots: self.workspace.slots(),
            balanced: u32::from(self.spec().balanced),
        };
        self.record_draw(&mut program, &draw, test)?;
        for &window in &self.workspace.windows {
            // What is learned from is changed; what is measured is not.
            self.record_gather(&mut program, window, None, test)?;
            self.record_forward(&mut program, window, Mode::Evaluation, self.kernels())?;
        }
        self.record_advance(&mut program, samples, 0)?;
        Ok(program)
    }

    /// How images are changed that are learned from.
    pub(super) fn augment(&self) -> Option<&Augment> {
        self.spec().augment.as_ref()
    }

    fn batch(&self, test: bool) -> Batch<'_> {
        Batch {
            gpu: self.gpu,
            data: self.data,
            split: if test {
                &self.data.test
            } else {
                &self.data.train
            },
            scales: &self.scales,
            replicas: self.replicas,
            workspace: &self.workspace,
        }
    }

    /// A training batch, window by window: forward, and where the mode has one, backward.
    pub(super) fn record_passes(&self, program: &mut Program, mode: Mode) -> Result<(), GpuError> {
        self.record_passes_by(program, mode, self.kernels())?;
        match mode {
            Mode::Recalibration => Ok(()),
            _ => self.record_strays(program),
        }
    }

    /// What completes the gradients of layers of which some passes run sparse.
    pub(super) fn record_strays(&self, program: &mut Program) -> Result<(), GpuError> {
        match &self.sparsity {
            Some(sparsity) => {
                sparsity.record_strays(self.gpu, program, self.replicas, &self.variants)
            }
            None => Ok(()),
        }
    }

    /// The kernels that were chosen for this training.
    pub(super) fn kernels(&self) -> StepKernels<'_> {
        StepKernels {
            variants: &self.variants,
            sparsity: self.sparsity.as_ref(),
            branches: None,
        }
    }

    fn record_passes_by(
        &self,
        program: &mut Program,
        mode: Mode,
        kernels: StepKernels<'_>,
    ) -> Result<(), GpuError> {
        self.record_draw(program, &self.training_draw(), false)?;
        for &window in &self.workspace.windows {
            self.record_gather(program, window, self.augment(), false)?;
            self.record_forward(program, window, mode, kernels)?;
            if mode != Mode::Recalibration {
                self.record_backward(program, window, mode, kernels)?;
            }
        }
        Ok(())
    }

    /// The gradient of the mean loss of the coming batch by every weight, pruned ones too, into the replicas' gradients: without
    /// dropout or label smoothing, batch normalisation by the batch. Nothing else changes, and the batch is still to come.
    ///
    /// # Errors
    /// The device failed.
    pub fn dense_gradients(&self) -> Result<(), GpuError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let before = copy_of(gpu, &r.params)?;
        let dense = vec![self.execution.dense(); self.variants.len()];
        let kernels = StepKernels {
            variants: &dense,
            sparsity: None,
            branches: None,
        };
        let mut program = Program::new("dense gradients");
        self.record_passes_by(&mut program, Mode::Scoring, kernels)?;
        gpu.run(&program)?;
        // Running statistics moved.
        gpu.copy(&before, &r.params, 0, before.bytes())
    }

    /// Sets gradients to 0 wherever the masks have a 0.
    ///
    /// # Errors
    /// The device failed.
    pub fn clear_pruned_gradients(&self) -> Result<(), GpuError> {
        self.clear_pruned(std::slice::from_ref(&self.replicas.grads))
    }

    /// Sets the optimizer's averages to 0 wherever the masks have a 0.
    ///
    /// # Errors
    /// The device failed.
    pub fn clear_pruned_moments(&self) -> Result<(), GpuError> {
        self.clear_pruned(&self.workspace.moments)
    }

    fn clear_pruned(&self, buffers: &[Buffer]) -> Result<(), GpuError> {
        let mut program = Program::new("clearing of what is pruned");
        for values in buffers {
            self.replicas
                .record_mask_apply(self.gpu, &mut program, values)?;
        }
        self.gpu.run(&program)
    }

    /// Chooses the samples of a whole batch, and how they are changed.
    pub(super) fn record_draw(
        &self,
        program: &mut Program,
        draw: &Draw,
        test: bool,
    ) -> Result<(), GpuError> {
        let (gpu, w, r) = (self.gpu, &self.workspace, self.replicas);
        program.place("batch");
        let batch = self.batch(test);
        let buffers = [
            &r.keys,
            &w.state,
            &batch.split.labels,
            &self.data.class_order,
            &w.index,
            &w.label,
        ];
        let kernel = gpu.kernel("batch_draw", &[])?;
        program.moves(8 * u64::from(draw.slots) * u64::from(r.count));
        program.push(gpu, kernel, draw, &buffers, u64::from(draw.slots), r.count)?;
        match self.augment() {
            Some(augment) if draw.mode == 0 => batch.record_warps(program, augment),
            _ => Ok(()),
        }
    }

    /// Brings the images of a window of the batch in.
    pub(super) fn record_gather(
        &self,
        program: &mut Program,
        window: Window,
        augment: Option<&Augment>,
        test: bool,
    ) -> Result<(), GpuError> {
        program.place("batch");
        self.batch(test).record(program, window, augment)
    }

    pub(super) fn record_forward(
        &self,
        program: &mut Program,
        window: Window,
        mode: Mode,
        kernels: StepKernels<'_>,
    ) -> Result<(), GpuError> {
        let (w, r) = (&self.workspace, self.replicas);
        for (i, layer) in r.model.layers.iter().enumerate() {
            let context = self.context(window, mode, kernels, i);
            program.place(&layer.name);
            w.record_input(self.gpu, program, r, window, i)?;
            layer.operator.forward(self.gpu, program, &context, mode)?;
        }
        program.place("loss");
        let smoothing = if mode == Mode::Training {
            self.spec().label_smoothing
        } else {
            0.0
        };
        let shape = LossShape::new(r.model.classes as u32, window, smoothing);
        let buffers = [
            &w.state,
            &w.label,
            w.logits(),
            w.logits_gradient(),
            &w.loss,
            &w.hit,
        ];
        record_loss(self.gpu, program, shape, buffers, r.count)
    }

    pub(super) fn record_backward(
        &self,
        program: &mut Program,
        window: Window,
        mode: Mode,
        kernels: StepKernels<'_>,
    ) -> Result<(), GpuError> {
        let (w, r) = (&self.workspace, self.replicas);
        for (i, layer) in r.model.layers.iter().enumerate().rev() {
            if !w.needs_gradient(i) {
                continue;
            }
            let context = self.context(window, mode, kernels, i);
            program.place(&layer.name);
            if mode == Mode::Training || !layer.operator.only_in_training() {
                layer.operator.backward(self.gpu, program, &context)?;
            }
            let apart = kernels.branches.is_some();
            w.record_moves(self.gpu, program, r, (window, apart), i)?;
        }
        Ok(())
    }

    /// Layer `i`'s place in a pass.
    fn context<'b>(
        &'b self,
        window: Window,
        mode: Mode,
        kernels: StepKernels<'b>,
        i: usize,
    ) -> LayerContext<'b> {
        let (w, r) = (&self.workspace, self.replicas);
        let (variants, sparsity) = (kernels.variants[i], kernels.sparsity);
        match kernels.branches {
            Some(branches) => w.holding_context(r, variants, sparsity, window, branches, i),
            None => w.context(r, variants, sparsity, window, mode, i),
        }
    }

    pub(super) fn record_update(&self, program: &mut Program) -> Result<(), GpuError> {
        let (gpu, w, r) = (self.gpu, &self.workspace, self.replicas);
        let shape = r.params_shape();
        let quads = u64::from(shape.quads);
        program.place("all weights");
        if self.spec().clip_norm.is_some() {
            let kernel = gpu.kernel("gradient_norm", &[])?;
            let buffers = [&r.grads, &r.masks, &w.norm_parts];
            // Gradients and mask bits.
            program.moves((16 * quads + quads / 2) * u64::from(r.count));
            program.push(gpu, kernel, &shape, &buffers, quads.div_ceil(256), r.count)?;
            let kernel = gpu.kernel("gradient_clip", &[])?;
            let buffers = [&w.norm_parts, &self.hyper, &w.state];
            program.moves(4 * quads.div_ceil(256) * u64::from(r.count));
            program.push(gpu, kernel, &shape, &buffers, 1, r.count)?;
        }
        let name = optimizer_kernel(&self.spec().optimizer);
        let flags = ("FLAGS", u32::from(self.flags.is_some()));
        let list = self.sparsity.as_ref().and_then(Sparsity::optimizer_list);
        let (kernel, shape, masks, count) = match list {
            Some((list, stride)) => {
                program.place("kept weights");
                let shape = ParamsShape {
                    kept_stride: stride,
                    flags: r.count * stride,
                    ..shape
                };
                let kernel = gpu.kernel(name, &[("KEPT", 1), flags])?;
                (kernel, shape, list, u64::from(stride))
            }
            None => (gpu.kernel(name, &[flags])?, shape, &r.masks, quads),
        };
        let mut buffers = vec![&self.hyper, &w.state, masks, &r.params, &r.grads];
        buffers.extend(&w.moments);
        // The weight is read and written, the gradient read, each moment read and written.
        let arrays = 3 + 2 * w.moments.len() as u64;
        let floats = 4 * quads * u64::from(r.count);
        program.moves(match &self.sparsity {
            // An index each.
            Some(kept) if list.is_some() => 4 * (arrays + 1) * kept.floats(),
            // Mask bits.
            _ => 4 * arrays * floats + floats / 8,
        });
        program.push(gpu, kernel, &shape, &buffers, count, r.count)?;
        match &self.lasso {
            Some(lasso) => lasso.record(gpu, program, r, &w.state),
            None => Ok(()),
        }
    }

    pub(super) fn record_advance(
        &self,
        program: &mut Program,
        samples: u32,
        steps: u32,
    ) -> Result<(), GpuError> {
        let w = &self.workspace;
        program.place("state");
        let advance = Advance {
            samples,
            batch: self.spec().batch,
            columns: w.windows[0].batch,
            steps,
        };
        let buffers = [&self.hyper, &self.factors, &w.loss, &w.hit, &w.state];
        let kernel = self.gpu.kernel("step_advance", &[])?;
        program.moves(32 * u64::from(advance.columns) * u64::from(self.replicas.count));
        program.push(self.gpu, kernel, &advance, &buffers, 1, self.replicas.count)
    }
}
