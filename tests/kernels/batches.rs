//! `batch_draw`, `batch_gather` and `step_advance`.

use crate::common::{Dice, gpu};
use crate::reference::batch::{EMPTY, Reals, batch_draw, batch_gather, step_advance};
use crate::reference::compare::{ROUNDING, relative};
use crate::reference::device::{Case, GUARD, output, twin};
use crate::reference::number::widen;
use secateur::gpu::Gpu;
use secateur::train::{Advance, Draw, Gather, Hyper, State, class_balanced_order};
use std::collections::HashSet;

/// Labels of a dataset: bytes, padded to whole words.
fn labels(total: u32) -> Vec<u8> {
    let padded = total.next_multiple_of(4);
    (0..padded).map(|i| (i * 7 % 251) as u8).collect()
}

/// Runs `batch_draw` and compares it with its twin; gives the samples drawn.
fn draw(gpu: &'static Gpu, u: Draw, keys: &[[u32; 4]], state: &[State]) -> Vec<u32> {
    let size = (
        u,
        state
            .iter()
            .map(|s| (s.epoch, s.position, s.count))
            .collect::<Vec<_>>(),
    );
    let case = Case::new(gpu, "batch_draw", &size);
    let all_labels = labels(u.total);
    let replicas = keys.len() as u32;
    let untouched = vec![12_345u32; (replicas * u.slots) as usize + 8];
    let [index, label] = [case.with(&untouched), case.with(&untouched)];
    let inputs = [case.with(keys), case.with(state), case.with(&all_labels)];
    let turns = case.with(&class_balanced_order(&all_labels[..u.total as usize]));
    let buffers = [&inputs[0], &inputs[1], &inputs[2], &turns, &index, &label];
    case.run(&u, &buffers, u64::from(u.slots), replicas);
    let [mut want, mut want_label] = [untouched.clone(), untouched.clone()];
    batch_draw(&u, keys, state, &all_labels, &mut want, &mut want_label);
    let got = case.words(&index, untouched.len());
    case.check_words("index", &got, &want);
    case.check_words("label", &case.words(&label, untouched.len()), &want_label);
    got[..(replicas * u.slots) as usize].to_vec()
}

fn state(epoch: u32, position: u32, count: u32) -> State {
    State {
        epoch,
        position,
        count,
        ..State::default()
    }
}

#[test]
fn batch_draw_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(71);
    let keys = dice.keys(3);
    for mode in 0..3 {
        let u = Draw {
            total: 1000,
            base: if mode == 0 { 137 } else { 0 },
            samples: if mode == 0 { 863 } else { 137 },
            mode,
            slots: 68,
            balanced: 0,
        };
        // A batch in the middle, a last batch of 3, and one full to the last slot.
        let states = [
            state(0, 64, 66),
            state(5, u.samples - 3, 3),
            state(2, 0, 68),
        ];
        for balanced in [0, 1] {
            draw(gpu, Draw { balanced, ..u }, &keys, &states);
        }
    }
    let alone = Draw {
        total: 1,
        base: 0,
        samples: 1,
        mode: 0,
        slots: 4,
        balanced: 0,
    };
    assert_eq!(draw(gpu, alone, &keys[..1], &[state(9, 0, 1)])[0], 0);
}

/// One pass draws every training sample once, no validation sample, and each epoch in another order; validation draws the rest.
#[test]
fn splits_are_disjoint_and_passes_are_permutations() {
    let Some(gpu) = gpu() else { return };
    for (total, held, balanced) in [
        (3u32, 1u32, 0),
        (100, 33, 0),
        (1000, 137, 0),
        (60_000, 5000, 0),
        (3, 1, 1),
        (1000, 137, 1),
    ] {
        let keys = [[77, 0, 0, 0], [78, 0, 0, 0]];
        let pass = |mode, epoch: u32| {
            let (base, samples) = if mode == 0 {
                (held, total - held)
            } else {
                (0, held)
            };
            let u = Draw {
                total,
                base,
                samples,
                mode,
                slots: samples.next_multiple_of(4),
                balanced,
            };
            let drawn = draw(gpu, u, &keys, &[state(epoch, 0, samples); 2]);
            let replicas = drawn.chunks_exact(u.slots as usize);
            let each = replicas.map(|slots| {
                assert!(slots[samples as usize..].iter().all(|&s| s == EMPTY));
                slots[..samples as usize].to_vec()
            });
            each.collect::<Vec<_>>()
        };
        let validation = pass(1, 0);
        let epochs = [pass(0, 0), pass(0, 1)];
        for r in 0..2 {
            let set = |drawn: &[Vec<u32>]| drawn[r].iter().copied().collect::<HashSet<_>>();
            let held_out = set(&validation);
            assert_eq!(held_out.len() as u32, held);
            for epoch in &epochs {
                let learned = set(epoch);
                assert_eq!(
                    learned.len() as u32,
                    total - held,
                    "each sample once a pass"
                );
                assert!(learned.is_disjoint(&held_out));
                assert!(learned.union(&held_out).all(|&s| s < total));
            }
            assert!(
                total < 10 || epochs[0][r] != epochs[1][r],
                "epochs differ in order"
            );
        }
        assert!(
            total < 10 || validation[0] != validation[1],
            "seeds hold out different samples"
        );
    }
}

/// Balanced, any range of positions holds every class as often as any other, but for one sample; validation, which begins at
/// 0, has those of the lower classes.
#[test]
fn balanced_draws_hold_the_classes_equally() {
    let Some(gpu) = gpu() else { return };
    // 251 classes of 3 or 4 samples.
    let (total, classes) = (1000u32, 251u32);
    let all = labels(total);
    let keys = [[7, 0, 0, 0], [8, 0, 0, 0]];
    let draw_from = |base, samples, mode| {
        let u = Draw {
            total,
            base,
            samples,
            mode,
            slots: samples.next_multiple_of(4),
            balanced: 1,
        };
        let drawn = draw(gpu, u, &keys, &[state(0, 0, samples); 2]);
        let replica = |slots: &[u32]| slots[..samples as usize].to_vec();
        drawn
            .chunks_exact(u.slots as usize)
            .map(replica)
            .collect::<Vec<_>>()
    };
    let counts = |drawn: &[u32]| {
        let mut counts = vec![0u32; classes as usize];
        for &sample in drawn {
            counts[usize::from(all[sample as usize])] += 1;
        }
        counts
    };
    for held in [100, 251, 502, 600] {
        let validation = draw_from(0, held, 1);
        for drawn in &validation {
            let lower = |class: u32| held / classes + u32::from(class < held % classes);
            assert!(
                counts(drawn).into_iter().eq((0..classes).map(lower)),
                "{held}"
            );
        }
        assert_ne!(validation[0], validation[1], "seeds choose for themselves");
        for drawn in draw_from(held, 120, 0) {
            let counts = counts(&drawn);
            assert!(counts.iter().all(|&n| n <= 1), "{held}: 120 of 251 classes");
        }
    }
}

/// Every replica draws the whole of 0..n, for sizes around the powers of two that the network is built on.
#[test]
fn permutations_on_the_device() {
    let Some(gpu) = gpu() else { return };
    for n in [
        1u32, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1000, 4097, 60_000,
    ] {
        let u = Draw {
            total: n,
            base: 0,
            samples: n,
            mode: 0,
            slots: n.next_multiple_of(4),
            balanced: 0,
        };
        let mut drawn = draw(gpu, u, &[[n, 0, 1, 0]], &[state(3, 0, n)]);
        drawn.truncate(n as usize);
        drawn.sort_unstable();
        assert!(drawn.into_iter().eq(0..n), "{n}");
    }
}

#[test]
fn batch_gather_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(72);
    // (features, features per channel, (columns, first, of the batch), replicas): also features that do not fill their last
    // word, and windows of a batch.
    for size in [
        (784u32, 784u32, (3u32, 0u32, 3u32), 2u32),
        (30, 10, (1, 0, 1), 1),
        (27, 9, (5, 8, 16), 3),
        (27, 9, (8, 0, 13), 2),
        (1, 1, (1, 0, 1), 1),
    ] {
        let (features, plane, (columns, first_column, batch_columns), replicas) = size;
        let u = Gather {
            features,
            words: features.div_ceil(4),
            plane,
            columns,
            first_column,
            batch_columns,
            first: 0,
            samples: 50,
        };
        let case = Case::new(gpu, "batch_gather", &size);
        let samples = u.samples;
        let bytes = (samples * u.words * 4) as usize;
        let images: Vec<u8> = (0..bytes).map(|_| dice.word() as u8).collect();
        let channel = |_| [1.0 / (255.0 * 0.3), -0.5 + 0.1 * dice.unit()];
        let scales: Vec<[f32; 2]> = (0..features / plane).map(channel).collect();
        let slot = |_| {
            if dice.below(5) == 0 {
                EMPTY
            } else {
                dice.below(samples)
            }
        };
        let index: Vec<u32> = (0..replicas * batch_columns * 4).map(slot).collect();
        let count = (replicas * features * columns * 4) as usize;
        let x = case.with(&output(count));
        let inputs = [case.with(&images), case.with(&scales), case.with(&index)];
        let buffers = [&inputs[0], &inputs[1], &inputs[2], &x];
        case.run(&u, &buffers, u64::from(u.words * columns), replicas);
        let exact = twin::<f64>(count, |x| {
            batch_gather(&u, replicas, &images, &scales, &index, x);
        });
        let equal = twin::<f32>(count, |x| {
            batch_gather(&u, replicas, &images, &scales, &index, x);
        });
        // One multiply-add of numbers up to 255 * 0.014 and 0.6.
        let allowed = vec![2.0 * ROUNDING * 5.0; exact.len()];
        case.check("x", &case.floats(&x, exact.len()), &exact, &allowed, &equal);
    }
}

/// Images in parts, gathered one part after another, are the same bits as in one.
#[test]
fn batch_gather_of_parts_is_that_of_the_whole() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(74);
    let (features, columns, replicas, samples) = (27u32, 5u32, 2u32, 23u32);
    let words = features.div_ceil(4);
    let images: Vec<u8> = (0..samples * words * 4)
        .map(|_| dice.word() as u8)
        .collect();
    let scales: Vec<[f32; 2]> = (0..3).map(|c| [0.01, -0.5 + 0.1 * c as f32]).collect();
    // Samples in no order, empty slots among them, and one vec4 with samples of all parts.
    let slot = |_| match dice.below(5) {
        0 => EMPTY,
        _ => dice.below(samples),
    };
    let mut index: Vec<u32> = (0..replicas * columns * 4).map(slot).collect();
    index[..4].copy_from_slice(&[22, 0, 11, EMPTY]);
    let count = (replicas * features * columns * 4) as usize;
    // One multiply-add of numbers up to 255 * 0.01 and 0.5, which the adapter may round once or twice.
    let allowed = vec![2.0 * ROUNDING * 4.0; count + GUARD];
    let gather = |per_part: u32| {
        let size = (per_part, "samples a part");
        let case = Case::new(gpu, "batch_gather", &size);
        let [scales_on, index_on, x] = [
            case.with(&scales),
            case.with(&index),
            case.with(&output(count)),
        ];
        let mut want = twin::<f32>(count, |_| ());
        for first in (0..samples).step_by(per_part as usize) {
            let u = Gather {
                features,
                words,
                plane: 9,
                columns,
                first_column: 0,
                batch_columns: columns,
                first,
                samples: per_part.min(samples - first),
            };
            let bytes = |sample: u32| (sample * words * 4) as usize;
            let part = &images[bytes(first)..bytes(first + u.samples)];
            let buffers = [&case.with(part), &scales_on, &index_on, &x];
            case.run(&u, &buffers, u64::from(words * columns), replicas);
            batch_gather(&u, replicas, part, &scales, &index, &mut want);
            // After the first part nothing is left of whatever stood there before.
            let got = case.floats(&x, want.len());
            case.check("x", &got, &widen(&want), &allowed, &want);
        }
        let got = case.floats(&x, want.len());
        got.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    let whole = gather(samples);
    for per_part in [1, 4, 9, 22] {
        assert_eq!(gather(per_part), whole, "{per_part} samples a part");
    }
}

/// Several passes of three replicas, one of which breaks.
#[test]
fn step_advance_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(73);
    let replicas = 3u32;
    for (steps, columns, batch, samples) in [
        (5u32, 2u32, 7u32, 17u32),
        (0, 1, 4, 4),
        (1, 3, 10, 1000),
        (40, 2, 5, 25),
    ] {
        let u = Advance {
            samples,
            batch,
            columns,
            steps,
        };
        let case = Case::new(gpu, "step_advance", &u);
        // The factors of the learning rate, then pairs that tell their place.
        let mut factors: Vec<f32> = (0..steps.max(1)).map(|k| 0.9f32.powi(k as i32)).collect();
        let first = factors.len() as u32;
        factors.extend((0..14).map(|k| k as f32 / 16.0));
        let hyper: Vec<Hyper> = (0..replicas)
            .map(|r| Hyper {
                lr: 0.1 * (r + 1) as f32,
                // One replica with few, one with more, one with none.
                first_correction: first + 2 * r,
                corrections: [3, 5, 0][r as usize],
                ..Hyper::default()
            })
            .collect();
        let start = State {
            count: batch.min(samples),
            lr: 0.3,
            clip: 0.7,
            correction1: 0.1,
            correction2: 0.001,
            loss_sum: 2.5,
            correct: 3,
            seen: 11,
            ..State::default()
        };
        let mut state = vec![start; replicas as usize];
        let on_gpu = case.with(&state);
        let constant = [case.with(&hyper), case.with(&factors)];
        for round in 0..12 {
            let values = (replicas * columns * 4) as usize;
            let mut loss: Vec<f32> = dice.values(values).iter().map(|v| v.abs()).collect();
            if round == 4 {
                loss[1] = f32::NAN;
            }
            if round == 6 {
                loss[values - 1] = f32::INFINITY;
            }
            let hit: Vec<u32> = (0..values).map(|_| dice.below(2)).collect();
            let batch = [case.with(&loss), case.with(&hit)];
            let buffers = [&constant[0], &constant[1], &batch[0], &batch[1], &on_gpu];
            case.run(&u, &buffers, 1, replicas);
            let wide: Vec<f64> = loss.iter().map(|&l| f64::from(l)).collect();
            let exact = step_advance(&u, &hyper, &factors, &wide, &hit, &mut state.clone());
            let equal = step_advance(&u, &hyper, &factors, &loss, &hit, &mut state);

            let got: Vec<State> = case.get(gpu.read(&on_gpu, 0, state.len()));
            let real = |s: &State| [s.loss_sum, s.lr, s.correction1, s.correction2];
            let got_reals: Vec<f32> = got.iter().flat_map(real).collect();
            let equal: Vec<f32> = flat(&equal);
            let exact: Vec<f64> = flat(&exact);
            // A sum of positive losses; the others are one product.
            let allowed = relative(f64::from(4 * columns + 2), &exact);
            case.check("reals", &got_reals, &exact, &allowed, &equal);
            let word = |s: &State| {
                [
                    s.step, s.epoch, s.position, s.count, s.correct, s.seen, s.broken,
                ]
            };
            let [got_words, want_words] =
                [&got, &state].map(|s| s.iter().flat_map(word).collect::<Vec<_>>());
            case.check_words("words", &got_words, &want_words);
            assert!(got.iter().all(|s| s.clip == 0.7));
            // Go on from the device's own numbers, so that each step is compared alone.
            state = got;
        }
        assert!(state[0].broken >= 1 && state[1].broken == 0 && state[2].broken >= 1);
    }
}

fn flat<T: Copy>(reals: &[Reals<T>]) -> Vec<T> {
    let each = |r: &Reals<T>| [r.loss_sum, r.lr, r.correction1, r.correction2];
    reals.iter().flat_map(each).collect()
}
