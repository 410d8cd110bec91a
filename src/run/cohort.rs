//! Which stages can share a cohort, and how many replicas a cohort may have.

use super::facts::model_key;
use crate::experiment::{Stage, Step};
use crate::gpu::{AdapterKind, Gpu};
use crate::model::Model;
use crate::ops::CHUNK_SAMPLES;
use crate::spec::{
    Amount, MaskStep, ModelSpec, Optimizer, TrainSpec, TrainStep, UnitAmount, UnitPrune,
};
use crate::train::{Demand, Memory};

/// Memory a cohort may take unless `--memory` says otherwise.
pub const DEFAULT_MEMORY: u64 = 4 << 30;
/// Replicas per cohort unless `--replicas` says otherwise, on hardware: past this a GPU is full anyway.
const HARDWARE_REPLICAS: u64 = 64;
/// On a software adapter replicas gain nothing from company, and smaller cohorts are saved sooner.
const SOFTWARE_REPLICAS: u64 = 8;

/// What stages must agree in to run in the same dispatches. Only per-replica numbers may differ: amounts, learning rates,
/// momenta, decay, the norm to clip to, the group lasso's lambda.
pub fn key(stage: &Stage) -> String {
    key_with(stage, &stage.model)
}

/// [`key`] of a stage whose network is this one by then.
pub fn key_with(stage: &Stage, model: &ModelSpec) -> String {
    let step = match &stage.step {
        Step::Train(step) => serde_json::to_string(&alike_step(step)),
        Step::Recalibrate(spec) => serde_json::to_string(&alike(spec)),
        Step::Prune(spec) => {
            let alike = crate::spec::PruneSpec {
                amount: match spec.amount {
                    // Runs are selected by a kernel of their own.
                    Amount::NOfM { .. } => spec.amount,
                    _ => Amount::Keep(0),
                },
                densities: std::collections::BTreeMap::new(),
                ..spec.clone()
            };
            serde_json::to_string(&alike)
        }
        Step::PruneUnits(spec) => {
            let alike = UnitPrune {
                amount: UnitAmount::Threshold(0.0),
                ..spec.clone()
            };
            serde_json::to_string(&alike)
        }
        Step::Mask(MaskStep::Load(path)) => serde_json::to_string(path),
        Step::Mask(mask) => serde_json::to_string(mask),
        Step::Compact => Ok(String::new()),
        // A rewinding trains.
        Step::Restart(restart) => serde_json::to_string(&(
            restart,
            stage
                .rewound
                .as_ref()
                .map(|(step, ordinal)| (alike_step(step), ordinal)),
        )),
    };
    let kind = match &stage.step {
        Step::Train(_) => "train",
        Step::Prune(_) => "prune",
        Step::PruneUnits(_) => "prune units",
        Step::Mask(_) => "mask",
        Step::Restart(_) => "restart",
        Step::Recalibrate(_) => "recalibrate",
        Step::Compact => "compact",
    };
    format!("{kind} {} {}", step.unwrap_or_default(), model_key(model))
}

/// [`alike`] of the training of a step.
fn alike_step(step: &TrainStep) -> impl serde::Serialize {
    (alike(&step.train), step.masks.clone())
}

/// A training with all that may differ between replicas taken out: of the optimizer its kind is left, and how many moments it
/// has. (Adam and AdamW share a kernel, but one name each keeps logs plain.)
fn alike(spec: &TrainSpec) -> impl serde::Serialize {
    let optimizer = serde_json::to_value(spec.optimizer).unwrap_or_default();
    let alike = TrainSpec {
        optimizer: Optimizer::sgd(0.0, 0.0),
        clip_norm: spec.clip_norm.map(|_| 1.0),
        group_lasso: spec.group_lasso.map(|_| 1.0),
        ..spec.clone()
    };
    (alike, optimizer["kind"].clone(), spec.optimizer.moments())
}

/// Replicas train together where they keep about as much: a layer runs sparse only if it does in all of them. The class is
/// how often the share of kept weights can be doubled before it reaches 1, up to 6.
pub fn density_class(density: f64) -> u32 {
    let doublings = (1.0 / density.max(f64::MIN_POSITIVE)).log2().floor();
    doublings.clamp(0.0, 6.0) as u32
}

/// Limits on a cohort.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest storage binding in bytes.
    pub max_binding: u64,
    /// Bytes a cohort may take.
    pub memory: u64,
    /// Replicas it may have.
    pub replicas: u64,
}

impl Limits {
    /// From the adapter and the user's wishes.
    pub fn new(gpu: &Gpu, memory: Option<u64>, replicas: Option<u32>) -> Self {
        let software = gpu.adapter().kind == AdapterKind::Software;
        let usual = if software {
            SOFTWARE_REPLICAS
        } else {
            HARDWARE_REPLICAS
        };
        Self {
            max_binding: gpu.max_binding(),
            memory: memory.unwrap_or(DEFAULT_MEMORY),
            replicas: replicas.map_or(usual, u64::from).max(1),
        }
    }

    /// How many replicas of `model` may train together.
    ///
    /// # Errors
    /// Not even one fits; names the largest buffers and both limits.
    pub fn replicas_of(&self, model: &Model, demand: &Demand) -> Result<usize, String> {
        let memory = Memory::plan(model, demand);
        let fit = memory.replicas_that_fit(self.max_binding, self.memory);
        if fit == 0 {
            let way_out = match self.micro_batch_that_fits(model, demand) {
                Some(most) => {
                    format!("`micro_batch = {most}` in the train step fits, with the same results")
                }
                None => "Use a smaller batch or model".to_owned(),
            };
            return Err(format!(
                "one replica of {} with batch {} needs {}. {way_out}.",
                model.name,
                demand.batch_text(),
                memory.refusal(1, self.max_binding, self.memory)
            ));
        }
        Ok(fit.min(self.replicas) as usize)
    }

    /// The largest micro-batch with which one replica fits, if the model allows any.
    fn micro_batch_that_fits(&self, model: &Model, demand: &Demand) -> Option<u32> {
        let mut layers = model.layers.iter();
        if layers.any(|layer| layer.operator.needs_whole_batch()) {
            return None;
        }
        let sizes = (1..demand.micro_batch.div_ceil(CHUNK_SAMPLES)).rev();
        sizes.map(|chunks| chunks * CHUNK_SAMPLES).find(|&size| {
            let less = Demand {
                micro_batch: size,
                ..*demand
            };
            let memory = Memory::plan(model, &less);
            memory.replicas_that_fit(self.max_binding, self.memory) > 0
        })
    }
}
