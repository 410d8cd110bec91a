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
use crate::experiment::{DataIdentity, Experiment, Plan, PlanContext, Stage};
use crate::gpu::Gpu;
use crate::model::Model;
use crate::ops::Execution;
use crate::prune::CustomCriterion;
use crate::spec::TrainSpec;
use crate::store::{Contents, DataRecord, Owner, RunFolder};
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
    /// For stages that a run ends with: the spec of the run's last training.
    pub ends: HashMap<usize, TrainSpec>,
}

impl<'a> Setup<'a> {
    /// Plans the experiment on these datasets, for which its models were verified.
    pub fn new(
        experiment: &'a Experiment,
        environment: &'a Environment<'a>,
        datasets: &'a BTreeMap<String, Dataset>,
        models: Models,
    ) -> Self {
        let Environment {
            gpu,
            options,
            stop,
            custom,
        } = environment;
        let custom = custom
            .as_ref()
            .filter(|_| experiment.has_custom_criterion());
        // What is computed depends on the scores too.
        let own = custom.map_or_else(String::new, |custom| format!(" {}", custom.name));
        let facts = Facts {
            adapter: Facts::adapter_name(gpu.adapter()),
            driver: gpu.adapter().driver.clone(),
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
        let plan = Plan::new(experiment, &context);
        let mut ends = HashMap::new();
        for run in &plan.runs {
            let variant = &experiment.arms[run.arm].variants[run.variant];
            if let (Some(&last), Some(spec)) = (run.stages.last(), last_training(variant)) {
                ends.insert(last, spec.clone());
            }
        }
        Self {
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
            ends,
        }
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
        if let Some(before) = RunFolder::owner(&self.options.out)? {
            self.facts.check(&before, &self.options.out)?;
        }
        let contents = Contents {
            text: &self.experiment.text,
            resolved: &self.experiment.resolved_json(),
            data: &self.data,
        };
        let (out, store) = (&self.options.out, self.options.store.as_ref());
        Ok(RunFolder::open(
            out,
            store.unwrap_or(out),
            &owner,
            &contents,
        )?)
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
