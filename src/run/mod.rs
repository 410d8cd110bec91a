//! Carries a plan out: cohorts of ready stages, checkpoints, and rows as runs finish.

mod cohort;
mod error;
mod interrupt;
mod progress;
mod record;
mod rows;
mod steps;
mod verify;

pub use cohort::{DEFAULT_MEMORY, Limits, key as cohort_key};
pub use error::RunError;
pub use progress::duration;
pub use record::{CurvePoint, Exact, Record, Score};
pub use verify::{DataFacts, Models, datasets, known_facts, verify};

use crate::data::{self, Dataset, SearchPath};
use crate::experiment::{Experiment, Plan, Stage, Step};
use crate::gpu::Gpu;
use crate::model::{Model, Shape};
use crate::ops::Execution;
use crate::report::{self, ArmInfo};
use crate::store::{
    CurveRow, MaskOrigin, RunFolder, RunKey, RunRow, StageState, TimeRow, run_names, sha256_hex,
};
use crate::train::{ResidentDataset, Snapshot, TrainSpec, steps_of, training_samples};
use progress::Meter;
use rows::{Facts, curve_rows, last_training, run_row, settings};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use steps::{Context, Outcome, tensor_infos};

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
        .map(|name| Ok((name.clone(), data::load(&name, search)?)))
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
    settings: Vec<Vec<Vec<(String, String)>>>,
    names: Vec<String>,
    /// For stages that a run ends with: the spec of the run's last training.
    ends: HashMap<usize, TrainSpec>,
    /// Finished stages whose snapshot a child or a row still needs.
    snapshots: HashMap<usize, Arc<Snapshot>>,
    records: HashMap<usize, Record>,
    /// Children not finished yet, per stage.
    waiting: Vec<usize>,
    rows: BTreeMap<usize, RunRow>,
    curves: BTreeMap<usize, Vec<CurveRow>>,
    meter: Meter,
    resumed: usize,
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
        if let Some(row) = folder.read_results(&axes)?.first()
            && (row.adapter != facts.adapter || row.driver != facts.driver)
        {
            return Err(RunError::OtherAdapter {
                folder: options.out.display().to_string(),
                theirs: format!("{}, driver {}", row.adapter, row.driver),
                ours: format!("{}, driver {}", facts.adapter, facts.driver),
            });
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
            settings,
            names,
            ends,
            snapshots: HashMap::new(),
            records: HashMap::new(),
            waiting,
            rows: BTreeMap::new(),
            curves: BTreeMap::new(),
            meter: Meter::new(0, true),
            resumed: 0,
            plan,
        };
        let total = (0..session.plan.stages.len())
            .filter(|&id| !session.saved(id))
            .map(|id| session.samples_of(id))
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
    fn samples_of(&self, id: usize) -> u64 {
        let Step::Train(spec) = &self.plan.stages[id].step else {
            return 0;
        };
        let available = self
            .datasets
            .get(&spec.dataset)
            .map_or(0, |d| d.train.len() as u32);
        training_samples(spec, available).map_or(0, |samples| {
            steps_of(spec.length, samples, spec.batch) * u64::from(spec.batch)
        })
    }

    /// Stages worth a file: trainings, and whatever a run ends with. The others are recomputed in milliseconds.
    fn is_saved_kind(&self, id: usize) -> bool {
        matches!(self.plan.stages[id].step, Step::Train(_)) || self.ends.contains_key(&id)
    }

    fn saved(&self, id: usize) -> bool {
        self.is_saved_kind(id) && self.folder.has_stage(&self.plan.stages[id].digest)
    }

    /// Stages that must be computed: every checkpoint that is missing, and the quick steps that lead to one.
    fn needed(&self) -> HashSet<usize> {
        let mut needed = HashSet::new();
        for run in &self.plan.runs {
            let mut later_needed = false;
            for &id in run.stages.iter().rev() {
                later_needed = if self.is_saved_kind(id) {
                    !self.saved(id)
                } else {
                    later_needed
                };
                if later_needed {
                    needed.insert(id);
                }
            }
        }
        needed
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
        Ok(())
    }

    /// A stage that had to be computed again may lie in the middle of a run that was taken over before it.
    fn complete_histories(&mut self) {
        for (&number, row) in &mut self.rows {
            let run = &self.plan.runs[number];
            let records = records_of(&self.records, run);
            row.mask_violations = records.iter().map(|r| r.violations).sum();
            let curve_end = records.iter().rev().find_map(|r| r.curve.last());
            row.train_loss = curve_end.map(|p| p.train.loss.0);
            let curve = curve_rows(self.experiment, &self.plan, run, &records);
            self.curves.insert(number, curve);
        }
    }

    /// Takes over every run whose last stage is saved.
    fn resume(&mut self) -> Result<(), RunError> {
        let saved: Vec<usize> = (0..self.plan.stages.len())
            .filter(|&id| self.saved(id))
            .collect();
        self.resumed = saved.len();
        if !saved.is_empty() {
            self.meter.note(&format!(
                "{} of {} stages are already in {}; going on from there",
                saved.len(),
                self.plan.stages.len(),
                self.options.out.display()
            ));
        }
        let needed = self.needed();
        for &id in &saved {
            let outcome = self.load(id)?;
            self.records.insert(id, outcome.record);
            let has_children_to_compute = self
                .plan
                .stages
                .iter()
                .any(|s| s.parent == Some(id) && needed.contains(&s.id));
            // Parents come before children, so the records of the whole history are there.
            self.snapshots.insert(id, outcome.snapshot);
            self.emit_rows(id)?;
            if !has_children_to_compute {
                self.snapshots.remove(&id);
            }
        }
        self.write_tables()
    }

    fn load(&self, id: usize) -> Result<Outcome, RunError> {
        let stage = &self.plan.stages[id];
        let model = self.model_of(stage)?;
        let path = || self.folder.stage_path(&stage.digest).display().to_string();
        let state = self
            .folder
            .load_stage(&stage.digest, &tensor_infos(&model))?
            .ok_or_else(|| RunError::Record {
                path: path(),
                reason: "it is gone".to_owned(),
            })?;
        let text = state.meta.get("record").map_or("", String::as_str);
        let record = serde_json::from_str(text).map_err(|e| RunError::Record {
            path: path(),
            reason: e.to_string(),
        })?;
        Ok(Outcome {
            snapshot: Arc::new(Snapshot {
                weights: state.weights,
                mask: state.mask,
            }),
            record,
        })
    }

    /// The next stages to compute together: cheap steps first, then the largest group of equal trainings to which no more
    /// can come.
    fn next_cohort(&self, todo: &HashSet<usize>) -> Result<Vec<usize>, RunError> {
        let ready = |id: usize| {
            self.plan.stages[id]
                .parent
                .is_none_or(|parent| !todo.contains(&parent))
        };
        let mut groups: BTreeMap<String, (Vec<usize>, usize)> = BTreeMap::new();
        let mut ids: Vec<usize> = todo.iter().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let group = groups.entry(cohort_key(&self.plan.stages[id])).or_default();
            if ready(id) {
                group.0.push(id);
            } else {
                group.1 += 1;
            }
        }
        let trains = |ids: &[usize]| matches!(self.plan.stages[ids[0]].step, Step::Train(_));
        let chosen = groups
            .into_values()
            .filter(|(ready, _)| !ready.is_empty())
            .min_by_key(|(ready, later)| {
                // Cheap steps, then complete groups, then whatever others wait for most.
                (
                    trains(ready),
                    *later > 0,
                    std::cmp::Reverse(self.dependants(ready)),
                    ready[0],
                )
            })
            .map(|(ready, _)| ready)
            .unwrap_or_default();
        let Some(&first) = chosen.first() else {
            return Ok(Vec::new());
        };
        let stage = &self.plan.stages[first];
        let model = self.model_of(stage)?;
        let batch = match &stage.step {
            Step::Train(spec) => spec.batch,
            _ => self.ends.get(&first).map_or(1, |spec| spec.batch),
        };
        let most = self
            .limits
            .replicas_of(&model, batch)
            .map_err(|e| RunError::Experiment(vec![e]))?;
        let class = |id: usize| {
            let parent = self.plan.stages[id].parent;
            let snapshot = parent.and_then(|p| self.snapshots.get(&p));
            cohort::density_class(snapshot.map(|s| s.mask.as_slice()))
        };
        let alike = |&id: &usize| !trains(&[first]) || class(id) == class(first);
        Ok(chosen.into_iter().filter(alike).take(most).collect())
    }

    fn dependants(&self, ids: &[usize]) -> usize {
        ids.iter().map(|&id| self.waiting[id]).sum()
    }

    /// Computes a cohort, saves it, and writes the rows of the runs it ends.
    fn compute(&mut self, cohort: &[usize]) -> Result<(), RunError> {
        let stages: Vec<Stage> = cohort
            .iter()
            .map(|&id| self.plan.stages[id].clone())
            .collect();
        let stages: Vec<&Stage> = stages.iter().collect();
        let model = self.model_of(stages[0])?;
        let what = self.describe(&stages);
        let samples: u64 = cohort.iter().map(|&id| self.samples_of(id)).sum();
        let (mut batch, mut dataset) = (1, None);
        if let Step::Train(spec) = &stages[0].step {
            (batch, dataset) = (u64::from(spec.batch), Some(spec.dataset.as_str()));
            self.meter.say(&what);
            self.make_resident(&spec.dataset)?;
        }
        let parents: Vec<Option<Arc<Snapshot>>> = stages
            .iter()
            .map(|s| s.parent.and_then(|p| self.snapshots.get(&p).cloned()))
            .collect();
        let begun = Instant::now();
        let context = context(
            self.gpu,
            self.options,
            self.datasets,
            &self.resident,
            dataset,
        );
        let mut outcomes =
            steps::execute(&context, &model, &stages, &parents, &mut self.meter, &what)?;
        let seconds = begun.elapsed().as_secs_f64();
        self.meter.finish_stage(samples);
        self.score_ends(cohort, &stages, &model, &mut outcomes, &what)?;
        for (&id, outcome) in cohort.iter().zip(outcomes) {
            self.keep(id, outcome, &model)?;
        }
        self.write_tables()?;
        if samples > 0 {
            self.folder.append_times(&[TimeRow {
                stage: stages[0].digest.clone(),
                what,
                adapter: self.facts.adapter.clone(),
                replicas: cohort.len() as u32,
                steps: samples / cohort.len() as u64 / batch,
                samples,
                seconds,
                samples_per_second: samples as f64 / seconds.max(1e-9),
            }])?;
        }
        Ok(())
    }

    fn describe(&self, stages: &[&Stage]) -> String {
        let count = stages.len();
        let plural = if count == 1 { "" } else { "s" };
        match &stages[0].step {
            Step::Train(spec) => format!("training {count} replica{plural} on {}", spec.dataset),
            Step::Prune(_) => format!("pruning {count} replica{plural}"),
            Step::Mask(_) => format!("masking {count} replica{plural}"),
            Step::Restart(_) => format!("restarting {count} replica{plural}"),
        }
    }

    fn make_resident(&mut self, name: &str) -> Result<(), RunError> {
        if !self.resident.contains_key(name)
            && let Some(data) = self.datasets.get(name)
        {
            let resident = ResidentDataset::upload(self.gpu, data)?;
            self.resident.insert(name.to_owned(), resident);
        }
        Ok(())
    }

    /// Reads the test set for the stages that runs end with.
    fn score_ends(
        &mut self,
        cohort: &[usize],
        stages: &[&Stage],
        model: &Arc<Model>,
        outcomes: &mut [Outcome],
        what: &str,
    ) -> Result<(), RunError> {
        let mut by_dataset: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, id) in cohort.iter().enumerate() {
            if let Some(spec) = self.ends.get(id) {
                // Alike in all that evaluation reads.
                let alike = format!(
                    "{} {} {} {:?}",
                    spec.dataset, spec.batch, spec.validation, spec.normalise
                );
                by_dataset.entry(alike).or_default().push(i);
            }
        }
        for members in by_dataset.into_values() {
            let specs: Vec<TrainSpec> = members
                .iter()
                .filter_map(|&i| self.ends.get(&cohort[i]).cloned())
                .collect();
            let name = specs[0].dataset.clone();
            self.make_resident(&name)?;
            let context = context(
                self.gpu,
                self.options,
                self.datasets,
                &self.resident,
                Some(&name),
            );
            let chosen: Vec<&Stage> = members.iter().map(|&i| stages[i]).collect();
            let mut ended: Vec<&mut Outcome> = outcomes
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| members.contains(i))
                .map(|(_, outcome)| outcome)
                .collect();
            let specs: Vec<&TrainSpec> = specs.iter().collect();
            steps::score(&context, model, &chosen, &specs, &mut ended, what)?;
        }
        Ok(())
    }

    /// Saves a finished stage and lets go of what nobody needs any more.
    fn keep(&mut self, id: usize, outcome: Outcome, model: &Model) -> Result<(), RunError> {
        let stage = &self.plan.stages[id];
        if self.is_saved_kind(id) {
            let record = serde_json::to_string(&outcome.record).unwrap_or_default();
            let state = StageState {
                weights: outcome.snapshot.weights.clone(),
                mask: outcome.snapshot.mask.clone(),
                meta: [("record".to_owned(), record)].into(),
            };
            self.folder
                .save_stage(&stage.digest, &tensor_infos(model), &state)?;
        }
        let diverged = outcome.record.curve.last().is_some_and(|p| p.broken > 0);
        if diverged {
            self.meter.note(&format!(
                "warning: seed {} of stage {}: the loss was not finite (diverged); its results are reported as they are",
                stage.seed,
                &stage.digest[..12]
            ));
        }
        let parent = stage.parent;
        self.snapshots.insert(id, outcome.snapshot);
        self.records.insert(id, outcome.record);
        self.emit_rows(id)?;
        if let Some(parent) = parent {
            self.waiting[parent] = self.waiting[parent].saturating_sub(1);
            if self.waiting[parent] == 0 {
                self.snapshots.remove(&parent);
            }
        }
        if self.waiting[id] == 0 {
            self.snapshots.remove(&id);
        }
        Ok(())
    }

    /// Writes rows, masks and weights of the runs that end with this stage.
    fn emit_rows(&mut self, id: usize) -> Result<(), RunError> {
        let runs: Vec<usize> = (0..self.plan.runs.len())
            .filter(|&r| self.plan.runs[r].stages.last() == Some(&id))
            .collect();
        for number in runs {
            let run = &self.plan.runs[number];
            let stage = &self.plan.stages[id];
            let model = self.model_of(stage)?;
            let Some(snapshot) = self.snapshots.get(&id) else {
                continue;
            };
            let records = records_of(&self.records, run);
            let settings = &self.settings[run.arm][run.variant];
            let row = run_row(
                self.experiment,
                run,
                settings,
                &model,
                snapshot,
                &records,
                &self.facts,
            );
            let curve = curve_rows(self.experiment, &self.plan, run, &records);
            let name = &self.names[number];
            self.folder.link_weights(name, &stage.digest)?;
            let origin = MaskOrigin {
                experiment: self.experiment.name.clone(),
                experiment_digest: self.facts.experiment_digest.clone(),
                arm: row.arm.clone(),
                point: row.point.clone(),
                seed: run.seed,
                dataset: self.mask_origin(run),
                criterion: self.mask_criterion(run),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            self.folder
                .save_run_mask(name, &tensor_infos(&model), &snapshot.mask, &origin)?;
            self.rows.insert(number, row);
            self.curves.insert(number, curve);
        }
        Ok(())
    }

    fn write_tables(&self) -> Result<(), RunError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<RunRow> = self.rows.values().cloned().collect();
        let curves: Vec<CurveRow> = self.curves.values().flatten().cloned().collect();
        self.folder.write_results(&rows)?;
        self.folder.write_curves(&curves)?;
        Ok(())
    }

    /// The dataset trained on before the last prune: where the mask comes from.
    fn mask_origin(&self, run: &crate::experiment::Run) -> String {
        let mut dataset = String::new();
        let mut origin = String::new();
        for &id in &run.stages {
            match &self.plan.stages[id].step {
                Step::Train(spec) => dataset.clone_from(&spec.dataset),
                Step::Prune(_) => origin.clone_from(&dataset),
                _ => {}
            }
        }
        origin
    }

    fn mask_criterion(&self, run: &crate::experiment::Run) -> String {
        let steps: Vec<String> = run
            .stages
            .iter()
            .filter_map(|&id| match &self.plan.stages[id].step {
                step @ (Step::Prune(_) | Step::Mask(_)) => serde_json::to_string(step).ok(),
                _ => None,
            })
            .collect();
        steps.join(" ")
    }

    fn finish(self) -> Result<Finished, RunError> {
        self.write_tables()?;
        let rows: Vec<RunRow> = self.rows.into_values().collect();
        let curves: Vec<CurveRow> = self.curves.into_values().flatten().collect();
        let arms = arm_infos(self.experiment);
        let dense = report::dense_arms(&rows);
        let title = &self.experiment.title;
        let mut plots = report::accuracy_plots(title, &rows, &arms)?;
        plots.extend(report::curve_plots(title, &curves, &arms, &dense)?);
        for plot in &plots {
            self.folder
                .save_plot(&format!("{}.svg", plot.name), plot.svg.as_bytes())?;
            self.folder
                .save_plot(&format!("{}.png", plot.name), &plot.png)?;
        }
        Ok(Finished {
            rows,
            folder: self.folder.dir().to_path_buf(),
            resumed: self.resumed,
        })
    }
}

/// The records of a run's stages, first to last; quick steps that were not computed again have none to tell, so their
/// place is left to an empty one.
fn records_of<'r>(
    records: &'r HashMap<usize, Record>,
    run: &crate::experiment::Run,
) -> Vec<&'r Record> {
    static NOTHING: Record = Record {
        curve: Vec::new(),
        violations: 0,
        validation: None,
        test: None,
    };
    run.stages
        .iter()
        .map(|id| records.get(id).unwrap_or(&NOTHING))
        .collect()
}

/// The world of one step: `dataset` on both sides, if the step needs one.
fn context<'c>(
    gpu: &'c Gpu,
    options: &RunOptions,
    datasets: &'c BTreeMap<String, Dataset>,
    resident: &'c HashMap<String, ResidentDataset>,
    dataset: Option<&str>,
) -> Context<'c> {
    Context {
        gpu,
        execution: options
            .execution
            .unwrap_or_else(|| Execution::for_adapter(gpu.adapter())),
        verify_sparse: options.verify_sparse,
        data: dataset.and_then(|name| Some((datasets.get(name)?, resident.get(name)?))),
    }
}
