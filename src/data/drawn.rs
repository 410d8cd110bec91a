//! The drawn datasets: made by the program from the strokes in `assets/`, so that everything runs without a download.
//!
//! A sample picks a variant of its class, bends it by a smooth random field, turns, scales, shears and shifts it, and
//! paints it with a random pen over clutter and noise. The digits are drawn as strokes; the garments as filled cloth
//! with folds, stripes and seams. Sample `i` of a split has label `i % 10`: every prefix is balanced.

use glam::{DAffine2, DMat2, DVec2};

use super::canvas::{self, Coverage, SIDE};
use super::dataset::{Content, Split};
use super::error::DataError;
use super::rng::Draws;
use super::strokes::{self, Class, StrokeShape};

/// What sets one drawn dataset apart from another.
pub(super) struct Drawn {
    pub name: &'static str,
    /// The stroke file: its name and text.
    file: &'static str,
    strokes: &'static str,
    /// First word of every random key of this dataset.
    seed: u32,
    /// Largest tangent of half the turning angle (0.1 is about 11 degrees).
    turn: f64,
    /// Scale of each axis.
    scale: (f64, f64),
    /// Largest shear, as x per y.
    shear: f64,
    /// Largest shift along each axis, in pixels.
    shift: f64,
    /// Size of the bending field, in pixels.
    bend: f64,
    /// Half-width of the pen, in pixels.
    pen: (f64, f64),
    /// Brightness of the ink or the cloth.
    ink: (f64, f64),
    /// Whether shapes are cloth: with folds and stripes, and mirrored half of the time.
    cloth: bool,
    /// Most stray strokes in one image.
    stray: usize,
    /// Largest amplitude of the noise of each pixel.
    noise: f64,
}

/// Training and test samples of every drawn dataset.
pub(super) const TRAIN: usize = 12_000;
/// See [`TRAIN`].
pub(super) const TEST: usize = 2_000;

/// (channels, height, width) of every drawn image.
pub(super) const SHAPE: [usize; 3] = [1, SIDE, SIDE];
/// Classes of every drawn dataset.
pub(super) const CLASSES: usize = 10;

/// The drawn datasets.
pub(super) const ALL: [Drawn; 2] = [
    Drawn {
        name: "drawn-digits",
        file: "assets/digits.strokes",
        strokes: include_str!("../../assets/digits.strokes"),
        seed: 0x5eca_0001,
        turn: 0.15,
        scale: (0.76, 1.1),
        shear: 0.3,
        shift: 2.0,
        bend: 1.7,
        pen: (0.8, 1.8),
        ink: (0.6, 1.0),
        cloth: false,
        stray: 3,
        noise: 0.3,
    },
    Drawn {
        name: "drawn-garments",
        file: "assets/garments.strokes",
        strokes: include_str!("../../assets/garments.strokes"),
        seed: 0x5eca_0002,
        turn: 0.11,
        scale: (0.7, 1.03),
        shear: 0.16,
        shift: 2.5,
        bend: 1.6,
        pen: (0.5, 0.75),
        ink: (0.35, 0.9),
        cloth: true,
        stray: 3,
        noise: 0.22,
    },
];

/// The drawn dataset of this name.
pub(super) fn find(name: &str) -> Option<&'static Drawn> {
    ALL.iter().find(|drawn| drawn.name == name)
}

fn classes_of(drawn: &Drawn) -> Result<Vec<Class>, DataError> {
    strokes::parse(drawn.strokes).map_err(|mistake| DataError::Strokes {
        file: drawn.file,
        line: mistake.line,
        problem: mistake.problem,
    })
}

/// The name of each label.
pub(super) fn class_names(drawn: &Drawn) -> Result<Vec<String>, DataError> {
    let classes = classes_of(drawn)?.into_iter();
    Ok(classes.map(|class| class.name).collect())
}

/// Draws a dataset.
pub(super) fn draw(drawn: &Drawn) -> Result<Content, DataError> {
    let classes = classes_of(drawn)?;
    Ok(Content {
        shape: SHAPE,
        train: split(drawn, &classes, 0, TRAIN),
        test: split(drawn, &classes, 1, TEST),
        class_names: classes.into_iter().map(|class| class.name).collect(),
        source: "drawn by the program".to_string(),
        warnings: Vec::new(),
    })
}

/// Draws `count` samples. `stream` (0 training, 1 test) enters every random key, so the splits share no sample.
fn split(drawn: &Drawn, classes: &[Class], stream: u32, count: usize) -> Split {
    let mut images = vec![0; count * SIDE * SIDE];
    let labels = (0..count).map(|i| (i % classes.len()) as u8).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = count.div_ceil(threads).max(1);
    // Each image depends on its own index alone, so the number of threads changes nothing.
    std::thread::scope(|scope| {
        for (chunk, part) in images.chunks_mut(share * SIDE * SIDE).enumerate() {
            scope.spawn(move || {
                for (i, image) in part.chunks_exact_mut(SIDE * SIDE).enumerate() {
                    let sample = chunk * share + i;
                    let class = &classes[sample % classes.len()];
                    let draws = Draws::new(drawn.seed, stream, sample as u32);
                    paint(drawn, class, draws, image);
                }
            });
        }
    });
    Split { images, labels }
}

/// Paints one sample into `image` (28x28 bytes).
fn paint(drawn: &Drawn, class: &Class, mut draws: Draws, image: &mut [u8]) {
    let draws = &mut draws;
    let ink = draws.between(drawn.ink.0, drawn.ink.1) as f32;
    let radius = draws.between(drawn.pen.0, drawn.pen.1);
    let pose = pose(drawn, draws);
    let field = Displacement::new(drawn.bend, draws);
    let shapes = &class.variants[draws.below(class.variants.len())];

    let mut pixels = background(draws);
    for _ in 0..draws.below(drawn.stray + 1) {
        stray(&mut pixels, draws);
    }
    let cloth = Cloth::new(drawn.cloth, draws);
    for shape in shapes {
        let moved: Vec<DVec2> = shape
            .points
            .iter()
            .map(|&point| pose.transform_point2(field.bend(point)))
            .collect();
        lay(
            &mut pixels,
            shape,
            &shape.flatten(&moved),
            radius,
            |x, y| ink * shape.shade as f32 * cloth.light(x, y),
        );
    }
    occlude(&mut pixels, draws);
    let noise = draws.between(0.02, drawn.noise);
    for (pixel, byte) in pixels.iter().zip(image) {
        let value = f64::from(*pixel) + noise * draws.bell();
        // Truncation after adding one half: rounds to nearest, alike everywhere.
        *byte = (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    }
}

/// Composes a shape over the pixels, with the light that `shade` gives at each pixel.
fn lay(
    pixels: &mut Coverage,
    shape: &StrokeShape,
    outline: &[DVec2],
    radius: f64,
    shade: impl Fn(usize, usize) -> f32,
) {
    let mut cover = [0.0; SIDE * SIDE];
    if shape.filled() {
        canvas::fill(&mut cover, outline);
    } else {
        canvas::pen(&mut cover, outline, shape.closed(), radius * shape.width);
    }
    blend(pixels, &cover, shade);
}

fn blend(pixels: &mut Coverage, cover: &Coverage, shade: impl Fn(usize, usize) -> f32) {
    for y in 0..SIDE {
        for x in 0..SIDE {
            let c = cover[y * SIDE + x];
            if c > 0.0 {
                let pixel = &mut pixels[y * SIDE + x];
                *pixel += c * (shade(x, y) - *pixel);
            }
        }
    }
}

/// (cosine, sine) of the angle whose half has tangent `t`: a rotation without libm.
fn rotation(t: f64) -> (f64, f64) {
    let square = t * t;
    ((1.0 - square) / (1.0 + square), 2.0 * t / (1.0 + square))
}

/// A random turn, scale, shear and shift about the middle of the image.
///
/// f64 throughout: glam's f64 types have no vector code of their own, so their arithmetic is the same everywhere.
fn pose(drawn: &Drawn, draws: &mut Draws) -> DAffine2 {
    let (cos, sin) = rotation(drawn.turn * draws.between(-1.0, 1.0));
    let turn = DMat2::from_cols(DVec2::new(cos, sin), DVec2::new(-sin, cos));
    let flip = if drawn.cloth && draws.chance(0.5) {
        -1.0
    } else {
        1.0
    };
    let size = draws.between(drawn.scale.0, drawn.scale.1);
    // Both axes share most of the scale, so that shapes keep their proportions roughly.
    let wide = size * draws.between(0.9, 1.1) * flip;
    let tall = size * draws.between(0.95, 1.05);
    let shear = drawn.shear * draws.between(-1.0, 1.0);
    let shape = DMat2::from_cols(DVec2::new(wide, 0.0), DVec2::new(shear * size, tall));
    let shift = DVec2::new(draws.between(-1.0, 1.0), draws.between(-1.0, 1.0)) * drawn.shift;
    let middle = DVec2::splat(SIDE as f64 / 2.0);
    let linear = turn * shape;
    DAffine2::from_mat2_translation(linear, middle + shift - linear * middle)
}

/// A smooth random displacement: a uniform quadratic B-spline over a 5x5 grid of random vectors.
struct Displacement {
    knots: [[DVec2; 5]; 5],
}

impl Displacement {
    fn new(size: f64, draws: &mut Draws) -> Self {
        let knots = std::array::from_fn(|_| {
            std::array::from_fn(|_| DVec2::new(draws.bell(), draws.bell()) * (2.0 * size))
        });
        Self { knots }
    }

    /// Where the field moves `point`.
    fn bend(&self, point: DVec2) -> DVec2 {
        let place = |value: f64| {
            let u = (value / SIDE as f64 * 3.0).clamp(0.0, 2.999_999);
            let cell = u as usize;
            let t = u - cell as f64;
            let rest = 1.0 - t;
            (cell, [0.5 * rest * rest, 0.5 + t * rest, 0.5 * t * t])
        };
        let ((column, across), (row, down)) = (place(point.x), place(point.y));
        let mut moved = point;
        for (j, weight_y) in down.iter().enumerate() {
            for (i, weight_x) in across.iter().enumerate() {
                moved += self.knots[row + j][column + i] * (weight_x * weight_y);
            }
        }
        moved
    }
}

/// A dim background that changes linearly over the image.
fn background(draws: &mut Draws) -> Coverage {
    let level = draws.between(0.0, 0.12);
    let slope = DVec2::new(draws.between(-1.0, 1.0), draws.between(-1.0, 1.0)) * 0.006;
    std::array::from_fn(|i| {
        let from_middle = DVec2::new((i % SIDE) as f64 - 13.5, (i / SIDE) as f64 - 13.5);
        (level + slope.dot(from_middle)).clamp(0.0, 1.0) as f32
    })
}

/// A short stroke behind the subject, dimmer than it, that belongs to nothing.
fn stray(pixels: &mut Coverage, draws: &mut Draws) {
    let side = SIDE as f64;
    let from = DVec2::new(draws.between(0.0, side), draws.between(0.0, side));
    let to = from + DVec2::new(draws.between(-8.0, 8.0), draws.between(-8.0, 8.0));
    let shade = draws.between(0.2, 0.5) as f32;
    let mut cover = [0.0; SIDE * SIDE];
    canvas::pen(&mut cover, &[from, to], false, draws.between(0.5, 1.2));
    blend(pixels, &cover, |_, _| shade);
}

/// A dim disc in front of the subject, in half of the images.
fn occlude(pixels: &mut Coverage, draws: &mut Draws) {
    if draws.chance(0.5) {
        return;
    }
    let at = DVec2::new(draws.between(4.0, 24.0), draws.between(4.0, 24.0));
    let shade = draws.between(0.0, 0.3) as f32;
    let mut cover = [0.0; SIDE * SIDE];
    canvas::pen(&mut cover, &[at, at], false, draws.between(0.8, 2.0));
    blend(pixels, &cover, |_, _| shade);
}

/// The light on cloth: a fold across it and, on some, stripes.
struct Cloth {
    fold: DVec2,
    stripe: Option<(DVec2, f64)>,
}

impl Cloth {
    fn new(cloth: bool, draws: &mut Draws) -> Self {
        if !cloth {
            return Self {
                fold: DVec2::ZERO,
                stripe: None,
            };
        }
        let fold = DVec2::new(draws.between(-1.0, 1.0), draws.between(-1.0, 1.0)) * 0.012;
        let stripe = draws.chance(0.5).then(|| {
            let (cos, sin) = rotation(draws.between(-1.0, 1.0));
            let period = draws.between(4.0, 9.0);
            (DVec2::new(cos, sin) / period, draws.between(0.15, 0.45))
        });
        Self { fold, stripe }
    }

    /// The factor on the brightness at a pixel.
    fn light(&self, x: usize, y: usize) -> f32 {
        let at = DVec2::new(x as f64 - 13.5, y as f64 - 13.5);
        let mut light = 1.0 + self.fold.dot(at);
        if let Some((direction, depth)) = self.stripe {
            // A triangle wave in 0..=1: a stripe without a sine. Shifted to stay positive before the truncation.
            let phase = direction.dot(at) + 64.0;
            let part = phase - phase as u32 as f64;
            let wave = if part < 0.5 {
                part * 2.0
            } else {
                2.0 - part * 2.0
            };
            light -= depth * wave;
        }
        light as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rotation_is_orthogonal() {
        let mut t = -1.0;
        while t <= 1.0 {
            let (cos, sin) = rotation(t);
            assert!((cos * cos + sin * sin - 1.0).abs() < 1e-15);
            assert!((2.0 * t.atan() - sin.atan2(cos)).abs() < 1e-15);
            t += 0.125;
        }
    }

    #[test]
    fn a_still_field_moves_nothing_and_a_constant_one_shifts() {
        let knots = [[DVec2::new(1.0, -2.0); 5]; 5];
        for point in [
            DVec2::ZERO,
            DVec2::splat(28.0),
            DVec2::new(13.0, 3.7),
            DVec2::splat(-5.0),
        ] {
            let moved = Displacement { knots }.bend(point) - point;
            assert!((moved - DVec2::new(1.0, -2.0)).length() < 1e-12, "{moved}");
        }
    }

    #[test]
    fn a_sample_does_not_depend_on_how_many_are_drawn() {
        for drawn in &ALL {
            let classes = strokes::parse(drawn.strokes).unwrap();
            assert_eq!(classes.len(), 10);
            let few = split(drawn, &classes, 0, 13);
            let more = split(drawn, &classes, 0, 31);
            assert_eq!(few.images[..], more.images[..few.images.len()]);
        }
    }
}
