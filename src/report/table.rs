//! The table a run ends with.

use super::cells::{difference_and_interval, mean_and_sd};
use super::difference::{Difference, Reference, difference};
use super::groups::{ArmInfo, RowGroup, group_runs, names, value_of};
use super::stats::Summary;
use super::text_table::{Align, TextColumn, draw, wrap};
use crate::store::RunRow;
use std::collections::BTreeSet;

/// How the table is drawn.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// Widest line in characters; long arm names are wrapped to fit, and nothing is ever cut off to fit.
    pub width: usize,
    /// What arms are compared with.
    pub reference: Reference,
}

impl Default for TableOptions {
    fn default() -> Self {
        TableOptions {
            width: 120,
            reference: Reference::Own,
        }
    }
}

/// Plain-text table: one line per arm and sweep point, in the experiment's order, ending in a line break.
///
/// Test accuracy is mean ± sample standard deviation over seeds with the 95 % confidence interval of the mean; density is what was
/// achieved beside what was asked; the difference is paired by seed with the reference arm.
pub fn table(title: &str, rows: &[RunRow], arms: &[ArmInfo], options: &TableOptions) -> String {
    if rows.is_empty() {
        return format!("{title}\nno finished runs\n");
    }
    let groups = group_runs(rows, arms);
    let differences: Vec<Difference> = groups
        .iter()
        .map(|group| difference(group, &groups, arms, &options.reference))
        .collect();
    let references = references(&differences);

    let mut columns = vec![column("arm", Align::Left, &groups, |group| {
        group.arm.into()
    })];
    for axis in names(groups.iter().map(|group| group.point)) {
        columns.push(column(axis, Align::Right, &groups, |group| {
            group.axis(axis).unwrap_or("").into()
        }));
    }
    for setting in varying_settings(&groups) {
        columns.push(column(setting, Align::Left, &groups, |group| {
            value_of(group.settings, setting).unwrap_or("").into()
        }));
    }
    columns.push(column("n", Align::Right, &groups, |group| {
        match (group.finished().count(), group.rows.len()) {
            (learnt, all) if learnt == all => all.to_string(),
            (learnt, all) => format!("{learnt} of {all}"),
        }
    }));
    let accuracy = |group: &RowGroup<'_>| group.summary(|row| Some(row.test_accuracy));
    columns.push(column("test accuracy\n%", Align::Right, &groups, |group| {
        accuracy(group).map_or_else(String::new, mean_and_sd)
    }));
    columns.push(column("95 % interval\n%", Align::Right, &groups, |group| {
        accuracy(group).map_or_else(String::new, interval)
    }));
    columns.push(column("density\n%", Align::Right, &groups, |group| {
        percent_range(group.summary(|row| Some(row.density)))
    }));
    if rows.iter().any(|row| row.target_density.is_some()) {
        columns.push(column("target\n%", Align::Right, &groups, |group| {
            percent_range(group.summary(|row| row.target_density))
        }));
    }
    if rows.iter().any(loses_paths) {
        columns.push(column("effective\n%", Align::Right, &groups, |group| {
            percent_range(group.summary(|row| Some(row.effective_density)))
        }));
    }
    if !references.is_empty() {
        let mut next = differences.iter();
        columns.push(column("difference\npoints", Align::Left, &groups, |_| {
            next.next()
                .map_or_else(String::new, |difference| compared(difference, &references))
        }));
    }
    columns.push(column("viola-\ntions", Align::Right, &groups, |group| {
        group
            .rows
            .iter()
            .map(|row| row.mask_violations)
            .sum::<u64>()
            .to_string()
    }));

    let mut out = format!("{title}\n\n");
    out.push_str(&draw(&columns, options.width));
    out.push('\n');
    for line in notes(&groups, &differences, &references) {
        for part in wrap(&line, options.width) {
            out.push_str(&part);
            out.push('\n');
        }
    }
    out
}

/// Whether weights are kept that cannot matter, enough of them to show.
fn loses_paths(row: &RunRow) -> bool {
    row.effective_density < 0.995 * row.density
}

fn column<'a>(
    heading: &str,
    align: Align,
    groups: &[RowGroup<'a>],
    mut cell: impl FnMut(&RowGroup<'a>) -> String,
) -> TextColumn {
    TextColumn {
        heading: heading.to_owned(),
        align,
        cells: groups.iter().map(&mut cell).collect(),
    }
}

/// Settings that tell more than the columns beside them: with several values, and not the same as a sweep axis everywhere.
fn varying_settings<'a>(groups: &[RowGroup<'a>]) -> Vec<&'a str> {
    let mut all = names(groups.iter().map(|group| group.settings));
    all.retain(|name| {
        let mut values = groups.iter().map(|group| value_of(group.settings, name));
        let first = values.next();
        let varies = values.any(|value| Some(value) != first);
        let axes = names(groups.iter().map(|group| group.point));
        let repeats = axes.iter().any(|axis| {
            groups
                .iter()
                .all(|group| group.axis(axis) == value_of(group.settings, name))
        });
        varies && !repeats
    });
    all
}

fn interval(summary: Summary) -> String {
    match summary.interval_95() {
        Some((low, high)) => format!("[{low:.2}, {high:.2}]"),
        None => "n = 1".into(),
    }
}

/// A fraction in percent; both ends where runs differ visibly.
fn percent_range(fraction: Option<Summary>) -> String {
    let Some(summary) = fraction else {
        return String::new();
    };
    let (low, high) = (percent(summary.min), percent(summary.max));
    if low == high {
        low
    } else {
        format!("{low}..{high}")
    }
}

/// A fraction in percent: two decimals, or three significant digits below 1 %.
fn percent(fraction: f64) -> String {
    let value = 100.0 * fraction;
    if value > 0.0 && value < 1.0 {
        let decimals = (2 - value.log10().floor() as i32).clamp(2, 8) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.2}")
    }
}

fn compared(difference: &Difference, references: &[&str]) -> String {
    let mark = |name: &str| match references {
        [_] => String::new(),
        several => several
            .iter()
            .position(|other| *other == name)
            .map_or_else(String::new, |index| format!(" {}", letter(index))),
    };
    match difference {
        Difference::None => String::new(),
        Difference::NotPaired { reference } => format!("not paired{}", mark(reference)),
        Difference::Paired { reference, points } => {
            format!("{}{}", difference_and_interval(*points), mark(reference))
        }
    }
}

/// Reference arms in order of first use.
fn references(differences: &[Difference]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for difference in differences {
        if let Difference::Paired { reference, .. } | Difference::NotPaired { reference } =
            difference
            && !names.contains(&reference.as_str())
        {
            names.push(reference);
        }
    }
    names
}

fn letter(index: usize) -> String {
    char::from_u32('a' as u32 + index as u32)
        .filter(char::is_ascii_lowercase)
        .map_or_else(|| format!("#{index}"), String::from)
}

/// A line where runs were computed in several ways, whose bits differ.
fn mixed(groups: &[RowGroup<'_>]) -> Option<String> {
    let rows = || groups.iter().flat_map(|group| group.finished());
    let way = |row: &RunRow| {
        let (adapter, driver, version) = (&row.adapter, &row.driver, row.numerical_version);
        format!("{adapter}, driver {driver}, version {version} of the numbers")
    };
    let ways: BTreeSet<String> = rows().map(way).collect();
    (ways.len() > 1).then(|| {
        let ways: Vec<String> = ways.into_iter().collect();
        format!(
            "MIXED: these runs were computed in {} ways, whose bits differ, and are averaged together: {}.",
            ways.len(),
            ways.join("; ")
        )
    })
}

/// At most so many failed runs are named below a table.
const NAMED_FAILURES: usize = 10;

/// How many runs have no result, and why.
fn failures(groups: &[RowGroup<'_>]) -> Vec<String> {
    let all: usize = groups.iter().map(|group| group.rows.len()).sum();
    let failed: Vec<&RunRow> = groups
        .iter()
        .flat_map(|group| group.rows.iter().copied())
        .filter(|row| row.failed())
        .collect();
    if failed.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!(
        "NO RESULT: {} of {all} runs failed. Where n says \"8 of 10\", 8 of 10 learnt: means and intervals are over these, differences over the seeds that both arms have.",
        failed.len()
    )];
    let named = failed.iter().take(NAMED_FAILURES);
    lines.extend(named.map(|row| format!("  {}: {}", row.run, row.failure)));
    if failed.len() > NAMED_FAILURES {
        lines.push(format!(
            "  and {} more: column `failure` of results.csv",
            failed.len() - NAMED_FAILURES
        ));
    }
    lines
}

fn notes(groups: &[RowGroup<'_>], differences: &[Difference], references: &[&str]) -> Vec<String> {
    let mut notes = vec![
        "test accuracy: mean ± sample standard deviation over n seeds; interval: 95 % confidence interval of the mean (Student t)."
            .to_owned(),
    ];
    if groups
        .iter()
        .flat_map(|group| &group.rows)
        .any(|row| loses_paths(row))
    {
        notes.push(
            "effective: weights on a path from input to output; the other kept ones carry no input to an output.".to_owned(),
        );
    }
    match references {
        [] => {}
        [one] => notes.push(format!(
            "difference: minus \"{one}\", mean over shared seeds, with its 95 % interval (paired)."
        )),
        several => {
            let list: Vec<String> = several
                .iter()
                .enumerate()
                .map(|(index, name)| format!("{} minus \"{name}\"", letter(index)))
                .collect();
            notes.push(format!(
                "difference: {}; mean over shared seeds, with its 95 % interval (paired).",
                list.join(", ")
            ));
        }
    }
    if differences
        .iter()
        .any(|difference| matches!(difference, Difference::NotPaired { .. }))
    {
        notes.push(
            "not paired: the reference has several sweep points there, no run on that dataset, or no seed in common."
                .to_owned(),
        );
    }
    notes.extend(mixed(groups));
    notes.extend(failures(groups));
    let violations: u64 = groups
        .iter()
        .flat_map(|group| &group.rows)
        .map(|row| row.mask_violations)
        .sum();
    if violations > 0 {
        notes.push(format!(
            "MASK VIOLATIONS: {violations} pruned weights were found alive; these results are not sparse training. Please report this."
        ));
    }
    notes
}
