//! `batch_norm_forward` and `batch_norm_backward`.

use crate::common::{Dice, gpu};
use crate::reference::batch_norm::{batch_norm_backward, batch_norm_forward};
use crate::reference::compare::{ROUNDING, TINY};
use crate::reference::device::{Case, GUARD, output};
use crate::reference::number::widen;
use secateur::gpu::Program;
use secateur::ops::BatchNormShape;
use secateur::train::State;

/// (channels, pixels, vec4s, samples of each replica): flat and image inputs, full and partial batches,
/// a batch of one value.
const CASES: &[Size] = &[
    (1, 1, 1, &[1]),
    (70, 1, 2, &[8, 5, 3]),
    (20, 1, 33, &[130, 129]),
    (3, 35, 3, &[12, 10]),
    (16, 64, 5, &[17, 20]),
    (2, 9, 300, &[1200, 1197]),
];

type Size = (u32, u32, u32, &'static [u32]);

fn shape((channels, pixels, columns, _): Size, mode: u32) -> BatchNormShape {
    BatchNormShape {
        channels,
        pixels,
        columns,
        lanes: BatchNormShape::lanes_for(pixels),
        weight_offset: 3,
        bias_offset: 3 + channels,
        mean_offset: 5 + 2 * channels,
        variance_offset: 6 + 3 * channels,
        param_stride: 7 + 4 * channels,
        mode,
        learns: 1,
        relu: 0,
        momentum: 0.1,
        eps: 1e-5,
    }
}

/// Largest absolute value.
fn most(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}

/// All values with a rounding error of `roundings` of the largest.
fn within(values: &[f64], scale: f64, roundings: f64) -> Vec<f64> {
    vec![roundings * ROUNDING * scale.max(most(values)) + TINY; values.len()]
}

#[test]
fn batch_norm_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(31);
    for &size in CASES {
        for mode in [0, 1, 2] {
            for step in [0, 4] {
                one(gpu, &mut dice, size, mode, step);
            }
        }
    }
}

/// More passes than Mesa's lavapipe counts before 25, which would leave out a share of the samples and say nothing: refused
/// there, right everywhere else.
#[test]
fn long_loops_are_whole_or_refused() {
    let Some(gpu) = gpu() else { return };
    // All pixels on sixteen lanes.
    let u = BatchNormShape {
        lanes: 16,
        ..shape((1, 512, 1024, &[4096]), 1)
    };
    let x = vec![0.5f32; 512 * 4096];
    let case = Case::new(gpu, "batch_norm_forward", &u);
    let state = case.with(&[State {
        count: 4096,
        ..State::default()
    }]);
    let params = case.with(&vec![0.0f32; u.param_stride as usize]);
    let (x, kept, y) = (
        case.with(&x),
        case.with(&output(4)),
        case.with(&output(512 * 4096)),
    );
    let kernel = case.get(gpu.kernel("batch_norm_forward", &[]));
    let mut program = Program::new("long loops");
    program.place("layer 3");
    let buffers = [&state, &x, &x, &params, &kept, &y];
    match program.push(gpu, kernel, &u, &buffers, 256, 1) {
        Ok(()) => {
            case.get(gpu.run(&program));
            assert_eq!(case.floats(&kept, 1), [0.5]);
        }
        Err(error) => {
            let limit = gpu.traits().loop_limit.expect("a limit");
            let text = error.to_string();
            for part in [
                "batch_norm_forward of layer 3",
                "98359",
                &limit.to_string(),
                "Mesa",
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }
}

fn one(gpu: &'static secateur::gpu::Gpu, dice: &mut Dice, size: Size, mode: u32, step: u32) {
    let u = shape(size, mode);
    let counts = size.3;
    let replicas = counts.len() as u32;
    let state: Vec<State> = counts
        .iter()
        .map(|&count| State {
            count,
            step,
            ..State::default()
        })
        .collect();
    let what = (size, mode, step);
    let channels = (replicas * u.channels) as usize;
    let values = channels * 4 * (u.pixels * u.columns) as usize;
    // A mean that is not small beside the deviation.
    let x: Vec<f32> = dice.values(values).iter().map(|v| v + 0.75).collect();
    let z = dice.values(values);
    let mut params = dice.values((replicas * u.param_stride) as usize);
    params.iter_mut().for_each(|v| *v = v.abs() + 0.25);
    let guarded = |v: &[f32]| {
        let mut all = output(v.len());
        all[..v.len()].copy_from_slice(v);
        all
    };
    // Terms of the longest sum, and the roundings of one: terms of a lane, of 16 lanes, of the 16 sums, and 4 places.
    let terms = 4.0 * f64::from(u.pixels * u.columns);
    let roundings = f64::from((u.pixels * u.columns).div_ceil(u.lanes)) + 40.0;
    let groups = u.channels.div_ceil(256 / u.lanes);
    let invocations = u64::from(groups * 256);

    let case = Case::new(gpu, "batch_norm_forward", &what);
    let mut kept = Vec::new();
    for (relu, adds, width) in [(0, 0, 256), (1, 0, 8), (0, 1, 8), (1, 1, 256)] {
        let u = BatchNormShape { relu, ..u };
        let params_before = guarded(&params);
        let states = case.with(&state);
        let [x_buffer, z_buffer] = [&x, &z].map(|v| case.with(v));
        let params_buffer = case.with(&params_before);
        let kept_buffer = case.with(&output(4 * channels));
        let y_buffer = case.with(&output(values));
        let buffers = [
            &states,
            &x_buffer,
            &z_buffer,
            &params_buffer,
            &kept_buffer,
            &y_buffer,
        ];
        let constants = [("ADDS", adds), ("WIDTH", width)];
        case.run_with(&constants, &u, &buffers, invocations, replicas);
        let mut exact = widen::<f64>(&params_before);
        let (mut exact_kept, mut exact_y) = (
            widen::<f64>(&output(4 * channels)),
            widen::<f64>(&output(values)),
        );
        let (wide_x, wide_z) = (widen::<f64>(&x), widen::<f64>(&z));
        batch_norm_forward(
            &u,
            &state,
            (&wide_x, (adds == 1).then_some(&wide_z)),
            &mut exact,
            &mut exact_kept,
            &mut exact_y,
        );
        let (mut equal, mut equal_kept, mut equal_y) =
            (params_before, output(4 * channels), output(values));
        batch_norm_forward(
            &u,
            &state,
            (&x, (adds == 1).then_some(&z)),
            &mut equal,
            &mut equal_kept,
            &mut equal_y,
        );
        // Means are off by a rounding of the largest value (2) for each of a sum; squares by that and twice the mean's error.
        let allowed = within(&exact, 2.0, 8.0 * roundings);
        let got = case.floats(&params_buffer, equal.len());
        case.check("params", &got, &exact, &allowed, &equal);
        // 1 / deviation is at most 1 / sqrt(eps), and is off by half as much, relatively, as the variance.
        let most_kept = most(&exact_kept[..4 * channels]).max(1.0);
        let allowed: Vec<f64> = exact_kept
            .iter()
            .map(|v| 16.0 * roundings * ROUNDING * (v.abs() + 2.0) * most_kept + TINY)
            .collect();
        let got = case.floats(&kept_buffer, equal_kept.len());
        case.check("kept", &got, &exact_kept, &allowed, &equal_kept);
        let mut allowed = within(&exact_y, 8.0 * most_kept.powi(2), 32.0 * roundings);
        allowed[values..].fill(0.0);
        let got = case.floats(&y_buffer, values + GUARD);
        case.check("y", &got, &exact_y, &allowed, &equal_y);
        kept = equal_kept;
    }

    // Backward: gradients are 0 in empty slots.
    let slots = 4 * u.columns as usize;
    let per_replica = values / replicas as usize;
    let mut dy = dice.values(values);
    for (i, dy) in dy.iter_mut().enumerate() {
        if i % slots >= counts[i / per_replica] as usize {
            *dy = 0.0;
        }
    }
    let case = Case::new(gpu, "batch_norm_backward", &what);
    for (learns, leaves_dx, width) in [(0, 1, 8), (1, 0, 8), (1, 1, 8), (1, 1, 256)] {
        let u = BatchNormShape { learns, ..u };
        let grads_before = output((replicas * u.param_stride) as usize);
        let grads_buffer = case.with(&grads_before);
        let dx_buffer = case.with(&output(values));
        let states = case.with(&state);
        let [x_buffer, dy_buffer, kept_buffer] = [&x, &dy, &kept].map(|v| case.with(v));
        let buffers = [
            &states,
            &x_buffer,
            &dy_buffer,
            &kept_buffer,
            &grads_buffer,
            &dx_buffer,
        ];
        let constants = [("LEAVES_DX", leaves_dx), ("WIDTH", width)];
        case.run_with(&constants, &u, &buffers, invocations, replicas);
        let (mut exact, mut exact_dx) =
            (widen::<f64>(&grads_before), widen::<f64>(&output(values)));
        let [wide_x, wide_dy, wide_kept] = [&x, &dy, &kept].map(|v| widen::<f64>(v));
        let wide = (&wide_x[..], &wide_dy[..]);
        batch_norm_backward(&u, &state, wide, &wide_kept, &mut exact, &mut exact_dx);
        let (mut grads, mut dx) = (grads_before, output(values));
        batch_norm_backward(&u, &state, (&x, &dy), &kept, &mut grads, &mut dx);
        let scale = most(&wide_kept[..4 * channels]).max(1.0).powi(2);
        let allowed = vec![roundings * ROUNDING * 4.0 * terms * scale + TINY; exact.len()];
        let got = case.floats(&grads_buffer, grads.len());
        case.check("grads", &got, &exact, &allowed, &grads);
        let got = case.floats(&dx_buffer, values + GUARD);
        if leaves_dx == 0 {
            assert_eq!(got, output(values), "dX is not wanted");
            continue;
        }
        let mut allowed = within(&exact_dx, 8.0 * scale.powi(2), 2.0 * roundings);
        allowed[values..].fill(0.0);
        case.check("dx", &got, &exact_dx, &allowed, &dx);
        for (i, &v) in got[..values].iter().enumerate() {
            let empty = i % slots >= counts[i / per_replica] as usize;
            assert!(!empty || v == 0.0, "an empty slot has a gradient of {v}");
        }
    }
}
