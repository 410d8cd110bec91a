//! One step of an arm.

use super::best_by;
use super::step::Step;
use crate::config::{
    Choice, Description, Fields, Form, FromNode, Key, Kind, Node, Part, Reader, Table, Value,
    ValueShape, Whole, choice, described, one_of, table,
};
use crate::spec::{MaskStep, PruneSpec, Recalibrate, Restart, TrainStep, UnitPrune, WHOLE_BATCH};

choice! {
    /// One step of an arm, as it is written.
    #[derive(Clone, PartialEq)]
    enum StepTable as "something to do" {
        /// trains; keys as in `[train]`, `{}` for the defaults, and [masks that change meanwhile](#masks-that-change-while-a-training-runs)
        Train(TrainStep) = "train", like "{}";
        /// removes weights, or units, for good
        Prune(Pruning) = "prune", like "{ sparsity = 0.9 }";
        /// new weights, or weights of before; the mask stays
        Restart(Restart) = "restart", like "\"fresh\"";
        /// another mask, or none
        Mask(MaskStep) = "mask", like "\"shuffle\"";
        /// sets the running statistics of batch normalisation to their plain average over training batches
        Recalibrate(Recalibrate) = "recalibrate", like "{ batches = 100 }";
        /// makes the network's tensors smaller by the units that do nothing: see [Compaction](#compaction)
        Compact = "compact" => NoKeys, like "{}";
        /// these steps, over and over
        Iterate(Iterate) = "iterate", like "{ rounds = 5, steps = [...] }";
    }
}

/// An empty table.
struct NoKeys;

impl Form<StepTable> for NoKeys {
    fn shape(&self) -> ValueShape {
        ValueShape::Table(|| described!("Compact", "It has no settings.", |_| {}))
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<StepTable> {
        Fields::open(node, &format!("`{key}`"), &[], reader).map(|_| StepTable::Compact)
    }
}

table! {
    /// The same steps over and over.
    #[derive(Clone, PartialEq)]
    pub(super) struct Iterate as "`iterate`" {
        /// how many times; each is stages of its own
        pub rounds: u64 => Whole(1, 1000), like "5";
        /// what is done in each
        pub steps: Vec<Node> => StepList, like "[{ train = {} }, { prune = { remaining = 0.8 } }]";
    }
}

/// A list of steps, which are read once the values of the sweep are put in.
pub(super) struct StepList;

impl Form<Vec<Node>> for StepList {
    fn shape(&self) -> ValueShape {
        ValueShape::swept(ValueShape::List(Box::new(ValueShape::Table(step)), 1))
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<Node>> {
        let message = match &node.value {
            Value::Unknown => return None,
            Value::Array(steps) if !steps.is_empty() => return Some(steps.clone()),
            Value::Array(_) => "there are no steps in this list".to_string(),
            _ => format!("`{key}` must be a list of steps, not {}", node.describe()),
        };
        reader.at(node, message, "for example: steps = [{ train = {} }]");
        None
    }
}

/// What a step may be.
fn step() -> &'static Description {
    described!(
        "Step",
        "One step of an arm: a table of one key.",
        StepTable::describe
    )
}

/// Reads a step that is laid over its defaults.
pub(super) fn read_step(node: &Node, reader: &mut Reader<'_>) -> Option<Step> {
    let example = "{ train = {} }, { prune = { sparsity = 0.9 } }, { restart = \"fresh\" } or { mask = \"shuffle\" }";
    match &node.value {
        Value::Table(_) => {}
        Value::Unknown => return None,
        _ => {
            let message = format!("a step must be a table, not {}", node.describe());
            reader.at(node, message, format!("one of {example}"));
            return None;
        }
    }
    let keys = StepTable::keys();
    Fields::open(node, "this step", &keys, reader)?;
    let entry = match node.entries() {
        [entry] => entry,
        [] => {
            reader.at(node, "this step is empty", format!("one of {example}"));
            return None;
        }
        [_, second, ..] => {
            if node
                .entries()
                .iter()
                .all(|entry| keys.contains(&entry.key.as_str()))
            {
                let help = "steps run in order: give each its own table, { ... }, { ... }";
                reader.at(&second.node, "two steps in one table", help);
            }
            return None;
        }
    };
    let decided = entry.key != "train" || best_by::check_step(&entry.node, reader);
    match StepTable::key(&entry.key, &entry.node, reader).filter(|_| decided)? {
        StepTable::Train(step) => Some(Step::Train(step)),
        StepTable::Recalibrate(step) => {
            let normalises = reader.context.names(WHOLE_BATCH);
            if normalises.is_some_and(|layers| layers.is_empty()) {
                let help =
                    "it has no running statistics: remove the step, or add \"batch_norm\" layers";
                reader.at(node, "the model has no batch normalisation", help);
                return None;
            }
            Some(Step::Recalibrate(step.training))
        }
        StepTable::Prune(Pruning::Weights(spec)) => Some(Step::Prune(spec)),
        StepTable::Prune(Pruning::Units(spec)) => Some(Step::PruneUnits(spec)),
        StepTable::Compact => Some(Step::Compact),
        StepTable::Restart(restart) => Some(Step::Restart(restart)),
        StepTable::Mask(mask) => Some(Step::Mask(mask)),
        // Written out before steps are read; it is here for those who misspell it.
        StepTable::Iterate(_) => None,
    }
}

/// A `prune` step, by its `structure`.
#[derive(Clone, PartialEq)]
enum Pruning {
    Weights(PruneSpec),
    Units(UnitPrune),
}

const STRUCTURES: &[Kind] = &[
    Kind {
        word: "weights",
        table: || described!("Weights", "removes single weights", PruneSpec::describe),
    },
    Kind {
        word: "units",
        table: || {
            described!("Units", "removes whole units", |into| {
                UnitPrune::describe(into);
                into.fields.retain(|field| field.key.name != "rule");
            })
        },
    },
    Kind {
        word: "either",
        table: || {
            described!(
                "Either",
                "decides layer by layer whether whole units or single weights go",
                UnitPrune::describe
            )
        },
    },
];

impl FromNode for Pruning {
    fn shape() -> ValueShape {
        ValueShape::Table(|| {
            described!("Prune", "Removes weights, or units, for good.", |into| {
                let structure = Key {
                    usual: "weights",
                    ..Key::named("structure")
                };
                into.kinds = Some((structure, STRUCTURES));
            })
        })
    }

    fn read(node: &Node, _: &str, reader: &mut Reader<'_>) -> Option<Pruning> {
        let words = STRUCTURES.iter().map(|kind| kind.word);
        let word = match node.get("structure") {
            Some(word) => one_of(word, "structure", &words.collect::<Vec<_>>(), reader)?,
            None => "weights",
        };
        let kind = STRUCTURES.iter().find(|kind| kind.word == word)?;
        let mut keys = (kind.table)().keys(None);
        keys.insert(0, "structure");
        if word == "weights" {
            let mut table = Fields::open(node, PruneSpec::WHAT, &keys, reader)?;
            PruneSpec::take(&mut table, None).map(Pruning::Weights)
        } else {
            let mut table = Fields::open(node, UnitPrune::WHAT, &keys, reader)?;
            UnitPrune::take(&mut table, None).map(Pruning::Units)
        }
    }
}
