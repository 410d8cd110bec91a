//! `results.csv`, `curves.csv` and `times.csv`: rows to bytes, which depend on the rows alone, and back.

use super::csv_table::{
    Table, axis_column, cells, names, number, optional, taken, unprefixed, write,
};
use super::rows::{CurveRow, RunRow, TimeRow};

/// Columns of `results.csv` that are always there; a sweep axis or setting of the same name is prefixed.
const RESULT_COLUMNS: [&str; 25] = [
    "arm",
    "seed",
    "asked_density",
    "density",
    "kept_epoch",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
    "parameters",
    "multiply_adds",
    "mask_violations",
    "effective_density",
    "dead_units",
    "compression",
    "theoretical_speedup",
    "pq_index",
    "weights_digest",
    "mask_digest",
    "adapter",
    "driver",
    "version",
    "experiment_digest",
    "data_digest",
];

const CURVE_COLUMNS: [&str; 12] = [
    "arm",
    "seed",
    "train_step",
    "dataset",
    "epoch",
    "step",
    "learning_rate",
    "density",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
];

const TIME_COLUMNS: [&str; 8] = [
    "stage",
    "what",
    "adapter",
    "replicas",
    "steps",
    "samples",
    "seconds",
    "samples_per_second",
];

/// The bytes of `results.csv`: one line per row, in the order given.
///
/// Columns: arm, seed, each sweep axis under its own name, each other setting, asked_density, density, `density_<layer>`...,
/// losses, accuracies, parameters, multiply_adds, mask_violations, measures of what is left, digests, adapter, driver, version.
/// Axes, settings and layers come in order of first appearance; a cell is empty where a run does not have it. An axis called
/// like a fixed column becomes `axis_<name>`, a setting
/// called like a fixed column or an axis becomes `setting_<name>`.
pub fn results_csv(rows: &[RunRow]) -> Vec<u8> {
    let axes = names(rows.iter().map(|row| &row.point));
    let settings = names(rows.iter().map(|row| &row.settings));
    let layers = names(rows.iter().map(|row| &row.layer_density));
    let mut header: Vec<String> = vec!["arm".into(), "seed".into()];
    header.extend(axes.iter().map(|axis| axis_column(axis, &RESULT_COLUMNS)));
    header.extend(settings.iter().map(|name| setting_column(name, &axes)));
    header.push("asked_density".into());
    header.push("density".into());
    header.extend(layers.iter().map(|layer| format!("density_{layer}")));
    header.extend(RESULT_COLUMNS[4..].iter().map(|&name| name.to_owned()));

    let mut lines = vec![header];
    for row in rows {
        let mut line = vec![row.arm.clone(), row.seed.to_string()];
        line.extend(cells(&axes, &row.point, String::clone));
        line.extend(cells(&settings, &row.settings, String::clone));
        line.push(optional(row.asked_density));
        line.push(number(row.density));
        line.extend(cells(&layers, &row.layer_density, |value| number(*value)));
        line.extend([
            row.kept_epoch
                .map_or_else(String::new, |epoch| epoch.to_string()),
            optional(row.train_loss),
            optional(row.validation_loss),
            optional(row.validation_accuracy),
            number(row.test_loss),
            number(row.test_accuracy),
            row.parameters.to_string(),
            row.multiply_adds.to_string(),
            row.mask_violations.to_string(),
            number(row.effective_density),
            row.dead_units.to_string(),
            number(row.compression),
            number(row.theoretical_speedup),
            number(row.pq_index),
            row.weights_digest.clone(),
            row.mask_digest.clone(),
            row.adapter.clone(),
            row.driver.clone(),
            row.version.clone(),
            row.experiment_digest.clone(),
            row.data_digest.clone(),
        ]);
        lines.push(line);
    }
    write(&lines)
}

/// The bytes of `curves.csv`: one line per row, in the order given; sweep axes follow the seed as in [`results_csv`].
pub fn curves_csv(rows: &[CurveRow]) -> Vec<u8> {
    let axes = names(rows.iter().map(|row| &row.point));
    let mut header: Vec<String> = vec!["arm".into(), "seed".into()];
    header.extend(axes.iter().map(|axis| axis_column(axis, &CURVE_COLUMNS)));
    header.extend(CURVE_COLUMNS[2..].iter().map(|&name| name.to_owned()));

    let mut lines = vec![header];
    for row in rows {
        let mut line = vec![row.arm.clone(), row.seed.to_string()];
        line.extend(cells(&axes, &row.point, String::clone));
        line.extend([
            row.train_step.to_string(),
            row.dataset.clone(),
            row.epoch.to_string(),
            row.step.to_string(),
            number(row.learning_rate),
            number(row.density),
            number(row.train_loss),
            number(row.train_accuracy),
            optional(row.validation_loss),
            optional(row.validation_accuracy),
        ]);
        lines.push(line);
    }
    write(&lines)
}

/// The bytes of `times.csv` after `rows` were added to `old` (empty at first): earlier sessions keep their lines.
pub fn append_times_csv(old: &[u8], rows: &[TimeRow]) -> Vec<u8> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    if old.is_empty() {
        lines.push(TIME_COLUMNS.map(str::to_owned).to_vec());
    }
    for row in rows {
        lines.push(vec![
            row.stage.clone(),
            row.what.clone(),
            row.adapter.clone(),
            row.replicas.to_string(),
            row.steps.to_string(),
            row.samples.to_string(),
            number(row.seconds),
            number(row.samples_per_second),
        ]);
    }
    let mut bytes = old.to_vec();
    // A file saved by a spreadsheet may lack the last line break.
    if bytes.last().is_some_and(|&last| last != b'\n') {
        bytes.push(b'\n');
    }
    bytes.extend(write(&lines));
    bytes
}

/// Reads `results.csv` back. `axes` names the experiment's sweep axes: the other free columns are settings.
///
/// # Errors
/// What is wrong, with its line.
pub fn parse_results(bytes: &[u8], axes: &[String]) -> Result<Vec<RunRow>, String> {
    let table = Table::read(bytes, &RESULT_COLUMNS)?;
    let free = table.between("seed", "asked_density")?;
    let (points, settings): (Vec<_>, Vec<_>) = free.into_iter().partition(|(name, _)| {
        axes.iter()
            .any(|axis| axis_column(axis, &RESULT_COLUMNS) == *name)
    });
    let points = unprefixed(points, "axis_");
    let settings = unprefixed(settings, "setting_");
    let layers = unprefixed(table.between("density", "kept_epoch")?, "density_");
    table
        .lines()
        .map(|line| {
            let mut layer_density = Vec::new();
            for (layer, column) in &layers {
                if let Some(value) = line.at_optional(*column)? {
                    layer_density.push((layer.clone(), value));
                }
            }
            Ok(RunRow {
                arm: line.text("arm"),
                seed: line.value("seed")?,
                point: line.pairs(&points),
                settings: line.pairs(&settings),
                asked_density: line.optional("asked_density")?,
                density: line.value("density")?,
                layer_density,
                kept_epoch: line.optional("kept_epoch")?,
                train_loss: line.optional("train_loss")?,
                validation_loss: line.optional("validation_loss")?,
                validation_accuracy: line.optional("validation_accuracy")?,
                test_loss: line.value("test_loss")?,
                test_accuracy: line.value("test_accuracy")?,
                parameters: line.value("parameters")?,
                multiply_adds: line.value("multiply_adds")?,
                mask_violations: line.value("mask_violations")?,
                effective_density: line.value("effective_density")?,
                dead_units: line.value("dead_units")?,
                compression: line.value("compression")?,
                theoretical_speedup: line.value("theoretical_speedup")?,
                pq_index: line.value("pq_index")?,
                weights_digest: line.text("weights_digest"),
                mask_digest: line.text("mask_digest"),
                adapter: line.text("adapter"),
                driver: line.text("driver"),
                version: line.text("version"),
                experiment_digest: line.text("experiment_digest"),
                data_digest: line.text("data_digest"),
            })
        })
        .collect()
}

/// Reads `curves.csv` back.
///
/// # Errors
/// What is wrong, with its line.
pub fn parse_curves(bytes: &[u8]) -> Result<Vec<CurveRow>, String> {
    let table = Table::read(bytes, &CURVE_COLUMNS)?;
    let points = unprefixed(table.between("seed", "train_step")?, "axis_");
    table
        .lines()
        .map(|line| {
            Ok(CurveRow {
                arm: line.text("arm"),
                seed: line.value("seed")?,
                point: line.pairs(&points),
                train_step: line.value("train_step")?,
                dataset: line.text("dataset"),
                epoch: line.value("epoch")?,
                step: line.value("step")?,
                learning_rate: line.value("learning_rate")?,
                density: line.value("density")?,
                train_loss: line.value("train_loss")?,
                train_accuracy: line.value("train_accuracy")?,
                validation_loss: line.optional("validation_loss")?,
                validation_accuracy: line.optional("validation_accuracy")?,
            })
        })
        .collect()
}

/// Reads `times.csv` back.
///
/// # Errors
/// What is wrong, with its line.
pub fn parse_times(bytes: &[u8]) -> Result<Vec<TimeRow>, String> {
    let table = Table::read(bytes, &TIME_COLUMNS)?;
    table
        .lines()
        .map(|line| {
            Ok(TimeRow {
                stage: line.text("stage"),
                what: line.text("what"),
                adapter: line.text("adapter"),
                replicas: line.value("replicas")?,
                steps: line.value("steps")?,
                samples: line.value("samples")?,
                seconds: line.value("seconds")?,
                samples_per_second: line.value("samples_per_second")?,
            })
        })
        .collect()
}

fn setting_column(name: &str, axes: &[String]) -> String {
    if taken(name, &RESULT_COLUMNS) || axes.iter().any(|axis| axis == name) {
        format!("setting_{name}")
    } else {
        name.to_owned()
    }
}
