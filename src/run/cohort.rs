//! Which stages can share a cohort, and how many replicas a cohort may have.

use super::facts::model_key;
use crate::base::json;
use crate::experiment::Stage;
use crate::gpu::{AdapterKind, Gpu};
use crate::model::Model;
use crate::ops::CHUNK_SAMPLES;
use crate::spec::ModelSpec;
use crate::train::{Memory, MemoryRequest};

/// Memory a cohort may take unless `--memory` says otherwise.
pub const DEFAULT_MEMORY: u64 = 4 << 30;
/// Replicas per cohort unless `--replicas` says otherwise, on hardware: past this a GPU is full anyway.
const HARDWARE_REPLICAS: u64 = 64;
/// On a software adapter replicas gain nothing from running together, and smaller cohorts are saved sooner.
const SOFTWARE_REPLICAS: u64 = 8;

/// What stages must agree in to run in the same dispatches: see [`Step::alike`](crate::experiment::Step::alike).
pub fn key(stage: &Stage) -> String {
    key_with(stage, &stage.model)
}

/// [`key`] of a stage whose network is this one by then.
pub fn key_with(stage: &Stage, model: &ModelSpec) -> String {
    let rewound = stage.rewound.as_ref();
    // A rewinding trains.
    let rewound = rewound.map(|(step, ordinal)| (step.alike(), ordinal));
    let (step, model) = (stage.step.alike(), model_key(model));
    format!("{step} {} {model}", json(&rewound))
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
    pub fn replicas_of(&self, model: &Model, request: &MemoryRequest) -> Result<usize, String> {
        let memory = Memory::plan(model, request);
        let fit = memory.replicas_that_fit(self.max_binding, self.memory);
        if fit == 0 {
            let way_out = match self.micro_batch_that_fits(model, request) {
                Some(most) => {
                    format!("`micro_batch = {most}` in the train step fits, with the same results")
                }
                None => "Use a smaller batch or model".to_owned(),
            };
            return Err(format!(
                "one replica of {} with batch {} needs {}. {way_out}.",
                model.name,
                request.batch_text(),
                memory.refusal(1, self.max_binding, self.memory)
            ));
        }
        Ok(fit.min(self.replicas) as usize)
    }

    /// The largest micro-batch with which one replica fits, if the model allows any.
    fn micro_batch_that_fits(&self, model: &Model, request: &MemoryRequest) -> Option<u32> {
        let mut layers = model.layers.iter();
        if layers.any(|layer| layer.operator.needs_whole_batch()) {
            return None;
        }
        let sizes = (1..request.micro_batch.div_ceil(CHUNK_SAMPLES)).rev();
        sizes.map(|chunks| chunks * CHUNK_SAMPLES).find(|&size| {
            let less = MemoryRequest {
                micro_batch: size,
                ..*request
            };
            let memory = Memory::plan(model, &less);
            memory.replicas_that_fit(self.max_binding, self.memory) > 0
        })
    }
}
