//! What is measured while a network trains.

use super::state::State;

/// Loss and accuracy over some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Mean cross-entropy per sample, in nats.
    pub loss: f64,
    /// Share of samples whose class was right, in percent.
    pub accuracy: f64,
}

impl Metrics {
    pub(super) fn of(state: &State) -> Self {
        let seen = f64::from(state.seen.max(1));
        Self {
            loss: f64::from(state.loss_sum) / seen,
            accuracy: 100.0 * f64::from(state.correct) / seen,
        }
    }
}

/// A replica at the end of a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochPoint {
    /// Passes done (the last may be cut short by a length in steps).
    pub epoch: u32,
    /// Optimizer steps done.
    pub step: u32,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Share of the prunable weights that exist, of the network that trains.
    pub density: f64,
    /// Over the pass, with the weights of each moment.
    pub train: Metrics,
    /// On the validation split, where there is one.
    pub validation: Option<Metrics>,
    /// Mask violations found by the audit.
    pub violations: u32,
    /// Steps of the training so far whose loss was not finite.
    pub broken: u32,
}
