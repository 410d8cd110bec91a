//! `secateur = 1` and `seeds`.

use super::fields::missing;
use super::scalars::{integer, integer32, wrong_type};
use crate::config::Problems;
use crate::config::{Node, Value};
use std::collections::BTreeSet;

/// The format this program reads.
const VERSION: u64 = 1;
/// A seed takes part in every run, so more than this is a slip of the finger.
const MOST_SEEDS: u64 = 10_000;
/// Whether the rest can be judged: another version may mean anything by it.
pub(super) fn check_version(root: &Node, problems: &mut Problems) -> bool {
    let Some(node) = root.get("secateur") else {
        problems.add(missing(
            root,
            "secateur",
            "the format version is missing".to_string(),
            format!("put `secateur = {VERSION}` on the first line"),
        ));
        return true;
    };
    match node.value {
        Value::Integer(number) if number == i128::from(VERSION) => true,
        Value::Integer(number) => {
            let message = format!("format version {number}");
            let help = format!(
                "this program reads version {VERSION}; another version of Secateur may read this file"
            );
            problems.at(node, message, help);
            false
        }
        _ => {
            integer(node, "secateur", VERSION, VERSION, problems);
            true
        }
    }
}

/// A count, or a list.
pub(super) fn read_seeds(node: &Node, problems: &mut Problems) -> Option<Vec<u32>> {
    match &node.value {
        Value::Integer(_) => {
            let count = integer(node, "seeds", 1, MOST_SEEDS, problems)?;
            Some((0..u32::try_from(count).ok()?).collect())
        }
        Value::Array(items) if items.is_empty() => {
            let help = "at least one: seeds = 10 gives the seeds 0 to 9";
            problems.at(node, "there are no seeds", help);
            None
        }
        Value::Array(items) if items.len() as u64 > MOST_SEEDS => {
            let help = format!("at most {MOST_SEEDS}");
            problems.at(node, format!("{} seeds", items.len()), help);
            None
        }
        Value::Array(items) => {
            let mut seen = BTreeSet::new();
            let mut seeds = Vec::new();
            for item in items {
                let Some(seed) = integer32(item, "seeds", 0, problems) else {
                    continue;
                };
                if !seen.insert(seed) {
                    let help = "equal seeds give equal runs, which would count as evidence twice";
                    problems.at(item, format!("the seed {seed} is listed twice"), help);
                }
                seeds.push(seed);
            }
            Some(seeds)
        }
        _ => wrong_type(node, "seeds", "a whole number or a list of them", problems),
    }
}
