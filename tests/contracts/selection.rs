//! Exact top-k: which weights stay, against a sort, bit by bit.

use super::setup::{TINY, by_sort, difference, filled, odd_model, on_gpu, prune_and_compare, spec};
use crate::common::{Dice, bare, chain, gpu, linear, model};
use secateur::gpu::{Gpu, Program};
use secateur::model::Model;
use secateur::prune::{self, PruneError, ScorePart, ScoreSegment};
use secateur::spec::{Amount, Criterion, Layer, PruneSpec, Scope, Shape};
use secateur::train::Snapshot;
use std::sync::Arc;

/// Weights that break selections: ties without end, zeros of both signs, numbers too small to be normal, infinities.
fn adversaries(model: &Model) -> Vec<(&'static str, Snapshot)> {
    let mut dice = Dice(1);
    let mut from = |list: &'static [f32]| {
        let mut own = Dice(dice.next());
        filled(model, move || list[own.below(list.len() as u32) as usize])
    };
    let mut random = Dice(2);
    let mut steep = Dice(3);
    vec![
        ("all equal", from(&[0.5])),
        ("all zero", from(&[0.0])),
        ("zeros of both signs", from(&[0.0, -0.0])),
        (
            "ones of both signs and zeros",
            from(&[1.0, -1.0, 0.0, -0.0]),
        ),
        ("three sizes", from(&[0.25, -0.25, 0.5, -0.5, 1.0])),
        (
            "the smallest there are",
            from(&[TINY, -TINY, 2.0 * TINY, 3.0 * TINY, f32::MIN_POSITIVE, -0.0]),
        ),
        (
            "the largest there are",
            from(&[f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1.0]),
        ),
        ("random", filled(model, || random.unit())),
        (
            "of all sizes",
            filled(model, || {
                steep.unit() * (steep.below(70) as f32 - 40.0).exp2()
            }),
        ),
    ]
}

#[test]
fn pruning_keeps_the_largest_of_adversarial_weights() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let all = model.prunable() as u64;
    for (name, snapshot) in adversaries(&model) {
        println!("{name}");
        // Eight replicas that start alike and keep different numbers.
        let amounts = [0, 1, 31, all / 3, all / 2, all - 32, all - 1, all];
        let specs = amounts.map(|keep| spec(Scope::Global, Amount::Keep(keep)));
        prune_and_compare(gpu, &model, &vec![snapshot.clone(); 8], &specs);
        for scope in [Scope::Layer, Scope::Uniform] {
            let amounts = [0.0, 1.0, 0.9, 0.975, 0.3333, 0.5];
            let specs = amounts.map(|s| spec(scope, Amount::Sparsity(s)));
            prune_and_compare(gpu, &model, &vec![snapshot.clone(); 6], &specs);
        }
    }
}

#[test]
fn layers_out_of_scope_are_left_alone() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![bare(linear(33)), linear(20), linear(10)];
    let model = model(layers, Shape::flat(21));
    let mut dice = Dice(5);
    let mut before = filled(&model, || dice.unit());
    // What is out of scope is not even looked at.
    before.weights[model.tensors[3].offset + 7] = f32::NAN;
    let of = |scope, amount, layers: &[&str]| PruneSpec {
        layers: Some(layers.iter().map(|&l| l.to_owned()).collect()),
        ..spec(scope, amount)
    };
    for scope in [Scope::Global, Scope::Uniform, Scope::Layer] {
        let some = of(scope, Amount::Sparsity(0.9), &["fc1", "fc2"]);
        prune_and_compare(gpu, &model, std::slice::from_ref(&before), &[some]);
    }
    let first = of(Scope::Global, Amount::Keep(0), &["fc2"]);
    let replicas = on_gpu(gpu, &model, std::slice::from_ref(&before));
    prune::prune(gpu, &replicas, &[&first]).unwrap();
    let after = &replicas.download(gpu).unwrap()[0];
    // fc1, fc2 and its bias, fc3 and its bias.
    assert_eq!(after.mask.counts(&model), [693, 0, 20, 200, 10]);
}

#[test]
fn pruning_again_only_takes_from_what_is_left() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(6);
    // Many ties, so that a wrong order of the indices would bring weights back.
    let mut before = filled(&model, || (dice.below(4) as f32 - 1.5) * 0.5);
    for keep in [900, 900, 411, 33, 1, 0] {
        let step = spec(Scope::Global, Amount::Keep(keep));
        prune_and_compare(
            gpu,
            &model,
            std::slice::from_ref(&before),
            std::slice::from_ref(&step),
        );
        before = by_sort(&model, &before, &step);
    }
    // Random scores, too, never bring a weight back.
    let mut dice = Dice(7);
    let half = by_sort(
        &model,
        &filled(&model, || dice.unit()),
        &spec(Scope::Global, Amount::Keep(600)),
    );
    let replicas = on_gpu(gpu, &model, &[half.clone(), half.clone()]);
    let random = PruneSpec {
        criterion: Criterion::Random,
        ..spec(Scope::Global, Amount::Keep(200))
    };
    prune::prune(gpu, &replicas, &[&random, &random]).unwrap();
    let after = replicas.download(gpu).unwrap();
    for snapshot in &after {
        let counts = snapshot.mask.counts(&model);
        assert_eq!(counts[0] + counts[2], 200);
        let back = snapshot.mask.and(&half.mask) != snapshot.mask;
        assert!(!back, "a pruned weight came back");
    }
    assert_ne!(
        after[0].mask, after[1].mask,
        "each seed draws its own scores"
    );
}

#[test]
fn weights_that_are_nan_are_refused() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(8);
    let good = filled(&model, || dice.unit());
    let mut bad = good.clone();
    let second = model.tensors[2].offset;
    for (i, nan) in [
        (0, f32::NAN),
        (998, -f32::NAN),
        (second + 3, f32::from_bits(0x7f80_0001)),
    ] {
        bad.weights[i] = nan;
    }
    // A bias has no rank to lose.
    bad.weights[model.tensors[1].offset] = f32::NAN;
    let replicas = on_gpu(gpu, &model, &[good.clone(), bad.clone()]);
    let half = spec(Scope::Global, Amount::Density(0.5));
    match prune::prune(gpu, &replicas, &[&half, &half]) {
        Err(PruneError::NotANumber { count, replica }) => assert_eq!((count, replica), (3, 1)),
        other => panic!("{other:?}"),
    }
    for (snapshot, before) in replicas.download(gpu).unwrap().iter().zip([&good, &bad]) {
        assert_eq!(
            difference(snapshot, before),
            None,
            "nothing may have changed"
        );
    }
    // Random scores rank them all the same.
    let random = PruneSpec {
        criterion: Criterion::Random,
        ..half
    };
    prune::prune(gpu, &replicas, &[&random, &random]).unwrap();
}

#[test]
fn asking_for_more_than_is_left_is_refused() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(9);
    let full = filled(&model, || dice.unit());
    let few = by_sort(&model, &full, &spec(Scope::Layer, Amount::Density(0.1)));
    let replicas = on_gpu(gpu, &model, &[full.clone(), few.clone()]);
    let (all, some) = (
        spec(Scope::Global, Amount::Keep(1000)),
        spec(Scope::Global, Amount::Keep(128)),
    );
    match prune::prune(gpu, &replicas, &[&all, &some]) {
        Err(PruneError::TooFewLeft {
            keep,
            alive,
            layers,
        }) => {
            assert_eq!((keep, alive), (128, 127));
            assert!(layers.contains("fc1") && layers.contains("fc2"), "{layers}");
        }
        other => panic!("{other:?}"),
    }
    let half = spec(Scope::Layer, Amount::Density(0.5));
    match prune::prune(gpu, &replicas, &[&half, &half]) {
        Err(PruneError::TooFewLeft {
            keep,
            alive,
            layers,
        }) => {
            assert_eq!((keep, alive, layers.as_str()), (500, 100, "fc1"));
        }
        other => panic!("{other:?}"),
    }
    for (snapshot, before) in replicas.download(gpu).unwrap().iter().zip([&full, &few]) {
        assert_eq!(
            difference(snapshot, before),
            None,
            "nothing may have changed"
        );
    }
    let exactly = spec(Scope::Global, Amount::Keep(127));
    prune::prune(gpu, &replicas, &[&exactly, &exactly]).unwrap();
}

/// `count` weights, two replicas (together where one binding holds both), many ties.
fn prune_large(gpu: &Gpu, inputs: usize, layers: Vec<Layer>, classes: usize, count: usize) {
    let model = Arc::new(Model::new(&chain(layers), Shape::flat(inputs), classes).unwrap());
    assert_eq!(model.prunable(), count);
    let (mut fine, mut coarse) = (Dice(10), Dice(11));
    let before = [
        filled(&model, || fine.unit()),
        // 1,024 sizes: thousands of ties at every threshold.
        filled(&model, || (coarse.unit() * 1024.0).round() / 1024.0),
    ];
    let global = [0.975, 0.5].map(|s| spec(Scope::Global, Amount::Sparsity(s)));
    let uniform = [1.0 / 3.0, 0.01].map(|d| spec(Scope::Uniform, Amount::Density(d)));
    for specs in [global, uniform] {
        if model.floats as u64 * 8 <= gpu.max_binding() {
            prune_and_compare(gpu, &model, &before, &specs);
        } else {
            for (before, spec) in before.iter().zip(&specs) {
                let (before, spec) = (std::slice::from_ref(before), std::slice::from_ref(spec));
                prune_and_compare(gpu, &model, before, spec);
            }
        }
    }
}

#[test]
fn a_thousand_scores() {
    let Some(gpu) = gpu() else { return };
    prune_large(gpu, 100, vec![bare(linear(10))], 10, 1_000);
}

#[test]
fn the_266_200_scores_of_lenet() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![linear(300), linear(100), linear(10)];
    prune_large(gpu, 784, layers, 10, 266_200);
}

#[test]
fn four_million_scores() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![linear(2048), linear(50)];
    prune_large(gpu, 2048, layers, 50, 4_296_704);
}

#[test]
#[ignore = "2 GiB of memory and a minute on a software adapter; run with --ignored"]
fn thirty_million_scores() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![linear(6000), linear(10)];
    prune_large(gpu, 5000, layers, 10, 30_060_000);
}

/// Scores that lie in several buffers: one selection over all of them, ties by the index over all.
#[test]
fn scores_in_several_parts_are_one_selection() {
    let Some(gpu) = gpu() else { return };
    const REPLICAS: usize = 3;
    // (base, stride, segments as (start, count, group)): more than one block, odd ends, gaps, one group in all three parts.
    type Plan = (u32, u32, &'static [(u32, u32, u32)]);
    let plans: [Plan; 3] = [
        (0, 20_032, &[(0, 20_001, 0)]),
        (
            20_032,
            9_024,
            &[(0, 33, 1), (64, 8_192, 0), (8_256, 700, 1)],
        ),
        (1 << 30, 128, &[(32, 77, 0)]),
    ];
    for sizes in [1, 3, 50_000] {
        let mut dice = Dice(u64::from(sizes));
        let scores: Vec<Vec<u32>> = plans
            .iter()
            .map(|(_, stride, _)| {
                let number = |_| 1 + dice.below(sizes);
                (0..*stride as usize * REPLICAS).map(number).collect()
            })
            .collect();
        let keep = [vec![14_000, 1], vec![0, 733], vec![28_270, 300]];
        let buffers: Vec<_> = plans
            .iter()
            .zip(&scores)
            .map(|((_, stride, _), scores)| {
                let words = vec![u32::MAX; *stride as usize / 32 * REPLICAS];
                let score = gpu.buffer_with("scores", scores).unwrap();
                (score, gpu.buffer_with("masks", &words).unwrap())
            })
            .collect();
        let segments: Vec<Vec<ScoreSegment>> = plans
            .iter()
            .map(|(_, _, list)| {
                let segment = |&(start, count, group)| ScoreSegment {
                    start,
                    count,
                    group,
                };
                list.iter().map(segment).collect()
            })
            .collect();
        let parts: Vec<ScorePart<'_>> = (0..3)
            .map(|p| ScorePart {
                score: &buffers[p].0,
                masks: &buffers[p].1,
                score_stride: plans[p].1,
                mask_words: plans[p].1 / 32,
                base: plans[p].0,
                segments: &segments[p],
            })
            .collect();
        let mut program = Program::new("selection");
        prune::select(gpu, &mut program, &parts, &keep).unwrap();
        gpu.run(&program).unwrap();
        let masks: Vec<Vec<u32>> = (0..3)
            .map(|p| {
                let words = plans[p].1 as usize / 32 * REPLICAS;
                gpu.read(&buffers[p].1, 0, words).unwrap()
            })
            .collect();
        for (replica, keep) in keep.iter().enumerate() {
            for group in 0..2 {
                // (score, index over all parts, kept)
                let mut list: Vec<(u32, u64, bool)> = Vec::new();
                for (p, (base, stride, own)) in plans.iter().enumerate() {
                    for &(start, count, of) in own.iter().filter(|s| s.2 == group) {
                        assert_eq!(of, group);
                        for i in start..start + count {
                            let at = replica * *stride as usize + i as usize;
                            let bit = masks[p][at / 32] >> (at % 32) & 1 == 1;
                            list.push((scores[p][at], u64::from(base + i), bit));
                        }
                    }
                }
                list.sort_by_key(|&(score, index, _)| (std::cmp::Reverse(score), index));
                let n = keep[group as usize] as usize;
                let wrong = list.iter().enumerate().find(|(k, item)| item.2 != (*k < n));
                assert_eq!(
                    wrong, None,
                    "replica {replica}, group {group}, {sizes} sizes"
                );
            }
        }
    }
}
