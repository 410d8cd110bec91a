//! The door to a run.

use super::datasets::{facts_of, load_datasets};
use super::error::RunError;
use super::events::{Event, Reporter, StopToken};
use super::options::RunOptions;
use super::results::Results;
use super::session::Session;
use super::setup::Setup;
use super::verify::verify;
use crate::data::SearchPath;
use crate::experiment::Experiment;
use crate::gpu::Gpu;

/// Runs experiments on one GPU. It prints nothing: what happens is told to [`on_event`](Self::on_event).
pub struct Engine<'a> {
    gpu: &'a Gpu,
    options: RunOptions,
    tell: Box<dyn FnMut(Event<'_>) + 'a>,
    stop: StopToken,
}

impl<'a> Engine<'a> {
    /// One that tells nobody, and that nobody stops.
    pub fn new(gpu: &'a Gpu, options: RunOptions) -> Self {
        Self {
            gpu,
            options,
            tell: Box::new(|_| {}),
            stop: StopToken::new(),
        }
    }

    /// Calls `tell` with everything that happens, on the thread that executes.
    pub fn on_event(mut self, tell: impl FnMut(Event<'_>) + 'a) -> Self {
        self.tell = Box::new(tell);
        self
    }

    /// Lets `token` stop what is executed.
    pub fn stop(mut self, token: StopToken) -> Self {
        self.stop = token;
        self
    }

    /// Computes everything that the run folder does not hold yet, and writes results, curves, masks, weights and plots there.
    ///
    /// # Errors
    /// See [`RunError`]; finished stages are safe in the run folder whatever happens.
    pub fn execute(&mut self, experiment: &Experiment) -> Result<Results, RunError> {
        let mut reporter = Reporter::new(&mut self.tell);
        let search = SearchPath::new(self.options.data.clone());
        let datasets = load_datasets(experiment, &search)?;
        for warning in datasets.values().flat_map(|data| &data.warnings) {
            reporter.warn(warning);
        }
        let models = verify(experiment, &facts_of(&datasets)).map_err(RunError::Mistakes)?;
        let options = (&self.options, &self.stop);
        let setup = Setup::new(experiment, self.gpu, options, &datasets, models);
        Session::new(&setup, reporter)?.go()
    }
}
