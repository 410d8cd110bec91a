//! What all plots share: size, colours, frame, axes, legend.

use super::canvas::{Anchor, Rgb, Scene, shortened, text_width, wrapped};
use super::groups::ArmInfo;
use super::stats::Summary;
use super::ticks::PlotAxis;

pub(super) const BLACK: Rgb = (0, 0, 0);
const GREY: Rgb = (95, 95, 95);
const GRID: Rgb = (226, 226, 226);

/// The palette of Okabe and Ito (2008), which people with any colour vision can tell apart; without its yellow, which is invisible on
/// white, and without black, which dense arms have.
const PALETTE: [Rgb; 6] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
];

/// The look of one arm, the same in every plot of an experiment.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub color: Rgb,
    pub marker: Marker,
    pub dash: &'static [f64],
}

/// Shape of the points, so that colour is never the only difference.
#[derive(Clone, Copy)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
}

/// Looks of all arms, in their order. Dense arms are black.
pub(super) fn looks(arms: &[ArmInfo], dense: impl Fn(&str) -> bool) -> Vec<Look> {
    const MARKERS: [Marker; 5] = [
        Marker::Circle,
        Marker::Square,
        Marker::Triangle,
        Marker::Diamond,
        Marker::TriangleDown,
    ];
    // Each round through the palette has its own dashes; black is used by dense arms only.
    const DASHES: [&[f64]; 3] = [&[], &[12.0, 7.0], &[3.0, 6.0]];
    const DENSE_DASHES: [&[f64]; 3] = [&[16.0, 9.0], &[4.0, 7.0], &[16.0, 7.0, 4.0, 7.0]];
    let (mut blacks, mut colors) = (0, 0);
    arms.iter()
        .map(|arm| {
            if dense(&arm.name) {
                blacks += 1;
                Look {
                    color: BLACK,
                    marker: Marker::Circle,
                    dash: DENSE_DASHES[(blacks - 1) % DENSE_DASHES.len()],
                }
            } else {
                colors += 1;
                let index = colors - 1;
                Look {
                    color: PALETTE[index % PALETTE.len()],
                    marker: MARKERS[index % MARKERS.len()],
                    dash: DASHES[index / PALETTE.len() % DASHES.len()],
                }
            }
        })
        .collect()
}

/// Draws a marker of about `radius` around a point.
pub(super) fn draw_marker(
    scene: &mut Scene,
    (x, y): (f64, f64),
    radius: f64,
    marker: Marker,
    color: Rgb,
) {
    let corners = |list: &[(f64, f64)]| -> Vec<(f64, f64)> {
        list.iter()
            .map(|(dx, dy)| (x + radius * dx, y + radius * dy))
            .collect()
    };
    match marker {
        Marker::Circle => scene.dot((x, y), radius, color, 1.0),
        Marker::Square => scene.area(
            &corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            color,
            1.0,
        ),
        Marker::Triangle => scene.area(
            &corners(&[(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)]),
            color,
            1.0,
        ),
        Marker::Diamond => scene.area(
            &corners(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
            color,
            1.0,
        ),
        Marker::TriangleDown => scene.area(
            &corners(&[(0.0, 1.2), (1.15, -0.85), (-1.15, -0.85)]),
            color,
            1.0,
        ),
    }
}

/// Words and ranges of a figure.
pub(super) struct Figure<'a> {
    pub title: &'a str,
    pub subtitle: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    pub x: (f64, f64),
    pub x_log: bool,
    /// Whether the x axis counts something.
    pub x_whole: bool,
    /// Appended to the numbers on the x axis.
    pub x_unit: &'a str,
    pub y: (f64, f64),
}

/// One line of the legend.
pub(super) struct LegendKey<'a> {
    pub name: &'a str,
    pub look: Look,
    /// Whether the arm's points carry markers.
    pub marked: bool,
}

/// The empty figure: title, axes, grid and legend are drawn; data go between the axes.
pub(super) struct Frame {
    pub scene: Scene,
    pub x: PlotAxis,
    pub y: PlotAxis,
}

pub(super) const WIDTH: f64 = 1600.0;
const PLOT_HEIGHT: f64 = 720.0;
pub(super) const LEFT: f64 = 172.0;
pub(super) const RIGHT: f64 = 45.0;
const TITLE: f64 = 34.0;
const BODY: f64 = 24.0;
const LEGEND_LINE: f64 = 40.0;
const SAMPLE: f64 = 64.0;

impl Frame {
    /// Lays out and draws everything but the data.
    pub fn new(figure: &Figure<'_>, keys: &[LegendKey<'_>]) -> Frame {
        let room = WIDTH - LEFT - RIGHT;
        let title = wrapped(figure.title, TITLE, room);
        let subtitle = wrapped(figure.subtitle, BODY, room);
        let top = 30.0 + 44.0 * title.len() as f64 + 34.0 * subtitle.len() as f64 + 22.0;
        let bottom = top + PLOT_HEIGHT;

        // As many equally wide legend columns as fit.
        let gap = 40.0;
        let widest = keys
            .iter()
            .map(|key| SAMPLE + 14.0 + text_width(key.name, BODY))
            .fold(1.0, f64::max)
            // One long name among many must not force a column as wide as the figure.
            .min(if keys.len() > 6 { 0.48 * room } else { room });
        let fitting = (((room + gap) / (widest + gap)).floor() as usize).max(1);
        let legend_rows = keys.len().div_ceil(fitting);
        // Equal rows look better than one full row and a lonely entry.
        let legend_columns = keys.len().div_ceil(legend_rows.max(1)).max(1);
        let legend_top = bottom + 118.0;
        let height = legend_top + LEGEND_LINE * legend_rows as f64 + 14.0;

        let mut frame = Frame {
            scene: Scene::new(WIDTH as u32, height.ceil() as u32),
            x: PlotAxis {
                low: figure.x.0,
                high: figure.x.1,
                start: LEFT,
                end: WIDTH - RIGHT,
                log: figure.x_log,
                whole: figure.x_whole,
            },
            y: PlotAxis {
                low: figure.y.0,
                high: figure.y.1,
                start: bottom,
                end: top,
                log: false,
                whole: false,
            },
        };
        let mut baseline = 30.0 + 30.0;
        for line in &title {
            frame
                .scene
                .text((LEFT, baseline), line, TITLE, BLACK, Anchor::Start);
            baseline += 44.0;
        }
        baseline -= 6.0;
        for line in &subtitle {
            frame
                .scene
                .text((LEFT, baseline), line, BODY, GREY, Anchor::Start);
            baseline += 34.0;
        }
        frame.draw_axes(figure);
        let column = if legend_columns > 1 {
            (room / legend_columns as f64).min(widest + 2.0 * gap)
        } else {
            room
        };
        for (index, key) in keys.iter().enumerate() {
            let x = LEFT + column * (index % legend_columns) as f64;
            let y = legend_top + LEGEND_LINE * (index / legend_columns) as f64;
            frame.draw_key(key, (x, y), column);
        }
        frame
    }

    fn draw_axes(&mut self, figure: &Figure<'_>) {
        let (left, right) = (self.x.start, self.x.end);
        let (bottom, top) = (self.y.start, self.y.end);
        for (value, label) in self.y.ticks(70.0) {
            let y = self.y.at(value);
            self.scene.path(&[(left, y), (right, y)], GRID, 1.0);
            self.scene.path(&[(left - 10.0, y), (left, y)], BLACK, 2.0);
            self.scene.text(
                (left - 18.0, y + 0.36 * BODY),
                &label,
                BODY,
                BLACK,
                Anchor::End,
            );
        }
        for value in self.x.minor_ticks() {
            let x = self.x.at(value);
            self.scene
                .path(&[(x, bottom), (x, bottom + 6.0)], BLACK, 2.0);
        }
        for (value, label) in self.x.ticks(105.0) {
            let x = self.x.at(value);
            self.scene.path(&[(x, bottom), (x, top)], GRID, 1.0);
            self.scene
                .path(&[(x, bottom), (x, bottom + 11.0)], BLACK, 2.0);
            let label = format!("{label}{}", figure.x_unit);
            self.scene
                .text((x, bottom + 40.0), &label, BODY, BLACK, Anchor::Middle);
        }
        self.scene
            .path(&[(left, top), (left, bottom), (right, bottom)], BLACK, 2.0);
        let middle = (left + right) / 2.0;
        self.scene.text(
            (middle, bottom + 82.0),
            figure.x_label,
            BODY + 2.0,
            BLACK,
            Anchor::Middle,
        );
        self.scene.text_upward(
            (46.0, (top + bottom) / 2.0),
            figure.y_label,
            BODY + 2.0,
            BLACK,
            Anchor::Middle,
        );
    }

    fn draw_key(&mut self, key: &LegendKey<'_>, (x, y): (f64, f64), room: f64) {
        self.scene.dashed(
            &[(x, y), (x + SAMPLE, y)],
            key.look.color,
            3.0,
            key.look.dash,
        );
        if key.marked {
            let middle = (x + SAMPLE / 2.0, y);
            draw_marker(
                &mut self.scene,
                middle,
                8.0,
                key.look.marker,
                key.look.color,
            );
        }
        let text = shortened(key.name, BODY, room - SAMPLE - 28.0);
        let at = (x + SAMPLE + 14.0, y + 0.36 * BODY);
        self.scene.text(at, &text, BODY, BLACK, Anchor::Start);
    }
}

/// Said in the subtitle where [`value_range`] cuts.
pub(super) const CUT: &str = "intervals wider than the frame are cut";

/// Range of the y axis around values and their intervals, and whether it cuts an interval: with two or three seeds intervals can dwarf
/// the data.
pub(super) fn value_range(
    summaries: impl Iterator<Item = Summary>,
    limits: (f64, f64),
) -> ((f64, f64), bool) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut low_bar, mut high_bar) = (low, high);
    for summary in summaries {
        let (bottom, top) = summary.interval_95().unwrap_or((summary.min, summary.max));
        low = low.min(summary.min);
        high = high.max(summary.max);
        low_bar = low_bar.min(bottom);
        high_bar = high_bar.max(top);
    }
    let room = 0.3 * (high - low);
    let range = padded(
        low_bar.max(low - room).min(low),
        high_bar.min(high + room).max(high),
        0.05,
        limits,
    );
    (range, low_bar < range.0 || high_bar > range.1)
}

/// An axis range around data, with room at both ends and cut at `limits`. Equal ends are spread.
fn padded(low: f64, high: f64, share: f64, limits: (f64, f64)) -> (f64, f64) {
    let span = high - low;
    let pad = if span > 0.0 {
        share * span
    } else {
        (0.05 * high.abs()).max(0.5)
    };
    // A little over the limit keeps points on the limit whole.
    let over = 0.3 * pad;
    (
        (low - pad).max(limits.0 - over),
        (high + pad).min(limits.1 + over),
    )
}

/// Words for how many runs stand behind each point.
pub(super) fn seeds_in_words(counts: &[usize]) -> String {
    let least = counts.iter().min().copied().unwrap_or(0);
    let most = counts.iter().max().copied().unwrap_or(0);
    match (least, most) {
        (_, 1) => "one run per point, so no intervals".into(),
        (least, most) if least == most => format!("mean and 95 % interval over {most} seeds"),
        _ => format!("mean and 95 % interval over {least} to {most} seeds"),
    }
}
