//! Carries a plan out: cohorts of ready stages, checkpoints, and rows as runs finish.

mod asked;
mod budget;
mod checkpoint;
mod cohort;
mod collapse;
mod compute;
mod demand;
mod error;
mod finish;
mod interrupt;
mod measures;
mod memory;
mod networks;
mod overlap;
mod place;
mod progress;
mod record;
mod resume;
mod rows;
mod score;
mod speed;
mod steps;
mod training;
mod verify;
mod verify_steps;

pub use cohort::{DEFAULT_MEMORY, Limits};
pub use error::RunError;
pub use measures::{LayerMeasures, Measures};
pub use memory::{CohortPlan, cohorts, planned_peak};
pub use progress::duration;
pub use record::{CurvePoint, Exact, Record, Score};
pub use verify::{DataFacts, Models, datasets, known_facts, verify};

use crate::base::sha256;
use crate::data::{self, Dataset, SearchPath};
use crate::experiment::{Experiment, Plan, Stage};
use crate::gpu::Gpu;
use crate::model::Model;
use crate::ops::Execution;
use crate::report::ArmInfo;
use crate::spec::{Shape, TrainSpec};
use crate::store::{CurveRow, DataRecord, RoundRow, RunFolder, RunKey, RunRow, run_names};
use crate::train::{ResidentDataset, Snapshot, measure, stretch_of, training_samples};
use networks::Network;
use progress::Meter;
use rows::{Facts, last_training, settings};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The run folder.
    pub out: PathBuf,
    /// Where datasets are looked for.
    pub search: Option<SearchPath>,
    /// Bytes a cohort may take.
    pub memory: Option<u64>,
    /// Replicas per cohort at most.
    pub replicas: Option<u32>,
    /// Kernel variants; the adapter's usual ones if not given.
    pub execution: Option<Execution>,
    /// Train every cohort that runs sparse again without, and compare.
    pub verify_sparse: bool,
    /// Print how long each kernel of the first training takes.
    pub profile: bool,
    /// Time finished runs under their masks, and the same with every layer dense.
    pub measure_speed: bool,
    /// Save trainings after every so many passes; by the clock if not given.
    pub checkpoint: Option<u32>,
    /// No progress.
    pub quiet: bool,
}

/// All rows of a finished experiment.
pub struct Finished {
    /// One per run, in the plan's order.
    pub rows: Vec<RunRow>,
    /// The run folder.
    pub folder: PathBuf,
    /// Stages that an earlier call had already computed.
    pub resumed: usize,
    /// What the results were computed on.
    pub data: Vec<DataRecord>,
    /// Bytes of GPU buffers at the peak.
    pub peak_bytes: u64,
}

/// The arms, for tables and plots.
pub fn arm_infos(experiment: &Experiment) -> Vec<ArmInfo> {
    experiment
        .arms
        .iter()
        .map(|arm| ArmInfo {
            name: arm.name.clone(),
            control_of: arm.control_of.clone(),
        })
        .collect()
}

/// Loads the datasets an experiment trains on.
///
/// # Errors
/// One is missing or damaged.
pub fn load_datasets(
    experiment: &Experiment,
    search: &SearchPath,
) -> Result<BTreeMap<String, Dataset>, RunError> {
    datasets(experiment)
        .into_iter()
        .map(|name| {
            let loaded = match experiment.datasets.get(&name) {
                Some(spec) => {
                    let cache = data::cache_folder();
                    data::load_described(&name, spec, search, cache.as_deref())
                }
                None => data::load(&name, search),
            };
            Ok((name, loaded?))
        })
        .collect()
}

/// Shapes and sizes of loaded datasets.
pub fn facts_of(datasets: &BTreeMap<String, Dataset>) -> BTreeMap<String, DataFacts> {
    datasets
        .iter()
        .map(|(name, d)| {
            let facts = DataFacts {
                shape: Shape::new(d.channels, d.height, d.width),
                classes: d.class_names.len(),
                train: Some(d.train.len() as u32),
            };
            (name.clone(), facts)
        })
        .collect()
}

/// What a run folder says about a dataset.
fn record_of(data: &Dataset) -> DataRecord {
    let (mean, std) = measure(data).into_iter().unzip();
    DataRecord {
        name: data.name.clone(),
        digest: data.digest.clone(),
        shape: [data.channels, data.height, data.width],
        classes: data.class_names.clone(),
        train: data.train.len(),
        test: data.test.len(),
        mean,
        std,
        skipped_images: data.skipped.clone(),
    }
}

/// Runs everything that the run folder does not hold yet, and writes results, curves, masks, weights and plots.
///
/// # Errors
/// See [`RunError`]; finished stages are safe in the run folder whatever happens.
pub fn run(experiment: &Experiment, gpu: &Gpu, options: &RunOptions) -> Result<Finished, RunError> {
    interrupt::install();
    let search = options
        .search
        .clone()
        .unwrap_or_else(|| SearchPath::new(None));
    let datasets = load_datasets(experiment, &search)?;
    for warning in datasets.values().flat_map(|d| &d.warnings) {
        eprintln!("warning: {warning}");
    }
    let models = verify(experiment, &facts_of(&datasets)).map_err(RunError::Experiment)?;
    let mut session = Session::new(experiment, gpu, options, &datasets, models)?;
    session.go().map_err(|error| match error {
        RunError::Interrupted { .. } => RunError::Interrupted {
            folder: options.out.display().to_string(),
        },
        other => other,
    })?;
    session.finish()
}

/// One call of [`run`].
struct Session<'a> {
    experiment: &'a Experiment,
    plan: Plan,
    gpu: &'a Gpu,
    options: &'a RunOptions,
    datasets: &'a BTreeMap<String, Dataset>,
    resident: HashMap<String, ResidentDataset>,
    models: Models,
    limits: Limits,
    folder: RunFolder,
    facts: Facts,
    data: Vec<DataRecord>,
    settings: Vec<Vec<Vec<(String, String)>>>,
    names: Vec<String>,
    /// For stages that a run ends with: the spec of the run's last training.
    ends: HashMap<usize, TrainSpec>,
    /// Finished stages whose snapshot a child or a row still needs.
    snapshots: HashMap<usize, Arc<Snapshot>>,
    records: HashMap<usize, Record>,
    /// The network after a stage, where it is not the one that the experiment has.
    networks: HashMap<usize, Network>,
    /// Children not finished yet, per stage.
    waiting: Vec<usize>,
    rows: BTreeMap<usize, RunRow>,
    curves: BTreeMap<usize, Vec<CurveRow>>,
    rounds: BTreeMap<usize, Vec<RoundRow>>,
    meter: Meter,
    resumed: usize,
    /// Whether the profile is yet to be printed.
    profile: bool,
}

impl<'a> Session<'a> {
    fn new(
        experiment: &'a Experiment,
        gpu: &'a Gpu,
        options: &'a RunOptions,
        datasets: &'a BTreeMap<String, Dataset>,
        models: Models,
    ) -> Result<Self, RunError> {
        let data_digest: Vec<String> = datasets
            .values()
            .map(|d| format!("{}={}", d.name, &d.digest[..16.min(d.digest.len())]))
            .collect();
        let facts = Facts {
            adapter: Facts::adapter_name(gpu.adapter()),
            driver: gpu.adapter().driver.clone(),
            experiment_digest: experiment.digest(),
            data_digest: data_digest.join(" "),
        };
        // A stage's digest covers all that its bits depend on: an update of the driver computes anew.
        let context = sha256(
            format!(
                "{} {} {} {}",
                env!("CARGO_PKG_VERSION"),
                facts.adapter,
                facts.driver,
                facts.data_digest
            )
            .as_bytes(),
        );
        let plan = Plan::new(experiment, &context);
        let folder = RunFolder::open(
            &options.out,
            &experiment.name,
            &facts.experiment_digest,
            &experiment.text,
            &experiment.resolved_json(),
        )?;
        let axes: Vec<String> = experiment.axes.iter().map(|a| a.name.clone()).collect();
        if let Some(row) = folder.read_rows::<RunRow>(&axes)?.first() {
            resume::check_origin(row, &facts, &options.out)?;
        }
        let keys: Vec<RunKey<'_>> = plan
            .runs
            .iter()
            .map(|run| {
                let arm = &experiment.arms[run.arm];
                RunKey {
                    arm: &arm.name,
                    point: &arm.variants[run.variant].point,
                    seed: run.seed,
                }
            })
            .collect();
        let names = run_names(&keys);
        let mut ends = HashMap::new();
        for run in &plan.runs {
            let variant = &experiment.arms[run.arm].variants[run.variant];
            if let (Some(&last), Some(spec)) = (run.stages.last(), last_training(variant)) {
                ends.insert(last, spec.clone());
            }
        }
        let mut waiting = vec![0; plan.stages.len()];
        for stage in &plan.stages {
            if let Some(parent) = stage.parent {
                waiting[parent] += 1;
            }
        }
        let data: Vec<DataRecord> = datasets.values().map(record_of).collect();
        folder.write_data(&data)?;
        let settings = settings(experiment);
        let limits = Limits::new(gpu, options.memory, options.replicas);
        let mut session = Self {
            experiment,
            gpu,
            options,
            datasets,
            resident: HashMap::new(),
            models,
            limits,
            folder,
            facts,
            data,
            settings,
            names,
            ends,
            snapshots: HashMap::new(),
            records: HashMap::new(),
            networks: HashMap::new(),
            waiting,
            rows: BTreeMap::new(),
            curves: BTreeMap::new(),
            rounds: BTreeMap::new(),
            meter: Meter::new(0, true),
            resumed: 0,
            profile: options.profile,
            plan,
        };
        let total = (0..session.plan.stages.len())
            .filter(|&id| !session.saved(id))
            .map(|id| session.samples_of(&session.plan.stages[id]))
            .sum();
        session.meter = Meter::new(total, options.quiet);
        if let Some(warning) = session.folder.warning() {
            session.meter.note(&format!("warning: {warning}"));
        }
        Ok(session)
    }

    fn model_of(&self, stage: &Stage) -> Result<Arc<Model>, RunError> {
        self.models.of(&stage.model).cloned().ok_or_else(|| {
            RunError::Experiment(vec![format!("model {} was not checked", stage.model.name)])
        })
    }

    /// Samples a stage trains on, epochs counted.
    fn samples_of(&self, stage: &Stage) -> u64 {
        let Some(spec) = stage.training() else {
            return 0;
        };
        let available = self
            .datasets
            .get(&spec.dataset)
            .map_or(0, |d| d.train.len() as u32);
        let stretch = training_samples(spec, available).and_then(|s| stretch_of(spec, s));
        stretch.map_or(0, |s| (s.end - s.start) * u64::from(spec.batch))
    }

    fn go(&mut self) -> Result<(), RunError> {
        self.resume()?;
        let mut todo = self.needed();
        while !todo.is_empty() {
            if interrupt::asked() {
                return Err(RunError::Interrupted {
                    folder: String::new(),
                });
            }
            let cohort = self.next_cohort(&todo)?;
            self.compute(&cohort)?;
            for id in cohort {
                todo.remove(&id);
            }
        }
        self.complete_histories();
        self.meter.end();
        if self.profile {
            self.meter
                .note("no profile: every training was already in the run folder");
        }
        Ok(())
    }
}
