//! The door to a run.

use super::datasets::{facts_of, load_datasets};
use super::error::RunError;
use super::events::{Event, Reporter, StopToken};
use super::options::{Custom, Environment, RunOptions};
use super::results::Results;
use super::session::Session;
use super::setup::Setup;
use super::verify::verify;
use crate::data::SearchPath;
use crate::experiment::Experiment;
use crate::gpu::Gpu;
use crate::prune::LayerWeights;

/// Runs experiments on one GPU. It prints nothing: events go to [`on_event`](Self::on_event).
pub struct Engine<'a> {
    pub(super) environment: Environment<'a>,
    pub(super) tell: Box<dyn FnMut(Event<'_>) + 'a>,
}

impl<'a> Engine<'a> {
    /// One that tells nobody, and that nobody stops.
    pub fn new(gpu: &'a Gpu, options: RunOptions) -> Self {
        Self {
            environment: Environment {
                gpu,
                options,
                stop: StopToken::new(),
                custom: None,
                named_as: None,
            },
            tell: Box::new(|_| {}),
        }
    }

    /// Calls `tell` with everything that happens, on the thread that executes.
    pub fn on_event(mut self, tell: impl FnMut(Event<'_>) + 'a) -> Self {
        self.tell = Box::new(tell);
        self
    }

    /// Lets `token` stop what is executed.
    pub fn stop(mut self, token: StopToken) -> Self {
        self.environment.stop = token;
        self
    }

    /// Scores weights where an experiment has `criterion = "custom"`: `scores` gives one for each weight of a layer, and the largest
    /// stay, exactly as many as the step asks for. It must give the same scores for the same weights.
    ///
    /// `name` stands for what `scores` computes. It is part of the experiment's digest, so that results of one criterion are not
    /// taken for those of another: give another name where other scores are computed.
    pub fn criterion(
        mut self,
        name: &str,
        scores: impl Fn(&LayerWeights<'_>) -> Vec<f32> + 'a,
    ) -> Self {
        self.environment.custom = Some(Custom {
            name: name.to_owned(),
            scores: Box::new(scores),
        });
        self
    }

    /// Computes everything that the run folder does not hold yet, and writes results, curves, masks, weights and plots there.
    ///
    /// # Errors
    /// See [`RunError`]; finished stages are safe in the run folder whatever happens.
    pub fn execute(&mut self, experiment: &Experiment) -> Result<Results, RunError> {
        let environment = &self.environment;
        if experiment.has_custom_criterion() && environment.custom.is_none() {
            return Err(RunError::NoCriterion);
        }
        let mut reporter = Reporter::new(&mut self.tell);
        let search = SearchPath::new(environment.options.data.clone());
        let datasets = load_datasets(experiment, &search)?;
        for warning in datasets.values().flat_map(|data| &data.warnings) {
            reporter.warn(warning);
        }
        let models = verify(experiment, &facts_of(&datasets)).map_err(RunError::Mistakes)?;
        let setup = Setup::new(experiment, environment, &datasets, models)?;
        Session::new(&setup, reporter)?.go()
    }
}
