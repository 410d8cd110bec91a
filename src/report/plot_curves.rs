//! Learning curves.

use super::canvas::{Plot, PlotError};
use super::groups::{ArmInfo, combinations, compatible, names};
use super::plots::{
    CUT, Figure, Frame, LegendKey, Look, draw_marker, looks, seeds_in_words, value_range,
};
use super::stats::Summary;
use crate::store::{CurveRow, slug};

/// Up to this many epochs each one is marked.
const MARKED_EPOCHS: usize = 25;

/// Learning curves of each arm's last train step, one plot per combination of the sweep axes: validation accuracy against epochs, or
/// training loss where an arm has no validation split.
///
/// Per arm: the mean over seeds as a line with its 95 % interval as a band. Arms that do not depend on an axis appear in all its plots;
/// as each plot has a value of every axis, no line is over more than one point of its arm.
/// An arm named in `dense` (see [`dense_arms`](super::dense_arms)) is drawn in black. One epoch is no curve: there is no plot then.
///
/// # Errors
/// [`PlotError`] if the picture cannot be drawn or encoded.
pub fn curve_plots(
    title: &str,
    rows: &[CurveRow],
    arms: &[ArmInfo],
    dense: &[String],
) -> Result<Vec<Plot>, PlotError> {
    let mut arms = arms.to_vec();
    for row in rows {
        if !arms.iter().any(|arm| arm.name == row.arm) {
            arms.push(ArmInfo {
                name: row.arm.clone(),
                control_of: None,
            });
        }
    }
    let looks = looks(&arms, |name| dense.iter().any(|other| other == name));
    let mut plots = Vec::new();
    for point in &facets(rows) {
        let mut selected = Vec::new();
        for (arm, look) in arms.iter().zip(&looks) {
            let mut own: Vec<&CurveRow> = rows
                .iter()
                .filter(|row| row.arm == arm.name && compatible(&row.point, point))
                .collect();
            let last = own.iter().map(|row| row.train_step).max();
            own.retain(|row| Some(row.train_step) == last);
            if !own.is_empty() {
                selected.push((arm.name.as_str(), *look, own));
            }
        }
        let validated = selected
            .iter()
            .flat_map(|(_, _, rows)| rows)
            .all(|row| row.validation_accuracy.is_some());
        let curves: Vec<LearningCurve<'_>> = selected
            .into_iter()
            .map(|(name, look, rows)| LearningCurve::new(name, look, &rows, validated))
            .filter(|curve| !curve.epochs.is_empty())
            .collect();
        if curves.iter().any(|curve| curve.epochs.len() > 1) {
            plots.push(draw(title, point, &curves, validated)?);
        }
    }
    Ok(plots)
}

/// One arm in one plot.
struct LearningCurve<'a> {
    name: &'a str,
    look: Look,
    /// Epoch and the quantity over seeds.
    epochs: Vec<(f64, Summary)>,
}

impl<'a> LearningCurve<'a> {
    fn new(name: &'a str, look: Look, rows: &[&CurveRow], validated: bool) -> Self {
        let mut numbers: Vec<u32> = rows.iter().map(|row| row.epoch).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let epochs = numbers
            .into_iter()
            .filter_map(|epoch| {
                let values: Vec<f64> = rows
                    .iter()
                    .filter(|row| row.epoch == epoch)
                    .filter_map(|row| {
                        if validated {
                            row.validation_accuracy
                        } else {
                            Some(row.train_loss)
                        }
                    })
                    // A diverged run has no place on an axis; the table shows it.
                    .filter(|value| value.is_finite())
                    .collect();
                Some((f64::from(epoch), Summary::of(&values)?))
            })
            .collect();
        LearningCurve { name, look, epochs }
    }

    fn line(&self, frame: &Frame, value: impl Fn(&Summary) -> f64) -> Vec<(f64, f64)> {
        self.epochs
            .iter()
            .map(|(epoch, summary)| {
                let value = value(summary).clamp(frame.y.low, frame.y.high);
                (frame.x.at(*epoch), frame.y.at(value))
            })
            .collect()
    }
}

fn draw(
    title: &str,
    point: &[(String, String)],
    curves: &[LearningCurve<'_>],
    validated: bool,
) -> Result<Plot, PlotError> {
    let all = || curves.iter().flat_map(|curve| &curve.epochs);
    let first = all().map(|(epoch, _)| *epoch).fold(f64::INFINITY, f64::min);
    let last = all().map(|(epoch, _)| *epoch).fold(0.0, f64::max);
    let margin = 0.015 * (last - first);
    let x = (first - margin, last + margin);
    let limits = if validated {
        (0.0, 100.0)
    } else {
        (0.0, f64::INFINITY)
    };
    let (y, cut) = value_range(all().map(|(_, summary)| *summary), limits);

    let counts: Vec<usize> = all().map(|(_, summary)| summary.n).collect();
    let mut subtitle: Vec<String> = point
        .iter()
        .map(|(axis, value)| format!("{axis} = {value}"))
        .collect();
    subtitle.push("last train step of each arm".into());
    subtitle.push(seeds_in_words(&counts));
    if cut {
        subtitle.push(CUT.into());
    }
    let marked = curves
        .iter()
        .all(|curve| curve.epochs.len() <= MARKED_EPOCHS);
    let keys: Vec<LegendKey<'_>> = curves
        .iter()
        .map(|curve| LegendKey {
            name: curve.name,
            look: curve.look,
            marked,
        })
        .collect();
    let mut frame = Frame::new(
        &Figure {
            title,
            subtitle: &subtitle.join("; "),
            x_label: "epoch",
            y_label: if validated {
                "validation accuracy (%)"
            } else {
                "training loss (nats)"
            },
            x,
            x_log: false,
            x_whole: true,
            x_unit: "",
            y,
        },
        &keys,
    );
    for curve in curves {
        // Half of the palette's bands may overlap, so they are light; a lone run has none.
        let half = |summary: &Summary| summary.half_width_95.unwrap_or(0.0);
        if curve.epochs.len() > 1 && curve.epochs.iter().any(|(_, s)| s.half_width_95.is_some()) {
            let mut band = curve.line(&frame, |summary| summary.mean + half(summary));
            let lower = curve.line(&frame, |summary| summary.mean - half(summary));
            band.extend(lower.into_iter().rev());
            frame.scene.area(&band, curve.look.color, 0.16);
        }
    }
    for curve in curves {
        let line = curve.line(&frame, |summary| summary.mean);
        frame
            .scene
            .dashed(&line, curve.look.color, 3.0, curve.look.dash);
        if marked {
            for at in line {
                draw_marker(
                    &mut frame.scene,
                    at,
                    6.0,
                    curve.look.marker,
                    curve.look.color,
                );
            }
        }
    }
    let mut name = "curves".to_owned();
    for (axis, value) in point {
        name.push_str(&format!("-{}={}", slug(axis), slug(value)));
    }
    frame.scene.render(name)
}

/// Combinations of all axes that the rows depend on.
fn facets(rows: &[CurveRow]) -> Vec<Vec<(String, String)>> {
    let points: Vec<&[(String, String)]> = rows.iter().map(|row| row.point.as_slice()).collect();
    combinations(&names(points.iter().copied()), &points)
}
