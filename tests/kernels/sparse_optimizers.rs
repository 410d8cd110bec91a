//! `sgd_step`, `sgd_momentum_step`, `adam_step` and `adadelta_step` along the list of kept parameters, and `gradient_mask`.

use crate::common::{Dice, gpu};
use crate::optimizers::{hypers, shape, states, tensors};
use crate::reference::device::{Case, output};
use crate::reference::mask::bit;
use crate::reference::number::widen;
use crate::reference::optimizer::{
    Step, Tensors, adadelta_step, adam_step, moments, sgd_momentum_step, sgd_step,
};
use crate::reference::sparse::{copy_kept, gradient_mask, rows, step_kept};
use secateur::gpu::Gpu;
use secateur::ops::TensorShape;
use secateur::train::ParamsShape;

/// Mask words, and the density of each replica.
const CASES: &[(u32, &[f64])] = &[
    (1, &[0.5]),
    (1, &[1.0, 0.0]),
    (2, &[0.0, 0.0]),
    (13, &[0.0, 0.02, 0.3, 1.0]),
    (301, &[0.3, 0.02]),
    (301, &[1.0, 0.5, 0.0]),
];

/// Masks of these densities.
fn masks(dice: &mut Dice, (words, densities): (u32, &[f64])) -> Vec<u32> {
    let mut mask = |&d| dice.mask(32 * words as usize, |_| d);
    densities.iter().flat_map(&mut mask).collect()
}

/// Along the list, kept parameters get the bits of the step over all of them, on every adapter; whatever stands at pruned
/// places stays.
fn check_kept(
    gpu: &'static Gpu,
    kernel: &'static str,
    eps: f32,
    all: fn(&Step<'_>, &mut Tensors<f32>),
) {
    let mut dice = Dice(91);
    for &size in CASES {
        let (words, replicas) = (size.0, size.1.len() as u32);
        let masks = masks(&mut dice, size);
        let list = rows(words, replicas, &masks);
        let u = ParamsShape {
            kept_stride: list.stride,
            ..shape(words)
        };
        let hyper = hypers(replicas, eps);
        let state = states(&mut dice, replicas);
        let mut before = tensors(&mut dice, &u, &masks, replicas);
        if kernel == "adadelta_step" {
            // Its first state averages squares.
            before.moment1.iter_mut().for_each(|v| *v = v.abs());
        }
        let step = Step {
            shape: &u,
            hyper: &hyper,
            state: &state,
            masks: &masks,
        };
        let case = Case::new(gpu, kernel, &size);
        let total = before.params.len();
        let run = |kept: u32, places: &[u32], invocations: u32| {
            let inputs = [case.with(&hyper), case.with(&state), case.with(places)];
            let b = &before;
            let tensors = [&b.params, &b.grads, &b.moment1, &b.moment2].map(|t| case.with(t));
            let bound = &tensors[..2 + moments(kernel)];
            let buffers: Vec<_> = inputs.iter().chain(bound).collect();
            let invocations = u64::from(invocations);
            case.run_with(&[("KEPT", kept)], &u, &buffers, invocations, replicas);
            tensors.map(|t| case.floats(&t, total))
        };
        let got = run(1, &list.list, u.kept_stride);
        let over_all = run(0, &masks, u.quads);
        let mut twin = before.clone();
        step_kept(&step, &mut twin, all);
        let names = ["w", "g", "moment1", "moment2"];
        let before = [before.params, before.grads, before.moment1, before.moment2];
        let twins = [twin.params, twin.grads, twin.moment1, twin.moment2];
        for (k, mut want) in before.into_iter().enumerate() {
            copy_kept(&masks, &over_all[k], &mut want);
            let other = format!("the step over all parameters, {}", names[k]);
            case.check_same(&other, &got[k], &want);
            case.check_bits(names[k], &got[k], &twins[k]);
        }
    }
}

#[test]
fn sgd_step_along_the_list_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    check_kept(gpu, "sgd_step", 0.0, sgd_step);
    check_kept(gpu, "sgd_momentum_step", 0.0, sgd_momentum_step);
}

#[test]
fn adam_step_along_the_list_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    check_kept(gpu, "adam_step", 1e-8, adam_step);
}

#[test]
fn adadelta_step_along_the_list_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    check_kept(gpu, "adadelta_step", 1e-6, adadelta_step);
    check_kept(gpu, "adadelta_step", 1e-3, adadelta_step);
}

/// Pruned gradients of the tensor become +0, NaN too; those of other tensors and the kept ones stay.
#[test]
fn gradient_mask_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(92);
    for &size in CASES {
        let (words, replicas) = (size.0, size.1.len() as u32);
        let masks = masks(&mut dice, size);
        // All of it, an inner stretch as tensors are laid out, and one quad in the middle of a word.
        for (first, count) in [(0, 8 * words), (8 * (words / 3), 8), (8 * words - 3, 1)] {
            let u = TensorShape {
                first,
                count,
                quads: 8 * words,
                mask_words: words,
            };
            let shape = (size, u);
            let case = Case::new(gpu, "gradient_mask", &shape);
            let mut before = output(32 * masks.len());
            let grads = tensors(
                &mut dice,
                &crate::optimizers::shape(words),
                &masks,
                replicas,
            );
            before[..grads.grads.len()].copy_from_slice(&grads.grads);
            let buffer = case.with(&before);
            let buffers = [&case.with(&masks), &buffer];
            case.run(&u, &buffers, u64::from(count), replicas);
            let got = case.floats(&buffer, before.len());
            let (mut exact, mut equal) = (widen::<f64>(&before), before);
            gradient_mask(&u, replicas, &masks, &mut exact);
            gradient_mask(&u, replicas, &masks, &mut equal);
            case.check("grads", &got, &exact, &vec![0.0; exact.len()], &equal);
            let inside = |i: usize| {
                let k = i % (32 * words as usize);
                (4 * first as usize..4 * (first + count) as usize).contains(&k)
            };
            let pruned = (0..32 * masks.len()).filter(|&i| inside(i) && !bit(&masks, i));
            for i in pruned {
                assert_eq!(got[i].to_bits(), 0, "[{i}] of {shape:?}");
            }
        }
    }
}
