//! The training program: recorded once, run for every step; and evaluation with the same buffers.

use super::best::Best;
use super::checkpoint::Checkpoint;
use super::choose::Choice;
use super::gather::Batch;
use super::replicas::Replicas;
use super::resident::ResidentDataset;
use super::schedule::{factors, steps_of, steps_per_epoch, stretch_of};
use super::sparsity::Sparsity;
use super::state::{Advance, Draw, Hyper, ParamsShape, State};
use super::traits::traits;
use super::workspace::Workspace;
use super::{Augment, Optimizer, TrainError, TrainSpec};
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::ops::{CHUNK_SAMPLES, Execution, LossShape, Mode, Variants, Window, record_loss};

/// Loss and accuracy over some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Mean cross-entropy per sample, in nats.
    pub loss: f64,
    /// Share of samples whose class was right, in percent.
    pub accuracy: f64,
}

impl Metrics {
    fn of(state: &State) -> Self {
        let seen = f64::from(state.seen.max(1));
        Self {
            loss: f64::from(state.loss_sum) / seen,
            accuracy: 100.0 * f64::from(state.correct) / seen,
        }
    }
}

/// A replica at the end of a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochPoint {
    /// Passes done (the last may be cut short by a length in steps).
    pub epoch: u32,
    /// Optimizer steps done.
    pub step: u32,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Over the pass, with the weights of each moment.
    pub train: Metrics,
    /// On the validation split, where there is one.
    pub validation: Option<Metrics>,
    /// Mask violations found by the audit.
    pub violations: u32,
    /// Steps of the training so far whose loss was not finite.
    pub broken: u32,
}

/// What a training leaves of a replica beside its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// One per pass, up to the one after which the replica stopped.
    pub points: Vec<EpochPoint>,
    /// The pass whose weights were kept, where the validation split chose one.
    pub kept_epoch: Option<u32>,
}

/// Which samples an evaluation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The samples this seed holds out of the training set.
    Validation,
    /// The test set.
    Test,
}

/// How far a training is, for progress bars.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps done by the cohort.
    pub steps: u64,
    /// Steps in all.
    pub of: u64,
    /// Samples per step, all replicas together.
    pub samples_per_step: u64,
}

/// Whoever looks on while a training runs.
pub trait Watch {
    /// Called a few times a second; false stops the training.
    fn progress(&mut self, progress: Progress) -> bool;

    /// Asked after every pass but the last.
    fn wants_checkpoint(&self, _epoch: u32) -> bool {
        false
    }

    /// Takes the checkpoint that it wanted; false stops the training.
    fn checkpoint(&mut self, _checkpoint: Checkpoint) -> bool {
        true
    }
}

impl<F: FnMut(Progress) -> bool> Watch for F {
    fn progress(&mut self, progress: Progress) -> bool {
        self(progress)
    }
}

/// [`Program::place`] of what walks every parameter.
pub const ALL_WEIGHTS: &str = "all weights";
/// [`Program::place`] of an optimizer that walks the kept weights only.
pub const KEPT_WEIGHTS: &str = "kept weights";

/// Replicas that train together on one dataset.
pub struct Trainer<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) replicas: &'a Replicas,
    data: &'a ResidentDataset,
    specs: &'a [&'a TrainSpec],
    pub(super) workspace: Workspace,
    sparsity: Option<Sparsity>,
    variants: Vec<Variants>,
    scales: Buffer,
    hyper: Buffer,
    factors: Buffer,
    table: Vec<f32>,
    pub(super) steps: u64,
    pub(super) samples: u32,
    /// Whether the optimizer must look up what it may do to a parameter.
    traits: bool,
}

impl<'a> Trainer<'a> {
    /// Prepares buffers for training. `specs[replica]` may differ only in the optimizer's numbers (not its kind) and in the
    /// norm to clip to. The masks say what may run sparse, so they must stand when this is called. `scales` are (scale, shift)
    /// per channel, see [`super::scales`].
    ///
    /// # Errors
    /// The split leaves no training samples, or the device has no room.
    ///
    /// # Panics
    /// If `specs` has not one entry per replica, or asks for micro-batches that would change bits: no whole chunks of samples, or
    /// a layer that needs the whole batch.
    pub fn new(
        gpu: &'a Gpu,
        replicas: &'a Replicas,
        data: &'a ResidentDataset,
        specs: &'a [&'a TrainSpec],
        scales: &[[f32; 2]],
        execution: &Execution,
    ) -> Result<Self, TrainError> {
        assert_eq!(specs.len(), replicas.count as usize, "a spec per replica");
        let spec = specs[0];
        let mut layers = replicas.model.layers.iter();
        assert!(
            spec.micro_batch() == spec.batch
                || spec.micro_batch().is_multiple_of(CHUNK_SAMPLES)
                    && !layers.any(|layer| layer.operator.needs_whole_batch()),
            "micro-batches of {} samples",
            spec.micro_batch()
        );
        let samples = training_samples(spec, data.train.count)?;
        let stretch = stretch_of(spec, samples)?;
        let whole = steps_of(spec.length, samples, spec.batch);
        let table = factors(&spec.schedule, whole, samples, spec.batch);
        let table = table[stretch.start as usize..stretch.end as usize].to_vec();
        let steps = stretch.end - stretch.start;
        let hyper: Vec<Hyper> = specs.iter().map(|s| hyper(s)).collect();
        let model = &replicas.model;
        let learned = |i: usize| {
            let layer = &model.layers[i];
            let mut tensors = model.tensors[layer.tensors.clone()].iter();
            tensors.any(|t| t.learned) && !spec.freeze.contains(&layer.name)
        };
        let learns: Vec<bool> = (0..model.layers.len()).map(learned).collect();
        let traits = traits(model, |i| learns[i], spec.weight_decay_on);
        let sizes = (spec.batch, spec.micro_batch());
        let workspace = Workspace::new(gpu, replicas, sizes, learns)?;
        let needs_data = |i| workspace.needs_input_gradient(&replicas.model, i);
        let sparsity = Sparsity::new(gpu, replicas, execution.sparse, needs_data)?;
        if let Some(traits) = &traits {
            let list = sparsity.as_ref().and_then(Sparsity::optimizer_list);
            let (table, start) = match list {
                Some((list, stride)) => (list, replicas.count * stride),
                None => (&replicas.masks, replicas.params_shape().traits),
            };
            gpu.write(table, u64::from(start) * 4, traits)?;
        }
        let choice = Choice {
            gpu,
            replicas,
            workspace: &workspace,
            sparsity: sparsity.as_ref(),
            execution,
        };
        let variants = choice.all()?;
        Ok(Self {
            workspace,
            sparsity,
            variants,
            scales: gpu.buffer_with("normalisation", scales)?,
            hyper: gpu.buffer_with("hyper-parameters", &hyper)?,
            factors: gpu.buffer_with("learning-rate factors", &table)?,
            gpu,
            replicas,
            data,
            specs,
            table,
            steps,
            samples,
            traits: traits.is_some(),
        })
    }

    /// Optimizer steps in all.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Which layers run on their kept weights alone, for logs: `fc1 (2.5 %), fc2 (2.5 %, forward dense)`; empty where none does.
    pub fn sparse_layers(&self) -> String {
        let layers = self.replicas.model.layers.iter().zip(&self.variants);
        let mut words = Vec::new();
        for (i, (layer, variants)) in layers.enumerate() {
            let Some(density) = self.sparsity.as_ref().and_then(|s| s.density(i)) else {
                continue;
            };
            let forward = variants.forward.is_sparse();
            let weight = variants.backward_weight.is_sparse();
            let dense = match (forward, weight) {
                (true, true) => "",
                (true, false) => ", weight gradients dense",
                (false, true) => ", forward dense",
                (false, false) => continue,
            };
            words.push(format!("{} ({:.1} %{dense})", layer.name, 100.0 * density));
        }
        words.join(", ")
    }

    /// Trains to the end, or until the validation split has stopped every replica; from the beginning, or from a checkpoint of
    /// the same training, with the same bits.
    ///
    /// # Errors
    /// The device failed, the audit found a violation, or `watch` stopped it.
    pub fn train(
        &mut self,
        from: Option<Checkpoint>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Trained>, TrainError> {
        let program = self.training_program()?;
        let mut best = Best::new(self.gpu, self.replicas, self.spec().stopping)?;
        let audit = self.audit_program()?;
        let per_epoch = u64::from(steps_per_epoch(self.samples, self.spec().batch));
        let samples_per_step = u64::from(self.spec().batch) * u64::from(self.replicas.count);
        let mut states = self.first_states();
        let mut points = vec![Vec::new(); states.len()];
        let mut done = 0;
        if let Some(from) = from {
            from.put(self.gpu, self.replicas, &self.workspace, best.as_mut())?;
            done = from.steps;
            (states, points) = from
                .replicas
                .into_iter()
                .map(|replica| (replica.state, replica.points))
                .unzip();
        }
        while done < self.steps {
            let chunk = per_epoch.min(self.steps - done);
            self.gpu.write(&self.workspace.state, 0, &states)?;
            let mut going = true;
            let ran = self.gpu.run_repeated(&program, chunk, &mut |count| {
                going = watch.progress(Progress {
                    steps: done + count,
                    of: self.steps,
                    samples_per_step,
                });
                going
            })?;
            if !going && ran < chunk {
                return Err(TrainError::Interrupted);
            }
            done += ran;
            states = self.gpu.read(&self.workspace.state, 0, states.len())?;
            let violations = self.audit(&audit)?;
            let validation = if self.spec().validation > 0 {
                Some(self.evaluate(Part::Validation)?)
            } else {
                None
            };
            let epoch = done.div_ceil(per_epoch) as u32;
            for (r, state) in states.iter_mut().enumerate() {
                let point = EpochPoint {
                    epoch,
                    step: done as u32,
                    learning_rate: f64::from(
                        hyper(self.specs[r]).lr * self.table[(done - 1) as usize],
                    ),
                    train: Metrics::of(state),
                    validation: validation.as_ref().map(|v| v[r]),
                    violations: violations[r],
                    broken: state.broken,
                };
                if !best.as_ref().is_some_and(|best| best.stopped(r)) {
                    points[r].push(point);
                }
                (state.loss_sum, state.correct, state.seen) = (0.0, 0, 0);
            }
            if let Some(r) = violations.iter().position(|&v| v > 0) {
                return Err(TrainError::Violation {
                    count: violations[r],
                    replica: r,
                    step: done,
                });
            }
            if let (Some(best), Some(scores)) = (&mut best, &validation) {
                best.judge(self.gpu, self.replicas, epoch, scores)?;
                if best.all_stopped() {
                    break;
                }
            }
            if done < self.steps && watch.wants_checkpoint(epoch) {
                let progress = (done, states.as_slice(), points.as_slice());
                let (gpu, workspace) = (self.gpu, &self.workspace);
                let checkpoint =
                    Checkpoint::take(gpu, self.replicas, workspace, progress, best.as_ref())?;
                if !watch.checkpoint(checkpoint) {
                    return Err(TrainError::Interrupted);
                }
            }
        }
        let kept = match best {
            Some(best) => best.restore(self.gpu, self.replicas)?,
            None => vec![None; points.len()],
        };
        let pairs = points.into_iter().zip(kept);
        Ok(pairs
            .map(|(points, kept_epoch)| Trained { points, kept_epoch })
            .collect())
    }

    /// Sets the running statistics of batch normalisations to their plain average over the batches of this training, whose
    /// forward passes alone are run, without dropout. Nothing else changes. `observe` is called a few times a second with the
    /// batches done; it returns false to stop.
    ///
    /// # Errors
    /// The device failed, or `observe` stopped it.
    pub fn recalibrate(&self, observe: &mut dyn FnMut(u64) -> bool) -> Result<(), TrainError> {
        self.rewind()?;
        let mut program = Program::new("recalibration");
        self.record_passes(&mut program, Mode::Recalibration)?;
        self.record_advance(&mut program, self.samples, self.steps as u32)?;
        let ran = self.gpu.run_repeated(&program, self.steps, observe)?;
        if ran < self.steps {
            return Err(TrainError::Interrupted);
        }
        Ok(())
    }

    /// Loss and accuracy of every replica on `part`. Reads parameters, changes none.
    ///
    /// # Errors
    /// The device failed.
    pub fn evaluate(&self, part: Part) -> Result<Vec<Metrics>, TrainError> {
        let samples = match part {
            Part::Validation => self.spec().validation,
            Part::Test => self.data.test.count,
        };
        let start = State {
            count: samples.min(self.spec().batch),
            ..State::default()
        };
        let count = self.replicas.count as usize;
        self.gpu
            .write(&self.workspace.state, 0, &vec![start; count])?;
        let program = self.evaluation_program(part, samples)?;
        let steps = u64::from(steps_per_epoch(samples, self.spec().batch));
        self.gpu.run_repeated(&program, steps, &mut |_| true)?;
        let states: Vec<State> = self.gpu.read(&self.workspace.state, 0, count)?;
        Ok(states.iter().map(Metrics::of).collect())
    }

    /// The model's outputs of the last batch that ran, `[replica][class][slot]`, the batch rounded up to a multiple of 4 slots;
    /// of its last micro-batch, where there are several.
    ///
    /// # Errors
    /// The device failed.
    pub fn logits(&self) -> Result<Vec<f32>, GpuError> {
        let last = self.workspace.windows.last();
        let slots = last.map_or(0, |window| window.columns as usize * 4);
        let count = self.replicas.count as usize * self.replicas.model.classes * slots;
        self.gpu.read(self.workspace.logits(), 0, count)
    }

    /// Counts mask violations of every replica in weights, gradients and optimizer state.
    ///
    /// # Errors
    /// The device failed.
    pub fn audit_now(&self) -> Result<Vec<u32>, TrainError> {
        Ok(self.audit(&self.audit_program()?)?)
    }

    /// What all replicas share: everything but the optimizer's numbers.
    fn spec(&self) -> &TrainSpec {
        self.specs[0]
    }

    fn first_states(&self) -> Vec<State> {
        self.specs.iter().map(|s| self.first_state(s)).collect()
    }

    fn first_state(&self, spec: &TrainSpec) -> State {
        let h = hyper(spec);
        State {
            count: self.samples.min(spec.batch),
            lr: h.lr * self.table.first().copied().unwrap_or(1.0),
            clip: 1.0,
            beta1_power: h.momentum,
            beta2_power: h.beta2,
            ..State::default()
        }
    }

    fn audit(&self, program: &Program) -> Result<Vec<u32>, GpuError> {
        let count = self.replicas.count as usize;
        self.gpu
            .write(&self.workspace.violations, 0, &vec![0u32; count])?;
        self.gpu.run(program)?;
        self.gpu.read(&self.workspace.violations, 0, count)
    }

    fn audit_program(&self) -> Result<Program, GpuError> {
        let mut program = Program::new("audit");
        let shape = self.replicas.params_shape();
        let kernel = self.gpu.kernel("mask_audit", &[])?;
        let w = &self.workspace;
        let r = self.replicas;
        let buffers = [
            &r.masks,
            &r.params,
            &r.grads,
            &w.moment1,
            &w.moment2,
            &w.violations,
        ];
        let count = u64::from(shape.quads);
        program.push(self.gpu, kernel, &shape, &buffers, count, r.count)?;
        Ok(program)
    }

    /// Puts every replica before its first step. [`Trainer::train`] does so by itself; whoever runs
    /// [`Trainer::training_program`] alone needs it.
    ///
    /// # Errors
    /// The device failed.
    pub fn rewind(&self) -> Result<(), GpuError> {
        self.gpu
            .write(&self.workspace.state, 0, &self.first_states())
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

    fn training_draw(&self) -> Draw {
        Draw {
            total: self.data.train.count,
            base: self.spec().validation,
            samples: self.samples,
            mode: 0,
            slots: self.workspace.slots(),
            balanced: u32::from(self.spec().balanced),
        }
    }

    fn evaluation_program(&self, part: Part, samples: u32) -> Result<Program, GpuError> {
        let mut program = Program::new("evaluation");
        let test = part == Part::Test;
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
            self.record_forward(&mut program, window, Mode::Evaluation)?;
        }
        self.record_advance(&mut program, samples, 0)?;
        Ok(program)
    }

    /// How images are changed that are learned from.
    fn augment(&self) -> Option<&Augment> {
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
        self.record_draw(program, &self.training_draw(), false)?;
        for &window in &self.workspace.windows {
            self.record_gather(program, window, self.augment(), false)?;
            self.record_forward(program, window, mode)?;
            if mode != Mode::Recalibration {
                self.record_backward(program, window, mode)?;
            }
        }
        match &self.sparsity {
            Some(sparsity) if mode != Mode::Recalibration => {
                sparsity.record_strays(self.gpu, program, self.replicas, &self.variants)
            }
            _ => Ok(()),
        }
    }

    /// Chooses the samples of a whole batch, and how they are changed.
    fn record_draw(&self, program: &mut Program, draw: &Draw, test: bool) -> Result<(), GpuError> {
        let (gpu, w, r) = (self.gpu, &self.workspace, self.replicas);
        program.place("batch");
        let batch = self.batch(test);
        let buffers = [
            &r.keys,
            &w.state,
            &batch.split.labels,
            &self.data.turns,
            &w.index,
            &w.label,
        ];
        let kernel = gpu.kernel("batch_draw", &[])?;
        program.push(gpu, kernel, draw, &buffers, u64::from(draw.slots), r.count)?;
        match self.augment() {
            Some(augment) if draw.mode == 0 => batch.record_warps(program, augment),
            _ => Ok(()),
        }
    }

    /// Brings the images of a window of the batch in.
    fn record_gather(
        &self,
        program: &mut Program,
        window: Window,
        augment: Option<&Augment>,
        test: bool,
    ) -> Result<(), GpuError> {
        program.place("batch");
        self.batch(test).record(program, window, augment)
    }

    fn record_forward(
        &self,
        program: &mut Program,
        window: Window,
        mode: Mode,
    ) -> Result<(), GpuError> {
        let (w, r) = (&self.workspace, self.replicas);
        for (i, layer) in r.model.layers.iter().enumerate() {
            let site = w.site(r, self.variants[i], self.sparsity.as_ref(), window, i);
            program.place(&layer.name);
            w.record_input(self.gpu, program, r, window, i)?;
            layer.operator.forward(self.gpu, program, &site, mode)?;
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

    fn record_backward(
        &self,
        program: &mut Program,
        window: Window,
        mode: Mode,
    ) -> Result<(), GpuError> {
        let (w, r) = (&self.workspace, self.replicas);
        for (i, layer) in r.model.layers.iter().enumerate().rev() {
            if !w.needs_gradient(i) {
                continue;
            }
            let site = w.site(r, self.variants[i], self.sparsity.as_ref(), window, i);
            program.place(&layer.name);
            if mode == Mode::Training || !layer.operator.only_in_training() {
                layer.operator.backward(self.gpu, program, &site)?;
            }
            w.record_moves(self.gpu, program, r, window, i)?;
        }
        Ok(())
    }

    pub(super) fn record_update(&self, program: &mut Program) -> Result<(), GpuError> {
        let (gpu, w, r) = (self.gpu, &self.workspace, self.replicas);
        let shape = r.params_shape();
        let quads = u64::from(shape.quads);
        program.place(ALL_WEIGHTS);
        if self.spec().clip_norm.is_some() {
            let kernel = gpu.kernel("gradient_norm", &[])?;
            let buffers = [&r.grads, &r.masks, &w.norm_parts];
            program.push(gpu, kernel, &shape, &buffers, quads.div_ceil(256), r.count)?;
            let kernel = gpu.kernel("gradient_clip", &[])?;
            let buffers = [&w.norm_parts, &self.hyper, &w.state];
            program.push(gpu, kernel, &shape, &buffers, 1, r.count)?;
        }
        let name = optimizer_kernel(&self.spec().optimizer);
        let traits = ("TRAITS", u32::from(self.traits));
        let list = self.sparsity.as_ref().and_then(Sparsity::optimizer_list);
        let (kernel, shape, masks, count) = match list {
            Some((list, stride)) => {
                program.place(KEPT_WEIGHTS);
                let shape = ParamsShape {
                    kept_stride: stride,
                    traits: r.count * stride,
                    ..shape
                };
                let kernel = gpu.kernel(name, &[("KEPT", 1), traits])?;
                (kernel, shape, list, u64::from(stride))
            }
            None => (gpu.kernel(name, &[traits])?, shape, &r.masks, quads),
        };
        let buffers = [
            &self.hyper,
            &w.state,
            masks,
            &r.params,
            &r.grads,
            &w.moment1,
            &w.moment2,
        ];
        program.push(gpu, kernel, &shape, &buffers, count, r.count)
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
        program.push(self.gpu, kernel, &advance, &buffers, 1, self.replicas.count)
    }
}

/// Training samples left after the validation split, or why there are none.
///
/// # Errors
/// Nothing is left to train on, or more was asked for than there is.
pub fn training_samples(spec: &TrainSpec, available: u32) -> Result<u32, TrainError> {
    let left = available.saturating_sub(spec.validation);
    let samples = spec.samples.unwrap_or(left);
    if left == 0 || samples == 0 || samples > left {
        return Err(TrainError::NoSamples {
            dataset: spec.dataset.clone(),
            available,
            validation: spec.validation,
            samples: spec.samples,
        });
    }
    Ok(samples)
}

fn optimizer_kernel(optimizer: &Optimizer) -> &'static str {
    match optimizer {
        Optimizer::Sgd { .. } => "sgd_step",
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } => "adam_step",
        Optimizer::Adadelta { .. } => "adadelta_step",
    }
}

fn hyper(spec: &TrainSpec) -> Hyper {
    let clip_norm = spec.clip_norm.unwrap_or(0.0) as f32;
    match spec.optimizer {
        Optimizer::Sgd {
            lr,
            momentum,
            nesterov,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: momentum as f32,
            weight_decay: weight_decay as f32,
            nesterov: u32::from(nesterov),
            clip_norm,
            ..Hyper::default()
        },
        Optimizer::Adam {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
        }
        | Optimizer::AdamW {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: beta1 as f32,
            beta2: beta2 as f32,
            eps: eps as f32,
            weight_decay: weight_decay as f32,
            decoupled: u32::from(matches!(spec.optimizer, Optimizer::AdamW { .. })),
            clip_norm,
            ..Hyper::default()
        },
        Optimizer::Adadelta {
            lr,
            rho,
            eps,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: rho as f32,
            eps: eps as f32,
            weight_decay: weight_decay as f32,
            clip_norm,
            ..Hyper::default()
        },
    }
}
