//! What an execution works with. Nothing of it changes while it runs.

use super::datasets::record_of;
use super::error::RunError;
use super::events::StopToken;
use super::facts::Models;
use super::numerical_version::NUMERICAL_VERSION;
use super::options::{Environment, RunOptions};
use super::rows::{Facts, last_training};
use crate::base::sha256;
use crate::data::Dataset;
use crate::experiment::{
    DataIdentity, Experiment, Plan, PlanContext, Run, Stage, StageInput, suggest,
};
use crate::gpu::Gpu;
use crate::model::Model;
use crate::ops::Execution;
use crate::prune::CustomCriterion;
use crate::spec::TrainSpec;
use crate::store::{
    AdapterAndDriver, Contents, DataRecord, Owner, PlannedRun, PlannedStage, RunFolder, RunKey,
    RunRow, read_same_bits, read_table, run_names,
};
use crate::train::{step_range_of, training_samples};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An experiment, its plan, and what carries it out.
pub(super) struct Setup<'a> {
    pub experiment: &'a Experiment,
    pub gpu: &'a Gpu,
    pub options: &'a RunOptions,
    pub stop: &'a StopToken,
    pub custom: Option<&'a CustomCriterion<'a>>,
    pub datasets: &'a BTreeMap<String, Dataset>,
    pub data: Vec<DataRecord>,
    pub models: Models,
    pub facts: Facts,
    pub plan: Plan,
    /// What computes it.
    pub here: AdapterAndDriver,
    /// The name of each run's files.
    pub names: Vec<String>,
    /// What stage digests cover beside the experiment.
    pub context: PlanContext,
    /// For stages that a run ends with: the spec of the run's last training.
    pub ends: HashMap<usize, TrainSpec>,
}

impl<'a> Setup<'a> {
    /// Plans the experiment on these datasets, for which its models were verified.
    ///
    /// # Errors
    /// There is no run of the name that is asked for.
    pub fn new(
        experiment: &'a Experiment,
        environment: &'a Environment<'a>,
        datasets: &'a BTreeMap<String, Dataset>,
        models: Models,
    ) -> Result<Self, RunError> {
        let Environment {
            gpu,
            options,
            stop,
            custom,
            named_as: named,
        } = environment;
        let custom = custom
            .as_ref()
            .filter(|_| experiment.has_custom_criterion());
        // What is computed depends on the scores too.
        let own = custom.map_or_else(String::new, |custom| format!(" {}", custom.name));
        let here = AdapterAndDriver {
            adapter: Facts::adapter_name(gpu.adapter()),
            driver: Facts::driver_name(gpu),
        };
        let named = match named {
            Some(named) => named.clone(),
            None => named_as(&here, options)?,
        };
        let facts = Facts {
            adapter: named.adapter,
            driver: named.driver,
            experiment_digest: match own.as_str() {
                "" => experiment.digest(),
                own => sha256(format!("{}{own}", experiment.digest()).as_bytes()),
            },
            data: datasets
                .iter()
                .map(|(n, d)| (n.clone(), d.digest.clone()))
                .collect(),
        };
        // A stage's digest covers all that its bits depend on: an update of the driver computes anew.
        let context = PlanContext {
            everywhere: format!(
                "{NUMERICAL_VERSION} {} {}{own}",
                facts.adapter, facts.driver
            ),
            data: datasets
                .iter()
                .map(|(n, d)| (n.clone(), identity(d)))
                .collect(),
        };
        let mut plan = Plan::new(experiment, &context);
        let mut names = names(experiment, &plan);
        if let Some(only) = &options.only {
            let Some(number) = names.iter().position(|name| name == only) else {
                return Err(RunError::Experiment(vec![no_such_run(only, &names)]));
            };
            plan.runs = vec![plan.runs.swap_remove(number)];
            names = vec![only.clone()];
        }
        let mut ends = HashMap::new();
        for run in &plan.runs {
            let variant = &experiment.arms[run.arm].variants[run.variant];
            if let (Some(&last), Some(spec)) = (run.stages.last(), last_training(variant)) {
                ends.insert(last, spec.clone());
            }
        }
        Ok(Self {
            experiment,
            gpu,
            options,
            stop,
            custom: custom.map(|custom| &*custom.scores),
            datasets,
            data: datasets.values().map(record_of).collect(),
            models,
            facts,
            plan,
            here,
            names,
            context,
            ends,
        })
    }

    /// Creates or continues the run folder.
    ///
    /// # Errors
    /// It cannot be written, or holds results that these would not fit.
    pub fn open_folder(&self) -> Result<RunFolder, RunError> {
        let owner = Owner {
            experiment: self.experiment.name.clone(),
            experiment_digest: self.facts.experiment_digest.clone(),
            adapter: self.facts.adapter.clone(),
            driver: self.facts.driver.clone(),
            numerical_version: NUMERICAL_VERSION,
        };
        if let Some(only) = &self.options.only {
            let there: Vec<RunRow> = read_table(&self.options.out)?;
            if there.iter().any(|row| row.run != *only) {
                return Err(RunError::Experiment(vec![format!(
                    "{} has the results of other runs: one run alone (`--only`) is computed into a folder of its own; choose one with `--out DIR`",
                    self.options.out.display()
                )]));
            }
        }
        if let Some(before) = RunFolder::owner(&self.options.out)? {
            self.facts.check(&before, &self.options.out)?;
        }
        let contents = Contents {
            text: &self.experiment.text,
            resolved: &self.experiment.resolved_json(),
            data: &self.data,
            runs: &self.planned_runs(),
        };
        let (out, store) = (&self.options.out, self.options.store.as_ref());
        Ok(RunFolder::open(
            out,
            store.unwrap_or(out),
            &owner,
            &contents,
        )?)
    }

    fn planned_runs(&self) -> Vec<PlannedRun> {
        let planned = |id: &usize| PlannedStage {
            digest: self.plan.stages[*id].digest.clone(),
            step: self.plan.stages[*id].step.word().to_owned(),
            kept: self.is_kept_on_disk(*id),
        };
        let runs = self.plan.runs.iter().zip(&self.names);
        runs.map(|(run, name)| {
            let arm = &self.experiment.arms[run.arm];
            PlannedRun {
                run: name.clone(),
                arm: arm.name.clone(),
                point: arm.variants[run.variant].point.clone(),
                seed: run.seed,
                stages: run.stages.iter().map(planned).collect(),
            }
        })
        .collect()
    }

    /// The network that the experiment has for a stage.
    ///
    /// # Errors
    /// It was not verified.
    pub fn model_of(&self, stage: &Stage) -> Result<Arc<Model>, RunError> {
        self.models.of(&stage.model).cloned().ok_or_else(|| {
            RunError::Experiment(vec![format!("model {} was not checked", stage.model.name)])
        })
    }

    /// What a stage's digest covers.
    pub fn input_of(&self, id: usize) -> Option<StageInput> {
        StageInput::of(self.experiment, &self.context, &self.plan, id)
    }

    /// What kernels are chosen from.
    pub fn execution(&self) -> Execution {
        let usual = || Execution::for_adapter(self.gpu.adapter());
        self.options.execution.unwrap_or_else(usual)
    }

    /// Samples that a stage trains on, epochs counted.
    pub fn samples_of(&self, stage: &Stage) -> u64 {
        let Some(spec) = stage.training() else {
            return 0;
        };
        let data = self.datasets.get(&spec.dataset);
        let available = data.map_or(0, |d| d.train.len() as u32);
        let step_range = training_samples(spec, available).and_then(|s| step_range_of(spec, s));
        step_range.map_or(0, |s| (s.end - s.start) * u64::from(spec.batch))
    }

    /// Whether a stage is worth a file: trainings, prune steps that run batches or iterate, and whatever a run ends with. The others
    /// are recomputed in milliseconds.
    pub fn is_kept_on_disk(&self, id: usize) -> bool {
        self.plan.stages[id].step.takes_long() || self.ends.contains_key(&id)
    }
}

/// What stages are named after: what computes them, or what computed those of the store before, where it was seen to give the same bits.
fn named_as(here: &AdapterAndDriver, options: &RunOptions) -> Result<AdapterAndDriver, RunError> {
    let store = options.store.as_ref().unwrap_or(&options.out);
    let seen = read_same_bits(store)?;
    let same = seen.into_iter().find(|same| same.tried == *here);
    Ok(same.map_or_else(|| here.clone(), |same| same.computed_under))
}

fn no_such_run(only: &str, names: &[String]) -> String {
    let near = suggest::nearest(only, names.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
    format!("there is no run {only:?}{near} `secateur plan --runs` lists them")
}

/// One name for each run.
fn names(experiment: &Experiment, plan: &Plan) -> Vec<String> {
    let key = |run: &Run| {
        let arm = &experiment.arms[run.arm];
        RunKey {
            arm: &arm.name,
            point: &arm.variants[run.variant].point,
            seed: run.seed,
        }
    };
    let keys: Vec<RunKey<'_>> = plan.runs.iter().map(key).collect();
    run_names(&keys)
}

fn identity(data: &Dataset) -> DataIdentity {
    DataIdentity {
        digest: data.digest.clone(),
        shape: [
            data.channels,
            data.height,
            data.width,
            data.class_names.len(),
        ],
    }
}
