//! The kernels that sum over units, against their twins.

use crate::common::{Dice, gpu};
use crate::reference::compare::{relative, sum_bound};
use crate::reference::device::Case;
use crate::reference::number::{magnitudes, widen};
use crate::reference::units::{unit_activity, unit_distances, unit_shrink, unit_sums};
use secateur::train::{ActivityShape, ShrinkShape, State, UnitPairs, UnitRun, UnitShape};

const REPLICAS: u32 = 3;

/// Units of a convolution of 5 filters of 7 x 9 floats, and of a linear layer that reads each as 4 columns of 30 rows: a run of
/// neighbours, and many short ones.
fn conv_units() -> (Vec<u32>, Vec<UnitRun>, u32) {
    let rows = |unit: u32| UnitRun {
        start: 64 + unit * 63,
        outer: 1,
        stride: 0,
        len: 63,
    };
    let columns = |unit: u32| UnitRun {
        start: 448 + unit * 4,
        outer: 30,
        stride: 20,
        len: 4,
    };
    let runs = (0..5).flat_map(|u| [rows(u), columns(u)]).collect();
    ((0..=5).map(|u| 2 * u).collect(), runs, 1088)
}

#[test]
fn sums_over_the_weights_of_units() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(401);
    let (mut first, mut runs, stride) = conv_units();
    // A unit without weights, and one with a single one.
    first.extend([10, 11]);
    runs.push(UnitRun {
        start: 5,
        outer: 1,
        stride: 0,
        len: 1,
    });
    let u = UnitShape {
        units: 7,
        param_stride: stride,
        longest: 0,
    };
    let count = (u.units * REPLICAS) as usize;
    for kind in 0..3 {
        let case = Case::new(gpu, "unit_sums", &kind);
        let floats = (stride * REPLICAS) as usize;
        let (w, a) = (dice.values(floats), dice.values(floats));
        let to = case.with(&vec![7f32; count]);
        let tables = [case.with(&first), case.with(&runs)];
        let buffers = [&tables[0], &tables[1], &case.with(&w), &case.with(&a), &to];
        let invocations = 64 * u64::from(u.units);
        case.run_with(&[("KIND", kind)], &u, &buffers, invocations, REPLICAS);
        let (mut twin, mut exact, mut size) =
            (vec![0f32; count], vec![0f64; count], vec![0f64; count]);
        unit_sums(&u, kind, (&first, &runs), (&w, &a), &mut twin);
        let table = (&first[..], &runs[..]);
        unit_sums(&u, kind, table, (&widen(&w), &widen(&a)), &mut exact);
        let sizes = (&magnitudes(&w)[..], &magnitudes(&a)[..]);
        unit_sums(&u, kind, table, sizes, &mut size);
        let allowed = sum_bound(183 + 64, &size);
        case.check("sum", &case.floats(&to, count), &exact, &allowed, &twin);
    }
}

#[test]
fn distances_between_units() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(402);
    let (first, runs, stride) = conv_units();
    let w = dice.values((stride * REPLICAS) as usize);
    for (base, units, row, rows) in [(0, 5, 0, 5), (1, 4, 2, 2)] {
        let u = UnitPairs {
            base,
            units,
            row,
            rows,
            param_stride: stride,
            longest: 0,
        };
        let case = Case::new(gpu, "unit_distances", &u);
        let count = (rows * units * REPLICAS) as usize;
        let to = case.with(&vec![7f32; count]);
        let buffers = [&case.with(&first), &case.with(&runs), &case.with(&w), &to];
        case.run(&u, &buffers, u64::from(rows * units), REPLICAS);
        let (mut twin, mut exact) = (vec![0f32; count], vec![0f64; count]);
        let table = (&first[..], &runs[..]);
        unit_distances(&u, REPLICAS as usize, table, &w, &mut twin);
        unit_distances(&u, REPLICAS as usize, table, &widen(&w), &mut exact);
        // Squares of differences of numbers below 1: each term at most 4.
        let allowed: Vec<f64> = relative(2.0 * 183.0, &exact);
        let got = case.floats(&to, count);
        case.check("square", &got, &exact, &allowed, &twin);
        let own = (row * units + row) as usize % count;
        assert!(got[own - (row * units) as usize] == 0.0, "to itself");
    }
}

#[test]
fn mean_activity_of_units() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(403);
    // (units, features per unit, vec4s of samples, the first one, samples of each replica)
    let cases = [
        (5, 9, 3, 0, [12, 9, 1]),
        (7, 1, 40, 0, [160, 157, 3]),
        (3, 100, 2, 2, [16, 11, 9]),
    ];
    for (units, len, columns, column, samples) in cases {
        let u = ActivityShape {
            units,
            len,
            columns,
            column,
            base: 2,
            stride: units + 3,
        };
        let case = Case::new(gpu, "unit_activity", &u);
        let state = samples.map(|count| State {
            count,
            ..State::default()
        });
        let x = dice.values((REPLICAS * units * len * columns * 4) as usize);
        let before = dice.values((REPLICAS * u.stride) as usize);
        let to = case.with(&before);
        let buffers = [&case.with(&state), &case.with(&x), &to];
        case.run(&u, &buffers, 64 * u64::from(units), REPLICAS);
        let (mut twin, mut exact) = (before.clone(), widen::<f64>(&before));
        unit_activity(&u, &state, &x, &mut twin);
        unit_activity(&u, &state, &widen(&x), &mut exact);
        let mut size = magnitudes(&before);
        unit_activity(&u, &state, &magnitudes(&x), &mut size);
        let allowed = sum_bound(len * columns * 4 + 64, &size);
        let got = case.floats(&to, before.len());
        case.check("mean", &got, &exact, &allowed, &twin);
    }
}

/// 6 units of 2 rows each, 5 of 3 columns of 2 floats each; some shrink to exactly 0, and nothing outside of the tensor moves.
#[test]
fn shrinking_units_to_zero() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(404);
    for (row, column) in [(1, 7), (u32::MAX, 0), (3, u32::MAX)] {
        let u = ShrinkShape {
            offset: 64,
            count: 12 * 30,
            param_stride: 448,
            units: 13,
            row,
            row_len: 60,
            column,
            column_len: 6,
            width: 30,
        };
        let case = Case::new(gpu, "unit_shrink", &u);
        let state = [0.1, 0.5, 0.0].map(|lr| State {
            lr,
            ..State::default()
        });
        let lambda = [0.3f32, 0.02, 5.0];
        let root: Vec<f32> = (0..u.units).map(|n| ((n + 3) as f32).sqrt()).collect();
        let mut sum: Vec<f32> = dice.values((u.units * REPLICAS) as usize);
        sum.iter_mut().for_each(|s| *s = 0.05 * *s * *s);
        let before = dice.values((u.param_stride * REPLICAS) as usize);
        let params = case.with(&before);
        let buffers = [
            &case.with(&state),
            &case.with(&lambda),
            &case.with(&root),
            &case.with(&sum),
            &params,
        ];
        case.run(&u, &buffers, u64::from(u.count), REPLICAS);
        let (mut twin, mut exact) = (before.clone(), widen::<f64>(&before));
        unit_shrink(&u, &state, (&lambda, &root), &sum, &mut twin);
        unit_shrink(&u, &state, (&lambda, &root), &widen(&sum), &mut exact);
        let got = case.floats(&params, before.len());
        // A factor is a difference from 1: its rounding is that of 1, twice, and of a quotient of four roundings.
        let allowed = relative(12.0, &magnitudes(&before));
        case.check("weight", &got, &exact, &allowed, &twin);
        let died = (0..before.len()).filter(|&i| before[i] != 0.0 && got[i] == 0.0);
        let (died, moved) = (died.count(), differing(&before, &got));
        assert!(died > 0 && moved > died, "{died} of {moved}");
    }
}

/// Where training diverges the norm of a unit is NaN, and its pruned weights are 0 all the same.
#[test]
fn shrinking_by_a_norm_that_is_nan_leaves_zeros() {
    let Some(gpu) = gpu() else { return };
    let u = ShrinkShape {
        offset: 0,
        count: 64,
        param_stride: 64,
        units: 1,
        row: 0,
        row_len: 64,
        column: u32::MAX,
        column_len: 1,
        width: 64,
    };
    let case = Case::new(gpu, "unit_shrink", &u);
    let state = [State {
        lr: 0.1,
        ..State::default()
    }];
    let weights: Vec<f32> = (0..64)
        .map(|i| if i % 2 == 0 { 0.0 } else { 1.0 })
        .collect();
    let params = case.with(&weights);
    let buffers = [
        &case.with(&state),
        &case.with(&[0.5f32]),
        &case.with(&[8.0f32]),
        &case.with(&[f32::NAN]),
        &params,
    ];
    case.run(&u, &buffers, 64, 1);
    let got = case.floats(&params, 64);
    assert!(got.iter().step_by(2).all(|w| w.to_bits() == 0), "{got:?}");
    assert!(got.iter().skip(1).step_by(2).all(|w| w.is_nan()), "{got:?}");
}

fn differing(a: &[f32], b: &[f32]) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}
