//! `secateur bench`: how fast this adapter is, what share of it our kernels use, and what masks and replicas bring.
//!
//! All times are the host's clock around many repeats, see `timing.rs`. GPU timestamps are not used: software adapters
//! take them from the host's clock anyway, and not every driver has them.

mod ceilings;
mod cohort;
mod kernels;
mod product;
mod selection;
mod speed;
mod steps;
mod text;
mod timing;
mod work;

pub use ceilings::{Ceilings, ProbeShape, ceilings};
pub use kernels::{Breakdown, KernelRow, breakdown};
pub use product::{ProductRow, product};
pub use selection::{SelectionRow, selection};
pub use speed::{Speed, speed};
pub use steps::{CohortSteps, FASTER, StepRow, crossover};
pub use text::{breakdown_text, report_text};
pub use work::{Shapes, Work};

use crate::data::Dataset;
use crate::gpu::{Gpu, GpuError};
use crate::model::Model;
use crate::ops::Execution;
use crate::prune::PruneError;
use crate::train::TrainError;
use cohort::Bench;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// [`Report::clock`].
const CLOCK: &str = "wall clock, the fastest of several blocks of repeats";

/// Why a benchmark did not finish.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The step could not be set up.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The masks could not be made.
    #[error(transparent)]
    Prune(#[from] PruneError),
}

impl BenchError {
    /// Whether a smaller cohort might do.
    fn is_no_room(&self) -> bool {
        matches!(
            self,
            Self::Gpu(GpuError::OutOfMemory { .. } | GpuError::TooLarge { .. })
                | Self::Train(TrainError::Gpu(
                    GpuError::OutOfMemory { .. } | GpuError::TooLarge { .. }
                ))
                | Self::Prune(PruneError::Gpu(
                    GpuError::OutOfMemory { .. } | GpuError::TooLarge { .. }
                ))
        )
    }
}

/// What to measure, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// Samples per batch.
    pub batch: u32,
    /// Sizes of cohorts; the first is taken apart kernel by kernel.
    pub replicas: Vec<u32>,
    /// Densities in (0, 1], largest first.
    pub densities: Vec<f64>,
    /// Seconds of one measurement of whole steps; each kernel takes a tenth.
    pub seconds: f64,
    /// Bytes that a cohort may take.
    pub memory: u64,
    /// What kernel variants are chosen from.
    pub execution: Execution,
    /// Size of the copy's two buffers: more than the caches hold.
    pub copy_bytes: u64,
    /// Keys of the large selection.
    pub keys: u32,
    /// Rows and columns of the matrix product, a multiple of 4.
    pub product: u32,
}

/// The adapter, as every result records it.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterFacts {
    /// The device's name.
    pub name: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// Driver name and version.
    pub driver: String,
}

/// The work in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct ModelFacts {
    /// The preset.
    pub name: String,
    /// Parameters, weights and biases.
    pub parameters: usize,
    /// Weights that masks apply to.
    pub prunable: usize,
    /// Multiply-adds of one sample forward.
    pub multiply_adds: u64,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: &'static str,
    /// The adapter.
    pub adapter: AdapterFacts,
    /// What times were taken with.
    pub clock: &'static str,
    /// The model.
    pub model: ModelFacts,
    /// The dataset.
    pub dataset: String,
    /// Its size on the GPU, which all cohorts share.
    pub dataset_bytes: u64,
    /// Samples per batch.
    pub batch: u32,
    /// How dense kernels run where nothing better was measured.
    pub variant: String,
    /// What the adapter can do.
    pub ceilings: Ceilings,
    /// The step of the first cohort at the highest density, and at the lowest where other kernels run there.
    pub breakdowns: Vec<Breakdown>,
    /// Whole steps, by size of the cohort.
    pub steps: Vec<CohortSteps>,
    /// A large matrix product, by variant.
    pub product: Vec<ProductRow>,
    /// The exact top-k.
    pub selection: Vec<SelectionRow>,
}

/// Measures everything; `say` hears what is being done.
///
/// # Errors
/// The device failed. Cohorts for which there is no room or no time are left out, and the report says so.
pub fn bench(
    gpu: &Gpu,
    model: &Arc<Model>,
    data: &Dataset,
    options: &Options,
    say: &mut dyn FnMut(&str),
) -> Result<Report, BenchError> {
    let window = Duration::from_secs_f64(options.seconds);
    say("measuring the ceilings");
    let ceilings = ceilings(gpu, options.copy_bytes, window)?;
    say("measuring the matrix product");
    let product = product(
        gpu,
        &ceilings,
        &options.execution,
        options.product,
        window / 8,
    )?;
    let before = gpu.allocated();
    let bench = Bench::new(gpu, model, data, options)?;
    let dataset_bytes = gpu.allocated() - before;
    let breakdowns = bench.breakdowns(&ceilings, say)?;
    let steps = bench.steps(say)?;
    let mut rows = Vec::new();
    for keys in [model.prunable() as u32, options.keys] {
        say(&format!("selecting among {keys} keys"));
        rows.push(selection(gpu, &ceilings, keys, window / 8)?);
    }
    let adapter = gpu.adapter();
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        adapter: AdapterFacts {
            name: adapter.name.clone(),
            backend: adapter.backend.clone(),
            kind: adapter.kind,
            driver: adapter.driver.clone(),
        },
        clock: CLOCK,
        model: ModelFacts {
            name: model.name.clone(),
            parameters: model.parameters(),
            prunable: model.prunable(),
            multiply_adds: model.multiply_adds(),
        },
        dataset: data.name.clone(),
        dataset_bytes,
        batch: options.batch,
        variant: options.execution.data.to_string(),
        ceilings,
        breakdowns,
        steps,
        product,
        selection: rows,
    })
}
