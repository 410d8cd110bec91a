//! How pixels are normalised.

use super::fields::Fields;
use super::scalars::{FINITE, Interval, POSITIVE, choice, number32, wrong_type};
use crate::config::Problems;
use crate::config::{Node, Value};
use crate::spec::Normalise;

/// `normalise`: a word, or means and standard deviations.
pub(super) fn read_normalise(node: &Node, problems: &mut Problems) -> Option<Normalise> {
    let words = [("measured", Normalise::Measured), ("none", Normalise::None)];
    match node.value {
        Value::String(_) => choice(node, "normalise", &words, problems),
        Value::Table(_) => {
            let fields = Fields::open(node, "`normalise`", &["mean", "std"], problems)?;
            let mean = fields.need("mean", "mean = 0.1307", problems);
            let std = fields.need("std", "std = 0.3081", problems);
            let mean = mean.and_then(|mean| channels(mean, "mean", &FINITE, problems));
            let values = std.and_then(|std| channels(std, "std", &POSITIVE, problems));
            let (mean, values) = (mean?, values?);
            if mean.len() != values.len() {
                let message = format!("{} means and {} stds", mean.len(), values.len());
                problems.at(node, message, "give one of each per image channel");
                return None;
            }
            Some(Normalise::Fixed { mean, std: values })
        }
        _ => {
            let expected = "\"measured\", \"none\" or { mean = 0.1307, std = 0.3081 }";
            wrong_type(node, "normalise", expected, problems)
        }
    }
}

/// One number, or a list of one per channel.
fn channels(
    node: &Node,
    key: &str,
    interval: &Interval,
    problems: &mut Problems,
) -> Option<Vec<f64>> {
    let Value::Array(items) = &node.value else {
        return number32(node, key, interval, problems).map(|number| vec![number]);
    };
    if items.is_empty() {
        problems.at(node, format!("`{key}` is empty"), "one number per channel");
        return None;
    }
    let read: Vec<Option<f64>> = items
        .iter()
        .map(|item| number32(item, key, interval, problems))
        .collect();
    read.into_iter().collect()
}
