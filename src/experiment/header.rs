//! `secateur = 1` and `seeds`.

use crate::config::{
    Fields, Form, Key, Node, Problem, Problems, Reader, Value, ValueShape, Whole, at_least,
};
use std::collections::BTreeSet;

/// The format this program reads.
const VERSION: u64 = 1;
/// A seed takes part in every run, so more than this is a slip of the finger.
const MOST_SEEDS: u64 = 10_000;

/// Whether the rest can be judged: another version may mean anything by it.
pub(super) fn check_version(root: &Node, problems: &mut Problems) -> bool {
    let Some(node) = root.get("secateur") else {
        return true;
    };
    let Value::Integer(number) = node.value else {
        return true;
    };
    let known = number == i128::from(VERSION);
    if !known {
        let message = format!("format version {number}");
        let help = format!(
            "this program reads version {VERSION}; another version of Secateur may read this file"
        );
        problems.at(node, message, help);
    }
    known
}

/// The version of the format.
pub(super) struct Version;

impl Form<u64> for Version {
    fn shape(&self) -> ValueShape {
        ValueShape::Whole(VERSION, VERSION)
    }

    fn take(&self, key: &Key, _: Option<u64>, table: &mut Fields<'_>) -> Option<u64> {
        let Some(node) = table.get(key.name) else {
            table.reader.problems.add(Problem::missing(
                table.node,
                key.name,
                "the format version is missing".to_string(),
                format!("put `secateur = {VERSION}` on the first line"),
            ));
            return None;
        };
        Whole(VERSION, VERSION).read(node, key.name, &mut table.reader)
    }
}

/// A count, or a list.
pub(super) struct Seeds;

impl Form<Vec<u32>> for Seeds {
    fn shape(&self) -> ValueShape {
        let one = Form::<u32>::shape(&at_least(0));
        ValueShape::Either(vec![
            ValueShape::Whole(1, MOST_SEEDS),
            ValueShape::List(Box::new(one), 1),
        ])
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<u32>> {
        match &node.value {
            Value::Integer(_) => {
                let count: u32 = Whole(1, MOST_SEEDS).read(node, key, reader)?;
                Some((0..count).collect())
            }
            Value::Array(items) if items.is_empty() => {
                let help = "at least one: seeds = 10 gives the seeds 0 to 9";
                reader.at(node, "there are no seeds", help);
                None
            }
            Value::Array(items) if items.len() as u64 > MOST_SEEDS => {
                let help = format!("at most {MOST_SEEDS}");
                reader.at(node, format!("{} seeds", items.len()), help);
                None
            }
            Value::Array(items) => {
                let mut seen = BTreeSet::new();
                let mut seeds = Vec::new();
                for item in items {
                    let Some(seed) = at_least(0).read(item, key, reader) else {
                        continue;
                    };
                    if !seen.insert(seed) {
                        let help =
                            "equal seeds give equal runs, which would count as evidence twice";
                        reader.at(item, format!("the seed {seed} is listed twice"), help);
                    }
                    seeds.push(seed);
                }
                Some(seeds)
            }
            _ => {
                reader.wrong_type(node, key, "a whole number or a list of them");
                None
            }
        }
    }
}
