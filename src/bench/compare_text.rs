//! The comparison of two reports, for people.

use super::compare::{BenchComparison, RowPair, SpeedVerdict};
use super::numbers::{percent, three};
use crate::base::at_spaces;
use crate::report::text_table::{Align, TextColumn, draw};
use std::fmt::Write;

const WIDTH: usize = 120;

/// The whole comparison, ending in a line break; `then` and `now` name the two reports.
pub fn compared_text(comparison: &BenchComparison, then: &str, now: &str) -> String {
    let mut out = format!("{now} (now) beside {then} (then)\n");
    if comparison.two_machines {
        out.push_str(
            "This compares two machines, or two drivers, not two states of the program.\n",
        );
    }
    if comparison.differences.is_empty() {
        out.push_str("Adapter, driver, version, model and options are the same.\n");
    } else {
        out.push_str("They differ in\n");
        for difference in &comparison.differences {
            let _ = writeln!(out, "  {difference}");
        }
    }
    for why in &comparison.disturbed {
        let _ = writeln!(out, "disturbed {why}");
    }
    if let Some(why) = &comparison.steps_left_out {
        let said =
            format!("Whole steps and their kernels do different work and are left out: {why}.");
        let _ = writeln!(out, "{}", wrapped(&said));
    }
    let mut groups: Vec<&str> = comparison.rows.iter().map(|row| &*row.group).collect();
    groups.dedup();
    for group in groups {
        let rows = comparison.rows.iter().filter(|row| row.group == group);
        let _ = write!(out, "\n{}", group_text(group, &rows.collect::<Vec<_>>()));
    }
    if !comparison.rows.is_empty() {
        out.push_str("\nratio: speed now / then, above 1 is faster now.\nspread: by how much the slowest block was slower than the fastest, then and now.\n");
        out.push_str(if comparison.disturbed.is_empty() {
            "verdict: \"faster\" or \"slower\" where no block of one report was as fast as any of the other; blank where the ratio may be chance.\n"
        } else {
            "No verdicts: something else ran beside a report, so any ratio may be chance. Measure again on a machine that is left alone.\n"
        });
        if comparison.rows.iter().any(|row| row.cpu_ratio.is_some()) {
            out.push_str("CPU ratio: processor time then / now, above 1 is cheaper now; other programs disturb it less than the ratio.\n");
        }
    }
    out.push_str(&alone("then", &comparison.then_alone));
    out.push_str(&alone("now", &comparison.now_alone));
    out
}

fn group_text(group: &str, rows: &[&RowPair]) -> String {
    let column = |heading: &str, align, cell: &dyn Fn(&RowPair) -> String| TextColumn {
        heading: heading.to_owned(),
        align,
        cells: rows.iter().map(|row| cell(row)).collect(),
    };
    let share = |value: Option<f64>| value.map_or_else(String::new, percent);
    let mut columns = vec![
        column(group, Align::Left, &|row| row.what.clone()),
        column("then", Align::Right, &|row| three(row.then)),
        column("now", Align::Right, &|row| three(row.now)),
        column("", Align::Left, &|row| row.unit.to_owned()),
        column("ratio", Align::Right, &|row| format!("{:.2}", row.ratio)),
    ];
    if rows.iter().any(|row| row.cpu_ratio.is_some()) {
        columns.push(column("CPU\nratio", Align::Right, &|row| {
            row.cpu_ratio
                .map_or_else(String::new, |ratio| format!("{ratio:.2}"))
        }));
    }
    if rows.iter().any(|row| row.then_spread.is_some()) {
        columns.push(column("spread\nthen, %", Align::Right, &|row| {
            share(row.then_spread)
        }));
        columns.push(column("spread\nnow, %", Align::Right, &|row| {
            share(row.now_spread)
        }));
    }
    if rows.iter().any(|row| row.verdict != SpeedVerdict::Open) {
        columns.push(column("verdict", Align::Left, &|row| {
            let said = match row.verdict {
                SpeedVerdict::Faster => "faster",
                SpeedVerdict::Slower => "slower",
                SpeedVerdict::Open => "",
            };
            said.to_owned()
        }));
    }
    draw(&columns, WIDTH)
}

/// Names the rows that one report has alone.
fn alone(which: &str, rows: &[String]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut out = format!("\nOnly {which}, without a partner:\n");
    for row in rows {
        let _ = writeln!(out, "  {row}");
    }
    out
}

fn wrapped(text: &str) -> String {
    textwrap::fill(text, at_spaces(WIDTH))
}
