//! What a `train` step asks for.

use super::{MaskSchedule, TrainSpec};
use serde::{Deserialize, Serialize};

/// A `train` step with every default filled in. It is written as one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainStep {
    /// The training.
    #[serde(flatten)]
    pub train: TrainSpec,
    /// How masks change meanwhile; `None` where they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<Box<MaskSchedule>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{FractionDecay, Grow, Length, Optimizer, Rewire};

    /// Digests of stages are made of this text: the settings of the training as they are without masks, and then the masks.
    #[test]
    fn a_train_step_is_one_table() {
        let length = Length::Epochs(2);
        let train = TrainSpec::plain("mnist", 64, length, Optimizer::sgd(0.1, 0.9));
        let plain = serde_json::to_string(&train).unwrap();
        let mut step = TrainStep { train, masks: None };
        assert_eq!(serde_json::to_string(&step).unwrap(), plain);
        step.masks = Some(Box::new(MaskSchedule::Rewire(Rewire {
            grow: Grow::Random,
            fraction: 0.3,
            decay: FractionDecay::Cosine,
            every: Length::Steps(100),
            until: None,
        })));
        let masks = serde_json::to_string(&step.masks).unwrap();
        let whole = serde_json::to_string(&step).unwrap();
        let open = plain.strip_suffix('}').unwrap();
        assert_eq!(whole, format!("{open},\"masks\":{masks}}}"));
        assert_eq!(serde_json::from_str::<TrainStep>(&whole).unwrap(), step);
    }
}
