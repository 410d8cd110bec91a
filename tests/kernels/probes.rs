//! `probe_*`: a ceiling means nothing if the kernel that measures it leaves its work out.

use crate::common::{Dice, gpu};
use crate::reference::compare::relative;
use crate::reference::device::{Case, GUARD, output, twin};
use crate::reference::number::widen;
use crate::reference::probe::{probe_copy, probe_driver, probe_fma};
use secateur::bench::ProbeShape;
use secateur::gpu::DriverProbeShape;
use secateur::ops::Span;

#[test]
fn probe_fma_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    // (vec4s, rounds, chains, multiply-adds of a chain in a round)
    for size in [
        (1u32, 1u32, 8u32, 16u32),
        (700, 1, 2, 3),
        (33, 3, 4, 16),
        (5, 0, 8, 16),
    ] {
        let (count, rounds, chains, unroll) = size;
        let u = ProbeShape { count, rounds };
        let case = Case::new(gpu, "probe_fma", &size);
        let values = 4 * count as usize;
        let out = case.with(&output(values));
        let constants = [("CHAINS", chains), ("UNROLL", unroll)];
        case.run_with(&constants, &u, &[&out], u64::from(count), 1);
        let exact = twin::<f64>(values, |out| probe_fma(&u, chains, unroll, out));
        let equal = twin::<f32>(values, |out| probe_fma(&u, chains, unroll, out));
        // All terms are positive, so relative errors add up along a path: one per multiply-add, then one per chain.
        let allowed = relative(f64::from(rounds * unroll + chains), &exact);
        let got = case.floats(&out, values + GUARD);
        case.check("out", &got, &exact, &allowed, &equal);
    }
}

/// What the driver did when it was opened it does again, and the numbers tell fused from unfused.
#[test]
fn probe_driver_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let traits = gpu.traits();
    let mut u = DriverProbeShape::ASKED;
    // The loop ends with a check, which a driver that limits loops counts too.
    u.passes = traits.loop_limit.map_or(u.passes, |limit| limit - 1);
    let case = Case::new(gpu, "probe_driver", &u);
    let out = case.with(&[u32::MAX; 4]);
    case.run(&u, &[&out], 1, 1);
    let mut told = probe_driver(&u, traits.fused_fma);
    told[2] = if traits.flushes_subnormals {
        0
    } else {
        told[2]
    };
    case.check_words("out", &case.words(&out, 3), &told);
    assert_eq!(probe_driver(&u, false)[1], 0);
    assert_eq!(probe_driver(&u, true)[1], 2f32.powi(-24).to_bits());
}

#[test]
fn probe_copy_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(111);
    // (vec4s, vec4s per invocation)
    for size in [(1u32, 4u32), (64, 1), (1001, 4), (1003, 2)] {
        let (count, vectors) = size;
        let u = Span { count };
        let case = Case::new(gpu, "probe_copy", &size);
        let values = 4 * count as usize;
        let x = dice.values(values);
        let y = case.with(&output(values));
        let invocations = u64::from(count.div_ceil(vectors));
        let buffers = [&case.with(&x), &y];
        case.run_with(&[("VECTORS", vectors)], &u, &buffers, invocations, 1);
        let exact = twin::<f64>(values, |y| probe_copy(&u, &widen(&x), y));
        let equal = twin::<f32>(values, |y| probe_copy(&u, &x, y));
        // No arithmetic, so no tolerance.
        let allowed = vec![0.0; exact.len()];
        let got = case.floats(&y, values + GUARD);
        case.check("y", &got, &exact, &allowed, &equal);
    }
}
