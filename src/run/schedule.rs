//! Which stages are yet to be computed, and which of them run together next.

use super::budget::as_it_runs;
use super::checkpoint::steps_saved;
use super::cohort::{self, Limits};
use super::error::RunError;
use super::facts::model_key;
use super::memory::density_after;
use super::memory_request::memory_request;
use super::setup::Setup;
use super::stages::Stages;
use super::time_left::WorkKind;
use crate::experiment::Step;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Why there is no next cohort.
pub(super) enum NextError {
    /// A stage does not fit into memory, even alone.
    TooLarge { stage: usize, reason: String },
    /// Something that ends all runs.
    Fatal(Box<RunError>),
}

impl From<RunError> for NextError {
    fn from(error: RunError) -> Self {
        Self::Fatal(Box::new(error))
    }
}

/// The stages that are yet to be computed.
pub(super) struct StageQueue<'s> {
    setup: &'s Setup<'s>,
    limits: Limits,
    /// The stages that start from each stage.
    children: Vec<Vec<usize>>,
    todo: HashSet<usize>,
    /// Stages that failed: nothing starts from them.
    failed: HashSet<usize>,
    kinds: HashMap<usize, WorkKind>,
}

impl<'s> StageQueue<'s> {
    /// Everything worth a file that the store lacks, and the quick steps that lead to it.
    pub fn new(setup: &'s Setup<'s>, stages: &Stages<'_>) -> Self {
        let mut children = vec![Vec::new(); setup.plan.stages.len()];
        for stage in &setup.plan.stages {
            if let Some(parent) = stage.parent {
                children[parent].push(stage.id);
            }
        }
        let options = setup.options;
        let mut queue = Self {
            setup,
            limits: Limits::new(setup.gpu, options.memory, options.replicas),
            children,
            todo: HashSet::new(),
            failed: HashSet::new(),
            kinds: HashMap::new(),
        };
        queue.refill(|id, starts_others| stages.is_there(id, starts_others));
        queue
    }

    /// Counts anew what is left, by whether what is needed of a stage is there, and whether another starts from it. Of a run that
    /// failed, nothing is left.
    pub fn refill(&mut self, is_there: impl Fn(usize, bool) -> bool) {
        self.todo.clear();
        for run in &self.setup.plan.runs {
            let failed = run.stages.iter().position(|id| self.failed.contains(id));
            let before = &run.stages[..failed.unwrap_or(run.stages.len())];
            let mut later_needed = false;
            for &id in before.iter().rev() {
                if self.setup.is_kept_on_disk(id) {
                    later_needed = !is_there(id, later_needed);
                }
                if later_needed {
                    self.todo.insert(id);
                }
            }
        }
    }

    /// What is left.
    pub fn todo(&self) -> impl Iterator<Item = usize> {
        let mut ids: Vec<usize> = self.todo.iter().copied().collect();
        ids.sort_unstable();
        ids.into_iter()
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.todo.is_empty()
    }

    /// Samples to be trained on.
    pub fn samples(&self) -> u64 {
        let stage = |&id: &usize| &self.setup.plan.stages[id];
        self.todo
            .iter()
            .map(|id| self.setup.samples_of(stage(id)))
            .sum()
    }

    /// Samples of what is left beside a cohort, by their kind.
    ///
    /// # Errors
    /// A model was not checked.
    pub fn work_after(&mut self, cohort: &[usize]) -> Result<BTreeMap<WorkKind, u64>, RunError> {
        let mut work = BTreeMap::new();
        let rest: Vec<usize> = self.todo().filter(|id| !cohort.contains(id)).collect();
        for id in rest {
            let samples = self.setup.samples_of(&self.setup.plan.stages[id]);
            if samples > 0 {
                *work.entry(self.kind_of(id)?).or_default() += samples;
            }
        }
        Ok(work)
    }

    /// What decides how long a training takes per sample.
    ///
    /// # Errors
    /// The model was not checked.
    pub fn kind_of(&mut self, id: usize) -> Result<WorkKind, RunError> {
        if let Some(kind) = self.kinds.get(&id) {
            return Ok(kind.clone());
        }
        let (plan, stage) = (&self.setup.plan, &self.setup.plan.stages[id]);
        let model = self.setup.model_of(stage)?;
        let kind = WorkKind {
            model: model_key(&stage.model),
            multiply_adds: model.multiply_adds(),
            density_class: cohort::density_class(density_after(plan, stage.parent, &model)),
        };
        self.kinds.insert(id, kind.clone());
        Ok(kind)
    }

    /// Strikes out a stage that failed, and all that would start from it. Returns the samples that are not trained on then.
    pub fn strike_history(&mut self, failed: usize) -> u64 {
        self.failed.insert(failed);
        let mut samples = 0;
        let mut next = vec![failed];
        while let Some(id) = next.pop() {
            if self.todo.remove(&id) {
                samples += self.setup.samples_of(&self.setup.plan.stages[id]);
            }
            next.extend(&self.children[id]);
        }
        samples
    }

    /// Strikes out stages that were computed.
    pub fn strike(&mut self, cohort: &[usize]) {
        for id in cohort {
            self.todo.remove(id);
        }
    }

    /// How many stages are yet to start from these.
    pub fn dependants(&self, ids: &[usize]) -> usize {
        let children = ids.iter().flat_map(|&id| &self.children[id]);
        children.filter(|child| self.todo.contains(child)).count()
    }

    /// The next stages to compute together: cheap steps first, then the largest group of equal trainings to which no more
    /// can come.
    ///
    /// None of those that are `held` by other processes; empty where only these are ready.
    ///
    /// # Errors
    /// As [`NextError`].
    pub fn next(
        &self,
        stages: &Stages<'_>,
        held: &HashSet<usize>,
    ) -> Result<Vec<usize>, NextError> {
        let plan = &self.setup.plan;
        let ready = |id: usize| {
            plan.stages[id]
                .parent
                .is_none_or(|parent| !self.todo.contains(&parent))
        };
        let mut groups: BTreeMap<String, (Vec<usize>, usize)> = BTreeMap::new();
        for id in self.todo() {
            let group = groups.entry(stages.cohort_key(id)).or_default();
            if ready(id) && !held.contains(&id) {
                group.0.push(id);
            } else {
                group.1 += 1;
            }
        }
        let trains = |ids: &[usize]| plan.stages[ids[0]].step.training().is_some();
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
        let stage = &plan.stages[first];
        if stage.step == Step::Compact {
            return Ok(vec![first]);
        }
        let model = stages.model_before(stage)?;
        let density = |id: usize| {
            let snapshot = stages.parent_of(&plan.stages[id]);
            snapshot.map_or(1.0, |s| s.mask.density(&model))
        };
        // A training that prunes ends with lists for what it comes to.
        let listed = match stage.step.prunes() {
            Some(_) => density_after(plan, Some(first), &model),
            None => density(first),
        };
        let request = memory_request(stage, self.setup.ends.get(&first), listed);
        let most = self
            .limits
            .replicas_of(&model, &request)
            .map_err(|reason| NextError::TooLarge {
                stage: first,
                reason,
            })?;
        if !trains(&[first]) {
            return Ok(chosen.into_iter().take(most).collect());
        }
        let place = |id: usize| {
            let length = as_it_runs(self.setup, stages, id)?
                .training()
                .map(|spec| spec.length);
            let class = cohort::density_class(density(id));
            Ok::<_, RunError>((class, steps_saved(&stages.folder, &plan.stages[id]), length))
        };
        let of_first = place(first)?;
        let mut alike = Vec::new();
        for id in chosen {
            if alike.len() < most && place(id)? == of_first {
                alike.push(id);
            }
        }
        Ok(alike)
    }
}
