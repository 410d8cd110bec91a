//! `{ iterate = { rounds = N, steps = [...] } }`: the same steps over and over, written once (Frankle and Carbin 2019, section 2).

use super::read_step::Iterate;
use crate::config::{Fields, FromNode, Node, Reader};

/// Steps of an arm, with every round of an `iterate`: each is a stage of every seed.
const MOST_STEPS: u64 = 10_000;

/// The steps of an arm with every `iterate` written out, so that stages are shared, saved and resumed as if they had been. A table
/// that is not an `iterate` stands as it is; `None` if one is not right.
pub(super) fn unrolled(steps: &[Node], reader: &mut Reader<'_>) -> Option<Vec<Node>> {
    let mut all = Vec::new();
    for step in steps {
        let Some(body) = step.get("iterate") else {
            all.push(step.clone());
            continue;
        };
        Fields::open(step, "this step", &["iterate"], reader)?;
        if let [_, second, ..] = step.entries() {
            let help = "steps run in order: give each its own table, { ... }, { ... }";
            reader.at(&second.node, "two steps in one table", help);
            return None;
        }
        let Iterate { rounds, steps } = Iterate::read(body, "iterate", reader)?;
        let round = unrolled(&steps, reader)?;
        let written_out = all.len() as u64 + rounds * round.len() as u64;
        if written_out > MOST_STEPS {
            let message = format!(
                "written out, these are {written_out} steps; at most {MOST_STEPS} are possible"
            );
            reader.at(body, message, "fewer rounds, or fewer steps in each");
            return None;
        }
        for _ in 0..rounds {
            all.extend(round.iter().cloned());
        }
    }
    Some(all)
}
