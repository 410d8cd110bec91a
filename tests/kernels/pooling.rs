//! `max_pool_*` and `avg_pool_*`.

use crate::reference::compare::sum_bound;
use crate::reference::device::{Case, gpu, output, twin};
use crate::reference::dice::Dice;
use crate::reference::number::{magnitudes, widen};
use crate::reference::pool::{
    avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_forward,
};
use secateur::ops::PoolShape;

/// (channels, image, window, stride, columns, replicas)
type Size = (u32, (u32, u32), (u32, u32), u32, u32, u32);

const SIZES: &[Size] = &[
    (1, (1, 1), (1, 1), 1, 1, 1),
    (1, (2, 2), (2, 2), 2, 1, 1),
    // The last row and column of the image are in no window.
    (3, (7, 9), (2, 2), 2, 2, 2),
    // Windows overlap.
    (2, (7, 8), (3, 3), 2, 1, 3),
    (2, (6, 7), (3, 2), 1, 3, 1),
    // Windows leave gaps.
    (2, (9, 11), (2, 2), 3, 1, 2),
    // One window is the whole image.
    (4, (5, 6), (5, 6), 1, 5, 1),
    (5, (12, 12), (2, 2), 2, 4, 1),
];

/// Those, then thirty at random.
fn sizes() -> Vec<Size> {
    let mut dice = Dice(33);
    let random = (0..30).map(|_| {
        let mut upto = |n| 1 + dice.below(n);
        let image = (upto(10), upto(10));
        let window = (upto(image.0.min(4)), upto(image.1.min(4)));
        (upto(5), image, window, upto(3), upto(4), upto(3))
    });
    SIZES.iter().copied().chain(random).collect()
}

fn shape((channels, image, window, stride, columns, _): Size) -> PoolShape {
    PoolShape {
        channels,
        in_height: image.0,
        in_width: image.1,
        out_height: (image.0 - window.0) / stride + 1,
        out_width: (image.1 - window.1) / stride + 1,
        window_height: window.0,
        window_width: window.1,
        stride,
        columns,
        share: 1.0 / (window.0 * window.1) as f32,
        gate: channels % 2,
    }
}

/// vec4s of one replica's input and output.
fn quads(u: &PoolShape) -> (u32, u32) {
    let each = u.channels * u.columns;
    (
        each * u.in_height * u.in_width,
        each * u.out_height * u.out_width,
    )
}

#[test]
fn max_pool_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(31);
    for size in sizes() {
        let (u, replicas) = (shape(size), size.5);
        let (inputs, outputs) = quads(&u);
        let count = (4 * replicas * outputs) as usize;
        // Quarters tie often; the first maximum must win.
        let mut x = dice.values((4 * replicas * inputs) as usize);
        x.iter_mut().for_each(|v| *v = (*v * 4.0).round() / 4.0);

        let case = Case::new(gpu, "max_pool_forward", &size);
        let y = case.with(&output(count));
        let place = case.with(&vec![u32::MAX; count + 8]);
        let buffers = [&case.with(&x), &y, &place];
        case.run(&u, &buffers, u64::from(outputs), replicas);
        let mut places = vec![u32::MAX; count + 8];
        let equal = {
            let mut equal = output(count);
            max_pool_forward(&u, replicas, &x, &mut equal, &mut places);
            equal
        };
        // A choice, no arithmetic.
        let exact = widen::<f64>(&equal);
        let allowed = vec![0.0; exact.len()];
        case.check("y", &case.floats(&y, exact.len()), &exact, &allowed, &equal);
        case.check_words("place", &case.words(&place, places.len()), &places);

        let case = Case::new(gpu, "max_pool_backward", &size);
        let dy = dice.values(count);
        let from = (4 * replicas * inputs) as usize;
        let dx = case.with(&output(from));
        let buffers = [&case.with(&dy), &place, &case.with(&x), &dx];
        case.run(&u, &buffers, u64::from(inputs), replicas);
        let exact = twin::<f64>(from, |dx| {
            max_pool_backward(&u, replicas, &widen(&dy), &places, &widen(&x), dx);
        });
        let bound = twin::<f64>(from, |dx| {
            max_pool_backward(&u, replicas, &magnitudes(&dy), &places, &magnitudes(&x), dx);
        });
        let equal = twin::<f32>(from, |dx| {
            max_pool_backward(&u, replicas, &dy, &places, &x, dx)
        });
        // At most as many windows hold a pixel as a window has pixels.
        let allowed = sum_bound(u.window_height * u.window_width, &bound);
        case.check(
            "dx",
            &case.floats(&dx, exact.len()),
            &exact,
            &allowed,
            &equal,
        );
    }
}

#[test]
fn avg_pool_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(32);
    for size in sizes() {
        let (u, replicas) = (shape(size), size.5);
        let (inputs, outputs) = quads(&u);
        let (from, count) = (
            (4 * replicas * inputs) as usize,
            (4 * replicas * outputs) as usize,
        );
        let terms = u.window_height * u.window_width + 1;

        let case = Case::new(gpu, "avg_pool_forward", &size);
        let x = dice.values(from);
        let y = case.with(&output(count));
        case.run(&u, &[&case.with(&x), &y], u64::from(outputs), replicas);
        let exact = twin::<f64>(count, |y| avg_pool_forward(&u, replicas, &widen(&x), y));
        let bound = twin::<f64>(count, |y| {
            avg_pool_forward(&u, replicas, &magnitudes(&x), y)
        });
        let equal = twin::<f32>(count, |y| avg_pool_forward(&u, replicas, &x, y));
        let allowed = sum_bound(terms, &bound);
        case.check("y", &case.floats(&y, exact.len()), &exact, &allowed, &equal);

        let case = Case::new(gpu, "avg_pool_backward", &size);
        let dy = dice.values(count);
        let dx = case.with(&output(from));
        case.run(
            &u,
            &[&case.with(&dy), &case.with(&x), &dx],
            u64::from(inputs),
            replicas,
        );
        let exact = twin::<f64>(from, |dx| {
            avg_pool_backward(&u, replicas, &widen(&dy), &widen(&x), dx)
        });
        let bound = twin::<f64>(from, |dx| {
            avg_pool_backward(&u, replicas, &magnitudes(&dy), &magnitudes(&x), dx)
        });
        let equal = twin::<f32>(from, |dx| avg_pool_backward(&u, replicas, &dy, &x, dx));
        let allowed = sum_bound(terms, &bound);
        case.check(
            "dx",
            &case.floats(&dx, exact.len()),
            &exact,
            &allowed,
            &equal,
        );
    }
}
