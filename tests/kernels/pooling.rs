//! `max_pool_*` and `avg_pool_*`.

use crate::common::{Dice, gpu};
use crate::reference::compare::{differs_bits, relative};
use crate::reference::device::{Case, GUARD, check_twins, output, twin};
use crate::reference::number::widen;
use crate::reference::pointwise::dropout_apply;
use crate::reference::pool::{
    avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_backward_apart,
    max_pool_forward, max_pool_held,
};
use bytemuck::Zeroable;
use secateur::gpu::Buffer;
use secateur::ops::{DropoutShape, PoolShape};
use secateur::train::State;

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
    // More columns than an invocation owns.
    (3, (5, 7), (2, 2), 2, 9, 2),
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
        ..Zeroable::zeroed()
    }
}

/// Pixels of one replica's input and output.
fn pixels(u: &PoolShape) -> (u32, u32) {
    (
        u.channels * u.in_height * u.in_width,
        u.channels * u.out_height * u.out_width,
    )
}

/// (1 pixel, vec4s of samples) per invocation; the first are the shaders' own.
const TILES: &[(u32, u32)] = &[(1, 4), (1, 1), (1, 3)];

/// Runs a kernel that walks `pixels` of each replica.
fn run(case: &Case<'_>, u: &PoolShape, buffers: &[&Buffer], pixels: u32, cols: u32, replicas: u32) {
    let invocations = u64::from(pixels * u.columns.div_ceil(cols));
    case.run_with(&[("COLS", cols)], u, buffers, invocations, replicas);
}

#[test]
fn max_pool_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(31);
    for size in sizes() {
        let (u, replicas) = (shape(size), size.5);
        let (inputs, outputs) = pixels(&u);
        let floats = |pixels: u32| (4 * replicas * pixels * u.columns) as usize;
        let (from, count) = (floats(inputs), floats(outputs));
        // Quarters tie often; the first maximum must win.
        let mut x = dice.values(from);
        x.iter_mut().for_each(|v| *v = (*v * 4.0).round() / 4.0);

        let case = Case::new(gpu, "max_pool_forward", &size);
        let mut equal = output(count);
        let mut places = vec![u32::MAX - 7; count + 8];
        max_pool_forward(&u, replicas, &x, &mut equal, &mut places);
        let on_gpu = case.with(&x);
        // Nothing is dropped.
        let [keys, state] = [4, 12].map(|words: usize| case.with(&vec![0u32; words]));
        let y = case.with_tiles(TILES, count, |(_, cols), y| {
            let place = case.with(&vec![u32::MAX - 7; count + 8]);
            let buffers = [&on_gpu, &keys, &state, y, &place];
            run(&case, &u, &buffers, outputs, cols, replicas);
            case.check_words("place", &case.words(&place, places.len()), &places);
        });
        // A choice, no arithmetic.
        let exact = widen::<f64>(&equal);
        case.check("y", &y, &exact, &vec![0.0; exact.len()], &equal);

        // The same places, of other values.
        let case = Case::new(gpu, "max_pool_held", &size);
        let other = dice.values(from);
        let buffers = [case.with(&other), case.with(&places)];
        let y = case.with_tiles(TILES, count, |(_, cols), y| {
            let buffers = [&buffers[0], &buffers[1], y];
            run(&case, &u, &buffers, outputs, cols, replicas);
        });
        let mut equal = output(count);
        max_pool_held(&u, replicas, &other, &places, &mut equal);
        let exact = widen::<f64>(&equal);
        case.check("y", &y, &exact, &vec![0.0; exact.len()], &equal);

        let case = Case::new(gpu, "max_pool_backward", &size);
        let mut dy = dice.values(count);
        dy.iter_mut().step_by(5).for_each(|v| *v = -0.0);
        let buffers = [case.with(&dy), case.with(&places)];
        let dx = case.with_tiles(TILES, from, |(_, cols), dx| {
            let buffers = [&buffers[0], &buffers[1], dx];
            run(&case, &u, &buffers, inputs, cols, replicas);
        });
        // At most as many windows hold a pixel as a window has pixels.
        let terms = u.window_height * u.window_width;
        check_twins!(case, "dx", dx, terms, [&dy], |dy, dx| max_pool_backward(
            &u, replicas, dy[0], &places, dx
        ));

        if u.stride < u.window_height.max(u.window_width) {
            continue;
        }
        let case = Case::new(gpu, "max_pool_backward_apart", &size);
        let apart = case.with_tiles(TILES, from, |(_, cols), dx| {
            let buffers = [&buffers[0], &buffers[1], dx];
            run(&case, &u, &buffers, outputs, cols, replicas);
        });
        let equal = twin::<f32>(from, |dx| {
            max_pool_backward_apart(&u, replicas, &dy, &places, dx);
        });
        case.check_bits("dx", &apart, &equal);
        // One term at most: there is nothing to round, on any adapter.
        if let Some(text) = differs_bits(&apart, &dx) {
            case.fail(&format!("not the bits of max_pool_backward: {text}"));
        }
    }
}

/// Dropout of what comes out, on the way: values, places and gradients are those of the passes apart.
#[test]
fn max_pool_with_dropout_is_both_passes() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(34);
    for (i, size) in (0u32..).zip(sizes()) {
        let (plain, replicas) = (shape(size), size.5);
        let (inputs, outputs) = pixels(&plain);
        // Single elements and whole channels, of the first samples of a batch and of later ones.
        let drop = DropoutShape {
            count: outputs * plain.columns,
            columns: plain.columns,
            first_column: 3 * (i % 2),
            batch_columns: plain.columns + 5,
            plane: [1, outputs / plain.channels][i as usize / 2 % 2],
            threshold: 0x6000_0000,
            scale: 1.6,
            layer: 4,
        };
        let u = PoolShape {
            first_column: drop.first_column,
            batch_columns: drop.batch_columns,
            plane: drop.plane,
            threshold: drop.threshold,
            scale: drop.scale,
            layer: drop.layer,
            ..plain
        };
        let keys = dice.keys(replicas);
        let step = |r: u32| State {
            step: 5 * r + 2,
            ..State::default()
        };
        let state: Vec<State> = (0..replicas).map(step).collect();
        let floats = |pixels: u32| (4 * replicas * pixels * u.columns) as usize;
        let (from, count) = (floats(inputs), floats(outputs));
        let x = dice.values(from);

        let forward = Case::new(gpu, "max_pool_forward", &size);
        let apply = Case::new(gpu, "dropout_apply", &size);
        let inputs = [forward.with(&x), forward.with(&keys), forward.with(&state)];
        let dropped = |values: &Buffer| {
            let unread = apply.with(&[0f32; 4]);
            let buffers = [&inputs[1], &inputs[2], &unread, values];
            apply.run(&drop, &buffers, u64::from(drop.count), replicas);
            apply.floats(values, values.bytes() as usize / 4)
        };
        let pooled = |dropout: u32, cols: u32, y: &Buffer| {
            let place = forward.with(&vec![0u32; count]);
            let buffers = [&inputs[0], &inputs[1], &inputs[2], y, &place];
            let constants = [("COLS", cols), ("DROPOUT", dropout)];
            let invocations = u64::from(outputs * u.columns.div_ceil(cols));
            forward.run_with(&constants, &u, &buffers, invocations, replicas);
            place
        };
        let mut places = vec![0; count];
        let mut equal = output(count);
        let mut exact = widen::<f64>(&equal);
        max_pool_forward(&u, replicas, &widen(&x), &mut exact, &mut places);
        max_pool_forward(&u, replicas, &x, &mut equal, &mut places);
        dropout_apply(&drop, &keys, &state, &mut exact);
        dropout_apply(&drop, &keys, &state, &mut equal);
        let mut alive = vec![1f32; count];
        dropout_apply(&drop, &keys, &state, &mut alive);
        for (place, alive) in places.iter_mut().zip(&alive) {
            *place = if *alive == 0.0 { u32::MAX } else { *place };
        }
        let y = forward.with_tiles(TILES, count, |(_, cols), y| {
            let place = pooled(1, cols, y);
            forward.check_words("place", &forward.words(&place, count), &places);
        });
        // One product.
        let allowed = relative(1.0, &exact);
        forward.check("y", &y, &exact, &allowed, &equal);
        let apart = forward.with(&output(count));
        let plain_places = pooled(0, 1, &apart);
        let name = "max_pool_forward, then dropout_apply";
        forward.check_same(name, &y, &dropped(&apart));

        if u.stride < u.window_height.max(u.window_width) {
            continue;
        }
        let backward = Case::new(gpu, "max_pool_backward_apart", &size);
        let mut dy = output(count);
        dy[..count].copy_from_slice(&dice.values(count));
        dy[..count].iter_mut().step_by(5).for_each(|v| *v = -0.0);
        let unpooled = |dropout: u32, cols: u32, dy: &Buffer, place: &Buffer, dx: &Buffer| {
            let constants = [("COLS", cols), ("DROPOUT", dropout)];
            let invocations = u64::from(outputs * u.columns.div_ceil(cols));
            backward.run_with(&constants, &u, &[dy, place, dx], invocations, replicas);
        };
        let (gradients, places) = (backward.with(&dy), backward.with(&places));
        let dx = backward.with_tiles(TILES, from, |(_, cols), dx| {
            unpooled(1, cols, &gradients, &places, dx);
        });
        dropped(&gradients);
        let apart = backward.with(&output(from));
        unpooled(0, 1, &gradients, &plain_places, &apart);
        let name = "dropout_apply, then max_pool_backward_apart";
        backward.check_same(name, &dx, &backward.floats(&apart, from + GUARD));
    }
}

#[test]
fn avg_pool_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(32);
    for size in sizes() {
        let (u, replicas) = (shape(size), size.5);
        let (inputs, outputs) = pixels(&u);
        let floats = |pixels: u32| (4 * replicas * pixels * u.columns) as usize;
        let (from, count) = (floats(inputs), floats(outputs));
        let terms = u.window_height * u.window_width + 1;

        let case = Case::new(gpu, "avg_pool_forward", &size);
        let x = dice.values(from);
        let on_gpu = case.with(&x);
        let y = case.with_tiles(TILES, count, |(_, cols), y| {
            run(&case, &u, &[&on_gpu, y], outputs, cols, replicas);
        });
        check_twins!(case, "y", y, terms, [&x], |x, y| avg_pool_forward(
            &u, replicas, x[0], y
        ));

        let case = Case::new(gpu, "avg_pool_backward", &size);
        let dy = dice.values(count);
        let dy_on_gpu = case.with(&dy);
        let dx = case.with_tiles(TILES, from, |(_, cols), dx| {
            let buffers = [&dy_on_gpu, &on_gpu, dx];
            run(&case, &u, &buffers, inputs, cols, replicas);
        });
        check_twins!(case, "dx", dx, terms, [&dy, &x], |inputs, dx| {
            avg_pool_backward(&u, replicas, inputs[0], inputs[1], dx);
        });
    }
}
