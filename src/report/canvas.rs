//! A picture as SVG, and the PNG of it.
//!
//! Sizes are in pixels of the finished picture, y pointing down.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use skrifa::MetadataProvider;
use skrifa::instance::{LocationRef, Size};
use std::fmt::Write;

/// Compiled in, so that a machine without fonts draws the same picture. See `assets/fonts/LICENSE`.
static FONT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf");
const FAMILY: &str = "DejaVu Sans";
/// What an SVG viewer without that font takes: one with nearly the same widths.
const FALLBACK: &str = "Verdana, sans-serif";

/// A drawn figure in both formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    /// File name without extension.
    pub name: String,
    /// The figure as SVG text.
    pub svg: String,
    /// The same figure as a PNG file.
    pub png: Vec<u8>,
}

/// Drawing failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the plot: {0}")]
pub struct PlotError(String);

/// Red, green, blue.
pub(super) type Rgb = (u8, u8, u8);

/// Which point of a text lies at its x.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture under construction.
pub(super) struct Scene {
    width: u32,
    height: u32,
    /// The elements of the SVG so far.
    shapes: String,
}

impl Scene {
    /// A white picture.
    pub fn new(width: u32, height: u32) -> Self {
        Scene {
            width,
            height,
            shapes: String::new(),
        }
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // A String takes every write.
        let _ = writeln!(self.shapes, "{element}");
    }

    /// A line through points.
    pub fn path(&mut self, points: &[(f64, f64)], color: Rgb, width: f64) {
        self.dashed(points, color, width, &[]);
    }

    /// A line through points, broken into dashes. `dash` is drawn, skipped, drawn, ...; empty is a solid line.
    pub fn dashed(&mut self, points: &[(f64, f64)], color: Rgb, width: f64, dash: &[f64]) {
        let level = |pair: &[(f64, f64)]| pair[0].0 == pair[1].0 || pair[0].1 == pair[1].1;
        // Smoothing would smear a line along the pixels over two rows of them.
        let edges = match points.windows(2).all(level) {
            true => r#" shape-rendering="crispEdges""#,
            false => "",
        };
        let dash = match dash {
            [] => String::new(),
            dash => format!(
                r#" stroke-dasharray="{}""#,
                list(dash.iter().map(f64::to_string))
            ),
        };
        let (points, color) = (corners(points), hex(color));
        self.push(format_args!(
            r#"<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{width}" stroke-linejoin="round"{dash}{edges}/>"#
        ));
    }

    /// A filled polygon.
    pub fn area(&mut self, points: &[(f64, f64)], color: Rgb, opacity: f64) {
        let (points, color) = (corners(points), hex(color));
        self.push(format_args!(
            r#"<polygon points="{points}" fill="{color}" fill-opacity="{opacity}"/>"#
        ));
    }

    /// A filled circle.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, color: Rgb, opacity: f64) {
        let (x, y, color) = (rounded(x), rounded(y), hex(color));
        self.push(format_args!(
            r#"<circle cx="{x}" cy="{y}" r="{radius}" fill="{color}" fill-opacity="{opacity}"/>"#
        ));
    }

    /// A line of text whose baseline goes through `at`; `em` is the font size.
    pub fn text(&mut self, at: (f64, f64), text: &str, em: f64, color: Rgb, anchor: Anchor) {
        self.push_text(at, text, em, color, anchor, "");
    }

    /// A line of text that reads from bottom to top.
    pub fn text_upward(&mut self, at: (f64, f64), text: &str, em: f64, color: Rgb, anchor: Anchor) {
        let turn = format!(
            r#" transform="rotate(-90 {} {})""#,
            rounded(at.0),
            rounded(at.1)
        );
        self.push_text(at, text, em, color, anchor, &turn);
    }

    fn push_text(
        &mut self,
        (x, y): (f64, f64),
        text: &str,
        em: f64,
        color: Rgb,
        anchor: Anchor,
        turn: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, color, text) = (rounded(x), rounded(y), hex(color), escaped(text));
        self.push(format_args!(
            r#"<text x="{x}" y="{y}" font-size="{em}" text-anchor="{anchor}" fill="{color}"{turn}>{text}</text>"#
        ));
    }

    /// The picture as SVG and PNG.
    pub fn render(&self, name: String) -> Result<Plot, PlotError> {
        let Scene {
            width,
            height,
            shapes,
        } = self;
        let svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="'{FAMILY}', {FALLBACK}">
<rect width="100%" height="100%" fill="#ffffff"/>
{shapes}</svg>
"##
        );
        let png = self.png(&svg)?;
        Ok(Plot { name, svg, png })
    }

    fn png(&self, svg: &str) -> Result<Vec<u8>, PlotError> {
        let failed = |error: &dyn std::fmt::Display| PlotError(error.to_string());
        let mut options = Options::default();
        options.fontdb_mut().load_font_data(FONT.to_vec());
        let tree = Tree::from_str(svg, &options).map_err(|error| failed(&error))?;
        let mut pixels = Pixmap::new(self.width, self.height)
            .ok_or_else(|| failed(&"it has no pixels, or too many"))?;
        resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
        // The background is opaque, so all pixels are.
        let rgb: Vec<u8> = pixels
            .data()
            .chunks_exact(4)
            .flat_map(|rgba| &rgba[..3])
            .copied()
            .collect();
        let mut png = Vec::new();
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
            .write_image(&rgb, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(|error| failed(&error))?;
        Ok(png)
    }
}

/// To a hundredth of a pixel: finer than anyone sees.
fn rounded(pixels: f64) -> f64 {
    (100.0 * pixels).round() / 100.0
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(" ")
}

fn corners(points: &[(f64, f64)]) -> String {
    list(
        points
            .iter()
            .map(|(x, y)| format!("{},{}", rounded(*x), rounded(*y))),
    )
}

fn hex((red, green, blue): Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Text as XML. XML cannot hold control characters at all.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Width of a text in pixels at a font size of `em`.
pub(super) fn text_width(text: &str, em: f64) -> f64 {
    let Ok(font) = skrifa::FontRef::new(FONT) else {
        return 0.6 * em * text.chars().count() as f64;
    };
    let letters = font.charmap();
    let metrics = font.glyph_metrics(Size::new(em as f32), LocationRef::default());
    let width = |c| metrics.advance_width(letters.map(c).unwrap_or_default());
    text.chars().filter_map(width).map(f64::from).sum()
}

/// Breaks a text between words into lines of at most `width` pixels; a single longer word stays whole.
pub(super) fn wrapped(text: &str, em: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), em) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Cuts a text to `width` pixels, ending in an ellipsis.
pub(super) fn shortened(text: &str, em: f64, width: f64) -> String {
    let mut text = text.to_owned();
    if text_width(&text, em) <= width {
        return text;
    }
    while text_width(&format!("{text}…"), em) > width && text.pop().is_some() {}
    text + "…"
}
