//! Whole steps in the report for people.

use super::numbers::{density, milliseconds, percent, replicas, three};
use super::report::Report;
use super::steps::{CohortSteps, FASTER, StepRow};
use super::text_column::{WIDTH, column};
use crate::base::at_spaces;
use crate::report::text_table::{Align, draw};
use std::fmt::Write;

/// Samples per second, what they mean, and what they rest on; ending in a line break.
pub(super) fn steps_text(report: &Report) -> String {
    let mut out = rates_text(&report.steps);
    let rows: Vec<(u32, &StepRow)> = report
        .steps
        .iter()
        .flat_map(|cohort| cohort.densities.iter().map(|row| (cohort.replicas, row)))
        .collect();
    if !rows.is_empty() {
        let _ = write!(out, "\n{}", against_floor_text(&rows));
    }
    if let Some(said) = eager_text(report) {
        let _ = write!(out, "\n{said}");
    }
    out
}

/// The matrix of densities and cohorts.
fn rates_text(cohorts: &[CohortSteps]) -> String {
    let measured: Vec<&CohortSteps> = cohorts.iter().filter(|c| !c.densities.is_empty()).collect();
    let mut out = "Whole steps: samples per second, all replicas together".to_owned();
    if let Some(first) = measured.first() {
        out.push_str(" (times those of the first density)\n\n");
        let mut columns = vec![column("density", Align::Right, &first.densities, |row| {
            density(row.density)
        })];
        for cohort in &measured {
            let base = cohort.densities[0].samples_per_second;
            let heading = replicas(cohort.replicas);
            columns.push(column(&heading, Align::Right, &cohort.densities, |row| {
                let rate = row.samples_per_second;
                format!("{rate:.0} ({:.2}x)", rate / base)
            }));
        }
        columns[0].cells.push("crossover".to_owned());
        for (column, cohort) in columns.iter_mut().skip(1).zip(&measured) {
            column.cells.push(
                cohort
                    .crossover_density
                    .map_or_else(|| "none".to_owned(), |at| format!("{at:.3}")),
            );
        }
        let _ = write!(
            out,
            "{}\ncrossover: the highest density from which on a step is at least {:.0} % faster than at density 1.\n",
            draw(&columns, WIDTH),
            100.0 * (FASTER - 1.0)
        );
    } else {
        out.push('\n');
    }
    for cohort in cohorts {
        if let Some(why) = &cohort.skipped {
            let _ = writeln!(out, "{} left out: {why}", replicas(cohort.replicas));
        }
    }
    out
}

/// Each step beside the least time that it could take here.
fn against_floor_text(rows: &[(u32, &StepRow)]) -> String {
    let mut columns = vec![
        column("replicas", Align::Right, rows, |(count, _)| {
            count.to_string()
        }),
        column("density", Align::Right, rows, |(_, row)| {
            density(row.density)
        }),
        column("ms", Align::Right, rows, |(_, row)| {
            milliseconds(row.step_seconds)
        }),
        column("spread\n%", Align::Right, rows, |(_, row)| {
            percent(row.spread.slowest_seconds / row.step_seconds - 1.0)
        }),
        column("multiply-adds\nms", Align::Right, rows, |(_, row)| {
            milliseconds(row.roofline.multiply_seconds)
        }),
        column("bytes\nms", Align::Right, rows, |(_, row)| {
            milliseconds(row.roofline.move_seconds)
        }),
        column("of roofline\n%", Align::Right, rows, |(_, row)| {
            percent(row.roofline.share_of_roofline)
        }),
    ];
    let with_processor = rows
        .iter()
        .any(|(_, row)| row.samples_per_cpu_second.is_some());
    if with_processor {
        columns.push(column(
            "samples per\nCPU second",
            Align::Right,
            rows,
            |(_, row)| row.samples_per_cpu_second.map_or_else(String::new, three),
        ));
        columns.push(column("cores", Align::Right, rows, |(_, row)| {
            row.spread
                .cores_used
                .map_or_else(String::new, |cores| format!("{cores:.1}"))
        }));
    }
    let disturbed = rows.iter().any(|(_, row)| row.spread.disturbed.is_some());
    if disturbed {
        columns.push(column("disturbed", Align::Left, rows, |(_, row)| {
            row.spread.disturbed.clone().unwrap_or_default()
        }));
    }
    let mut out = format!(
        "Whole steps beside their roofline\n\n{}\n",
        draw(&columns, WIDTH)
    );
    out.push_str("ms: the fastest block's; spread: by how much the slowest was slower.\n");
    out.push_str("multiply-adds, bytes: what the step's products take at the ceiling of multiply-adds, and what all its dispatches move at\nthat of copying, each array once for each dispatch. The larger is the floor, and \"of roofline\" its share of the step. Above\n100 %: arrays stayed in a cache, or a ceiling was disturbed.\n");
    if with_processor {
        out.push_str("CPU seconds: user and system, all threads. On a machine that does other things too they are the steadier measure.\n");
    }
    if disturbed {
        out.push_str("disturbed: something else ran meanwhile; measure again before you believe such a row.\n");
    }
    out
}

/// What the best step is beside the limit of eager PyTorch.
fn eager_text(report: &Report) -> Option<String> {
    let limit = report.eager.as_ref()?;
    let dense = report.steps.iter().flat_map(|cohort| {
        let rows = cohort.densities.iter().filter(|row| row.density == 1.0);
        rows.map(|row| (row.samples_per_second, cohort.replicas))
    });
    let mut said = format!(
        "Eager PyTorch issues about {} operations for a step of this model. A fast host takes {:.0} us for each, so that is at most {}000 samples/s on any GPU, one network after another.",
        limit.operations,
        1e6 * limit.seconds_per_operation,
        (limit.samples_per_second / 1e3).round()
    );
    if let Some((rate, count)) = dense.max_by(|a, b| a.0.total_cmp(&b.0)) {
        let _ = write!(
            said,
            " {} at density 1 here: {:.2} times that.",
            replicas(count),
            rate / limit.samples_per_second
        );
    }
    Some(textwrap::fill(&said, at_spaces(WIDTH)) + "\n")
}
