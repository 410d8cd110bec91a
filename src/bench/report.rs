//! A whole benchmark, and what comes of it.

use super::ceilings::{Ceilings, ceilings};
use super::cohort::Bench;
use super::crowding::crowded;
use super::eager::EagerLimit;
use super::error::BenchError;
use super::kernels::Breakdown;
use super::options::Options;
use super::product::{ProductRow, product};
use super::selection::{SelectionRow, selection};
use super::steps::CohortSteps;
use crate::data::Dataset;
use crate::gpu::{AdapterKind, Gpu};
use crate::model::{Model, presets};
use crate::ops::SparseRule;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// [`Report::format`].
pub const FORMAT: &str = "secateur-bench";
/// [`Report::format_version`]: raised where a field changes its meaning or goes, and not where one is added that may be absent.
pub const FORMAT_VERSION: u32 = 1;

/// [`Report::clock`].
const CLOCK: &str = "wall clock, the fastest of several blocks of repeats";

/// The adapter, as every result records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// The device's name.
    pub name: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: AdapterKind,
    /// Driver name and version.
    pub driver: String,
}

/// The work in numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Version of this program.
    pub version: String,
    /// The adapter.
    pub adapter: AdapterFacts,
    /// What times were taken with.
    pub clock: String,
    /// The model.
    pub model: ModelFacts,
    /// The dataset.
    pub dataset: String,
    /// Its size on the GPU, which all cohorts share.
    pub dataset_bytes: u64,
    /// Samples per batch.
    pub batch: u32,
    /// Seconds that one measurement of whole steps was to take.
    pub seconds: f64,
    /// How dense kernels run where nothing better was measured.
    pub variant: String,
    /// Which passes of masked layers could run sparse: `auto`, `never` or `always`.
    pub sparse: String,
    /// Cores that this process may use; on software adapters.
    pub cores: Option<usize>,
    /// Why no time of this report is to be trusted, if so: something else had part of the processor all the while.
    pub disturbed: Option<String>,
    /// What the adapter can do.
    pub ceilings: Ceilings,
    /// The step of the first cohort at the highest density, and at the lowest where other kernels run there.
    pub breakdowns: Vec<Breakdown>,
    /// What bounds a step of eager PyTorch, on whatever GPU; of presets.
    pub eager: Option<EagerLimit>,
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
    let steps = bench.steps(&ceilings, say)?;
    let mut rows = Vec::new();
    for keys in [model.prunable() as u32, options.keys] {
        say(&format!("selecting among {keys} keys"));
        rows.push(selection(gpu, &ceilings, keys, window / 8)?);
    }
    let adapter = gpu.adapter();
    let cores = match adapter.kind {
        AdapterKind::Software => std::thread::available_parallelism().ok().map(usize::from),
        _ => None,
    };
    let layers = presets::layers(&model.name).map(|layers| {
        let layers = layers.into_iter().map(|named| named.layer);
        layers.collect::<Vec<_>>()
    });
    Ok(Report {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: AdapterFacts {
            name: adapter.name.clone(),
            backend: adapter.backend.clone(),
            kind: adapter.kind,
            driver: adapter.driver.clone(),
        },
        clock: CLOCK.to_owned(),
        model: ModelFacts {
            name: model.name.clone(),
            parameters: model.parameters(),
            prunable: model.prunable(),
            multiply_adds: model.multiply_adds(),
        },
        dataset: data.name.clone(),
        dataset_bytes,
        batch: options.batch,
        seconds: options.seconds,
        variant: options.execution.data.to_string(),
        sparse: sparse_name(options.execution.sparse).to_owned(),
        cores,
        disturbed: crowded(ceilings.cores_used, cores),
        ceilings,
        breakdowns,
        eager: layers.map(|layers| EagerLimit::of(&layers, options.batch)),
        steps,
        product,
        selection: rows,
    })
}

/// The rule as `--sparse` takes it.
fn sparse_name(rule: SparseRule) -> &'static str {
    match rule {
        SparseRule::Auto => "auto",
        SparseRule::Never => "never",
        SparseRule::Always => "always",
    }
}
