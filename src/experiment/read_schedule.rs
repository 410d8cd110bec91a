//! `schedule` tables: how the learning rate changes.

use super::fields::Fields;
use super::read_optimizer::open;
use super::scalars::{POSITIVE, UNIT, length, number, wrong_type};
use crate::config::Problems;
use crate::config::{Node, Value};
use crate::spec::{Decay, Length, Schedule};

/// Each kind with the keys beside `kind`.
const SCHEDULES: [(&str, &[&str]); 6] = [
    ("constant", &["kind", "warmup"]),
    ("step", &["kind", "warmup", "every", "factor"]),
    ("milestones", &["kind", "warmup", "at", "factor"]),
    ("cosine", &["kind", "warmup", "floor"]),
    ("linear", &["kind", "warmup", "floor"]),
    ("exponential", &["kind", "warmup", "every", "factor"]),
];

pub(super) fn read_schedule(node: &Node, problems: &mut Problems) -> Option<Schedule> {
    let (kind, fields) = open(node, "schedule", &SCHEDULES, problems)?;
    let warmup = match fields.get("warmup") {
        Some(node) => length(node, "warmup", problems).map(Some),
        None => Some(None),
    };
    let decay = match kind {
        "constant" => Some(Decay::Constant),
        "milestones" => {
            let at = fields.need("at", "at = [\"80ep\", \"120ep\"]", problems);
            let at = at.and_then(|node| milestones(node, problems));
            let factor = factor(&fields, "factor = 0.1", problems);
            at.zip(factor)
                .map(|(at, factor)| Decay::Milestones { at, factor })
        }
        "cosine" => floor(&fields, problems).map(|floor| Decay::Cosine { floor }),
        "linear" => floor(&fields, problems).map(|floor| Decay::Linear { floor }),
        _ => {
            let every = fields.need("every", "every = \"1ep\"", problems);
            let every = every.and_then(|node| length(node, "every", problems));
            let factor = factor(&fields, "factor = 0.7", problems);
            every.zip(factor).map(|(every, factor)| match kind {
                "exponential" => Decay::Exponential { every, factor },
                _ => Decay::Step { every, factor },
            })
        }
    };
    Some(Schedule {
        warmup: warmup?,
        decay: decay?,
    })
}

fn factor(fields: &Fields<'_>, example: &str, problems: &mut Problems) -> Option<f64> {
    let node = fields.need("factor", example, problems)?;
    number(node, "factor", &POSITIVE, problems)
}

fn floor(fields: &Fields<'_>, problems: &mut Problems) -> Option<f64> {
    match fields.get("floor") {
        Some(node) => number(node, "floor", &UNIT, problems),
        None => Some(0.0),
    }
}

/// A list of lengths, all in epochs or all in steps, ascending.
fn milestones(node: &Node, problems: &mut Problems) -> Option<Vec<Length>> {
    let Value::Array(items) = &node.value else {
        return wrong_type(node, "at", "a list such as [\"80ep\", \"120ep\"]", problems);
    };
    let read: Vec<Option<Length>> = items
        .iter()
        .map(|item| length(item, "at", problems))
        .collect();
    let at: Vec<Length> = read.into_iter().collect::<Option<_>>()?;
    let ascending = at.windows(2).all(|pair| match (pair[0], pair[1]) {
        (Length::Epochs(a), Length::Epochs(b)) | (Length::Steps(a), Length::Steps(b)) => a < b,
        _ => false,
    });
    if at.is_empty() || !ascending {
        let message = "`at` must be ascending lengths, all in epochs or all in steps";
        problems.at(node, message, "for example: at = [\"80ep\", \"120ep\"]");
        return None;
    }
    Some(at)
}
