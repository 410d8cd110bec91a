//! The table for scripts.

use super::difference::{Difference, Reference, difference};
use super::groups::{ArmInfo, RowGroup, group_runs};
use super::stats::Summary;
use crate::store::{Cells, Row, RunRow};
use serde_json::{Map, Value, json};

/// The numbers of [`table`](super::table()), unrounded: `{"title", "groups": [...]}`, one object per arm and sweep point.
///
/// A summary is `{"n", "mean", "sd", "interval_95": [low, high], "min", "max"}`; `sd` and `interval_95` are null for one run, and a
/// number that is not finite is null. `n` and `seeds` are of the runs that have a result, and
/// `failed` lists the others, each with its seed and why. Each column of numbers of `results.csv` has one, but for `mask_violations`, a sum. Accuracies are in percent, densities fractions, differences percentage points.
pub fn table_json(title: &str, rows: &[RunRow], arms: &[ArmInfo], reference: &Reference) -> Value {
    let groups = group_runs(rows, arms);
    let list: Vec<Value> = groups
        .iter()
        .map(|group| {
            let seeds: Vec<u32> = group.finished().map(|row| row.seed).collect();
            let failed = group.rows.iter().filter(|row| row.failed());
            let failed: Vec<Value> = failed
                .map(|row| json!({ "seed": row.seed, "failure": row.failure }))
                .collect();
            let (reference, points) = match difference(group, &groups, arms, reference) {
                Difference::None => (None, None),
                Difference::NotPaired { reference } => (Some(reference), None),
                Difference::Paired { reference, points } => (Some(reference), Some(points)),
            };
            let mut object = summaries(group);
            let violations: u64 = group.rows.iter().map(|row| row.mask_violations).sum();
            for (name, value) in [
                ("arm", json!(group.arm)),
                ("point", pairs(group.point)),
                ("settings", pairs(group.settings)),
                ("n", json!(seeds.len())),
                ("seeds", json!(seeds)),
                ("failed", json!(failed)),
                ("mask_violations", json!(violations)),
                ("reference", json!(reference)),
                ("difference", summary(points)),
            ] {
                object.insert(name.to_owned(), value);
            }
            Value::Object(object)
        })
        .collect();
    json!({ "title": title, "groups": list })
}

/// A summary of each column of numbers, but for the seed.
fn summaries(group: &RowGroup<'_>) -> Map<String, Value> {
    let numbers = RunRow::COLUMNS
        .iter()
        .filter_map(|column| match column.cells {
            Cells::One { number, .. } if column.kind != "text" && column.name != "seed" => {
                Some((column.name.to_owned(), summary(group.summary(number))))
            }
            _ => None,
        });
    numbers.collect()
}

pub(super) fn pairs(pairs: &[(String, String)]) -> Value {
    let map: Map<String, Value> = pairs
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    Value::Object(map)
}

pub(super) fn summary(summary: Option<Summary>) -> Value {
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
