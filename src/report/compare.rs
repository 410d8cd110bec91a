//! Two experiments side by side: what they ask for differently, and what that changes.

use super::cells::{difference_and_interval, mean_and_sd};
use super::groups::{RowGroup, group_runs, names, value_of};
use super::settings::{
    DifferingSetting, Matched, ResolvedArm, ResolvedExperiment, ResolvedVariant,
    differing_settings, settings_table,
};
use super::stats::{Summary, paired_difference};
use super::table_json::{pairs, summary};
use super::text_table::{Align, TextColumn, draw, wrap};
use crate::store::RunRow;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A side of a comparison.
#[derive(Clone, Debug)]
pub struct ComparedExperiment {
    /// What it is called in the comparison: its folder.
    pub name: String,
    /// The experiment.
    pub resolved: ResolvedExperiment,
    /// Its finished runs.
    pub rows: Vec<RunRow>,
}

/// Widest line of the arms and the notes, in characters, as [`table`](super::table()) has it.
const WIDTH: usize = 120;

/// An arm at a point of the sweep that both have.
struct ComparedArm<'a> {
    arm: &'a str,
    point: &'a [(String, String)],
    /// Seeds that both have finished.
    seeds: Vec<u32>,
    /// Test accuracy over these, in percent.
    a: Option<Summary>,
    b: Option<Summary>,
    /// The second minus the first, paired by seed, in percentage points.
    points: Option<Summary>,
}

/// Plain text: settings that differ, then one line per arm and sweep point that both have, with the paired difference of test accuracy
/// over the seeds that both have finished, then arms that only one has.
pub fn comparison(a: &ComparedExperiment, b: &ComparedExperiment) -> String {
    let matched = matched(&a.resolved, &b.resolved);
    let mut out = String::new();
    for (letter, side) in [("A", a), ("B", b)] {
        out.push_str(&format!(
            "{letter}: {}, {}\n",
            side.name, side.resolved.title
        ));
    }
    out.push('\n');
    let settings = settings(a, b, &matched);
    match settings.is_empty() {
        true => out.push_str("no setting differs in what both have\n"),
        false => out.push_str(&settings_table(&settings, &matched)),
    }
    out.push('\n');
    let arms = compared(a, b, &matched);
    if !arms.is_empty() {
        out.push_str(&arms_table(&arms));
        out.push('\n');
    }
    for note in notes(a, b, &arms) {
        for line in wrap(&note, WIDTH) {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

/// The same for scripts, unrounded: `{"a", "b", "settings", "groups", "only_in_a", "only_in_b"}`.
///
/// A setting is `{"path", "a", "b", "places": [{"arm", "point", "steps"}]}`; a value that is not there is null. A group is `{"arm",
/// "point", "seeds", "a", "b", "difference"}`, with summaries as [`table_json`](super::table_json()) has them; they are null where no
/// seed is shared.
pub fn comparison_json(a: &ComparedExperiment, b: &ComparedExperiment) -> Value {
    let matched = matched(&a.resolved, &b.resolved);
    let side =
        |side: &ComparedExperiment| json!({ "folder": side.name, "title": side.resolved.title });
    let settings = settings(a, b, &matched);
    let settings = settings.iter().map(|setting| {
        let places = setting.places.iter().map(
            |place| json!({ "arm": place.arm, "point": pairs(&place.point), "steps": place.steps }),
        );
        let places: Value = places.collect();
        json!({ "path": setting.path, "a": setting.a, "b": setting.b, "places": places })
    });
    let groups = compared(a, b, &matched);
    let groups = groups.iter().map(|group| {
        json!({
            "arm": group.arm, "point": pairs(group.point), "seeds": group.seeds,
            "a": summary(group.a), "b": summary(group.b), "difference": summary(group.points),
        })
    });
    let only = |one: &ComparedExperiment, other: &ComparedExperiment| -> Value {
        let each = only_in(&one.resolved, &other.resolved).into_iter();
        each.map(|(arm, variant)| json!({ "arm": arm.name, "point": pairs(&variant.point) }))
            .collect()
    };
    json!({
        "a": side(a),
        "b": side(b),
        "settings": settings.collect::<Value>(),
        "groups": groups.collect::<Value>(),
        "only_in_a": only(a, b),
        "only_in_b": only(b, a),
    })
}

/// Whether two points are the same, whatever the order of their axes.
fn same_point(one: &[(String, String)], other: &[(String, String)]) -> bool {
    let has = |(axis, value): &(String, String)| value_of(other, axis) == Some(value);
    one.len() == other.len() && one.iter().all(has)
}

fn counterpart<'e>(
    experiment: &'e ResolvedExperiment,
    arm: &str,
    point: &[(String, String)],
) -> Option<&'e ResolvedVariant> {
    let arm = experiment.arms.iter().find(|own| own.name == arm)?;
    let mut variants = arm.variants.iter();
    variants.find(|variant| same_point(&variant.point, point))
}

fn variants(
    experiment: &ResolvedExperiment,
) -> impl Iterator<Item = (&ResolvedArm, &ResolvedVariant)> {
    let arms = experiment.arms.iter();
    arms.flat_map(|arm| arm.variants.iter().map(move |variant| (arm, variant)))
}

/// Arms by their name, at the points that both have, in the order of the first.
fn matched<'e>(a: &'e ResolvedExperiment, b: &'e ResolvedExperiment) -> Vec<Matched<'e>> {
    let both = |(arm, own): (&'e ResolvedArm, &'e ResolvedVariant)| {
        let other = counterpart(b, &arm.name, &own.point)?;
        Some((arm.name.as_str(), own, other))
    };
    variants(a).filter_map(both).collect()
}

fn only_in<'e>(
    one: &'e ResolvedExperiment,
    other: &ResolvedExperiment,
) -> Vec<(&'e ResolvedArm, &'e ResolvedVariant)> {
    let alone = |(arm, variant): &(&ResolvedArm, &ResolvedVariant)| {
        counterpart(other, &arm.name, &variant.point).is_none()
    };
    variants(one).filter(alone).collect()
}

/// What the experiments say differently, and data that is not the same by the same name.
fn settings(
    a: &ComparedExperiment,
    b: &ComparedExperiment,
    matched: &[Matched<'_>],
) -> Vec<DifferingSetting> {
    let mut settings = differing_settings(&a.resolved, &b.resolved, matched);
    let theirs = data_digests(&b.rows);
    for (name, digest) in data_digests(&a.rows) {
        if let Some(&other) = theirs.get(name).filter(|other| **other != digest) {
            settings.push(DifferingSetting {
                path: format!("data of {name}"),
                a: Some(json!(digest)),
                b: Some(json!(other)),
                places: Vec::new(),
            });
        }
    }
    settings
}

/// Starts of the digests of the datasets that runs read, by name.
fn data_digests(rows: &[RunRow]) -> BTreeMap<&str, &str> {
    let each = rows.iter().flat_map(|row| row.data_digest.split(' '));
    each.filter_map(|text| text.rsplit_once('=')).collect()
}

fn compared<'e>(
    a: &ComparedExperiment,
    b: &ComparedExperiment,
    matched: &[Matched<'e>],
) -> Vec<ComparedArm<'e>> {
    let (groups_a, groups_b) = (group_runs(&a.rows, &[]), group_runs(&b.rows, &[]));
    let each = matched.iter().map(|&(arm, variant, _)| {
        let by_seed = |groups: &[RowGroup<'_>]| {
            let mut groups = groups.iter();
            let found = groups.find(|g| g.arm == arm && same_point(g.point, &variant.point));
            found.map_or_else(Vec::new, RowGroup::accuracy_by_seed)
        };
        let (a, b) = (by_seed(&groups_a), by_seed(&groups_b));
        let shared = |one: &[(u32, f64)], other: &[(u32, f64)]| -> Vec<(u32, f64)> {
            let both = |(seed, _): &&(u32, f64)| other.iter().any(|(own, _)| own == seed);
            one.iter().filter(both).copied().collect()
        };
        let mean = |runs: &[(u32, f64)]| {
            let values: Vec<f64> = runs.iter().map(|(_, accuracy)| *accuracy).collect();
            Summary::of(&values)
        };
        let (in_a, in_b) = (shared(&a, &b), shared(&b, &a));
        ComparedArm {
            arm,
            point: &variant.point,
            seeds: in_a.iter().map(|(seed, _)| *seed).collect(),
            a: mean(&in_a),
            b: mean(&in_b),
            points: paired_difference(&b, &a),
        }
    });
    each.collect()
}

fn arms_table(arms: &[ComparedArm<'_>]) -> String {
    let column = |heading: &str, align, cell: &dyn Fn(&ComparedArm<'_>) -> String| TextColumn {
        heading: heading.to_owned(),
        align,
        cells: arms.iter().map(cell).collect(),
    };
    let mut columns = vec![column("arm", Align::Left, &|arm| arm.arm.into())];
    for axis in names(arms.iter().map(|arm| arm.point)) {
        columns.push(column(axis, Align::Right, &|arm| {
            value_of(arm.point, axis).unwrap_or("").into()
        }));
    }
    let accuracy = |summary: Option<Summary>| summary.map_or_else(String::new, mean_and_sd);
    columns.extend([
        column("n", Align::Right, &|arm| arm.seeds.len().to_string()),
        column("A\ntest accuracy\n%", Align::Right, &|arm| accuracy(arm.a)),
        column("B\ntest accuracy\n%", Align::Right, &|arm| accuracy(arm.b)),
        column("B - A\npoints", Align::Left, &|arm| {
            arm.points
                .map_or_else(|| "no shared seed".to_owned(), difference_and_interval)
        }),
    ]);
    draw(&columns, WIDTH)
}

fn notes(a: &ComparedExperiment, b: &ComparedExperiment, arms: &[ComparedArm<'_>]) -> Vec<String> {
    let mut notes = Vec::new();
    if arms.is_empty() {
        notes.push("no arm has the same name and point of the sweep in both".to_owned());
    } else {
        notes.extend([
            "test accuracy: mean ± sample standard deviation over the n seeds that both have finished.".to_owned(),
            "B - A: mean over these seeds, with its 95 % interval (paired, Student t).".to_owned(),
        ]);
    }
    for (letter, one, other) in [("A", a, b), ("B", b, a)] {
        let only = only_in(&one.resolved, &other.resolved);
        let mut words: Vec<String> = Vec::new();
        for (arm, variant) in only {
            let known = other.resolved.arms.iter().any(|own| own.name == arm.name);
            let point: Vec<String> = variant
                .point
                .iter()
                .map(|(n, v)| format!("{n} {v}"))
                .collect();
            let word = match known && !point.is_empty() {
                true => format!("\"{}\" at {}", arm.name, point.join(", ")),
                false => format!("\"{}\"", arm.name),
            };
            if !words.contains(&word) {
                words.push(word);
            }
        }
        if !words.is_empty() {
            notes.push(format!("only in {letter}: {}", words.join("; ")));
        }
    }
    notes
}
