//! A picture as a list of shapes, drawn to SVG and PNG alike.
//!
//! Sizes are in pixels of the finished picture, y pointing down. Figures build a [`Scene`]; only this file knows plotters.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontTransform, IntoFont, IntoTextStyle, RGBAColor, RGBColor, ShapeStyle, WHITE,
};

/// Compiled in, so that a machine without fonts draws the same picture. See `assets/fonts/LICENSE`.
static FONT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf");
/// What an SVG viewer looks for: the compiled-in font, or one with nearly the same widths.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// plotters divides sizes by this when it writes SVG.
const SVG_PER_EM: f64 = 1.24;
/// Where plotters puts the baseline of SVG text that hangs from its anchor, in em.
const SVG_TOP_TO_BASELINE: f64 = 0.76;
/// The bitmap is drawn this much larger and averaged down: smooth curves and evenly spaced letters.
const SUPERSAMPLING: u32 = 2;

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

enum Shape {
    Path {
        points: Vec<(f64, f64)>,
        color: RGBAColor,
        width: f64,
    },
    Area {
        points: Vec<(f64, f64)>,
        color: RGBAColor,
    },
    Dot {
        at: (f64, f64),
        radius: f64,
        color: RGBAColor,
    },
    Text(Label),
}

/// A line of text whose baseline goes through `at`; `upward` reads from bottom to top.
struct Label {
    at: (f64, f64),
    text: String,
    em: f64,
    color: RGBAColor,
    anchor: Anchor,
    upward: bool,
}

/// A picture under construction.
pub(super) struct Scene {
    width: u32,
    height: u32,
    shapes: Vec<Shape>,
}

impl Scene {
    /// A white picture.
    pub fn new(width: u32, height: u32) -> Self {
        Scene {
            width,
            height,
            shapes: Vec::new(),
        }
    }

    /// A line through points.
    pub fn path(&mut self, points: &[(f64, f64)], color: Rgb, width: f64) {
        if points.len() > 1 {
            self.shapes.push(Shape::Path {
                points: points.to_vec(),
                color: rgba(color, 1.0),
                width,
            });
        }
    }

    /// A line through points, broken into dashes. `dash` is drawn, skipped, drawn, ...; empty is a solid line.
    pub fn dashed(&mut self, points: &[(f64, f64)], color: Rgb, width: f64, dash: &[f64]) {
        if dash.is_empty() {
            return self.path(points, color, width);
        }
        let mut pattern = dash.iter().copied().cycle();
        let mut left = pattern.next().unwrap_or(f64::INFINITY).max(0.5);
        let mut drawing = true;
        let mut piece: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
        for pair in points.windows(2) {
            let (mut from, to) = (pair[0], pair[1]);
            loop {
                let rest = (to.0 - from.0).hypot(to.1 - from.1);
                if rest <= left || rest == 0.0 {
                    left -= rest;
                    piece.push(to);
                    break;
                }
                let share = left / rest;
                from = (
                    from.0 + share * (to.0 - from.0),
                    from.1 + share * (to.1 - from.1),
                );
                piece.push(from);
                if drawing {
                    self.path(&piece, color, width);
                }
                piece = vec![from];
                drawing = !drawing;
                left = pattern.next().unwrap_or(f64::INFINITY).max(0.5);
            }
        }
        if drawing {
            self.path(&piece, color, width);
        }
    }

    /// A filled polygon.
    pub fn area(&mut self, points: &[(f64, f64)], color: Rgb, opacity: f64) {
        self.shapes.push(Shape::Area {
            points: points.to_vec(),
            color: rgba(color, opacity),
        });
    }

    /// A filled circle.
    pub fn dot(&mut self, at: (f64, f64), radius: f64, color: Rgb, opacity: f64) {
        self.shapes.push(Shape::Dot {
            at,
            radius,
            color: rgba(color, opacity),
        });
    }

    /// A line of text whose baseline goes through `at`; `em` is the font size.
    pub fn text(&mut self, at: (f64, f64), text: &str, em: f64, color: Rgb, anchor: Anchor) {
        self.push_text(at, text, em, color, anchor, false);
    }

    /// A line of text that reads from bottom to top.
    pub fn text_upward(&mut self, at: (f64, f64), text: &str, em: f64, color: Rgb, anchor: Anchor) {
        self.push_text(at, text, em, color, anchor, true);
    }

    fn push_text(
        &mut self,
        at: (f64, f64),
        text: &str,
        em: f64,
        color: Rgb,
        anchor: Anchor,
        upward: bool,
    ) {
        self.shapes.push(Shape::Text(Label {
            at,
            text: text.to_owned(),
            em,
            color: rgba(color, 1.0),
            anchor,
            upward,
        }));
    }

    /// Draws the scene as SVG and PNG.
    pub fn render(&self, name: String) -> Result<Plot, PlotError> {
        let mut svg = String::new();
        {
            let backend = SVGBackend::with_string(&mut svg, (self.width, self.height));
            self.draw(&backend.into_drawing_area(), 1.0, draw_svg_text)?;
        }
        let font = font()?;
        let (width, height) = (self.width * SUPERSAMPLING, self.height * SUPERSAMPLING);
        let mut large = vec![0; 3 * width as usize * height as usize];
        {
            let backend = BitMapBackend::with_buffer(&mut large, (width, height));
            let scale = f64::from(SUPERSAMPLING);
            self.draw(&backend.into_drawing_area(), scale, |area, label| {
                draw_bitmap_text(area, label, &font, scale)
            })?;
        }
        let pixels = average(&large, self.width as usize, self.height as usize);
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(&pixels, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(|error| PlotError(error.to_string()))?;
        Ok(Plot { name, svg, png })
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: f64,
        draw_text: impl Fn(&DrawingArea<B, Shift>, &Label) -> Drawn<B>,
    ) -> Result<(), PlotError> {
        let failed = |error: &dyn std::fmt::Display| PlotError(error.to_string());
        let pixel = |(x, y): (f64, f64)| ((x * scale).round() as i32, (y * scale).round() as i32);
        area.fill(&WHITE).map_err(|error| failed(&error))?;
        for shape in &self.shapes {
            match shape {
                Shape::Path {
                    points,
                    color,
                    width,
                } => {
                    // plotters cannot thicken a line through the same pixel twice.
                    let mut points: Vec<_> = points.iter().copied().map(pixel).collect();
                    points.dedup();
                    if points.len() < 2 {
                        continue;
                    }
                    let style = ShapeStyle {
                        color: *color,
                        filled: false,
                        stroke_width: (width * scale).round().max(1.0) as u32,
                    };
                    area.draw(&PathElement::new(points, style))
                }
                Shape::Area { points, color } => {
                    let points: Vec<_> = points.iter().copied().map(pixel).collect();
                    area.draw(&Polygon::new(points, color.filled()))
                }
                Shape::Dot { at, radius, color } => area.draw(&Circle::new(
                    pixel(*at),
                    (radius * scale).round() as i32,
                    color.filled(),
                )),
                Shape::Text(label) => draw_text(area, label),
            }
            .map_err(|error| failed(&error))?;
        }
        area.present().map_err(|error| failed(&error))
    }
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn draw_svg_text<B: DrawingBackend>(area: &DrawingArea<B, Shift>, label: &Label) -> Drawn<B> {
    let (x, y) = label.at;
    let drop = SVG_TOP_TO_BASELINE * label.em;
    let (x, y, transform) = if label.upward {
        (x - drop, y, FontTransform::Rotate270)
    } else {
        (x, y - drop, FontTransform::None)
    };
    let horizontal = match label.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let style = (FAMILY, label.em * SVG_PER_EM)
        .into_font()
        .transform(transform)
        .into_text_style(area)
        .color(&label.color)
        .pos(Pos::new(horizontal, VPos::Top));
    area.draw_text(&label.text, &style, (x.round() as i32, y.round() as i32))
}

/// Draws glyphs one by one: plotters' own bitmap text leaves out the space to the left of each glyph, so letters stand unevenly.
fn draw_bitmap_text<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    label: &Label,
    font: &FontRef<'_>,
    scale: f64,
) -> Drawn<B> {
    let (glyphs, width) = glyphs(font, &label.text, label.em * scale);
    let along = match label.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -0.5 * width,
        Anchor::End => -width,
    };
    let (x, y) = (label.at.0 * scale, label.at.1 * scale);
    for mut glyph in glyphs {
        // Upward text is drawn along the x axis and turned pixel by pixel, so only whole pixels may be added after turning.
        let (start, base) = if label.upward {
            (along, 0.0)
        } else {
            (x + along, y)
        };
        glyph.position.x += start as f32;
        glyph.position.y += base as f32;
        let Some(outline) = font.outline_glyph(glyph) else {
            continue;
        };
        let corner = outline.px_bounds().min;
        let mut covered = Vec::new();
        outline.draw(|dx, dy, share| {
            covered.push((
                corner.x as i32 + dx as i32,
                corner.y as i32 + dy as i32,
                share,
            ));
        });
        for (px, py, share) in covered {
            let at = if label.upward {
                (x.round() as i32 + py, y.round() as i32 - px)
            } else {
                (px, py)
            };
            area.draw_pixel(at, &label.color.mix(f64::from(share.clamp(0.0, 1.0))))?;
        }
    }
    Ok(())
}

/// The glyphs of a text set from the origin, and its width in pixels.
fn glyphs(font: &FontRef<'_>, text: &str, em: f64) -> (Vec<Glyph>, f64) {
    let per_em = font
        .units_per_em()
        .map_or(1.0, |units| font.height_unscaled() / units);
    let scale = PxScale::from(em as f32 * per_em);
    let scaled = font.as_scaled(scale);
    let mut x = 0.0;
    let glyphs = text
        .chars()
        .map(|c| {
            let id = font.glyph_id(c);
            let glyph = id.with_scale_and_position(scale, point(x, 0.0));
            x += scaled.h_advance(id);
            glyph
        })
        .collect();
    (glyphs, f64::from(x))
}

fn font() -> Result<FontRef<'static>, PlotError> {
    FontRef::try_from_slice(FONT).map_err(|error| PlotError(error.to_string()))
}

/// Width of a text in pixels at a font size of `em`.
pub(super) fn text_width(text: &str, em: f64) -> f64 {
    match font() {
        Ok(font) => glyphs(&font, text, em).1,
        Err(_) => 0.6 * em * text.chars().count() as f64,
    }
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

fn rgba((red, green, blue): Rgb, opacity: f64) -> RGBAColor {
    RGBColor(red, green, blue).mix(opacity)
}

/// Averages squares of `SUPERSAMPLING` pixels a side into one.
fn average(large: &[u8], width: usize, height: usize) -> Vec<u8> {
    let side = SUPERSAMPLING as usize;
    let mut small = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0;
                for dy in 0..side {
                    for dx in 0..side {
                        let pixel = (y * side + dy) * width * side + x * side + dx;
                        sum += usize::from(large[3 * pixel + channel]);
                    }
                }
                small.push(((sum + side * side / 2) / (side * side)) as u8);
            }
        }
    }
    small
}
