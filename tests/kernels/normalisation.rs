//! `batch_norm_*`, each on the numbers that the kernel before it leaves.

use crate::common::{Dice, gpu};
use crate::reference::batch_norm::{
    batch_norm_backward_combine, batch_norm_backward_data, batch_norm_backward_sums,
    batch_norm_combine, batch_norm_forward, batch_norm_statistics,
};
use crate::reference::compare::{ROUNDING, TINY};
use crate::reference::device::{Case, GUARD, output};
use crate::reference::number::widen;
use secateur::gpu::Program;
use secateur::ops::BatchNormShape;
use secateur::train::State;

/// (channels, rows, columns of the image, vec4s, samples of each replica): flat and image inputs, full and partial batches,
/// a batch of one value.
const CASES: &[(u32, u32, u32, u32, &[u32])] = &[
    (1, 1, 1, 1, &[1]),
    (70, 1, 1, 2, &[8, 5, 3]),
    (3, 5, 7, 3, &[12, 10]),
    (16, 8, 8, 5, &[17, 20]),
];

fn shape(
    (channels, parts, pixels, columns, _): (u32, u32, u32, u32, &[u32]),
    mode: u32,
) -> BatchNormShape {
    BatchNormShape {
        channels,
        parts,
        pixels,
        columns,
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

/// More passes than Mesa's lavapipe counts before 25, which would leave out an eighth of the samples and say nothing: refused there,
/// right everywhere else.
#[test]
fn long_loops_are_whole_or_refused() {
    let Some(gpu) = gpu() else { return };
    let u = shape((1, 1, 32, 1024, &[4096]), 0);
    let x = vec![0.5f32; 32 * 4096];
    let case = Case::new(gpu, "batch_norm_statistics", &u);
    let state = case.with(&[State {
        count: 4096,
        ..State::default()
    }]);
    let out = case.with(&output(2));
    let kernel = case.get(gpu.kernel("batch_norm_statistics", &[]));
    let mut program = Program::new("long loops");
    program.place("layer 3");
    match program.push(gpu, kernel, &u, &[&state, &case.with(&x), &out], 1, 1) {
        Ok(()) => {
            case.get(gpu.run(&program));
            assert_eq!(case.floats(&out, 1), [0.5]);
        }
        Err(error) => {
            let limit = gpu.traits().loop_limit.expect("a limit");
            let text = error.to_string();
            for part in [
                "batch_norm_statistics of layer 3",
                "65666",
                &limit.to_string(),
                "Mesa",
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }
}

fn one(
    gpu: &'static secateur::gpu::Gpu,
    dice: &mut Dice,
    size: (u32, u32, u32, u32, &[u32]),
    mode: u32,
    step: u32,
) {
    let u = shape(size, mode);
    let counts = size.4;
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
    let values = channels * 4 * (u.parts * u.pixels * u.columns) as usize;
    // A mean that is not small beside the deviation.
    let x: Vec<f32> = dice.values(values).iter().map(|v| v + 0.75).collect();
    let mut params = dice.values((replicas * u.param_stride) as usize);
    params.iter_mut().for_each(|v| *v = v.abs() + 0.25);
    let on_gpu = |case: &Case<'_>, v: &[f32]| case.with(v);
    let guarded = |v: &[f32]| {
        let mut all = output(v.len());
        all[..v.len()].copy_from_slice(v);
        all
    };
    // Terms of the longest sum.
    let terms = f64::from(u.pixels * u.columns + u.parts + 8);

    // Statistics of the parts.
    let case = Case::new(gpu, "batch_norm_statistics", &what);
    let states = case.with(&state);
    let parts = 2 * channels * u.parts as usize;
    let buffer = case.with(&output(parts));
    let invocations = u64::from(u.parts * u.channels);
    case.run(
        &u,
        &[&states, &on_gpu(&case, &x), &buffer],
        invocations,
        replicas,
    );
    let (mut exact, mut equal) = (widen::<f64>(&output(parts)), output(parts));
    batch_norm_statistics(&u, &state, &widen(&x), &mut exact);
    batch_norm_statistics(&u, &state, &x, &mut equal);
    // Means are off by `terms` roundings of the largest value (2), and a sum of squares by as much of itself: its terms are off
    // by twice the error of the mean.
    let allowed = within(&exact[..parts], 2.0, 4.0 * terms);
    let allowed = [allowed, vec![0.0; GUARD]].concat();
    let part = case.floats(&buffer, parts + GUARD);
    case.check("part", &part, &exact, &allowed, &equal);
    let part = &equal[..parts];

    // The channels' statistics.
    let case = Case::new(gpu, "batch_norm_combine", &what);
    let kept_before = output(8 * channels);
    let kept_buffer = case.with(&kept_before);
    let params_before = guarded(&params);
    let params_buffer = case.with(&params_before);
    let buffers = [&states, &case.with(part), &params_buffer, &kept_buffer];
    case.run(&u, &buffers, u64::from(u.channels), replicas);
    let mut exact_params = widen::<f64>(&params_before);
    let mut exact_kept = widen::<f64>(&kept_before);
    batch_norm_combine(&u, &state, &widen(part), &mut exact_params, &mut exact_kept);
    let (mut params, mut kept) = (params_before, kept_before);
    batch_norm_combine(&u, &state, part, &mut params, &mut kept);
    let allowed = within(&exact_params, 2.0, 8.0 * f64::from(u.parts) + 16.0);
    let got = case.floats(&params_buffer, params.len());
    case.check("params", &got, &exact_params, &allowed, &params);
    // 1 / deviation is at most 1 / sqrt(eps), and is off by half as much, relatively, as the variance: whose error is a few
    // roundings of itself and of the squared differences of the means.
    let allowed: Vec<f64> = exact_kept
        .iter()
        .map(|v| (16.0 * f64::from(u.parts) + 32.0) * ROUNDING * (v.abs() + 2.0) + TINY)
        .collect();
    let got = case.floats(&kept_buffer, kept.len());
    case.check("kept", &got, &exact_kept, &allowed, &kept);

    // Forward, with and without a ReLU.
    for relu in [0, 1] {
        let u = BatchNormShape { relu, ..u };
        let case = Case::new(gpu, "batch_norm_forward", &what);
        for columns in [1, 4] {
            let buffer = case.with(&output(values));
            let buffers = [&case.with(&kept), &on_gpu(&case, &x), &buffer];
            let pixels = u64::from(u.channels * u.parts * u.pixels);
            let invocations = pixels * u64::from(u.columns.div_ceil(columns));
            case.run_with(&[("COLS", columns)], &u, &buffers, invocations, replicas);
            let (mut exact, mut equal) = (widen::<f64>(&output(values)), output(values));
            batch_norm_forward(&u, replicas, &widen(&kept), &widen(&x), &mut exact);
            batch_norm_forward(&u, replicas, &kept, &x, &mut equal);
            // A difference, a product and a sum; scales reach 1.25 / sqrt(eps).
            let scale = most(&exact_kept[..8 * channels]).max(1.0) * 4.0;
            let mut allowed = within(&exact, scale, 4.0);
            allowed[values..].fill(0.0);
            let got = case.floats(&buffer, values + GUARD);
            case.check("y", &got, &exact, &allowed, &equal);
        }
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
    let case = Case::new(gpu, "batch_norm_backward_sums", &what);
    let buffer = case.with(&output(parts));
    let inputs = [&x, &dy, &kept].map(|v| case.with(v));
    let buffers = [&states, &inputs[0], &inputs[1], &inputs[2], &buffer];
    case.run(&u, &buffers, invocations, replicas);
    let (mut exact, mut equal) = (widen::<f64>(&output(parts)), output(parts));
    let wide = [&x, &dy, &kept].map(|v| widen::<f64>(v));
    batch_norm_backward_sums(&u, &state, &wide[0], &wide[1], &wide[2], &mut exact);
    batch_norm_backward_sums(&u, &state, &x, &dy, &kept, &mut equal);
    // Sums of at most 4 `terms` products of at most 2.
    let mut allowed = within(&exact, 8.0 * terms, terms);
    allowed[parts..].fill(0.0);
    let got = case.floats(&buffer, parts + GUARD);
    case.check("part", &got, &exact, &allowed, &equal);
    let part = &equal[..parts];

    let case = Case::new(gpu, "batch_norm_backward_combine", &what);
    for learns in [0, 1] {
        let u = BatchNormShape { learns, ..u };
        let grads_before = output((replicas * u.param_stride) as usize);
        let grads_buffer = case.with(&grads_before);
        let kept_buffer = case.with(&kept);
        let buffers = [&states, &case.with(part), &kept_buffer, &grads_buffer];
        case.run(&u, &buffers, u64::from(u.channels), replicas);
        let (mut exact_kept, mut exact) = (widen::<f64>(&kept), widen::<f64>(&grads_before));
        batch_norm_backward_combine(&u, &state, &widen(part), &mut exact_kept, &mut exact);
        let (mut own_kept, mut grads) = (kept.clone(), grads_before);
        batch_norm_backward_combine(&u, &state, part, &mut own_kept, &mut grads);
        // Sums of the parts, then two products and a division.
        let sums = 2.0 * f64::from(u.parts) * most(&widen::<f64>(part));
        let deviation = most(
            &kept[..8 * channels]
                .iter()
                .map(|&v| f64::from(v))
                .collect::<Vec<_>>(),
        );
        let roundings = f64::from(u.parts) + 8.0;
        let allowed =
            vec![roundings * ROUNDING * sums * deviation.max(1.0).powi(2) + TINY; exact.len()];
        let got = case.floats(&grads_buffer, grads.len());
        case.check("grads", &got, &exact, &allowed, &grads);
        let allowed = vec![allowed[0]; exact_kept.len()];
        let got = case.floats(&kept_buffer, own_kept.len());
        case.check("kept", &got, &exact_kept, &allowed, &own_kept);
        if learns == 1 {
            kept = own_kept;
        }
    }

    let case = Case::new(gpu, "batch_norm_backward_data", &what);
    for columns in [1, 4] {
        let buffer = case.with(&output(values));
        let inputs = [&x, &dy, &kept].map(|v| case.with(v));
        let buffers = [&states, &inputs[0], &inputs[1], &inputs[2], &buffer];
        let pixels = u64::from(u.channels * u.parts * u.pixels);
        let invocations = pixels * u64::from(u.columns.div_ceil(columns));
        case.run_with(&[("COLS", columns)], &u, &buffers, invocations, replicas);
        let (mut exact, mut equal) = (widen::<f64>(&output(values)), output(values));
        let wide = [&x, &dy, &kept].map(|v| widen::<f64>(v));
        batch_norm_backward_data(&u, &state, &wide[0], &wide[1], &wide[2], &mut exact);
        batch_norm_backward_data(&u, &state, &x, &dy, &kept, &mut equal);
        let k = most(&wide[2][..8 * channels]).max(1.0);
        let mut allowed = within(&exact, 4.0 * k * k, 6.0);
        allowed[values..].fill(0.0);
        let got = case.floats(&buffer, values + GUARD);
        case.check("dx", &got, &exact, &allowed, &equal);
        for (i, &v) in got[..values].iter().enumerate() {
            let empty = i % slots >= counts[i / per_replica] as usize;
            assert!(!empty || v == 0.0, "an empty slot has a gradient of {v}");
        }
    }
}
