//! `{ iterate = { rounds = N, steps = [...] } }`: the same steps over and over, written once (Frankle and Carbin 2019, section 2).

use super::fields::Fields;
use super::scalars::{integer, wrong_type};
use crate::config::Problems;
use crate::config::{Node, Value};

/// Rounds of one `iterate`: more would be a mistake, and each is stages of its own.
const MOST: u64 = 1000;

/// The steps of an arm with every `iterate` written out, so that stages are shared, saved and resumed as if they had been. A table
/// that is not an `iterate`, or is one with mistakes, which are reported, stands as it is.
pub(super) fn unrolled(steps: &[Node], problems: &mut Problems) -> Option<Vec<Node>> {
    let mut all = Vec::new();
    for step in steps {
        let Some(body) = step.get("iterate") else {
            all.push(step.clone());
            continue;
        };
        let (rounds, steps) = read(step, body, problems)?;
        let round = unrolled(steps, problems)?;
        for _ in 0..rounds {
            all.extend(round.iter().cloned());
        }
    }
    Some(all)
}

fn read<'n>(step: &'n Node, body: &'n Node, problems: &mut Problems) -> Option<(u64, &'n [Node])> {
    Fields::open(step, "this step", &["iterate"], problems)?;
    if let [_, second, ..] = step.entries() {
        let help = "steps run in order: give each its own table, { ... }, { ... }";
        problems.at(&second.node, "two steps in one table", help);
        return None;
    }
    let fields = Fields::open(body, "`iterate`", &["rounds", "steps"], problems)?;
    let rounds = fields.need("rounds", "rounds = 5", problems);
    let steps = fields.need(
        "steps",
        "steps = [{ train = {} }, { prune = { remaining = 0.8 } }]",
        problems,
    );
    let rounds = rounds.and_then(|node| integer(node, "rounds", 1, MOST, problems));
    let steps = steps?;
    let Value::Array(list) = &steps.value else {
        return wrong_type(steps, "steps", "a list of steps", problems);
    };
    if list.is_empty() {
        problems.at(
            steps,
            "this `iterate` has no steps",
            "put { prune = { remaining = 0.8 } } in",
        );
        return None;
    }
    Some((rounds?, list))
}
