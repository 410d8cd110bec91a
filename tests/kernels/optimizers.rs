//! `sgd_step`, `sgd_momentum_step`, `adam_step`, `adadelta_step`, `gradient_norm`, `gradient_clip`, `params_init` and `mask_apply`.

use crate::common::{Dice, gpu};
use crate::reference::compare::{ROUNDING, TINY, relative, sum_bound};
use crate::reference::device::{Case, output, twin};
use crate::reference::init::params_init;
use crate::reference::mask::{kept, mask_apply};
use crate::reference::number::{Real, widen};
use crate::reference::optimizer::{
    Step, Tensors, adadelta_step, adam_step, gradient_clip, gradient_norm, moments,
    sgd_momentum_step, sgd_step,
};
use secateur::gpu::Gpu;
use secateur::train::{Hyper, InitShape, ParamsShape, State};

/// (mask words per replica, replicas); a word is 8 vec4s.
const SIZES: &[(u32, u32)] = &[(1, 1), (13, 3), (301, 2)];

/// All parameters of a replica.
pub fn shape(words: u32) -> ParamsShape {
    ParamsShape {
        quads: 8 * words,
        mask_words: words,
        kept_stride: 0,
        flags: 0,
    }
}

/// Masks that keep about half, one word all and one word none.
fn masks(dice: &mut Dice, (words, replicas): (u32, u32)) -> Vec<u32> {
    let mut masks = dice.words((words * replicas) as usize);
    masks[0] = if words > 1 { u32::MAX } else { masks[0] };
    if words > 2 {
        masks[1] = 0;
    }
    masks
}

/// Where the replicas stand.
pub fn states(dice: &mut Dice, replicas: u32) -> Vec<State> {
    let mut part = || f32::from(dice.below(1000) as u16) / 1000.0;
    (0..replicas)
        .map(|r| State {
            step: r,
            lr: 0.001 + part(),
            // The first replica is not clipped.
            clip: if r == 0 { 1.0 } else { part() },
            correction1: 1.0 - 0.9 * part(),
            correction2: 1.0 - 0.999 * part(),
            ..State::default()
        })
        .collect()
}

/// Hyper-parameters of a kind, a different set for each replica.
pub fn hypers(replicas: u32, eps: f32) -> Vec<Hyper> {
    (0..replicas)
        .map(|r| Hyper {
            lr: 1.0,
            momentum: [0.9, 0.0, 0.5][r as usize % 3],
            beta2: [0.999, 0.98, 0.95][r as usize % 3],
            eps,
            weight_decay: [0.0, 1e-4, 0.1][r as usize % 3],
            clip_norm: [0.0, 0.25, 1e9][r as usize % 3],
            nesterov: r % 2,
            decoupled: r % 2,
            rest1: [0.1, 1.0, 0.5][r as usize % 3],
            rest2: [0.001, 0.02, 0.05][r as usize % 3],
            first_correction: 0,
            corrections: 0,
        })
        .collect()
}

/// Tensors as training leaves them, but with rubbish, also NaN, where weights are pruned.
pub fn tensors(dice: &mut Dice, u: &ParamsShape, masks: &[u32], replicas: u32) -> Tensors<f32> {
    let count = 4 * u.quads as usize;
    let total = count * replicas as usize;
    let mut t = Tensors {
        params: dice.values(total),
        grads: dice.values(total),
        moment1: dice.values(total),
        moment2: dice.values(total),
    };
    for i in 0..total {
        // States that average squares are not negative; an eighth of the weights have seen no gradient yet.
        let square = t.moment2[i] * t.moment2[i];
        t.moment2[i] = if square == 0.0 { 0.0 } else { square + 0.01 };
        if square == 0.0 {
            t.moment1[i] = 0.0;
        }
        if !kept(u, masks, i / count, i % count) {
            let rubbish = [f32::NAN, f32::INFINITY, -0.0, 1.5][dice.below(4) as usize];
            t.params[i] = rubbish;
            t.grads[i] = rubbish;
            t.moment1[i] = rubbish;
            t.moment2[i] = rubbish;
        }
    }
    t
}

/// What one element's update is allowed to be off by: (w, moment1, moment2), from its hyper-parameters, state and values
/// before [w, g, moment1, moment2], at f64.
type Allowed = fn(&Hyper, &State, [f64; 4]) -> [f64; 3];

/// Where the flags say so nothing is updated, or weight decay is left out; elsewhere bits are those of the plain kernel. The
/// mask is a law in both.
fn check_traits(
    gpu: &'static Gpu,
    kernel: &'static str,
    eps: f32,
    twin: fn(&Step<'_>, &mut Tensors<f32>),
) {
    let mut dice = Dice(54);
    let (words, replicas) = (14, 3);
    let plain = shape(words);
    let masks = masks(&mut dice, (words, replicas));
    let u = ParamsShape {
        flags: masks.len() as u32,
        ..plain
    };
    // Two mask words are 64 floats: no decay, no learning, neither, both; then as usual.
    let flags = [1, 2, 0, 3, 3, 1, 2];
    let hyper = hypers(replicas, eps);
    let state = states(&mut dice, replicas);
    let mut before = tensors(&mut dice, &plain, &masks, replicas);
    if kernel == "adadelta_step" {
        before.moment1.iter_mut().for_each(|v| *v = v.abs());
    }
    let case = Case::new(gpu, kernel, &flags);
    let table = [masks.as_slice(), &flags].concat();
    let b = &before;
    let inputs = [case.with(&hyper), case.with(&state), case.with(&table)];
    let outputs = [&b.params, &b.grads, &b.moment1, &b.moment2].map(|t| case.with(t));
    let bound = &outputs[..2 + moments(kernel)];
    let buffers: Vec<_> = inputs.iter().chain(bound).collect();
    case.run_with(&[("FLAGS", 1)], &u, &buffers, u64::from(u.quads), replicas);
    let got = outputs.map(|t| case.floats(&t, before.params.len()));

    let undecayed: Vec<Hyper> = hyper
        .iter()
        .map(|h| Hyper {
            weight_decay: 0.0,
            ..*h
        })
        .collect();
    let step = |hyper| Step {
        shape: &plain,
        hyper,
        state: &state,
        masks: &masks,
    };
    let (mut usual, mut spared) = (before.clone(), before.clone());
    twin(&step(&hyper), &mut usual);
    twin(&step(&undecayed), &mut spared);
    let count = 4 * u.quads as usize;
    let [usual, spared, before] =
        [usual, spared, before].map(|t| [t.params, t.grads, t.moment1, t.moment2]);
    for (k, got) in got.iter().enumerate() {
        let want: Vec<f32> = (0..got.len())
            .map(|i| {
                let flags: u32 = flags[i % count / 64];
                if !kept(&plain, &masks, i / count, i % count) {
                    usual[k][i]
                } else if flags & 1 == 0 {
                    before[k][i]
                } else if flags & 2 == 0 {
                    spared[k][i]
                } else {
                    usual[k][i]
                }
            })
            .collect();
        case.check_bits(&format!("tensor {k}"), got, &want);
    }
}

#[test]
fn optimizers_obey_the_traits_of_parameters() {
    let Some(gpu) = gpu() else { return };
    check_traits(gpu, "sgd_step", 0.0, sgd_step);
    check_traits(gpu, "sgd_momentum_step", 0.0, sgd_momentum_step);
    check_traits(gpu, "adam_step", 1e-8, adam_step);
    check_traits(gpu, "adadelta_step", 1e-6, adadelta_step);
}

fn check_optimizer(
    gpu: &'static Gpu,
    kernel: &'static str,
    eps: f32,
    f64_twin: fn(&Step<'_>, &mut Tensors<f64>),
    f32_twin: fn(&Step<'_>, &mut Tensors<f32>),
    allowed: Allowed,
) {
    let mut dice = Dice(51);
    for &size in SIZES {
        let (words, replicas) = size;
        let u = shape(words);
        let case = Case::new(gpu, kernel, &size);
        let masks = masks(&mut dice, size);
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
        let inputs = [case.with(&hyper), case.with(&state), case.with(&masks)];
        let b = &before;
        let outputs = [&b.params, &b.grads, &b.moment1, &b.moment2].map(|t| case.with(t));
        let bound = &outputs[..2 + moments(kernel)];
        let buffers: Vec<_> = inputs.iter().chain(bound).collect();
        case.run(&u, &buffers, u64::from(u.quads), replicas);
        let got = outputs.map(|t| case.floats(&t, before.params.len()));

        let mut equal = before.clone();
        f32_twin(&step, &mut equal);
        let mut exact = Tensors {
            params: widen(&before.params),
            grads: widen(&before.grads),
            moment1: widen(&before.moment1),
            moment2: widen(&before.moment2),
        };
        f64_twin(&step, &mut exact);

        let count = 4 * u.quads as usize;
        let mut bounds = [(); 3].map(|()| vec![0.0; before.params.len()]);
        for i in 0..before.params.len() {
            let r = i / count;
            if kept(&u, &masks, r, i % count) {
                let values = [&b.params, &b.grads, &b.moment1, &b.moment2];
                let values = values.map(|t| f64::from(t[i]));
                let each = allowed(&hyper[r], &state[r], values);
                (0..3).for_each(|k| bounds[k][i] = each[k] + TINY);
            } else {
                // The mask is a law, on every adapter.
                for (k, tensor) in got.iter().take(2 + moments(kernel)).enumerate() {
                    let pruned = tensor[i].to_bits();
                    if pruned != 0 {
                        case.fail(&format!("pruned [{i}] of tensor {k} has bits {pruned:#x}"));
                    }
                }
            }
        }
        let zero = vec![0.0; before.params.len()];
        case.check("w", &got[0], &exact.params, &bounds[0], &equal.params);
        case.check("g", &got[1], &exact.grads, &zero, &equal.grads);
        case.check(
            "moment1",
            &got[2],
            &exact.moment1,
            &bounds[1],
            &equal.moment1,
        );
        case.check(
            "moment2",
            &got[3],
            &exact.moment2,
            &bounds[2],
            &equal.moment2,
        );
    }
}

/// |g'| without cancellation: what rounding errors of g' are relative to.
fn gradient_size(h: &Hyper, s: &State, w: f64, g: f64) -> f64 {
    f64::from(s.clip) * g.abs() + f64::from(h.weight_decay) * w.abs()
}

#[test]
fn sgd_step_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    check_optimizer(
        gpu,
        "sgd_step",
        0.0,
        sgd_step,
        sgd_step,
        |h, s, [w, g, ..]| {
            let d = gradient_size(h, s, w, g);
            [10.0 * ROUNDING * (w.abs() + f64::from(s.lr) * d), 0.0, 0.0]
        },
    );
}

#[test]
fn sgd_momentum_step_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    check_optimizer(
        gpu,
        "sgd_momentum_step",
        0.0,
        sgd_momentum_step,
        sgd_momentum_step,
        |h, s, [w, g, v, _]| {
            // Two or three multiply-adds, each of two roundings.
            let momentum = f64::from(h.momentum);
            let g = gradient_size(h, s, w, g);
            let v = momentum * v.abs() + g;
            let d = if h.nesterov != 0 { momentum * v + g } else { v };
            [
                10.0 * ROUNDING * (w.abs() + f64::from(s.lr) * d),
                8.0 * ROUNDING * v,
                0.0,
            ]
        },
    );
}

#[test]
fn adam_step_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    check_optimizer(
        gpu,
        "adam_step",
        1e-8,
        adam_step,
        adam_step,
        |h, s, [w, g, m, v]| {
            let [beta1, beta2] = [h.momentum, h.beta2].map(f64::from);
            let g = if h.decoupled != 0 {
                f64::from(s.clip) * g.abs()
            } else {
                gradient_size(h, s, w, g)
            };
            let m = beta1 * m.abs() + (1.0 - beta1) * g;
            // A denominator that cancellation in g makes smaller makes m smaller alike, so the sizes may stand for both.
            let v = beta2 * v + (1.0 - beta2) * g * g;
            let root = v.sqrt() / f64::from(s.correction2).sqrt();
            let rate = f64::from(s.lr) / f64::from(s.correction1);
            let update = rate * m / (root + f64::from(h.eps)).max(1e-30);
            // About ten operations; hardware may divide and take roots within 3 units instead of half a unit.
            [
                60.0 * ROUNDING * (w.abs() + update),
                8.0 * ROUNDING * m,
                10.0 * ROUNDING * v,
            ]
        },
    );
}

#[test]
fn adadelta_step_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let run = |eps| {
        check_optimizer(
            gpu,
            "adadelta_step",
            eps,
            adadelta_step,
            adadelta_step,
            |h, st, [w, g, s, a]| {
                let [rho, eps] = [h.momentum, h.eps].map(f64::from);
                let g = gradient_size(h, st, w, g);
                let s = rho * s.abs() + (1.0 - rho) * g * g;
                let d = (a + eps).sqrt() / (s + eps).sqrt() * g;
                let a = rho * a + (1.0 - rho) * d * d;
                [
                    60.0 * ROUNDING * (w.abs() + f64::from(st.lr) * d),
                    10.0 * ROUNDING * s,
                    120.0 * ROUNDING * a,
                ]
            },
        );
    };
    run(1e-6);
    run(1e-3);
}

#[test]
fn gradient_norm_and_clip_are_their_twins() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(52);
    for &size in SIZES {
        let (words, replicas) = size;
        let u = shape(words);
        let masks = masks(&mut dice, size);
        let grads = tensors(&mut dice, &u, &masks, replicas).grads;
        let case = Case::new(gpu, "gradient_norm", &size);
        let blocks = u.quads.div_ceil(256);
        let count = (replicas * blocks) as usize;
        let part = case.with(&output(count));
        let buffers = [&case.with(&grads), &case.with(&masks), &part];
        case.run(&u, &buffers, u64::from(blocks), replicas);
        let exact = twin::<f64>(count, |p| {
            gradient_norm(&u, replicas, &widen(&grads), &masks, p);
        });
        let equal = twin::<f32>(count, |p| gradient_norm(&u, replicas, &grads, &masks, p));
        // Squares: the sum is its own bound.
        let allowed = sum_bound(1024, &exact);
        case.check(
            "part",
            &case.floats(&part, exact.len()),
            &exact,
            &allowed,
            &equal,
        );

        let case = Case::new(gpu, "gradient_clip", &size);
        let hyper = hypers(replicas, 0.0);
        let mut state = states(&mut dice, replicas);
        let buffers = [&part, &case.with(&hyper), &case.with(&state)];
        case.run(&u, &buffers, 1, replicas);
        let got: Vec<State> = case.get(gpu.read(buffers[2], 0, replicas as usize));
        let exact = gradient_clip::<f64>(&u, &widen(&equal), &hyper);
        let equal = gradient_clip::<f32>(&u, &equal, &hyper);
        // A root, a sum, a quotient; hardware may do roots and quotients within 3 units.
        let allowed = relative(f64::from(blocks) + 16.0, &exact);
        let clip: Vec<f32> = got.iter().map(|s| s.clip).collect();
        case.check("clip", &clip, &exact, &allowed, &equal);
        for (s, got) in state.iter_mut().zip(&got) {
            s.clip = got.clip;
        }
        assert_eq!(
            state, got,
            "gradient_clip touched more of the state than the factor"
        );
    }
}

#[test]
fn mask_apply_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(53);
    for &size in SIZES {
        let (words, replicas) = size;
        let u = shape(words);
        let masks = masks(&mut dice, size);
        let params = tensors(&mut dice, &u, &masks, replicas).params;
        let case = Case::new(gpu, "mask_apply", &size);
        let buffer = case.with(&params);
        case.run(
            &u,
            &[&case.with(&masks), &buffer],
            u64::from(u.quads),
            replicas,
        );
        let got = case.floats(&buffer, params.len());
        let (mut exact, mut equal) = (widen::<f64>(&params), params);
        mask_apply(&u, replicas, &masks, &mut exact);
        mask_apply(&u, replicas, &masks, &mut equal);
        case.check("params", &got, &exact, &vec![0.0; exact.len()], &equal);
        let pruned = |i: usize| {
            !kept(
                &u,
                &masks,
                i / (4 * u.quads as usize),
                i % (4 * u.quads as usize),
            )
        };
        assert!((0..got.len()).all(|i| !pruned(i) || got[i].to_bits() == 0));
    }
}

#[test]
fn params_init_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(54);
    // (offset, count, kind, replicas)
    for size in [
        (0, 1, 1, 1),
        (7, 300, 0, 2),
        (3, 5000, 1, 3),
        (64, 20_001, 2, 2),
    ] {
        let (offset, count, kind, replicas) = size;
        let u = InitShape {
            offset,
            count,
            kind,
            tensor: 2 + kind,
            scale: 0.05,
            param_stride: (offset + count + 1).next_multiple_of(32),
        };
        let case = Case::new(gpu, "params_init", &size);
        let keys = dice.keys(replicas);
        let total = (replicas * u.param_stride) as usize;
        let params = case.with(&output(total));
        case.run(
            &u,
            &[&case.with(&keys), &params],
            u64::from(count),
            replicas,
        );
        let exact = twin::<f64>(total, |p| params_init(&u, &keys, p));
        let equal = twin::<f32>(total, |p| params_init(&u, &keys, p));
        // Uniform: two roundings. Normal: the radius is at most 5.8 and its logarithm within 3e-7; the cosine within 3e-7.
        let each = f64::from(u.scale) * if kind == 2 { 5e-6 } else { 3.0 * ROUNDING };
        let got = case.floats(&params, exact.len());
        case.check("params", &got, &exact, &vec![each; exact.len()], &equal);
    }
}

/// The moments of what `params_init` draws, and that draws of tensors, restarts and seeds are unrelated.
#[test]
fn fresh_values_have_their_distribution() {
    let n = 200_000u32;
    let draw = |kind, tensor, key: [u32; 4]| {
        let u = InitShape {
            offset: 0,
            count: n,
            kind,
            tensor,
            scale: 1.0,
            param_stride: n,
        };
        let mut values = vec![0.0f64; n as usize];
        params_init(&u, &[key], &mut values);
        values
    };
    let mean = |values: &[f64], power: i32| {
        values.iter().map(|v| v.powi(power)).sum::<f64>() / f64::from(n)
    };
    let root = f64::from(n).sqrt();
    // Five standard errors of the second and fourth moment: Var(x^2) and Var(x^4) are 4/45 and 16/225, then 2 and 96.
    for (kind, second, fourth, errors) in
        [(1, 1.0 / 3.0, 0.2, (0.3, 0.27)), (2, 1.0, 3.0, (1.42, 9.8))]
    {
        let values = draw(kind, 0, [1, 0, 0, 0]);
        assert!(mean(&values, 1).abs() < 5.0 / root, "kind {kind}");
        assert!(
            (mean(&values, 2) - second).abs() < 5.0 * errors.0 / root,
            "kind {kind}"
        );
        assert!(
            (mean(&values, 4) - fourth).abs() < 5.0 * errors.1 / root,
            "kind {kind}"
        );
        let others = [
            draw(kind, 1, [1, 0, 0, 0]),
            draw(kind, 0, [2, 0, 0, 0]),
            draw(kind, 0, [1, 1, 0, 0]),
        ];
        for other in others {
            let products: f64 = values.iter().zip(&other).map(|(a, b)| a * b).sum();
            assert!(
                (products / f64::from(n)).abs() < 5.0 * second / root,
                "kind {kind}"
            );
        }
        let shifted: f64 = values.windows(2).map(|w| w[0] * w[1]).sum();
        assert!(
            (shifted / f64::from(n)).abs() < 5.0 * second / root,
            "kind {kind}"
        );
        assert!(values.iter().all(|v| v.finite() && v.abs() < 5.8));
    }
}
