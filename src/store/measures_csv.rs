//! The tables of measures: `rounds.csv`, `overlap.csv` and `speed.csv`. Nothing reads them back.

use super::csv_table::{axis_column, cells, names, number, write};
use super::rows::{OverlapRow, RoundRow, SpeedRow};

const ROUND_COLUMNS: [&str; 16] = [
    "arm",
    "seed",
    "step",
    "does",
    "layer",
    "weights",
    "kept",
    "density",
    "effective",
    "effective_density",
    "units",
    "dead_units",
    "multiply_adds",
    "kept_multiply_adds",
    "pq_index",
    "pq_index_1_2",
];

const OVERLAP_COLUMNS: [&str; 6] = [
    "arm",
    "other_arm",
    "seed",
    "other_seed",
    "jaccard",
    "by_chance",
];

const SPEED_COLUMNS: [&str; 12] = [
    "stage",
    "what",
    "adapter",
    "replicas",
    "density",
    "sparse",
    "dense_step_seconds",
    "step_seconds",
    "training_speedup",
    "dense_test_seconds",
    "test_seconds",
    "forward_speedup",
];

/// The bytes of `rounds.csv`: one line per run, step and layer, then one of the whole network with an empty layer; sweep axes follow
/// the seed.
pub fn rounds_csv(rows: &[RoundRow]) -> Vec<u8> {
    let axes = names(rows.iter().map(|row| &row.point));
    let mut header: Vec<String> = vec!["arm".into(), "seed".into()];
    header.extend(axes.iter().map(|axis| axis_column(axis, &ROUND_COLUMNS)));
    header.extend(ROUND_COLUMNS[2..].iter().map(|&name| name.to_owned()));
    let mut lines = vec![header];
    for row in rows {
        let share = |count: u64| number(count as f64 / row.weights as f64);
        let mut line = vec![row.arm.clone(), row.seed.to_string()];
        line.extend(cells(&axes, &row.point, String::clone));
        line.extend([
            row.step.to_string(),
            row.does.clone(),
            row.layer.clone(),
            row.weights.to_string(),
            row.kept.to_string(),
            share(row.kept),
            row.effective.to_string(),
            share(row.effective),
            row.units.to_string(),
            row.dead_units.to_string(),
            row.multiply_adds.to_string(),
            row.kept_multiply_adds.to_string(),
            number(row.pq_index),
            number(row.pq_index_1_2),
        ]);
        lines.push(line);
    }
    write(&lines)
}

/// The bytes of `overlap.csv`: sweep axes first, then one line per pair of runs.
pub fn overlap_csv(rows: &[OverlapRow]) -> Vec<u8> {
    let axes = names(rows.iter().map(|row| &row.point));
    let mut header: Vec<String> = Vec::new();
    header.extend(axes.iter().map(|axis| axis_column(axis, &OVERLAP_COLUMNS)));
    header.extend(OVERLAP_COLUMNS.map(str::to_owned));
    let mut lines = vec![header];
    for row in rows {
        let mut line = cells(&axes, &row.point, String::clone);
        line.extend([
            row.arm.clone(),
            row.other_arm.clone(),
            row.seed.to_string(),
            row.other_seed.to_string(),
            number(row.jaccard),
            number(row.by_chance),
        ]);
        lines.push(line);
    }
    write(&lines)
}

/// The bytes of `speed.csv` after a row was added to `old` (empty at first).
pub fn append_speed_csv(old: &[u8], row: &SpeedRow) -> Vec<u8> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    if old.is_empty() {
        lines.push(SPEED_COLUMNS.map(str::to_owned).to_vec());
    }
    lines.push(vec![
        row.stage.clone(),
        row.what.clone(),
        row.adapter.clone(),
        row.replicas.to_string(),
        number(row.density),
        row.sparse.clone(),
        number(row.dense_step_seconds),
        number(row.step_seconds),
        number(row.dense_step_seconds / row.step_seconds),
        number(row.dense_test_seconds),
        number(row.test_seconds),
        number(row.dense_test_seconds / row.test_seconds),
    ]);
    let mut bytes = old.to_vec();
    bytes.extend(write(&lines));
    bytes
}
