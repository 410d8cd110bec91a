//! Reads the stroke files of `assets/`: how each class of a drawn dataset is drawn.

use glam::DVec2;

/// What a shape's points mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StrokeKind {
    /// Straight pieces.
    Line,
    /// An open smooth curve.
    Curve,
    /// A closed smooth curve.
    Loop,
    /// A filled polygon.
    Fill,
    /// A filled closed smooth curve.
    Blob,
}

/// One shape, in the coordinates of a 28x28 image.
#[derive(Clone, Debug)]
pub(super) struct StrokeShape {
    pub kind: StrokeKind,
    /// Brightness relative to the ink.
    pub shade: f64,
    /// Width relative to the pen.
    pub width: f64,
    pub points: Vec<DVec2>,
}

/// One class: its name and the ways to draw it, each a list of shapes painted in order.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub name: String,
    pub variants: Vec<Vec<StrokeShape>>,
}

/// A mistake in a stroke file: the line (from 1) and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StrokeMistake {
    pub line: usize,
    pub problem: String,
}

/// Reads a stroke file; the format is explained at the top of `assets/digits.strokes`.
pub(super) fn parse(text: &str) -> Result<Vec<Class>, StrokeMistake> {
    let mut classes: Vec<Class> = Vec::new();
    for (number, raw) in text.lines().enumerate() {
        let mistake = |problem: String| StrokeMistake {
            line: number + 1,
            problem,
        };
        let mut words = raw.split('#').next().unwrap_or("").split_whitespace();
        let Some(keyword) = words.next() else {
            continue;
        };
        match keyword {
            "class" => {
                let name = words
                    .next()
                    .ok_or_else(|| mistake("a class needs a name".into()))?;
                classes.push(Class {
                    name: name.to_string(),
                    variants: Vec::new(),
                });
            }
            "variant" => classes
                .last_mut()
                .ok_or_else(|| mistake("a variant before any class".into()))?
                .variants
                .push(Vec::new()),
            _ => {
                let shape = parse_shape(keyword, words).map_err(mistake)?;
                classes
                    .last_mut()
                    .and_then(|class| class.variants.last_mut())
                    .ok_or_else(|| mistake("a shape before any variant".into()))?
                    .push(shape);
            }
        }
    }
    let unfinished = |class: &&Class| {
        class.variants.is_empty() || class.variants.iter().any(|shapes| shapes.is_empty())
    };
    match classes.iter().find(unfinished) {
        Some(class) => Err(StrokeMistake {
            line: text.lines().count(),
            problem: format!("class {} has a variant without shapes", class.name),
        }),
        None => Ok(classes),
    }
}

fn parse_shape<'a>(
    keyword: &str,
    words: impl Iterator<Item = &'a str>,
) -> Result<StrokeShape, String> {
    let (kind, least) = match keyword {
        "line" => (StrokeKind::Line, 2),
        "curve" => (StrokeKind::Curve, 3),
        "loop" => (StrokeKind::Loop, 3),
        "fill" => (StrokeKind::Fill, 3),
        "blob" => (StrokeKind::Blob, 3),
        other => return Err(format!("unknown word `{other}`")),
    };
    let number = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .ok_or_else(|| format!("`{text}` is not a number"))
    };
    let mut shape = StrokeShape {
        kind,
        shade: 1.0,
        width: 1.0,
        points: Vec::new(),
    };
    for word in words {
        if let Some(value) = word.strip_prefix("shade=") {
            shape.shade = number(value)?;
        } else if let Some(value) = word.strip_prefix("width=") {
            shape.width = number(value)?;
        } else {
            let (x, y) = word
                .split_once(',')
                .ok_or_else(|| format!("`{word}` is not a point x,y"))?;
            shape.points.push(DVec2::new(number(x)?, number(y)?));
        }
    }
    if shape.points.len() < least {
        return Err(format!("a {keyword} needs at least {least} points"));
    }
    Ok(shape)
}

impl StrokeShape {
    /// Whether the last point joins the first.
    pub(super) fn closed(&self) -> bool {
        !matches!(self.kind, StrokeKind::Line | StrokeKind::Curve)
    }

    /// Whether the inside is painted.
    pub(super) fn filled(&self) -> bool {
        matches!(self.kind, StrokeKind::Fill | StrokeKind::Blob)
    }

    /// The shape as straight pieces through `points` (its own control points, moved).
    pub(super) fn flatten(&self, points: &[DVec2]) -> Vec<DVec2> {
        match self.kind {
            StrokeKind::Line | StrokeKind::Fill => points.to_vec(),
            StrokeKind::Curve | StrokeKind::Loop | StrokeKind::Blob => {
                smooth(points, self.closed())
            }
        }
    }
}

/// Straight pieces per span of a smooth curve: more are not visible at 28 pixels.
const PIECES: usize = 5;

/// A uniform Catmull-Rom spline through `points`: a cubic polynomial per span, so + and * suffice.
fn smooth(points: &[DVec2], closed: bool) -> Vec<DVec2> {
    let count = points.len();
    let spans = if closed { count } else { count - 1 };
    let at = |i: isize| {
        if closed {
            points[i.rem_euclid(count as isize) as usize]
        } else {
            points[i.clamp(0, count as isize - 1) as usize]
        }
    };
    let mut out = Vec::with_capacity(spans * PIECES + 1);
    for span in 0..spans as isize {
        let (a, b, c, d) = (at(span - 1), at(span), at(span + 1), at(span + 2));
        for piece in 0..PIECES {
            let t = piece as f64 / PIECES as f64;
            let bend =
                (c - a) + ((a * 2.0 - b * 5.0 + c * 4.0 - d) + (b * 3.0 - a - c * 3.0 + d) * t) * t;
            out.push(b + bend * (0.5 * t));
        }
    }
    if !closed {
        out.push(points[count - 1]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smooth_curve_passes_through_its_points() {
        let points: Vec<_> = [(0.0, 0.0), (4.0, 1.0), (5.0, 6.0), (1.0, 5.0)]
            .map(|(x, y)| DVec2::new(x, y))
            .to_vec();
        for closed in [false, true] {
            let fine = smooth(&points, closed);
            for point in &points {
                assert!(fine.contains(point), "{point} is missing, closed {closed}");
            }
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let cases = [
            ("class a\nvariant\nline 1,2", 3, "at least 2 points"),
            ("class a\nvariant\nlne 1,2 3,4", 3, "`lne`"),
            ("class a\nvariant\nline 1,2 3;4", 3, "`3;4`"),
            ("class a\nvariant\nline shade=x 1,2 3,4", 3, "`x`"),
            ("class a\nline 1,2 3,4", 2, "before any variant"),
            ("variant", 1, "before any class"),
            ("class a\nvariant\n\n", 3, "without shapes"),
        ];
        for (text, line, part) in cases {
            let mistake = parse(text).unwrap_err();
            assert_eq!(mistake.line, line, "{text}");
            assert!(
                mistake.problem.contains(part),
                "{} / {part}",
                mistake.problem
            );
        }
    }
}
