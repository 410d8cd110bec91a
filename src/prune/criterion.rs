//! Criteria: the registry, and how scores become sort keys on the GPU.

use super::custom::{CustomCriterion, custom_keys};
use super::error::PruneError;
use super::grasp::hessian_gradient;
use super::invert::invert_keys;
use super::lamp::lamp_keys;
use crate::gpu::{Buffer, Gpu, GpuError, Observe, Program, shader_struct};
use crate::spec::Criterion;
use crate::train::{GradientStatistic, Replicas, TrainError, Trainer, synaptic_flow};

shader_struct! {
    /// Uniform of the `*_score` kernels (`shaders/shared/score.wgsl`).
    pub struct ScoreShape {
        /// Where the tensor starts in the flat parameters.
        pub offset: u32,
        /// Its weights.
        pub count: u32,
        /// Floats per replica.
        pub param_stride: u32,
        /// Mask words per replica.
        pub mask_words: u32,
        /// The tensor's number, which keys its random stream.
        pub tensor: u32,
        /// 1: every weight may be selected; 0: only those the mask keeps.
        pub revive: u32,
    }
}

/// How a criterion scores.
enum Method {
    /// This kernel, from the weights alone.
    Weights(&'static str),
    /// This FORMULA of `saliency_score`, from what batches add up to.
    Batches(GradientStatistic, u32),
    /// This FORMULA, from the Hessian times the gradient.
    Curvature(u32),
    /// This FORMULA, from the flow of an input of ones.
    Flow(u32),
    /// Keys that the host works out.
    Sorted,
    /// Keys of the scores that the program gives.
    Custom,
}

fn method(criterion: Criterion) -> Method {
    match criterion {
        Criterion::Magnitude => Method::Weights("magnitude_score"),
        Criterion::Random => Method::Weights("random_score"),
        Criterion::Gradient => Method::Batches(GradientStatistic::Gradients, 0),
        Criterion::Snip => Method::Batches(GradientStatistic::Gradients, 1),
        Criterion::Taylor => Method::Batches(GradientStatistic::Gradients, 3),
        Criterion::TaylorSquared => Method::Batches(GradientStatistic::Squares, 4),
        Criterion::Movement => Method::Batches(GradientStatistic::Movement, 5),
        Criterion::Grasp => Method::Curvature(2),
        Criterion::Synflow => Method::Flow(0),
        Criterion::Lamp => Method::Sorted,
        Criterion::Custom => Method::Custom,
    }
}

impl Criterion {
    /// The buffers of a float per parameter that scoring takes, as many as there are at once; for [`MemoryRequest`](crate::train::MemoryRequest).
    pub fn buffers(self) -> &'static [&'static str] {
        match method(self) {
            Method::Weights(_) | Method::Sorted | Method::Custom => &["scores"],
            Method::Batches(..) => SUMS_OVER_BATCHES,
            Method::Curvature(_) => &[
                "gradients at the weights",
                "differences of gradients",
                "weights put aside",
            ],
            Method::Flow(_) => &["flow", "weights put aside"],
        }
    }
}

/// What [`Trainer::accumulate_gradients`] needs.
pub(super) const SUMS_OVER_BATCHES: &[&str] = &["sums over batches", "weights put aside"];

/// Scores of replicas.
pub(super) struct Scorer<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) replicas: &'a Replicas,
    pub(super) criterion: Criterion,
    /// For criteria that read data.
    pub(super) trainer: Option<Trainer<'a>>,
    /// For [`Criterion::Custom`].
    pub(super) custom: Option<&'a CustomCriterion<'a>>,
    /// Whether pruned weights may be selected too.
    pub(super) revive: bool,
    /// Whether the lowest scores have the largest keys.
    pub(super) invert: bool,
}

impl<'a> Scorer<'a> {
    /// By a criterion that reads no data, of the weights that exist.
    pub(super) fn of_weights(gpu: &'a Gpu, replicas: &'a Replicas, criterion: Criterion) -> Self {
        Self {
            gpu,
            replicas,
            criterion,
            trainer: None,
            custom: None,
            revive: false,
            invert: false,
        }
    }
}

impl Scorer<'_> {
    /// A key for each weight of `tensors` in every replica, `[replica][float]`; 0 for those that may not be selected.
    ///
    /// # Errors
    /// Scores that are NaN, data that is not there, or the device failed.
    pub(super) fn keys(
        &self,
        tensors: &[usize],
        observe: Observe<'_>,
    ) -> Result<Buffer, PruneError> {
        let score = self.scored(tensors, observe)?;
        if self.invert {
            invert_keys(self.gpu, &score, self.replicas.model.floats)?;
        }
        Ok(score)
    }

    /// The keys of the scores as they are.
    fn scored(&self, tensors: &[usize], observe: Observe<'_>) -> Result<Buffer, PruneError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let trainer = || self.trainer.as_ref().ok_or(PruneError::NoData);
        let (sums, formula) = match method(self.criterion) {
            Method::Weights(kernel) => {
                let buffers = [&r.keys, &r.masks, &r.params];
                return self.ranked((kernel, None), &buffers, tensors);
            }
            Method::Sorted => return lamp_keys(gpu, r),
            Method::Custom => {
                let criterion = self.custom.ok_or(PruneError::NoCriterion)?;
                return custom_keys(gpu, r, tensors, criterion);
            }
            Method::Batches(what, formula) => {
                let sums = gpu.buffer("sums over batches", r.params.bytes())?;
                let trainer = trainer()?;
                trainer.accumulate_gradients(what, &sums, observe)?;
                if what == GradientStatistic::Movement {
                    let violations = trainer.audit_now()?;
                    if let Some(replica) = violations.iter().position(|&v| v > 0) {
                        Err(TrainError::Violation {
                            count: violations[replica],
                            replica,
                            step: trainer.steps(),
                        })?;
                    }
                }
                (sums, formula)
            }
            Method::Curvature(formula) => (hessian_gradient(gpu, r, trainer()?, observe)?, formula),
            Method::Flow(formula) => (synaptic_flow(gpu, r)?, formula),
        };
        let buffers = [&r.masks, &r.params, &sums];
        self.ranked(("saliency_score", Some(formula)), &buffers, tensors)
    }

    /// Runs a score kernel over the tensors.
    fn ranked(
        &self,
        (name, formula): (&'static str, Option<u32>),
        read: &[&Buffer; 3],
        tensors: &[usize],
    ) -> Result<Buffer, PruneError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let score = gpu.buffer("scores", r.params.bytes())?;
        let unordered = gpu.buffer("NaN counts", u64::from(r.count) * 4)?;
        let mut program = Program::new("scores");
        let constants: Vec<(&'static str, u32)> =
            formula.map(|f| ("FORMULA", f)).into_iter().collect();
        let [first, second, third] = *read;
        let buffers = [first, second, third, &score, &unordered];
        for &number in tensors {
            self.record(&mut program, (name, &constants), number, &buffers)?;
        }
        gpu.run(&program)?;
        refuse_nans(gpu, &unordered, r.count)?;
        Ok(score)
    }

    fn record(
        &self,
        program: &mut Program,
        (name, constants): (&'static str, &[(&'static str, u32)]),
        number: usize,
        buffers: &[&Buffer],
    ) -> Result<(), GpuError> {
        let model = &self.replicas.model;
        let tensor = &model.tensors[number];
        let shape = ScoreShape {
            offset: tensor.offset as u32,
            count: tensor.count as u32,
            param_stride: model.floats as u32,
            mask_words: model.mask_words() as u32,
            tensor: number as u32,
            revive: u32::from(self.revive),
        };
        let kernel = self.gpu.kernel(name, constants)?;
        let count = tensor.count as u64;
        program.push(
            self.gpu,
            kernel,
            &shape,
            buffers,
            count,
            self.replicas.count,
        )
    }
}

/// An error where a score kernel counted NaNs.
pub(super) fn refuse_nans(gpu: &Gpu, unordered: &Buffer, replicas: u32) -> Result<(), PruneError> {
    let nans: Vec<u32> = gpu.read(unordered, 0, replicas as usize)?;
    match nans.iter().position(|&n| n > 0) {
        Some(replica) => Err(PruneError::NotANumber {
            count: nans[replica],
            replica,
        }),
        None => Ok(()),
    }
}
