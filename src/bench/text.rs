//! The report for people.

use super::kernels::{Breakdown, KernelRow};
use super::numbers::{density, milliseconds, replicas, three};
use super::product::ProductRow;
use super::report::Report;
use super::selection::SelectionRow;
use super::steps::CohortSteps;
use super::steps_text::steps_text;
use super::text_column::{WIDTH, column};
use crate::report::text_table::{Align, draw};
use std::fmt::Write;

/// The whole report, ending in a line break.
pub fn report_text(report: &Report) -> String {
    let (adapter, model) = (&report.adapter, &report.model);
    let mut out = format!(
        "secateur {} on {} ({}, {}, driver {})\n{}: {} parameters, {} multiply-adds per sample forward; {}, batch {}; dense kernels: {}\nall times are {}\n",
        report.version,
        adapter.name,
        adapter.backend,
        adapter.kind,
        adapter.driver,
        model.name,
        model.parameters,
        model.multiply_adds,
        report.dataset,
        report.batch,
        report.variant,
        report.clock
    );
    let ceilings = &report.ceilings;
    let _ = write!(
        out,
        "\nCeilings: {} GFLOP/s of multiply-adds in registers, {} GB/s of copying {} MiB (read + written)\n",
        three(ceilings.gflop_per_second),
        three(ceilings.gb_per_second),
        ceilings.copy_bytes >> 20
    );
    if let Some(why) = &report.disturbed {
        let _ = writeln!(out, "disturbed: {why}");
    }
    for breakdown in &report.breakdowns {
        let _ = write!(out, "\n{}", breakdown_text(breakdown));
    }
    let _ = write!(out, "\n{}", steps_text(report));
    if report.steps.iter().any(|c| !c.densities.is_empty()) {
        let memory = memory_text(&report.steps, report.dataset_bytes);
        let _ = write!(out, "\n{memory}");
    }
    let _ = write!(out, "\n{}", product_text(&report.product));
    let _ = write!(out, "\n{}", selection_text(&report.selection));
    out
}

/// A step kernel by kernel, ending in a line break.
pub fn breakdown_text(breakdown: &Breakdown) -> String {
    let rows = &breakdown.kernels;
    let optional = |value: Option<f64>| value.map_or_else(String::new, three);
    let mut columns = vec![
        column("kernel", Align::Left, rows, |row| row.kernel.clone()),
        column("of", Align::Left, rows, |row| row.place.clone()),
        column("ms", Align::Right, rows, |row| milliseconds(row.seconds)),
        column("share\n%", Align::Right, rows, |row| {
            format!("{:.1}", 100.0 * row.share_of_step)
        }),
        column("GFLOP/s", Align::Right, rows, |row| {
            optional(row.gflop_per_second)
        }),
        column("GB/s", Align::Right, rows, |row| {
            optional(row.gb_per_second)
        }),
    ];
    let with_ceilings = rows.iter().any(|row| row.share_of_ceiling.is_some());
    if with_ceilings {
        columns.push(column(
            "of ceiling\n%",
            Align::Right,
            rows,
            |row: &KernelRow| {
                row.share_of_ceiling
                    .map_or_else(String::new, |share| format!("{:.1}", 100.0 * share))
            },
        ));
    }
    let mut out = format!(
        "One training step of {}, batch {}, at density {}\n\n{}\n",
        replicas(breakdown.replicas),
        breakdown.batch,
        density(breakdown.density),
        draw(&columns, WIDTH)
    );
    let _ = write!(
        out,
        "kernels apart: {} ms; the step as a whole: {} ms.\nGFLOP/s: two operations per multiply-add, of all weights, or of the kept ones where a kernel's name says sparse.\nGB/s: each array once where it is read and once where it is written.\n",
        milliseconds(breakdown.sum_seconds),
        milliseconds(breakdown.step_seconds)
    );
    if with_ceilings {
        out.push_str("A share above 100 % is data that came from a cache, or a ceiling that something else on this machine disturbed.\n");
    }
    let disturbed = rows
        .iter()
        .filter(|row| row.spread.disturbed.is_some())
        .count();
    if disturbed > 0 {
        let _ = writeln!(
            out,
            "{disturbed} of {} times were disturbed: the blocks of each differ too much to trust it.",
            rows.len()
        );
    }
    out
}

fn memory_text(cohorts: &[CohortSteps], dataset: u64) -> String {
    let measured: Vec<&CohortSteps> = cohorts.iter().filter(|c| !c.densities.is_empty()).collect();
    let used = |cohort: &CohortSteps, most: bool| {
        let bytes = cohort.densities.iter().map(|row| row.allocated_bytes);
        mebibytes(if most { bytes.max() } else { bytes.min() }.unwrap_or(0))
    };
    let columns = [
        column("replicas", Align::Right, &measured, |c| {
            c.replicas.to_string()
        }),
        column("planned\nMiB", Align::Right, &measured, |c| {
            mebibytes(c.planned_bytes)
        }),
        column("used, least\nMiB", Align::Right, &measured, |c| {
            used(c, false)
        }),
        column("used, most\nMiB", Align::Right, &measured, |c| {
            used(c, true)
        }),
    ];
    format!(
        "Memory of a cohort, over the densities; the dataset takes {} MiB more\n\n{}",
        mebibytes(dataset),
        draw(&columns, WIDTH)
    )
}

fn product_text(rows: &[ProductRow]) -> String {
    let columns = [
        column("variant", Align::Left, rows, |row| row.variant.clone()),
        column("ms", Align::Right, rows, |row| milliseconds(row.seconds)),
        column("GFLOP/s", Align::Right, rows, |row| {
            three(row.gflop_per_second)
        }),
        column("of ceiling\n%", Align::Right, rows, |row| {
            format!("{:.0}", 100.0 * row.share_of_ceiling)
        }),
    ];
    let size = rows.first().map_or(0, |row| row.size);
    format!(
        "Product of two {size} x {size} matrices\n\n{}",
        draw(&columns, WIDTH)
    )
}

fn selection_text(rows: &[SelectionRow]) -> String {
    let columns = [
        column("keys", Align::Right, rows, |row| row.keys.to_string()),
        column("selected", Align::Right, rows, |row| row.keep.to_string()),
        column("ms", Align::Right, rows, |row| milliseconds(row.seconds)),
        column("million\nkeys/s", Align::Right, rows, |row| {
            three(row.keys_per_second / 1e6)
        }),
        column("GB/s", Align::Right, rows, |row| three(row.gb_per_second)),
        column("of ceiling\n%", Align::Right, rows, |row| {
            format!("{:.0}", 100.0 * row.share_of_ceiling)
        }),
    ];
    format!("Exact top-k, mask written\n\n{}", draw(&columns, WIDTH))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
