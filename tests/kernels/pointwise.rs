//! `relu_*`, `add_forward`, `values_*` and `dropout_apply`.

use crate::common::{Dice, gpu};
use crate::reference::compare::relative;
use crate::reference::device::{Case, output};
use crate::reference::number::widen;
use crate::reference::pointwise::{
    add_forward, dropout_apply, relu_backward, relu_forward, values_add, values_copy,
};
use secateur::ops::{AddShape, DropoutShape, Span};
use secateur::train::State;

/// (vec4s per replica, replicas)
const SPANS: &[(u32, u32)] = &[(1, 1), (63, 2), (1000, 3)];

/// Values with a guard behind them, and the numbers that a comparison with 0 may get wrong in front.
fn hard_values(dice: &mut Dice, count: usize) -> Vec<f32> {
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY];
    let mut values = output(count);
    values[..count].copy_from_slice(&dice.values(count));
    values[..4].copy_from_slice(&special);
    if count >= 8 {
        values[4..7].copy_from_slice(&[f32::NAN, f32::MAX, -f32::MIN_POSITIVE]);
    }
    values
}

#[test]
fn relu_forward_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(21);
    for &(count, replicas) in SPANS {
        let u = Span { count };
        let size = (count, replicas);
        let case = Case::new(gpu, "relu_forward", &size);
        let y = hard_values(&mut dice, (4 * count * replicas) as usize);
        let buffer = case.with(&y);
        case.run(&u, &[&buffer], u64::from(count), replicas);
        let (mut exact, mut equal) = (widen::<f64>(&y), y.clone());
        relu_forward(&u, replicas, &mut exact);
        relu_forward(&u, replicas, &mut equal);
        // No arithmetic, so no tolerance.
        let allowed = vec![0.0; y.len()];
        case.check(
            "y",
            &case.floats(&buffer, y.len()),
            &exact,
            &allowed,
            &equal,
        );
    }
}

#[test]
fn relu_backward_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(22);
    for &(count, replicas) in SPANS {
        let u = Span { count };
        let size = (count, replicas);
        let case = Case::new(gpu, "relu_backward", &size);
        let values = (4 * count * replicas) as usize;
        let y = hard_values(&mut dice, values);
        let mut dy = output(values);
        dy[..values].copy_from_slice(&dice.values(values));
        let buffer = case.with(&dy);
        case.run(&u, &[&case.with(&y), &buffer], u64::from(count), replicas);
        let (mut exact, mut equal) = (widen::<f64>(&dy), dy.clone());
        relu_backward(&u, replicas, &widen(&y), &mut exact);
        relu_backward(&u, replicas, &y, &mut equal);
        let allowed = vec![0.0; dy.len()];
        case.check(
            "dy",
            &case.floats(&buffer, dy.len()),
            &exact,
            &allowed,
            &equal,
        );
    }
}

#[test]
fn add_forward_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(24);
    for &(count, replicas) in SPANS {
        for relu in [0, 1] {
            let u = AddShape { count, relu };
            let size = (count, replicas, relu);
            let case = Case::new(gpu, "add_forward", &size);
            let values = (4 * count * replicas) as usize;
            let x = hard_values(&mut dice, values);
            let w = dice.values(values);
            let y = output(values);
            let buffer = case.with(&y);
            let buffers = [&case.with(&x), &case.with(&w), &buffer];
            case.run(&u, &buffers, u64::from(count), replicas);
            let (mut exact, mut equal) = (widen::<f64>(&y), y.clone());
            add_forward(&u, replicas, &widen(&x), &widen(&w), &mut exact);
            add_forward(&u, replicas, &x, &w, &mut equal);
            // One addition.
            let allowed = relative(1.0, &exact);
            let got = case.floats(&buffer, y.len());
            case.check("y", &got, &exact, &allowed, &equal);
        }
    }
}

#[test]
fn values_copy_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(25);
    for &(count, replicas) in SPANS {
        let u = Span { count };
        let size = (count, replicas);
        let values = (4 * count * replicas) as usize;
        let source = hard_values(&mut dice, values);
        let case = Case::new(gpu, "values_copy", &size);
        let mut equal = output(values);
        let buffer = case.with(&equal);
        let buffers = [&case.with(&source), &buffer];
        case.run(&u, &buffers, u64::from(count), replicas);
        values_copy(&u, replicas, &source, &mut equal);
        // No arithmetic.
        let (exact, allowed) = (widen::<f64>(&equal), vec![0.0; equal.len()]);
        let got = case.floats(&buffer, equal.len());
        case.check("to", &got, &exact, &allowed, &equal);
    }
}

#[test]
fn values_add_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(26);
    for &(count, replicas) in SPANS {
        let u = Span { count };
        let size = (count, replicas);
        let values = (4 * count * replicas) as usize;
        let source = hard_values(&mut dice, values);
        let mut before = output(values);
        before[..values].copy_from_slice(&dice.values(values));
        let mut relu = hard_values(&mut dice, values);
        relu[..values].rotate_left(1);
        let case = Case::new(gpu, "values_add", &size);
        let inputs = [case.with(&source), case.with(&relu)];
        let run = |gate: u32| {
            let to = case.with(&before);
            let buffers = [&inputs[0], &inputs[1], &to];
            let count = u64::from(count);
            case.run_with(&[("GATE", gate)], &u, &buffers, count, replicas);
            to
        };
        let added = run(0);
        let (mut exact, mut equal) = (widen::<f64>(&before), before.clone());
        values_add(&u, replicas, &widen(&source), &mut exact);
        values_add(&u, replicas, &source, &mut equal);
        // One addition.
        let allowed = relative(1.0, &exact);
        let got = case.floats(&added, before.len());
        case.check("to", &got, &exact, &allowed, &equal);

        // With the backward pass of a ReLU, and the two passes apart.
        relu_backward(&u, replicas, &widen(&relu), &mut exact);
        relu_backward(&u, replicas, &relu, &mut equal);
        let gated = case.floats(&run(1), before.len());
        case.check("gated", &gated, &exact, &allowed, &equal);
        let backward = Case::new(gpu, "relu_backward", &size);
        backward.run(&u, &[&inputs[1], &added], u64::from(count), replicas);
        let apart = case.floats(&added, before.len());
        case.check_same("values_add, then relu_backward", &gated, &apart);
    }
}

#[test]
fn dropout_apply_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(23);
    // (features, (columns, first, of the batch), features per unit, probability, replicas)
    for size in [
        (1, (1, 0, 1), 1, 0.5, 1),
        (300, (5, 0, 5), 1, 0.2, 2),
        (90, (3, 0, 3), 9, 0.5, 3),
        (90, (3, 8, 12), 9, 0.5, 3),
        (64, (2, 0, 2), 1, 0.0, 1),
    ] {
        let (features, (columns, first_column, batch_columns), plane, p, replicas) = size;
        let u = DropoutShape {
            count: features * columns,
            columns,
            first_column,
            batch_columns,
            plane,
            threshold: (p * 4_294_967_296.0) as u32,
            scale: 1.0 / (1.0 - p as f32),
            layer: 3,
        };
        let case = Case::new(gpu, "dropout_apply", &size);
        let keys = dice.keys(replicas);
        let step = |r: u32| State {
            step: 17 * r + 1,
            ..State::default()
        };
        let state: Vec<State> = (0..replicas).map(step).collect();
        let values = (4 * u.count * replicas) as usize;
        let mut y = output(values);
        y[..values].copy_from_slice(&dice.values(values));
        let below = hard_values(&mut dice, values);
        let inputs = [case.with(&keys), case.with(&state), case.with(&below)];
        let run = |gate: u32| {
            let buffer = case.with(&y);
            let buffers = [&inputs[0], &inputs[1], &inputs[2], &buffer];
            let count = u64::from(u.count);
            case.run_with(&[("GATE", gate)], &u, &buffers, count, replicas);
            buffer
        };
        let dropped = run(0);
        let (mut exact, mut equal) = (widen::<f64>(&y), y.clone());
        dropout_apply(&u, &keys, &state, &mut exact);
        dropout_apply(&u, &keys, &state, &mut equal);
        // One product.
        let allowed = relative(1.0, &exact);
        let got = case.floats(&dropped, y.len());
        case.check("y", &got, &exact, &allowed, &equal);

        // Of a gradient, with the backward pass of the ReLU below, and the two passes apart.
        let span = Span { count: u.count };
        relu_backward(&span, replicas, &widen(&below), &mut exact);
        relu_backward(&span, replicas, &below, &mut equal);
        let gated = case.floats(&run(1), y.len());
        case.check("gated", &gated, &exact, &allowed, &equal);
        let relu = Case::new(gpu, "relu_backward", &size);
        relu.run(&span, &[&inputs[2], &dropped], u64::from(u.count), replicas);
        let apart = case.floats(&dropped, y.len());
        case.check_same("dropout_apply, then relu_backward", &gated, &apart);
    }
}

/// The share that survives is 1 - p, a unit's pixels share one fate, and fates of layers and steps are their own.
#[test]
fn dropout_drops_the_share_asked_for() {
    let (units, columns, plane) = (500u32, 8u32, 4u32);
    let shape = |p: f64, layer| DropoutShape {
        count: units * plane * columns,
        columns,
        first_column: 0,
        batch_columns: columns,
        plane,
        threshold: (p * 4_294_967_296.0) as u32,
        scale: 1.0,
        layer,
    };
    let fates = |u: &DropoutShape, step| {
        let state = State {
            step,
            ..State::default()
        };
        let mut y = vec![1.0f32; 4 * u.count as usize];
        dropout_apply(u, &[[9, 0, 0, 0]], &[state], &mut y);
        y
    };
    let slots = (4 * columns) as usize;
    for p in [0.1, 0.5, 0.9] {
        let y = fates(&shape(p, 0), 0);
        for unit in y.chunks_exact(slots * plane as usize) {
            assert!(
                unit.chunks_exact(slots)
                    .all(|pixel| pixel == &unit[..slots])
            );
        }
        let survivors = y.iter().filter(|&&v| v != 0.0).count() as f64 / f64::from(plane);
        let n = f64::from(units) * slots as f64;
        // Five standard deviations of a binomial count.
        let room = 5.0 * (n * p * (1.0 - p)).sqrt();
        assert!(
            (survivors - n * (1.0 - p)).abs() < room,
            "{survivors} of {n} at p = {p}"
        );
    }
    let half = shape(0.5, 0);
    let base = fates(&half, 0);
    for other in [fates(&half, 1), fates(&shape(0.5, 1), 0)] {
        let same = base.iter().zip(&other).filter(|(a, b)| a == b).count() as f64;
        let n = base.len() as f64;
        assert!(
            (same / n - 0.5).abs() < 0.05,
            "fates that should be unrelated agree in {same} of {n}"
        );
    }
}
