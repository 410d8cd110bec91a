//! The backward twins against central differences of the forward twins, in `f64`. A shader that equals a twin that is wrong
//! would be wrong too.
//!
//! For L = sum of c * y with fixed random c, a backward pass fed with dY = c gives dL/dx.

use crate::common::Dice;
use crate::reference::batch::EMPTY;
use crate::reference::batch_norm::{batch_norm_backward, batch_norm_forward};
use crate::reference::conv::{
    conv_backward_data, conv_backward_weight, conv_forward, part_floats, partial_shape,
};
use crate::reference::dense::{dense_backward_data, dense_backward_weight, dense_forward};
use crate::reference::loss::softmax_loss;
use crate::reference::pointwise::{dropout_apply, relu_backward, relu_forward};
use crate::reference::pool::{
    avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_backward_apart,
    max_pool_forward,
};
use crate::reference::reduce::partial_sum;
use bytemuck::Zeroable;
use secateur::ops::{
    BatchNormShape, ConvShape, DenseShape, DropoutShape, LossShape, PoolShape, Span, Window,
};
use secateur::train::State;

/// Step of the differences. They are exact for linear layers but for rounding (1e-16 / 1e-5), and off by h^2 else.
const STEP: f64 = 1e-5;
/// Rounding leaves 1e-10 at the sums of this file; a wrong index or sign is off by 0.01 or more.
const CLOSE: f64 = 1e-7;

fn wide(dice: &mut Dice, count: usize) -> Vec<f64> {
    dice.values(count).into_iter().map(f64::from).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Compares `gradient` with the central differences of `loss` at `x`.
fn check(name: &str, x: &[f64], gradient: &[f64], loss: impl Fn(&[f64]) -> f64) {
    let mut moved = x.to_vec();
    for i in 0..x.len() {
        moved[i] = x[i] + STEP;
        let above = loss(&moved);
        moved[i] = x[i] - STEP;
        let below = loss(&moved);
        moved[i] = x[i];
        let slope = (above - below) / (2.0 * STEP);
        let off = (slope - gradient[i]).abs();
        assert!(
            off < CLOSE * (1.0 + slope.abs()),
            "{name}: d/dx[{i}] is {slope}, the twin says {}",
            gradient[i]
        );
    }
}

#[test]
fn dense() {
    let mut dice = Dice(91);
    let (inputs, outputs, replicas) = (5u32, 3u32, 2u32);
    let u = DenseShape {
        inputs,
        outputs,
        columns: 1,
        weight_offset: 2,
        bias_offset: 20,
        param_stride: 32,
        relu: 0,
        gate: 0,
        part: 2,
        kept_stride: 0,
    };
    let params = wide(&mut dice, 64);
    let x = wide(&mut dice, (replicas * inputs * 4) as usize);
    let c = wide(&mut dice, (replicas * outputs * 4) as usize);
    let loss = |params: &[f64], x: &[f64]| {
        let mut y = vec![0.0; c.len()];
        dense_forward(&u, replicas, params, x, &mut y);
        dot(&c, &y)
    };
    let mut dx = vec![0.0; x.len()];
    dense_backward_data(&u, replicas, &params, &c, &x, &mut dx);
    check("dense_backward_data", &x, &dx, |x| loss(&params, x));
    // The flat gradient is 0 wherever no tensor lies, and so is the slope.
    let mut grads = vec![0.0; params.len()];
    dense_backward_weight(&u, false, replicas, &x, &c, &mut grads);
    check("dense_backward_weight", &params, &grads, |p| loss(p, &x));
}

#[test]
fn conv() {
    let mut dice = Dice(92);
    // (height, width, kernel, stride, padding)
    for (height, width, kernel, stride, padding) in [
        (4, 5, 3, 1, 1),
        (5, 6, 3, 2, 1),
        (5, 4, 2, 1, 0),
        (3, 3, 5, 2, 3),
        (6, 7, 2, 3, 0),
    ] {
        let name = format!("{height}x{width}, kernel {kernel}, stride {stride}, padding {padding}");
        let along = |size: u32| (size + 2 * padding - kernel) / stride + 1;
        let (in_channels, out_channels, replicas) = (2u32, 3u32, 2u32);
        let weights = out_channels * in_channels * kernel * kernel;
        let u = ConvShape {
            in_channels,
            in_height: height,
            in_width: width,
            out_channels,
            out_height: along(height),
            out_width: along(width),
            kernel,
            stride,
            padding,
            columns: 1,
            weight_offset: 3,
            bias_offset: weights + 5,
            param_stride: (weights + 9).next_multiple_of(32),
            relu: 0,
            gate: 0,
            kept_stride: 0,
        };
        let params = wide(&mut dice, (replicas * u.param_stride) as usize);
        let x = wide(
            &mut dice,
            (replicas * in_channels * height * width * 4) as usize,
        );
        let c = wide(
            &mut dice,
            (replicas * out_channels * u.out_height * u.out_width * 4) as usize,
        );
        let loss = |params: &[f64], x: &[f64]| {
            let mut y = vec![0.0; c.len()];
            conv_forward(&u, replicas, params, x, &mut y);
            dot(&c, &y)
        };
        let mut dx = vec![0.0; x.len()];
        conv_backward_data(&u, replicas, &params, &c, &x, &mut dx);
        check(&format!("conv_backward_data {name}"), &x, &dx, |x| {
            loss(&params, x)
        });

        let mut part = vec![0.0; part_floats(&u, replicas)];
        conv_backward_weight(&u, false, replicas, &x, &c, &mut part);
        let sums = partial_shape(&u);
        let mut grads = vec![0.0; params.len()];
        partial_sum(&sums, replicas, &part, &mut grads);
        check(
            &format!("conv_backward_weight and partial_sum {name}"),
            &params,
            &grads,
            |p| loss(p, &x),
        );
    }
}

#[test]
fn pooling() {
    let mut dice = Dice(93);
    for (image, window, stride) in [
        ((4, 5), (2, 2), 2),
        ((5, 6), (3, 2), 1),
        ((7, 7), (2, 2), 3),
    ] {
        let u = PoolShape {
            channels: 2,
            in_height: image.0,
            in_width: image.1,
            out_height: (image.0 - window.0) / stride + 1,
            out_width: (image.1 - window.1) / stride + 1,
            window_height: window.0,
            window_width: window.1,
            stride,
            columns: 1,
            share: 1.0 / (window.0 * window.1) as f32,
            gate: 0,
            ..Zeroable::zeroed()
        };
        let replicas = 2;
        // Distinct values a thousandth apart at least: no step reaches a tie.
        let count = (replicas * u.channels * image.0 * image.1 * 4) as usize;
        let mut x: Vec<f64> = (0..count).map(|i| i as f64 / 1000.0).collect();
        for i in (1..count).rev() {
            x.swap(i, dice.below(i as u32 + 1) as usize);
        }
        let c = wide(
            &mut dice,
            (replicas * u.channels * u.out_height * u.out_width * 4) as usize,
        );
        let mut place = vec![0; c.len()];
        let mut y = vec![0.0; c.len()];
        max_pool_forward(&u, replicas, &x, &mut y, &mut place);
        let mut dx = vec![0.0; x.len()];
        let through = |x: &[f64]| {
            let (mut y, mut place) = (vec![0.0; c.len()], vec![0; c.len()]);
            max_pool_forward(&u, replicas, x, &mut y, &mut place);
            dot(&c, &y)
        };
        max_pool_backward(&u, replicas, &c, &place, &mut dx);
        check("max_pool_backward", &x, &dx, through);
        if stride >= window.0.max(window.1) {
            max_pool_backward_apart(&u, replicas, &c, &place, &mut dx);
            check("max_pool_backward_apart", &x, &dx, through);
        }
        avg_pool_backward(&u, replicas, &c, &x, &mut dx);
        check("avg_pool_backward", &x, &dx, |x| {
            let mut y = vec![0.0; c.len()];
            avg_pool_forward(&u, replicas, x, &mut y);
            dot(&c, &y)
        });
    }
}

#[test]
fn pointwise() {
    let mut dice = Dice(94);
    let u = Span { count: 10 };
    // Away from 0 by more than a step.
    let x: Vec<f64> = (0..80)
        .map(|_| f64::from(dice.unit()))
        .map(|v| v + 0.01 * v.signum())
        .collect();
    let c = wide(&mut dice, 80);
    let forward = |x: &[f64]| {
        let mut y = x.to_vec();
        relu_forward(&u, 2, &mut y);
        y
    };
    let mut dx = c.clone();
    relu_backward(&u, 2, &forward(&x), &mut dx);
    check("relu_backward", &x, &dx, |x| dot(&c, &forward(x)));

    let u = DropoutShape {
        count: 10,
        columns: 1,
        first_column: 0,
        batch_columns: 1,
        plane: 2,
        threshold: 0x8000_0000,
        scale: 2.0,
        layer: 1,
    };
    let keys = [[1, 0, 0, 0], [2, 0, 3, 0]];
    let state = [State::default(); 2];
    let apply = |values: &[f64]| {
        let mut y = values.to_vec();
        dropout_apply(&u, &keys, &state, &mut y);
        y
    };
    // Backward is the same kernel on the gradients.
    let dx = apply(&c);
    assert!(dx.contains(&0.0) && dx.iter().any(|&d| d != 0.0));
    check("dropout_apply", &x, &dx, |x| dot(&c, &apply(x)));
}

/// Through the statistics too; replica 1 has three samples of eight.
#[test]
fn batch_norm() {
    let mut dice = Dice(96);
    for (channels, pixels) in [(3u32, 1u32), (2, 6)] {
        let u = BatchNormShape {
            channels,
            pixels,
            columns: 2,
            lanes: BatchNormShape::lanes_for(pixels),
            weight_offset: 1,
            bias_offset: 5,
            mean_offset: 9,
            variance_offset: 13,
            param_stride: 20,
            mode: 1,
            learns: 1,
            relu: 0,
            momentum: 0.1,
            eps: 1e-5,
        };
        let counts = [8u32, 3];
        let state = counts.map(|count| State {
            count,
            ..State::default()
        });
        let values = (channels * pixels * 8) as usize;
        let there = |i: usize| i % 8 < counts[i / values] as usize;
        let params = wide(&mut dice, 40);
        let x = wide(&mut dice, 2 * values);
        let mut c = wide(&mut dice, 2 * values);
        (0..2 * values).for_each(|i| c[i] *= f64::from(u8::from(there(i))));
        let forward = |params: &[f64], x: &[f64]| {
            let mut params = params.to_vec();
            let mut kept = vec![0.0; (8 * channels) as usize];
            let mut y = vec![0.0; x.len()];
            batch_norm_forward(&u, &state, (x, None), &mut params, &mut kept, &mut y);
            (kept, y)
        };
        let (kept, _) = forward(&params, &x);
        let (mut grads, mut dx) = (vec![0.0; 40], vec![0.0; x.len()]);
        batch_norm_backward(&u, &state, (&x, &c), &kept, &mut grads, &mut dx);
        check("batch_norm_backward, the input", &x, &dx, |x| {
            dot(&c, &forward(&params, x).1)
        });
        check(
            "batch_norm_backward, the parameters",
            &params,
            &grads,
            |params| dot(&c, &forward(params, &x).1),
        );
    }
}

#[test]
fn softmax() {
    for smoothing in [0.0, 0.2] {
        softmax_with(LossShape::new(5, Window::all(2, 2)[0], smoothing));
    }
}

fn softmax_with(u: LossShape) {
    let mut dice = Dice(95);
    // Replica 0 has a full batch, replica 1 three samples of eight.
    let counts = [8u32, 3];
    let state = counts.map(|count| State {
        count,
        ..State::default()
    });
    let label: Vec<u32> = (0..16u32)
        .map(|b| {
            if b % 8 < counts[b as usize / 8] {
                dice.below(5)
            } else {
                EMPTY
            }
        })
        .collect();
    let logits: Vec<f64> = wide(&mut dice, 80).iter().map(|v| 3.0 * v).collect();
    let run = |logits: &[f64]| {
        let (mut dlogits, mut loss, mut hit) = (vec![0.0; 80], vec![0.0; 16], vec![0; 16]);
        softmax_loss(
            &u,
            &state,
            &label,
            logits,
            &mut dlogits,
            &mut loss,
            &mut hit,
        );
        (dlogits, loss)
    };
    let (dlogits, _) = run(&logits);
    // The gradient is that of the mean over each replica's samples.
    check("softmax_loss", &logits, &dlogits, |l| {
        let (_, loss) = run(l);
        loss[..8].iter().sum::<f64>() / 8.0 + loss[8..].iter().sum::<f64>() / 3.0
    });
}
