//! The table for scripts.

use super::difference::{Difference, Reference, difference};
use super::groups::{ArmInfo, group_runs};
use super::stats::Summary;
use crate::store::RunRow;
use serde_json::{Map, Value, json};

/// The numbers of [`table`](super::table()), unrounded: `{"title", "groups": [...]}`, one object per arm and sweep point.
///
/// A summary is `{"n", "mean", "sd", "interval_95": [low, high], "min", "max"}`; `sd` and `interval_95` are null for one run, and a
/// number that is not finite is null. Accuracies are in percent, densities fractions, differences percentage points.
pub fn table_json(title: &str, rows: &[RunRow], arms: &[ArmInfo], reference: &Reference) -> Value {
    let groups = group_runs(rows, arms);
    let list: Vec<Value> = groups
        .iter()
        .map(|group| {
            let seeds: Vec<u32> = group.rows.iter().map(|row| row.seed).collect();
            let violations: u64 = group.rows.iter().map(|row| row.mask_violations).sum();
            let (reference, points) = match difference(group, &groups, arms, reference) {
                Difference::None => (None, None),
                Difference::NotPaired { reference } => (Some(reference), None),
                Difference::Paired { reference, points } => (Some(reference), Some(points)),
            };
            json!({
                "arm": group.arm,
                "point": object(group.point),
                "settings": object(group.settings),
                "n": group.rows.len(),
                "seeds": seeds,
                "test_accuracy": summary(group.summary(|row| Some(row.test_accuracy))),
                "test_loss": summary(group.summary(|row| Some(row.test_loss))),
                "train_loss": summary(group.summary(|row| row.train_loss)),
                "validation_loss": summary(group.summary(|row| row.validation_loss)),
                "validation_accuracy": summary(group.summary(|row| row.validation_accuracy)),
                "density": summary(group.summary(|row| Some(row.density))),
                "asked_density": summary(group.summary(|row| row.asked_density)),
                "effective_density": summary(group.summary(|row| Some(row.effective_density))),
                "dead_units": summary(group.summary(|row| Some(row.dead_units as f64))),
                "compression": summary(group.summary(|row| Some(row.compression))),
                "theoretical_speedup": summary(group.summary(|row| Some(row.theoretical_speedup))),
                "pq_index": summary(group.summary(|row| Some(row.pq_index))),
                "mask_violations": violations,
                "reference": reference,
                "difference": summary(points),
            })
        })
        .collect();
    json!({ "title": title, "groups": list })
}

fn object(pairs: &[(String, String)]) -> Value {
    let map: Map<String, Value> = pairs
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    Value::Object(map)
}

fn summary(summary: Option<Summary>) -> Value {
    summary.map_or(Value::Null, |summary| {
        json!({
            "n": summary.n,
            "mean": summary.mean,
            "sd": summary.sd,
            "interval_95": summary.interval_95().map(|(low, high)| [low, high]),
            "min": summary.min,
            "max": summary.max,
        })
    })
}
