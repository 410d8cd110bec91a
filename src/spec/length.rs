//! Lengths of trainings, and what they are in steps.

use serde::{Deserialize, Serialize};

/// How long to train: whole epochs or optimizer steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Passes over the training split; the last batch of a pass may be partial.
    Epochs(u32),
    /// Optimizer steps.
    Steps(u32),
}

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Epochs(n) => write!(f, "{n}ep"),
            Self::Steps(n) => write!(f, "{n}st"),
        }
    }
}

/// Optimizer steps in one pass: the last batch may be partial.
pub fn steps_per_epoch(samples: u32, batch: u32) -> u32 {
    samples.div_ceil(batch)
}

/// A length in optimizer steps.
pub fn steps_of(length: Length, samples: u32, batch: u32) -> u64 {
    match length {
        Length::Steps(steps) => u64::from(steps),
        Length::Epochs(epochs) => u64::from(epochs) * u64::from(steps_per_epoch(samples, batch)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_batch_counts_as_a_step() {
        assert_eq!(steps_of(Length::Epochs(14), 60_000, 64), 14 * 938);
        assert_eq!(steps_of(Length::Steps(5), 60_000, 64), 5);
    }
}
