//! One call of `run`: what is known, what is done, and what is left.

use super::cohort::Limits;
use super::datasets::record_of;
use super::error::RunError;
use super::facts::Models;
use super::interrupt;
use super::outcome::Network;
use super::progress::Meter;
use super::record::Record;
use super::rows::{Facts, last_training, settings};
use crate::data::{Dataset, SearchPath};
use crate::experiment::{Experiment, Plan, Stage};
use crate::gpu::Gpu;
use crate::model::Model;
use crate::ops::Execution;
use crate::spec::TrainSpec;
use crate::store::{
    CurveRow, DataRecord, RoundRow, RunFolder, RunKey, RunRow, run_names, sha256_hex,
};
use crate::train::{ResidentDataset, Snapshot, stretch_of, training_samples};
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

/// One call of [`run`](super::run).
pub(super) struct Session<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) plan: Plan,
    pub(super) gpu: &'a Gpu,
    pub(super) options: &'a RunOptions,
    pub(super) datasets: &'a BTreeMap<String, Dataset>,
    pub(super) resident: HashMap<String, ResidentDataset>,
    pub(super) models: Models,
    pub(super) limits: Limits,
    pub(super) folder: RunFolder,
    pub(super) facts: Facts,
    pub(super) data: Vec<DataRecord>,
    pub(super) settings: Vec<Vec<Vec<(String, String)>>>,
    pub(super) names: Vec<String>,
    /// For stages that a run ends with: the spec of the run's last training.
    pub(super) ends: HashMap<usize, TrainSpec>,
    /// Finished stages whose snapshot a child or a row still needs.
    pub(super) snapshots: HashMap<usize, Arc<Snapshot>>,
    pub(super) records: HashMap<usize, Record>,
    /// The network after a stage, where it is not the one that the experiment has.
    pub(super) networks: HashMap<usize, Network>,
    /// Children not finished yet, per stage.
    pub(super) waiting: Vec<usize>,
    pub(super) rows: BTreeMap<usize, RunRow>,
    pub(super) curves: BTreeMap<usize, Vec<CurveRow>>,
    pub(super) rounds: BTreeMap<usize, Vec<RoundRow>>,
    pub(super) meter: Meter,
    pub(super) resumed: usize,
    /// Whether the profile is yet to be printed.
    pub(super) profile: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
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
        let context = sha256_hex(
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
        if let Some(row) = folder.read_results(&axes)?.first() {
            facts.check(row, &options.out)?;
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

    pub(super) fn model_of(&self, stage: &Stage) -> Result<Arc<Model>, RunError> {
        self.models.of(&stage.model).cloned().ok_or_else(|| {
            RunError::Experiment(vec![format!("model {} was not checked", stage.model.name)])
        })
    }

    /// Samples a stage trains on, epochs counted.
    pub(super) fn samples_of(&self, stage: &Stage) -> u64 {
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

    pub(super) fn go(&mut self) -> Result<(), RunError> {
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
