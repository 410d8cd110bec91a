//! `softmax_loss`.

use crate::common::{Dice, gpu};
use crate::reference::batch::EMPTY;
use crate::reference::compare::{ROUNDING, TINY};
use crate::reference::device::{Case, output};
use crate::reference::loss::softmax_loss;
use crate::reference::number::{Real, widen};
use secateur::ops::{LossShape, Window};
use secateur::train::State;

/// (classes, columns, replicas)
const SIZES: &[(u32, u32, u32)] = &[(10, 16, 2), (2, 1, 1), (3, 1, 3), (100, 3, 2), (1, 1, 1)];

/// What the kernel writes.
struct Outcome<T> {
    dlogits: Vec<T>,
    loss: Vec<T>,
    hit: Vec<u32>,
}

fn twin<T: Real>(u: &LossShape, state: &[State], label: &[u32], logits: &[f32]) -> Outcome<T> {
    let mut out = Outcome {
        dlogits: widen(&output(logits.len())),
        loss: widen(&output(label.len())),
        hit: vec![u32::MAX; label.len() + 8],
    };
    let logits = widen(logits);
    let (d, loss) = (&mut out.dlogits, &mut out.loss);
    softmax_loss(u, state, label, &logits, d, loss, &mut out.hit);
    out
}

/// Runs one batch of each replica. `count` samples are present, the other slots empty.
fn check(size: (u32, u32, u32), kind: &str, logits: &[f32], dice: &mut Dice) {
    let columns = size.1;
    let whole = Window::all(columns, columns)[0];
    // In the middle of its batch: between others, and between samples and empty slots.
    let part = Window {
        first: 2,
        columns,
        batch: columns + 3,
    };
    for (window, smoothing) in [(whole, 0.0), (whole, 0.1), (part, 0.0)] {
        check_window(size, kind, logits, (window, smoothing), dice);
    }
}

fn check_window(
    size: (u32, u32, u32),
    kind: &str,
    logits: &[f32],
    (window, smoothing): (Window, f64),
    dice: &mut Dice,
) {
    let Some(gpu) = gpu() else { return };
    let (classes, columns, replicas) = size;
    let u = LossShape::new(classes, window, smoothing);
    let slots = 4 * window.batch;
    let name = (size, kind, window, smoothing);
    let case = Case::new(gpu, "softmax_loss", &name);
    // Replica 0 is full; the others are a last batch of some size.
    let batch = |r: u32| if r == 0 { slots } else { (slots - r).max(1) };
    let state: Vec<State> = (0..replicas)
        .map(|r| State {
            count: batch(r),
            ..State::default()
        })
        .collect();
    let label: Vec<u32> = (0..replicas)
        .flat_map(|r| (0..slots).map(move |b| (r, b)))
        .map(|(r, b)| {
            if b < batch(r) {
                dice.below(classes)
            } else {
                EMPTY
            }
        })
        .collect();
    let inputs = [case.with(&state), case.with(&label), case.with(logits)];
    let dlogits = case.with(&output(logits.len()));
    let loss = case.with(&output(label.len()));
    let hit = case.with(&vec![u32::MAX; label.len() + 8]);
    let buffers = [&inputs[0], &inputs[1], &inputs[2], &dlogits, &loss, &hit];
    case.run(&u, &buffers, u64::from(columns), replicas);

    let exact = twin::<f64>(&u, &state, &label, logits);
    let equal = twin::<f32>(&u, &state, &label, logits);
    // exp and ln are within 3e-7, relative; the sum of `classes` exponentials rounds as often; l - m rounds once, which the
    // exponential turns into a relative error of |l - m| roundings, at most e^-1 of them after scaling by p. Hardware may
    // divide within 2.5 units. Each output then rounds a few times.
    let each = 9e-7 + f64::from(classes + 12) * ROUNDING;
    let mut allowed: Vec<f64> = Vec::new();
    for (i, d) in exact.dlogits.iter().enumerate() {
        let sample = i / (4 * classes * columns) as usize;
        let share = 1.0 / f64::from(state.get(sample).map_or(1, |s| s.count));
        allowed.push((each + 4.0 * ROUNDING) * share.max(d.abs()) + TINY);
    }
    let got = case.floats(&dlogits, exact.dlogits.len());
    case.check("dlogits", &got, &exact.dlogits, &allowed, &equal.dlogits);
    let allowed: Vec<f64> = exact
        .loss
        .iter()
        // With smoothing also the sum over the other classes rounds.
        .map(|l| each + (6.0 + f64::from(classes)) * ROUNDING * l.abs())
        .collect();
    let got = case.floats(&loss, exact.loss.len());
    case.check("loss", &got, &exact.loss, &allowed, &equal.loss);
    case.check_words("hit", &case.words(&hit, exact.hit.len()), &exact.hit);
}

fn count((classes, columns, replicas): (u32, u32, u32)) -> usize {
    (classes * columns * replicas * 4) as usize
}

#[test]
fn ordinary_logits() {
    let mut dice = Dice(41);
    for &size in SIZES {
        let mut logits = dice.values(count(size));
        logits.iter_mut().for_each(|v| *v *= 4.0);
        check(size, "within 4", &logits, &mut dice);
    }
}

/// Equal logits: a hit is the first maximum only.
#[test]
fn tied_logits() {
    let mut dice = Dice(42);
    for &size in SIZES {
        let logits: Vec<f32> = (0..count(size)).map(|_| dice.below(2) as f32).collect();
        check(size, "0 or 1", &logits, &mut dice);
        check(size, "all -3", &vec![-3.0; count(size)], &mut dice);
    }
}

/// A network that diverges must give large losses, not NaN, as long as its logits are finite.
#[test]
fn huge_logits() {
    let mut dice = Dice(43);
    for &size in SIZES {
        for scale in [60.0, 1000.0, 1e30] {
            let mut logits = dice.values(count(size));
            logits.iter_mut().for_each(|v| *v *= scale);
            check(size, "huge", &logits, &mut dice);
        }
    }
}

/// One NaN among the logits makes loss and gradient NaN, whichever class it is in, so that the step counts as broken.
#[test]
fn nan_is_not_lost() {
    let mut dice = Dice(44);
    let size = (10, 16, 2);
    let mut logits = dice.values(count(size));
    let slots = 64;
    for b in 0..slots / 2 {
        logits[dice.below(10) as usize * slots + b] = f32::NAN;
    }
    check(size, "NaN", &logits, &mut dice);
}
