//! The comparison itself: it must fail where a shader, or a twin, takes a wrong order or a wrong index.

use crate::common::{Dice, gpu};
use crate::reference::compare::{differs, differs_bits, differs_words, sum_bound};
use crate::reference::device::Case;
use crate::reference::number::{magnitudes, widen};
use crate::reference::{conv, dense, reduce};
use secateur::ops::{ConvShape, DenseShape, PartialShape};

#[test]
fn differences_are_counted_and_the_first_five_shown() {
    let got = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    assert_eq!(differs_bits(&got, &got), None);
    let text = differs_bits(&got, &[0.0; 7]).unwrap();
    assert!(text.starts_with("7 of 7 differ:"), "{text}");
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.contains("[4] got 5.0, expected 0.0"), "{text}");
    assert!(
        differs_bits(&got, &got[..6])
            .unwrap()
            .contains("7 values instead of 6")
    );
    assert!(
        differs_words(&[1, 2], &[1, 3])
            .unwrap()
            .contains("[1] got 2, expected 3")
    );
}

#[test]
fn zeros_and_broken_numbers_are_told_apart() {
    assert!(differs_bits(&[0.0], &[-0.0]).is_some());
    assert!(differs_bits(&[f32::NAN], &[-f32::NAN]).is_none());
    assert!(differs_bits(&[f32::NAN], &[1.0]).is_some());
    assert!(differs(&[f32::NAN], &[1.0], &[10.0]).is_some());
    assert!(differs(&[1.0], &[f64::NAN], &[10.0]).is_some());
    assert!(differs(&[1.0], &[1.5], &[f64::NAN]).is_some());
    assert!(differs(&[f32::INFINITY], &[f64::INFINITY], &[0.0]).is_none());
    assert!(differs(&[f32::INFINITY], &[f64::NEG_INFINITY], &[1.0]).is_some());
    assert!(differs(&[1.0], &[1.1], &[0.2]).is_none());
}

/// Sums of a dense layer taken from the last input to the first: right within tolerance, and other bits.
#[test]
fn a_dense_sum_in_another_order_is_noticed() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(101);
    let (inputs, outputs) = (300u32, 8u32);
    let u = DenseShape {
        inputs,
        outputs,
        columns: 1,
        weight_offset: 0,
        bias_offset: u32::MAX,
        param_stride: inputs * outputs,
        relu: 0,
        gate: 0,
        part: inputs,
        kept_stride: 0,
    };
    let params = dice.values((inputs * outputs) as usize);
    let x = dice.values((inputs * 4) as usize);
    let count = (outputs * 4) as usize;
    let case = Case::new(gpu, "dense_forward", &u);
    let y = case.with(&vec![0.0f32; count]);
    case.run(&u, &[&case.with(&params), &case.with(&x), &y], 1, 1);
    let got = case.floats(&y, count);
    case.check_bits("y", &got, &{
        let mut right = vec![0.0; count];
        dense::dense_forward(&u, 1, &params, &x, &mut right);
        right
    });
    // Turning round both the inputs and each row of weights turns round the sum, and nothing else.
    let rows = params.chunks_exact(inputs as usize);
    let turned: Vec<f32> = rows.flat_map(|row| row.iter().rev().copied()).collect();
    let turned_x: Vec<f32> = x.chunks_exact(4).rev().flatten().copied().collect();
    let mut wrong = vec![0.0; count];
    dense::dense_forward(&u, 1, &turned, &turned_x, &mut wrong);
    assert!(
        differs_bits(&got, &wrong).is_some(),
        "a reversed sum has the same bits"
    );
    let mut exact = vec![0.0; count];
    dense::dense_forward(&u, 1, &widen(&turned), &widen(&turned_x), &mut exact);
    let mut bound = vec![0.0; count];
    dense::dense_forward(&u, 1, &magnitudes(&params), &magnitudes(&x), &mut bound);
    assert_eq!(differs(&got, &exact, &sum_bound(inputs, &bound)), None);
}

/// A convolution whose twin reads one pixel to the right: far outside of every tolerance.
#[test]
fn a_convolution_one_pixel_off_is_noticed() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(102);
    let u = ConvShape {
        in_channels: 2,
        in_height: 6,
        in_width: 7,
        out_channels: 3,
        out_height: 6,
        out_width: 7,
        kernel: 3,
        stride: 1,
        padding: 1,
        columns: 1,
        weight_offset: 0,
        bias_offset: u32::MAX,
        param_stride: 64,
        relu: 0,
        gate: 0,
        kept_stride: 0,
    };
    let params = dice.values(64);
    let x = dice.values(2 * 6 * 7 * 4);
    let count = 3 * 6 * 7 * 4;
    let case = Case::new(gpu, "conv_forward", &u);
    let y = case.with(&vec![0.0f32; count]);
    case.run(&u, &[&case.with(&params), &case.with(&x), &y], 42, 1);
    let got = case.floats(&y, count);
    let exact = |x: &[f32]| {
        let mut y = vec![0.0; count];
        conv::conv_forward(&u, 1, &widen(&params), &widen(x), &mut y);
        y
    };
    let mut bound = vec![0.0; count];
    conv::conv_forward(&u, 1, &magnitudes(&params), &magnitudes(&x), &mut bound);
    let allowed = sum_bound(18, &bound);
    assert_eq!(differs(&got, &exact(&x), &allowed), None);
    let mut shifted = x;
    shifted.rotate_left(4);
    assert!(differs(&got, &exact(&shifted), &allowed).is_some());
}

/// Parts added from the last to the first, and one part left out.
#[test]
fn partial_sums_in_another_order_are_noticed() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(103);
    let u = PartialShape {
        weights: 50,
        outputs: 0,
        parts: 24,
        weight_offset: 0,
        bias_offset: u32::MAX,
        param_stride: 64,
    };
    let part = dice.values(50 * 24);
    let case = Case::new(gpu, "partial_sum", &u);
    let grads = case.with(&vec![0.0f32; 64]);
    case.run(&u, &[&case.with(&part), &grads], 50, 1);
    let got = case.floats(&grads, 64);
    let twin = |u: &PartialShape, part: &[f32]| {
        let mut grads = vec![0.0f32; 64];
        reduce::partial_sum(u, 1, part, &mut grads);
        grads
    };
    case.check_bits("grads", &got, &twin(&u, &part));
    let turned: Vec<f32> = part.chunks_exact(50).rev().flatten().copied().collect();
    assert!(differs_bits(&got, &twin(&u, &turned)).is_some());
    let fewer = PartialShape { parts: 23, ..u };
    assert!(differs_bits(&got, &twin(&fewer, &part)).is_some());
}
