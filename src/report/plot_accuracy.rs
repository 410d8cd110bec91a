//! Test accuracy against density.

use super::canvas::{Plot, PlotError};
use super::groups::{ArmInfo, RowGroup, combinations, compatible, group_runs, names};
use super::plots::{
    CUT, Figure, Frame, LEFT, LegendKey, Look, RIGHT, WIDTH, draw_marker, looks, seeds_in_words,
    value_range,
};
use crate::store::{RunRow, slug};

/// Pixels between arms at the same density, so that they do not hide each other; all of them together stay within `SPREAD`.
const SHIFT: f64 = 11.0;
const SPREAD: f64 = 72.0;
/// A density below this share of another is clearly another one.
const CLEARLY_LESS: f64 = 0.95;

/// Test accuracy against density, one plot per combination of the sweep axes that do not set the density.
///
/// Per arm: the mean over seeds as a line with 95 % intervals, and every run as a dot. An arm that is dense everywhere is a horizontal
/// line with its interval as a band. Arms at the same density stand a few pixels beside each other. Arms that do not depend on an axis appear in all its plots. Where nothing was pruned there is no
/// density to plot against, and so no plot.
///
/// # Errors
/// [`PlotError`] if the picture cannot be drawn or encoded.
pub fn accuracy_plots(
    title: &str,
    rows: &[RunRow],
    arms: &[ArmInfo],
) -> Result<Vec<Plot>, PlotError> {
    // A run that failed has no place on an axis; the table shows it.
    let finished = rows.iter().filter(|row| !row.failed());
    let rows: &[RunRow] = &finished.cloned().collect::<Vec<_>>();
    let mut groups = group_runs(rows, arms);
    groups.retain(|group| {
        group
            .rows
            .iter()
            .all(|row| row.test_accuracy.is_finite() && row.density > 0.0 && row.density <= 1.0)
    });
    let arms = complete(arms, &groups);
    let dense_names = dense_arms(rows);
    let dense = |name: &str| dense_names.iter().any(|dense| dense == name);
    let looks = looks(&arms, dense);
    let mut plots = Vec::new();
    for facet in facets(&groups) {
        let members: Vec<&RowGroup<'_>> = groups
            .iter()
            .filter(|group| compatible(group.point, &facet))
            .collect();
        if members.iter().all(|group| dense(group.arm)) {
            continue;
        }
        let curves: Vec<AccuracyCurve<'_>> = arms
            .iter()
            .zip(&looks)
            .filter_map(|(arm, look)| {
                let mut groups: Vec<&RowGroup<'_>> = members
                    .iter()
                    .copied()
                    .filter(|group| group.arm == arm.name)
                    .collect();
                groups.sort_by(|a, b| density(a).total_cmp(&density(b)));
                (!groups.is_empty()).then(|| AccuracyCurve {
                    name: groups[0].arm,
                    look: *look,
                    dense: dense(&arm.name),
                    groups,
                })
            })
            .collect();
        plots.push(draw(title, &facet, &curves)?);
    }
    Ok(plots)
}

/// Names of arms whose every run kept all weights: plots draw them in black.
pub fn dense_arms(rows: &[RunRow]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let finished = || rows.iter().filter(|row| !row.failed());
    for row in finished() {
        let dense = || {
            finished()
                .filter(|other| other.arm == row.arm)
                .all(|other| other.density >= 1.0)
        };
        if !names.contains(&row.arm) && dense() {
            names.push(row.arm.clone());
        }
    }
    names
}

/// One arm in one plot, its groups by rising density.
struct AccuracyCurve<'a> {
    name: &'a str,
    look: Look,
    dense: bool,
    groups: Vec<&'a RowGroup<'a>>,
}

fn draw(
    title: &str,
    facet: &[(String, String)],
    curves: &[AccuracyCurve<'_>],
) -> Result<Plot, PlotError> {
    let all = || curves.iter().flat_map(|curve| &curve.groups);
    let least = all().map(|group| density(group)).fold(1.0, f64::min);
    let most = all().map(|group| density(group)).fold(0.0, f64::max);
    let sparse: Vec<&AccuracyCurve<'_>> = curves.iter().filter(|curve| !curve.dense).collect();
    let step = SHIFT.min(SPREAD / sparse.len().max(1) as f64);
    let shifts: Vec<f64> = (0..sparse.len())
        .map(|index| step * (index as f64 - (sparse.len() - 1) as f64 / 2.0))
        .collect();
    // Room at both ends for the shifted points and their markers.
    let beyond = (0.5 * step * sparse.len() as f64 + 14.0).max(55.0) / (WIDTH - LEFT - RIGHT);
    let margin = (most / least).max(1.5).powf(beyond / (1.0 - 2.0 * beyond));
    let (y, cut) = value_range(
        all().filter_map(|group| group.summary(|row| Some(row.test_accuracy))),
        (0.0, 100.0),
    );

    let counts: Vec<usize> = all().map(|group| group.rows.len()).collect();
    let mut subtitle: Vec<String> = facet
        .iter()
        .map(|(axis, value)| format!("{axis} = {value}"))
        .collect();
    subtitle.push(seeds_in_words(&counts));
    if counts.iter().any(|&n| n > 1) {
        subtitle.push("dots: single runs".into());
    }
    if cut {
        subtitle.push(CUT.into());
    }
    let keys: Vec<LegendKey<'_>> = curves
        .iter()
        .map(|curve| LegendKey {
            name: curve.name,
            look: curve.look,
            marked: !curve.dense,
        })
        .collect();
    let mut frame = Frame::new(
        &Figure {
            title,
            subtitle: &subtitle.join("; "),
            x_label: "density: weights kept (% of all prunable weights, log scale)",
            y_label: "test accuracy (%)",
            x: (100.0 * least / margin, 100.0 * most * margin),
            x_log: true,
            x_whole: false,
            x_unit: " %",
            y,
        },
        &keys,
    );

    for curve in curves.iter().filter(|curve| curve.dense) {
        draw_dense(&mut frame, curve);
    }
    // Dots of all arms first, means of all arms on top.
    for (curve, shift) in sparse.iter().zip(&shifts) {
        for group in &curve.groups {
            draw_runs(&mut frame, curve, group, *shift);
        }
    }
    for (curve, shift) in sparse.iter().zip(&shifts) {
        draw_means(&mut frame, curve, *shift);
    }
    let mut name = "accuracy".to_owned();
    for (axis, value) in facet {
        name.push_str(&format!("-{}={}", slug(axis), slug(value)));
    }
    frame.scene.render(name)
}

fn draw_dense(frame: &mut Frame, curve: &AccuracyCurve<'_>) {
    let (left, right) = (frame.x.start, frame.x.end);
    for group in &curve.groups {
        let Some(summary) = group.summary(|row| Some(row.test_accuracy)) else {
            continue;
        };
        if let Some((low, high)) = summary.interval_95() {
            let low = frame.y.at(low.max(frame.y.low));
            let high = frame.y.at(high.min(frame.y.high));
            frame.scene.area(
                &[(left, low), (right, low), (right, high), (left, high)],
                curve.look.color,
                0.10,
            );
        }
        let y = frame.y.at(summary.mean);
        frame.scene.dashed(
            &[(left, y), (right, y)],
            curve.look.color,
            2.0,
            curve.look.dash,
        );
        draw_runs(frame, curve, group, 0.0);
    }
}

fn draw_runs(frame: &mut Frame, curve: &AccuracyCurve<'_>, group: &RowGroup<'_>, shift: f64) {
    // A single run is its own mean.
    if group.rows.len() < 2 {
        return;
    }
    for row in &group.rows {
        let at = (
            frame.x.at(100.0 * row.density) + shift,
            frame.y.at(row.test_accuracy),
        );
        frame.scene.dot(at, 4.0, curve.look.color, 0.35);
    }
}

fn draw_means(frame: &mut Frame, curve: &AccuracyCurve<'_>, shift: f64) {
    let color = curve.look.color;
    let mut means = Vec::new();
    for group in &curve.groups {
        let Some(summary) = group.summary(|row| Some(row.test_accuracy)) else {
            continue;
        };
        let x = frame.x.at(100.0 * density(group)) + shift;
        means.push((x, frame.y.at(summary.mean)));
        if let Some((low, high)) = summary.interval_95() {
            let ends = [low.max(frame.y.low), high.min(frame.y.high)];
            let pixels = ends.map(|value| (x, frame.y.at(value)));
            frame.scene.path(&pixels, color, 2.0);
            for (end, value, (_, y)) in [(low, ends[0], pixels[0]), (high, ends[1], pixels[1])] {
                // No cap where the interval goes on outside the frame.
                if end == value {
                    frame.scene.path(&[(x - 7.0, y), (x + 7.0, y)], color, 2.0);
                }
            }
        }
    }
    frame.scene.dashed(&means, color, 3.0, curve.look.dash);
    for at in means {
        draw_marker(&mut frame.scene, at, 8.0, curve.look.marker, color);
    }
}

/// Combinations of the axes that do not set the density, in order of first appearance; one empty combination if there are none.
fn facets(groups: &[RowGroup<'_>]) -> Vec<Vec<(String, String)>> {
    let axes: Vec<&str> = names(groups.iter().map(|group| group.point))
        .into_iter()
        .filter(|axis| !sets_density(axis, groups))
        .collect();
    let points: Vec<&[(String, String)]> = groups.iter().map(|group| group.point).collect();
    combinations(&axes, &points)
}

/// Whether two groups that differ in this axis alone have different densities.
fn sets_density(axis: &str, groups: &[RowGroup<'_>]) -> bool {
    let others = |group: &RowGroup<'_>| -> Vec<(String, String)> {
        let mut point = group.point.to_vec();
        point.retain(|(name, _)| name != axis);
        point
    };
    groups.iter().enumerate().any(|(index, one)| {
        groups[..index].iter().any(|two| {
            one.arm == two.arm
                && one.axis(axis) != two.axis(axis)
                && others(one) == others(two)
                && densities_differ(one, two)
        })
    })
}

/// Whether densities are apart for all to see: those that were asked for, or those that came of it, as a threshold and a penalty ask
/// for none, and units of a layer are not its share of all weights. Weights that decide them and layers kept dense make them differ a
/// little anyway.
fn densities_differ(one: &RowGroup<'_>, two: &RowGroup<'_>) -> bool {
    let asked = |group: &RowGroup<'_>| group.rows.first().and_then(|row| row.target_density);
    let apart = |one: f64, two: f64| one.min(two) < CLEARLY_LESS * one.max(two);
    match (asked(one), asked(two)) {
        (Some(one), Some(two)) if apart(one, two) => true,
        _ => apart(density(one), density(two)),
    }
}

/// Mean achieved density of a group.
fn density(group: &RowGroup<'_>) -> f64 {
    group
        .summary(|row| Some(row.density))
        .map_or(1.0, |summary| summary.mean)
}

/// The experiment's arms and any others the rows mention.
fn complete(arms: &[ArmInfo], groups: &[RowGroup<'_>]) -> Vec<ArmInfo> {
    let mut arms = arms.to_vec();
    for group in groups {
        if !arms.iter().any(|arm| arm.name == group.arm) {
            arms.push(ArmInfo {
                name: group.arm.to_owned(),
                control_of: None,
            });
        }
    }
    arms
}
