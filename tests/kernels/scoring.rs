//! The kernels that scores are measured with, against their twins.

use crate::common::{Dice, gpu};
use crate::reference::compare::relative;
use crate::reference::device::Case;
use crate::reference::number::widen;
use crate::reference::scoring::{
    flow_rescale, flow_share, gradient_accumulate, order, params_absolute, params_shift,
    saliency_score,
};
use secateur::prune::ScoreShape;
use secateur::train::{ParamsShape, Rescale, Share};

const REPLICAS: u32 = 3;

fn shape() -> ParamsShape {
    ParamsShape {
        quads: 112,
        mask_words: 14,
        kept_stride: 0,
        flags: 0,
    }
}

#[test]
fn sums_over_batches() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(301);
    let u = shape();
    let count = (REPLICAS * u.quads * 4) as usize;
    for kind in 0..4 {
        let (w, g, s) = (dice.values(count), dice.values(count), dice.values(count));
        let case = Case::new(gpu, "gradient_accumulate", &kind);
        let sum = case.with(&s);
        let buffers = [&case.with(&w), &case.with(&g), &sum];
        case.run_with(
            &[("KIND", kind)],
            &u,
            &buffers,
            u64::from(u.quads),
            REPLICAS,
        );
        let (mut twin, mut exact) = (s.clone(), widen::<f64>(&s));
        gradient_accumulate(kind, &w, &g, &mut twin);
        gradient_accumulate(kind, &widen(&w), &widen(&g), &mut exact);
        let allowed: Vec<f64> = (0..count)
            .map(|i| {
                3e-7 * (f64::from(s[i].abs())
                    + f64::from(g[i].abs()) * (1.0 + f64::from(w[i].abs() + g[i].abs())))
            })
            .collect();
        case.check("sum", &case.floats(&sum, count), &exact, &allowed, &twin);
    }
}

#[test]
fn shifted_and_absolute_weights() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(302);
    let u = shape();
    let count = (REPLICAS * u.quads * 4) as usize;
    let masks = dice.words((REPLICAS * u.mask_words) as usize);
    let (base, direction) = (dice.values(count), dice.values(count));
    let steps = [0.25f32, -3e-3, 0.0];
    let case = Case::new(gpu, "params_shift", &steps);
    let out = case.with(&vec![7f32; count]);
    let inputs = [
        case.with(&steps),
        case.with(&masks),
        case.with(&direction),
        case.with(&base),
    ];
    let buffers = [&inputs[0], &inputs[1], &inputs[2], &inputs[3], &out];
    case.run(&u, &buffers, u64::from(u.quads), REPLICAS);
    let (mut twin, mut exact) = (vec![0f32; count], vec![0f64; count]);
    params_shift(&u, &steps, &masks, &direction, &base, &mut twin);
    params_shift(
        &u,
        &widen(&steps),
        &masks,
        &widen(&direction),
        &widen(&base),
        &mut exact,
    );
    let allowed = vec![1e-6; count];
    case.check("params", &case.floats(&out, count), &exact, &allowed, &twin);

    let case = Case::new(gpu, "params_absolute", &u.quads);
    let out = case.with(&vec![7f32; count]);
    case.run(
        &u,
        &[&inputs[1], &inputs[3], &out],
        u64::from(u.quads),
        REPLICAS,
    );
    let (mut twin, mut exact) = (vec![0f32; count], vec![0f64; count]);
    params_absolute(&u, REPLICAS, &masks, &base, &mut twin);
    params_absolute(&u, REPLICAS, &masks, &widen::<f64>(&base), &mut exact);
    let allowed = relative(1e-9, &exact);
    case.check("params", &case.floats(&out, count), &exact, &allowed, &twin);
}

/// Values of all sizes, all zero, and one that meets a far larger exponent.
#[test]
fn values_and_their_exponents() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(303);
    let count = 300u32;
    for (floor, far) in [(u32::MAX, 0), (2, 5), (2, -5), (2, 200)] {
        let u = Rescale {
            count,
            nodes: 4,
            source: 1,
            to: 3,
            floor,
        };
        let scales = [1e-30f32, 0.0, 3e37];
        let per = 4 * count as usize;
        let x: Vec<f32> = (0..per * 3)
            .map(|i| dice.unit() * scales[i / per])
            .collect();
        let e: Vec<i32> = (0..3).flat_map(|r| [9, r - 40, r - 40 + far, 77]).collect();
        let case = Case::new(gpu, "flow_rescale", &u);
        let (exponents, values) = (case.with(&e), case.with(&x));
        // One workgroup a replica.
        case.run(&u, &[&exponents, &values], 256, REPLICAS);
        let (mut want_e, mut want) = (e.clone(), x.clone());
        flow_rescale(&u, REPLICAS, &mut want_e, &mut want);
        let got = case.words(&exponents, e.len());
        let words: Vec<u32> = want_e.iter().map(|&e| e as u32).collect();
        case.check_words("exponents", &got, &words);
        let got = case.floats(&values, x.len());
        case.check_bits("values", &got, &want);
        if floor == u32::MAX {
            let largest = got[..per].iter().fold(0f32, |m, v| m.max(v.abs()));
            assert!((1.0..2.0).contains(&largest), "{largest}");
        }
    }
}

#[test]
fn shares_of_the_flow() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(304);
    let u = Share {
        offset: 64,
        count: 333,
        param_stride: 448,
        nodes: 3,
        input: 0,
        gradient: 1,
        output: 2,
    };
    let count = (REPLICAS * u.param_stride) as usize;
    let e = [3, -7, 2, 90, 80, 20, -100, -60, -40];
    let params: Vec<f32> = dice.values(count).iter().map(|w| w.abs() * 1e-20).collect();
    let grads: Vec<f32> = dice.values(count).iter().map(|g| g.abs()).collect();
    let case = Case::new(gpu, "flow_share", &u);
    let out = case.with(&vec![5f32; count]);
    let inputs = [case.with(&e), case.with(&params), case.with(&grads)];
    let buffers = [&inputs[0], &inputs[1], &inputs[2], &out];
    case.run(&u, &buffers, u64::from(u.count), REPLICAS);
    let mut twin = vec![5f32; count];
    flow_share(&u, &e, &params, &grads, &mut twin);
    case.check_bits("share", &case.floats(&out, count), &twin);
}

/// A key, or the same number for all NaNs.
fn rank(key: u32) -> u32 {
    let ordered = order(f32::NEG_INFINITY)..=order(f32::INFINITY);
    if key == 0 || ordered.contains(&key) {
        key
    } else {
        u32::MAX
    }
}

#[test]
fn every_formula_ranks_as_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(305);
    for (formula, revive) in (0..6).flat_map(|f| [(f, 0), (f, 1)]) {
        let u = ScoreShape {
            offset: 32,
            count: 501,
            param_stride: 576,
            mask_words: 18,
            tensor: 1,
            revive,
        };
        let count = (REPLICAS * u.param_stride) as usize;
        let masks = dice.words((REPLICAS * u.mask_words) as usize);
        let (params, mut sums) = (dice.values(count), dice.values(count));
        sums[40] = f32::NAN;
        (sums[41], sums[42], sums[43]) = (0.0, -0.0, f32::NEG_INFINITY);
        let which = (formula, revive);
        let case = Case::new(gpu, "saliency_score", &which);
        let score = case.with(&vec![3u32; count]);
        let unordered = case.with(&[0u32; 3]);
        let inputs = [case.with(&masks), case.with(&params), case.with(&sums)];
        let buffers = [&inputs[0], &inputs[1], &inputs[2], &score, &unordered];
        case.run_with(
            &[("FORMULA", formula)],
            &u,
            &buffers,
            u64::from(u.count),
            REPLICAS,
        );
        let (mut want, mut nans) = (vec![3; count], vec![0; 3]);
        saliency_score(&u, formula, &masks, (&params, &sums), &mut want, &mut nans);
        // Which NaN a product makes is the adapter's choice.
        let ranks = |keys: &[u32]| keys.iter().map(|&key| rank(key)).collect::<Vec<_>>();
        case.check_words("score", &ranks(&case.words(&score, count)), &ranks(&want));
        case.check_words("unordered", &case.words(&unordered, 3), &nans);
    }
    let sorted = [
        f32::NEG_INFINITY,
        -1.0,
        -f32::from_bits(1),
        -0.0,
        1e-30,
        2.0,
        f32::INFINITY,
    ];
    assert!(sorted.windows(2).all(|w| order(w[0]) < order(w[1])));
    assert_eq!(order(0.0), order(-0.0));
    assert!(order(f32::INFINITY) < u32::MAX - 1 && order(f32::NEG_INFINITY) > 0);
}
