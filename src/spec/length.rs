//! Lengths of trainings, and what they are in steps.

use crate::config::{FromNode, Node, Reader, ValueShape};
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

const WRITTEN: &str = "a length such as \"14ep\" (epochs) or \"5000st\" (steps)";

impl FromNode for Length {
    fn shape() -> ValueShape {
        ValueShape::Text(WRITTEN, "^0*[1-9][0-9]*(ep|st)$")
    }

    fn read(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(text) = node.text() else {
            reader.wrong_type(node, key, WRITTEN);
            return None;
        };
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let unit = &text[digits.len()..];
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let count = digits.parse::<u32>().ok().filter(|count| *count > 0);
        match (unit, count) {
            ("ep", Some(count)) => Some(Self::Epochs(count)),
            ("st", Some(count)) => Some(Self::Steps(count)),
            ("ep" | "st", None) if whole => {
                let help = format!("`{key}` must be from 1 to {} {unit}", u32::MAX);
                reader.at(node, format!("`{key}` is {text:?}: out of range"), help);
                None
            }
            _ => {
                let help = "a whole number, then `ep` for epochs or `st` for optimizer steps";
                let message = format!("`{key}` must be {WRITTEN}, not {text:?}");
                reader.at(node, message, help);
                None
            }
        }
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
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
