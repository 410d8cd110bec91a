//! A grey 28x28 canvas with anti-aliased pens and fills.
//!
//! Only + - * / and sqrt are used: IEEE 754 defines their result exactly, so every platform paints the same bits.

use glam::DVec2;

/// Side of the canvas, in pixels.
pub(super) const SIDE: usize = 28;

/// How much of each pixel a shape covers, 0..=1, row by row.
pub(super) type Coverage = [f32; SIDE * SIDE];

/// The pixels whose centres lie within `reach` of the box around the points: (x range, y range).
fn reached(points: &[DVec2], reach: f64) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let (mut low, mut high) = (DVec2::INFINITY, DVec2::NEG_INFINITY);
    for &point in points {
        low = low.min(point);
        high = high.max(point);
    }
    let clip = |value: f64| value.clamp(0.0, SIDE as f64) as usize;
    let range = |a: f64, b: f64| clip(a - reach)..clip(b + reach + 1.0);
    (range(low.x, high.x), range(low.y, high.y))
}

fn centre(x: usize, y: usize) -> DVec2 {
    DVec2::new(x as f64 + 0.5, y as f64 + 0.5)
}

/// Squared distance from `p` to the segment from `a` to `b`.
fn squared_distance(p: DVec2, a: DVec2, b: DVec2) -> f64 {
    let (along, to) = (b - a, p - a);
    let length = along.dot(along);
    let t = if length > 0.0 {
        (to.dot(along) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let rest = to - along * t;
    rest.dot(rest)
}

/// Paints a pen of half-width `radius` (pixels) along `points` into `cover`.
pub(super) fn pen(cover: &mut Coverage, points: &[DVec2], closed: bool, radius: f64) {
    let joint = closed.then(|| [points[points.len() - 1], points[0]]);
    let pieces = points.windows(2).map(|pair| [pair[0], pair[1]]);
    for [a, b] in pieces.chain(joint) {
        let (xs, ys) = reached(&[a, b], radius + 0.5);
        for y in ys {
            for x in xs.clone() {
                let distance = squared_distance(centre(x, y), a, b).sqrt();
                let value = (radius + 0.5 - distance).clamp(0.0, 1.0) as f32;
                let cell = &mut cover[y * SIDE + x];
                *cell = cell.max(value);
            }
        }
    }
}

/// Fills the polygon `points` (even-odd rule) into `cover`.
pub(super) fn fill(cover: &mut Coverage, points: &[DVec2]) {
    let mut inside = [false; SIDE * SIDE];
    // Squared distance to the outline, known only where it is near enough to matter.
    let mut nearest = [f64::INFINITY; SIDE * SIDE];
    for (i, &b) in points.iter().enumerate() {
        let a = points[(i + points.len() - 1) % points.len()];
        let (xs, ys) = reached(&[a, b], 0.5);
        for y in ys {
            for x in xs.clone() {
                let cell = &mut nearest[y * SIDE + x];
                *cell = cell.min(squared_distance(centre(x, y), a, b));
            }
            // Every pixel of the row left of the crossing changes sides.
            let middle = centre(0, y).y;
            if (a.y > middle) != (b.y > middle) {
                let crossing = a.x + (b.x - a.x) * (middle - a.y) / (b.y - a.y);
                for x in (0..SIDE).take_while(|&x| centre(x, y).x < crossing) {
                    inside[y * SIDE + x] ^= true;
                }
            }
        }
    }
    for ((cell, inside), nearest) in cover.iter_mut().zip(inside).zip(nearest) {
        let depth = if inside {
            nearest.sqrt()
        } else {
            -nearest.sqrt()
        };
        *cell = cell.max((depth + 0.5).clamp(0.0, 1.0) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_square_covers_its_area() {
        let mut cover = [0.0; SIDE * SIDE];
        let square = [(4.0, 4.0), (14.0, 4.0), (14.0, 14.0), (4.0, 14.0)];
        fill(&mut cover, &square.map(|(x, y)| DVec2::new(x, y)));
        assert_eq!(cover.iter().sum::<f32>(), 100.0);
        assert_eq!((cover[4 * SIDE + 4], cover[3 * SIDE + 4]), (1.0, 0.0));
    }

    #[test]
    fn a_pen_is_as_wide_as_asked_and_clipped_at_the_edge() {
        let mut cover = [0.0; SIDE * SIDE];
        pen(
            &mut cover,
            &[DVec2::new(-20.0, 10.0), DVec2::new(60.0, 10.0)],
            false,
            1.5,
        );
        let column: f32 = (0..SIDE).map(|y| cover[y * SIDE + 13]).sum();
        assert_eq!(column, 3.0);
        pen(
            &mut cover,
            &[DVec2::new(90.0, 90.0), DVec2::new(99.0, 99.0)],
            false,
            1.5,
        );
        assert_eq!(cover.iter().sum::<f32>(), 3.0 * SIDE as f32);
    }
}
