//! What a `train` step asks for.

use super::{MaskSchedule, TrainSpec};
use crate::config::{Choice, Description, Field, Fields, Flat, Form, Key, Part, Value, table};
use serde::{Deserialize, Serialize};

table! {
    /// A `train` step with every default filled in. It is written as one table.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct TrainStep as "this train step" {
        /// The training.
        #[serde(flatten)]
        pub train: TrainSpec => Flat;
        /// How masks change meanwhile; `None` where they stay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub masks: Option<Box<MaskSchedule>> = None => OneAtMost;
    }
}

impl TrainStep {
    /// What the replicas of a cohort must agree in.
    pub fn alike(&self) -> impl Serialize {
        (self.train.alike(), &self.masks)
    }
}

/// One of the keys of a change of masks, or none.
struct OneAtMost;

type MaybeSchedule = Option<Box<MaskSchedule>>;

impl Form<MaybeSchedule> for OneAtMost {
    fn take(
        &self,
        _: &Key,
        usual: Option<MaybeSchedule>,
        table: &mut Fields<'_>,
    ) -> Option<MaybeSchedule> {
        let keys = MaskSchedule::keys();
        let mut given = keys.iter().filter_map(|key| table.get(key));
        let (Some(node), second) = (given.next(), given.next()) else {
            return usual;
        };
        if let Some(node) = second {
            let help = "give each a train step of its own";
            table.at(node, "a training either prunes or rewires", help);
            return None;
        }
        let schedule = MaskSchedule::take(table, None)?;
        let equal = table.get("equal_flops");
        let equal = equal.is_some_and(|node| matches!(node.value, Value::Boolean(true)));
        if equal && schedule.target().is_some() {
            let help = "remove `equal_flops`, or prune in a step of its own";
            let message = "a training that prunes has no one cost: `equal_flops` means nothing";
            table.at(node, message, help);
            return None;
        }
        Some(Some(Box::new(schedule)))
    }

    fn describe(&self, _: Key, _: Option<MaybeSchedule>, into: &mut Description) {
        let keys = Description::new("", "", MaskSchedule::describe).fields;
        into.fields.extend(keys.into_iter().map(|field| Field {
            usual: Some("none".to_owned()),
            ..field
        }));
    }
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
