//! Replicas that are trained on a dataset: what that takes, and evaluation with the same buffers.

use super::autotune::Autotuner;
use super::error::TrainError;
use super::group_lasso::GroupLasso;
use super::hyper::{first_correction, hyper, hyper_and_factors};
use super::metrics::Metrics;
use super::param_flags::param_flags;
use super::replicas::Replicas;
use super::resident::ResidentDataset;
use super::schedule::{factors, step_range_of};
use super::sparsity::Sparsity;
use super::state::State;
use super::workspace::{MemoryRequest, Workspace};
use crate::gpu::{Buffer, Gpu, GpuError, Observe, Program};
use crate::ops::{CHUNK_SAMPLES, Execution, Mode, SparseRule, Variants};
use crate::spec::{TrainSpec, steps_of, steps_per_epoch};

/// Which samples an evaluation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalSplit {
    /// The samples this seed holds out of the training set.
    Validation,
    /// The test set.
    Test,
}

/// Changes masks while a training runs.
pub trait MaskHook {
    /// The first step at or after step `done` before which masks change, if there is one. Steps count from where the training
    /// begins; a change may come after the last.
    fn next(&self, done: u64) -> Option<u64>;

    /// Whether every layer keeps as many weights as it has through all changes; otherwise it may only lose some.
    fn keeps_counts(&self) -> bool;

    /// Makes the change that is due after `done` steps. Weights, gradients and optimizer states outside the new masks are 0
    /// afterwards.
    ///
    /// # Errors
    /// The change cannot be made, or the device failed.
    fn change(&self, trainer: &Trainer<'_>, done: u64) -> Result<(), TrainError>;
}

/// Replicas that train together on one dataset.
pub struct Trainer<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) replicas: &'a Replicas,
    pub(super) data: &'a ResidentDataset,
    pub(super) specs: &'a [&'a TrainSpec],
    /// How masks change meanwhile, if they do.
    pub(super) changes: Option<&'a dyn MaskHook>,
    pub(super) execution: Execution,
    pub(super) workspace: Workspace,
    pub(super) sparsity: Option<Sparsity>,
    pub(super) variants: Vec<Variants>,
    pub(super) scales: Buffer,
    pub(super) hyper: Buffer,
    pub(super) factors: Buffer,
    pub(super) table: Vec<f32>,
    pub(super) steps: u64,
    pub(super) samples: u32,
    pub(super) lasso: Option<GroupLasso>,
    /// What the optimizer must look up before it changes a parameter, if anything.
    pub(super) flags: Option<Vec<u32>>,
}

impl<'a> Trainer<'a> {
    /// Prepares buffers for training. `specs[replica]` may differ only in the optimizer's numbers (not its kind), in the
    /// norm to clip to and in the group lasso's lambda. The masks say what may run sparse, so they must stand when this is called.
    /// `scales` are (scale, shift) per channel, see [`super::scales`].
    ///
    /// # Errors
    /// The specs disagree in what replicas must share, the split leaves no training samples, or the device has no room.
    ///
    /// # Panics
    /// If `specs` has not one entry per replica, or they ask for micro-batches that would change bits: no whole chunks of samples,
    /// or a layer that needs the whole batch.
    pub fn new(
        gpu: &'a Gpu,
        replicas: &'a Replicas,
        data: &'a ResidentDataset,
        specs: &'a [&'a TrainSpec],
        scales: &[[f32; 2]],
        execution: &Execution,
    ) -> Result<Self, TrainError> {
        Self::with_changes(gpu, replicas, data, specs, None, scales, execution)
    }

    /// The same, and masks change while it trains.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn with_changes(
        gpu: &'a Gpu,
        replicas: &'a Replicas,
        data: &'a ResidentDataset,
        specs: &'a [&'a TrainSpec],
        changes: Option<&'a dyn MaskHook>,
        scales: &[[f32; 2]],
        execution: &Execution,
    ) -> Result<Self, TrainError> {
        assert_eq!(specs.len(), replicas.count as usize, "a spec per replica");
        let spec = specs[0];
        agree(specs)?;
        let mut layers = replicas.model.layers.iter();
        assert!(
            spec.micro_batch() == spec.batch
                || spec.micro_batch().is_multiple_of(CHUNK_SAMPLES)
                    && !layers.any(|layer| layer.operator.needs_whole_batch()),
            "micro-batches of {} samples",
            spec.micro_batch()
        );
        let samples = training_samples(spec, data.train.count)?;
        let step_range = step_range_of(spec, samples)?;
        let whole = steps_of(spec.length, samples, spec.batch);
        let table = factors(&spec.schedule, whole, samples, spec.batch);
        let table = table[step_range.start as usize..step_range.end as usize].to_vec();
        let steps = step_range.end - step_range.start;
        let (hyper, factors) = hyper_and_factors(specs, &table);
        let model = &replicas.model;
        let learned = |i: usize| {
            let layer = &model.layers[i];
            let mut tensors = model.tensors[layer.tensors.clone()].iter();
            tensors.any(|t| t.learned) && !spec.freeze.contains(&layer.name)
        };
        let learns: Vec<bool> = (0..model.layers.len()).map(learned).collect();
        let flags = param_flags(model, |i| learns[i], spec.weight_decay_on);
        let workspace = Workspace::new(gpu, replicas, &MemoryRequest::of(spec, 1.0), learns)?;
        let lasso = match spec.group_lasso {
            Some(_) => {
                let each = specs.iter().map(|s| s.group_lasso.unwrap_or(0.0) as f32);
                let lambdas: Vec<f32> = each.collect();
                let learns = |i| workspace.learns(i);
                Some(GroupLasso::new(gpu, replicas, &lambdas, learns)?)
            }
            None => None,
        };
        let mut trainer = Self {
            workspace,
            sparsity: None,
            variants: Vec::new(),
            scales: gpu.buffer_with("normalisation", scales)?,
            hyper: gpu.buffer_with("hyper-parameters", &hyper)?,
            factors: gpu.buffer_with("factors of steps", &factors)?,
            gpu,
            replicas,
            data,
            specs,
            changes,
            execution: *execution,
            table,
            steps,
            samples,
            lasso,
            flags,
        };
        let shrinks = changes.is_some_and(|c| !c.keeps_counts());
        trainer.choose_kernels(if shrinks {
            SparseRule::Never
        } else {
            execution.sparse
        })?;
        Ok(trainer)
    }

    /// Lists the weights that the masks keep, where passes may run on them alone, and chooses how each pass runs.
    pub(super) fn choose_kernels(&mut self, rule: SparseRule) -> Result<(), GpuError> {
        let (gpu, replicas) = (self.gpu, self.replicas);
        let needs_data = |i| self.workspace.needs_input_gradient(&replicas.model, i);
        self.sparsity = Sparsity::new(gpu, replicas, rule, needs_data)?;
        if let Some(flags) = &self.flags {
            let list = self.sparsity.as_ref().and_then(Sparsity::optimizer_list);
            let (table, start) = match list {
                Some((list, stride)) => (list, replicas.count * stride),
                None => (&replicas.masks, replicas.params_shape().flags),
            };
            gpu.write(table, u64::from(start) * 4, flags)?;
        }
        let choice = Autotuner {
            gpu,
            replicas,
            workspace: &self.workspace,
            sparsity: self.sparsity.as_ref(),
            execution: &self.execution,
        };
        self.variants = choice.all()?;
        Ok(())
    }

    /// The device.
    pub fn gpu(&self) -> &'a Gpu {
        self.gpu
    }

    /// Whether this layer keeps its weights and biases.
    pub fn is_frozen(&self, layer: &str) -> bool {
        self.spec().freeze.iter().any(|name| name == layer)
    }

    /// What is trained.
    pub fn replicas(&self) -> &'a Replicas {
        self.replicas
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

    /// Sets the running statistics of batch normalisations to their plain average over the batches of this training, whose
    /// forward passes alone are run, without dropout. Nothing else changes. `observe` is called a few times a second with the
    /// batches done; it returns false to stop.
    ///
    /// # Errors
    /// The device failed, or `observe` stopped it.
    pub fn recalibrate(&self, observe: Observe<'_>) -> Result<(), TrainError> {
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

    /// Loss and accuracy of every replica on `part`. Reads parameters, changes none. `observe` is as in [`Trainer::recalibrate`].
    ///
    /// # Errors
    /// The device failed, or `observe` stopped it.
    pub fn evaluate(
        &self,
        part: EvalSplit,
        observe: Observe<'_>,
    ) -> Result<Vec<Metrics>, TrainError> {
        let samples = match part {
            EvalSplit::Validation => self.spec().validation,
            EvalSplit::Test => self.data.test.count,
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
        if self.gpu.run_repeated(&program, steps, observe)? < steps {
            return Err(TrainError::Interrupted);
        }
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

    pub(super) fn first_states(&self) -> Vec<State> {
        self.specs.iter().map(|s| self.first_state(s)).collect()
    }

    fn first_state(&self, spec: &TrainSpec) -> State {
        let h = hyper(spec);
        let [correction1, correction2] = first_correction(&spec.optimizer);
        State {
            count: self.samples.min(spec.batch),
            lr: h.lr * self.table.first().copied().unwrap_or(1.0),
            clip: 1.0,
            correction1,
            correction2,
            ..State::default()
        }
    }

    pub(super) fn audit(&self, program: &Program) -> Result<Vec<u32>, GpuError> {
        let count = self.replicas.count as usize;
        self.gpu
            .write(&self.workspace.violations, 0, &vec![0u32; count])?;
        self.gpu.run(program)?;
        self.gpu.read(&self.workspace.violations, 0, count)
    }

    /// Puts every replica before its first step. [`Trainer::train`] does so by itself; a caller that runs
    /// [`Trainer::training_program`] alone needs it.
    ///
    /// # Errors
    /// The device failed.
    pub fn rewind(&self) -> Result<(), GpuError> {
        self.gpu
            .write(&self.workspace.state, 0, &self.first_states())
    }
}

/// Whether replicas agree in all that is read of the first alone.
fn agree(specs: &[&TrainSpec]) -> Result<(), TrainError> {
    let first = specs[0].alike();
    for (replica, spec) in specs.iter().enumerate().skip(1) {
        let other = spec.alike();
        let mut keys = first.keys().chain(other.keys());
        if let Some(key) = keys.find(|key| first.get(*key) != other.get(*key)) {
            let key = key.clone();
            return Err(TrainError::Disagreement { replica, key });
        }
    }
    Ok(())
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
