//! A training: its passes one after another, the audit and the scores between them; and evaluation with the same buffers.

use super::best::Best;
use super::checkpoint::Checkpoint;
use super::choose::Choice;
use super::group_lasso::GroupLasso;
use super::hyper::hyper;
use super::replicas::Replicas;
use super::resident::ResidentDataset;
use super::schedule::{factors, steps_of, steps_per_epoch, stretch_of};
use super::sparsity::Sparsity;
use super::state::{Hyper, State};
use super::traits::traits;
use super::workspace::Workspace;
use super::{TrainError, TrainSpec};
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::ops::{CHUNK_SAMPLES, Execution, Mode, Variants};

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

/// Replicas that train together on one dataset.
pub struct Trainer<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) replicas: &'a Replicas,
    pub(super) data: &'a ResidentDataset,
    pub(super) specs: &'a [&'a TrainSpec],
    pub(super) workspace: Workspace,
    pub(super) sparsity: Option<Sparsity>,
    pub(super) variants: Vec<Variants>,
    pub(super) scales: Buffer,
    pub(super) hyper: Buffer,
    pub(super) factors: Buffer,
    table: Vec<f32>,
    pub(super) steps: u64,
    pub(super) samples: u32,
    pub(super) lasso: Option<GroupLasso>,
    /// Whether the optimizer must look up what it may do to a parameter.
    pub(super) traits: bool,
}

impl<'a> Trainer<'a> {
    /// Prepares buffers for training. `specs[replica]` may differ only in the optimizer's numbers (not its kind), in the
    /// norm to clip to and in the group lasso's lambda. The masks say what may run sparse, so they must stand when this is called. `scales` are (scale, shift)
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
        let lasso = match spec.group_lasso {
            Some(_) => {
                let each = specs.iter().map(|s| s.group_lasso.unwrap_or(0.0) as f32);
                let lambdas: Vec<f32> = each.collect();
                let learns = |i| workspace.learns(i);
                Some(GroupLasso::new(gpu, replicas, &lambdas, learns)?)
            }
            None => None,
        };
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
            lasso,
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
    pub(super) fn spec(&self) -> &TrainSpec {
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

    /// Puts every replica before its first step. [`Trainer::train`] does so by itself; whoever runs
    /// [`Trainer::training_program`] alone needs it.
    ///
    /// # Errors
    /// The device failed.
    pub fn rewind(&self) -> Result<(), GpuError> {
        self.gpu
            .write(&self.workspace.state, 0, &self.first_states())
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
