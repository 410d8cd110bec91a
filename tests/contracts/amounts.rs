//! How many weights stay in every scope, and controls that keep counts.

use super::setup::{
    by_sort, conv_model, difference, filled, odd_model, on_gpu, prune_and_compare, spec,
};
use crate::common::{Dice, gpu, preset_model};
use secateur::model::Model;
use secateur::prune;
use secateur::spec::{Amount, Norms, PruneSpec, Sap, Scope};
use secateur::train::Snapshot;
use std::sync::Arc;

#[test]
fn counts_are_exact_in_every_scope() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(4);
    let before = filled(&model, || dice.unit());
    for (scope, amount, want) in [
        (Scope::Global, Amount::Keep(17), None),
        (Scope::Global, Amount::Density(0.1), None),
        // 999 / 2 and 270 / 2, halves to even: 499.5 removed becomes 500.
        (Scope::Layer, Amount::Sparsity(0.5), Some([499, 135])),
        (Scope::Layer, Amount::Density(0.01), Some([10, 3])),
        // 127 of 1,269: shares 99.98 and 27.02.
        (Scope::Uniform, Amount::Keep(127), Some([100, 27])),
        (Scope::Uniform, Amount::Keep(1), Some([1, 0])),
        // 0.025 x 1,269 = 31.725 -> 32: shares 25.19 and 6.81.
        (Scope::Uniform, Amount::Sparsity(0.975), Some([25, 7])),
    ] {
        let replicas = on_gpu(gpu, &model, std::slice::from_ref(&before));
        prune::prune(gpu, &replicas, &[&spec(scope, amount)]).unwrap();
        let after = &replicas.download(gpu).unwrap()[0];
        let counts = after.mask.counts(&model);
        let [fc1, bias1, fc2, bias2] = counts[..] else {
            panic!("{counts:?}")
        };
        assert_eq!([bias1, bias2], [27, 10], "biases are never pruned");
        match (amount, want) {
            (_, Some(want)) => assert_eq!([fc1, fc2], want, "{scope:?} {amount:?}"),
            (Amount::Keep(keep), _) => assert_eq!(fc1 + fc2, keep),
            (Amount::Density(density), _) => {
                assert_eq!(fc1 + fc2, (density * 1269.0).round() as u64);
            }
            _ => unreachable!(),
        }
        let zeros = |t: usize| {
            let tensor = &model.tensors[t];
            let own = &after.weights[tensor.offset..][..tensor.count];
            own.iter().filter(|w| w.to_bits() == 0).count() as u64
        };
        assert_eq!(
            (zeros(0), zeros(2)),
            (999 - fc1, 270 - fc2),
            "all others are 0"
        );
    }
}

/// Lottery tickets of LeNet-300-100 (Frankle and Carbin 2019): 20 % of what is left each round, 10 % in the output layer. The percentages
/// are theirs.
#[test]
fn rounds_of_what_remains_are_the_published_densities() {
    let model = preset_model("lenet-300-100");
    let step = |share, layers: &[&str]| PruneSpec {
        layers: Some(layers.iter().map(|&l| l.to_owned()).collect()),
        ..spec(Scope::Layer, Amount::Remaining(share))
    };
    let steps = [step(0.8, &["fc1", "fc2"]), step(0.9, &["fc3"])];
    let mut alive: Vec<u64> = model.tensors.iter().map(|t| t.count as u64).collect();
    let published = [
        80.0, 64.1, 51.3, 41.0, 32.9, 26.3, 21.1, 16.9, 13.5, 10.8, 8.7, 7.0,
    ];
    for (round, percent) in (1..).zip(published) {
        for step in &steps {
            for group in prune::groups_of(&model, step, &alive).unwrap() {
                alive[group.tensors[0]] = group.keep;
            }
        }
        let left: u64 = [0, 2, 4].iter().map(|&t| alive[t]).sum();
        let (hidden, output) = (0.8f64.powi(round), 0.9f64.powi(round));
        // Each layer rounds in each round.
        assert!(
            (left as f64 - 265_200.0 * hidden - 1000.0 * output).abs() < 5.0,
            "{left}"
        );
        let share = 100.0 * left as f64 / 266_200.0;
        assert!((share - percent).abs() < 0.06, "{share}, not {percent}");
    }
}

/// (in + out) / (in out) of each layer times one factor, none above 1, and the total exact.
#[test]
fn erdos_renyi_densities_are_solved_exactly() {
    let cnn = preset_model("mnist-cnn");
    let weights: Vec<_> = cnn.tensors.iter().filter(|t| t.prunable).collect();
    let all = cnn.prunable() as u64;
    for (scope, kernels) in [(Scope::Er, 0.0), (Scope::Erk, 1.0)] {
        for keep in [0, 1, 500, 29_991, 95_972, all / 2, all - 1, all] {
            let groups = prune::groups(&cnn, &spec(scope, Amount::Keep(keep))).unwrap();
            assert_eq!(
                groups.iter().map(|g| g.keep).sum::<u64>(),
                keep,
                "{scope:?}"
            );
            let mut factors = Vec::new();
            for (group, t) in groups.iter().zip(&weights) {
                assert!(group.keep <= t.count as u64);
                if group.keep < t.count as u64 && keep > 1000 {
                    let size = |d: usize| t.shape.get(d).map_or(0.0, |&n| n as f64);
                    let sides = size(0) + size(1) + kernels * (size(2) + size(3));
                    let product = if kernels > 0.0 {
                        t.count as f64
                    } else {
                        size(0) * size(1)
                    };
                    let density = |kept: f64| kept / t.count as f64 * product / sides;
                    let (low, high) = (group.keep as f64 - 1.0, group.keep as f64 + 1.0);
                    factors.push((density(low), density(high)));
                }
            }
            let low = factors.iter().map(|f| f.0).fold(0.0, f64::max);
            let high = factors.iter().map(|f| f.1).fold(f64::INFINITY, f64::min);
            assert!(low <= high, "{scope:?} {keep}: no one factor, {factors:?}");
        }
    }
    // conv1 is full at 8 %, and the others share what it leaves.
    let groups = prune::groups(&cnn, &spec(Scope::Erk, Amount::Keep(95_972))).unwrap();
    assert_eq!(groups[0].keep, 288);
}

#[test]
fn layers_kept_dense_count_towards_the_total() {
    let cnn = preset_model("mnist-cnn");
    let dense = |scope, keep| PruneSpec {
        keep_dense: vec!["fc2".to_owned()],
        ..spec(scope, Amount::Keep(keep))
    };
    for scope in [Scope::Global, Scope::Uniform, Scope::Er, Scope::Erk] {
        let groups = prune::groups(&cnn, &dense(scope, 29_991)).unwrap();
        assert_eq!(groups.iter().map(|g| g.keep).sum::<u64>(), 29_991 - 1_280);
        let last = cnn.tensors.iter().rposition(|t| t.prunable).unwrap();
        assert!(groups.iter().all(|g| !g.tensors.contains(&last)));
    }
    let error = prune::groups(&cnn, &dense(Scope::Global, 1_279)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("1280") && text.contains("1279"), "{text}");
}

/// The lowest of what is there, as many in each layer as the criterion keeps of the largest, also on the way there.
#[test]
fn inverted_pruning_keeps_the_lowest_with_the_same_counts() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(14);
    let mut before = filled(&model, || dice.unit());
    // A few are gone already.
    for i in (0..400).step_by(7) {
        before.mask.remove(i);
        before.weights[i] = 0.0;
    }
    for (scope, iterations) in [(Scope::Global, 1), (Scope::Global, 3), (Scope::Erk, 1)] {
        let plain = PruneSpec {
            iterations,
            ..spec(scope, Amount::Keep(300))
        };
        let inverted = PruneSpec {
            invert: true,
            ..plain.clone()
        };
        let prune = |spec: &PruneSpec| {
            let replicas = on_gpu(gpu, &model, std::slice::from_ref(&before));
            prune::prune(gpu, &replicas, &[spec]).unwrap();
            replicas.download(gpu).unwrap().remove(0)
        };
        let counts = prune(&plain).mask.counts(&model);
        let after = prune(&inverted);
        assert_eq!(after.mask.counts(&model), counts, "{scope:?}");
        let mut want = before.clone();
        for (tensor, &keep) in model
            .tensors
            .iter()
            .zip(&counts)
            .filter(|(t, _)| t.prunable)
        {
            let mut there: Vec<usize> = (tensor.offset..tensor.offset + tensor.count)
                .filter(|&i| before.mask.keeps(i))
                .collect();
            there.sort_by_key(|&i| (before.weights[i].abs().to_bits(), i));
            for &i in &there[keep as usize..] {
                want.mask.remove(i);
                want.weights[i] = 0.0;
            }
        }
        assert_eq!(difference(&after, &want), None, "{scope:?}, {iterations}");
    }
}

/// Every row of the two weight tensors of `model`: (tensor, first weight, weights).
fn rows_of(model: &Model) -> Vec<(usize, usize, usize)> {
    let mut rows = Vec::new();
    for (number, tensor) in model.tensors.iter().enumerate().filter(|(_, t)| t.prunable) {
        let row = tensor.count / tensor.shape[0];
        let first = |o| tensor.offset + o * row;
        rows.extend((0..tensor.shape[0]).map(|o| (number, first(o), row)));
    }
    rows
}

/// Clears all of `there` but the `keep` largest.
fn keep_of(after: &mut Snapshot, before: &Snapshot, mut there: Vec<usize>, keep: usize) {
    let size = |i: usize| before.weights[i].abs().to_bits();
    there.sort_by_key(|&i| (std::cmp::Reverse(size(i)), i));
    for &i in &there[keep..] {
        after.mask.remove(i);
        after.weights[i] = 0.0;
    }
}

/// Dense linear weights, and kernels of a convolution, with a few weights gone.
fn with_rows() -> Vec<(Arc<Model>, Snapshot)> {
    let mut dice = Dice(15);
    [odd_model(), conv_model()]
        .map(|model| {
            let mut before = filled(&model, || dice.unit());
            let first = model.tensors.iter().find(|t| t.prunable).unwrap().offset;
            for i in (first..first + 40).step_by(3) {
                before.mask.remove(i);
                before.weights[i] = 0.0;
            }
            (model, before)
        })
        .into()
}

#[test]
fn each_output_keeps_its_own_share() {
    let Some(gpu) = gpu() else { return };
    for (model, before) in with_rows() {
        for iterations in [1, 3] {
            // Replicas of different amounts.
            let specs: Vec<PruneSpec> = [
                Amount::Density(0.3),
                Amount::Remaining(0.5),
                Amount::Sparsity(1.0),
            ]
            .map(|amount| PruneSpec {
                iterations,
                ..spec(Scope::Neuron, amount)
            })
            .into();
            let replicas = on_gpu(gpu, &model, &vec![before.clone(); 3]);
            prune::prune(gpu, &replicas, &specs.iter().collect::<Vec<_>>()).unwrap();
            for (after, spec) in replicas.download(gpu).unwrap().iter().zip(&specs) {
                let mut want = before.clone();
                for (_, first, row) in rows_of(&model) {
                    let there: Vec<usize> = (first..first + row)
                        .filter(|&i| before.mask.keeps(i))
                        .collect();
                    let keep = prune::kept_of(spec.amount, row as u64, there.len() as u64);
                    keep_of(&mut want, &before, there, keep as usize);
                }
                assert_eq!(difference(after, &want), None, "{spec:?}");
            }
        }
    }
}

/// As many as the PQ index of each set says, worked out here by the formula, and the smallest of the set.
#[test]
fn sap_prunes_what_the_index_says_in_every_scope() {
    let Some(gpu) = gpu() else { return };
    for (model, before) in with_rows() {
        for (p, q) in [(0.5, 1.0), (1.0, 2.0), (0.7, 1.9)] {
            let sap = Sap {
                norms: Norms { p, q },
                ..Sap::default()
            };
            for scope in [Scope::Neuron, Scope::Layer, Scope::Global] {
                let replicas = on_gpu(gpu, &model, std::slice::from_ref(&before));
                prune::prune(gpu, &replicas, &[&spec(scope, Amount::Sap(sap))]).unwrap();
                let after = &replicas.download(gpu).unwrap()[0];
                let mut sets: Vec<(usize, Vec<usize>)> = Vec::new();
                for (number, (tensor, first, row)) in rows_of(&model).into_iter().enumerate() {
                    let name = match scope {
                        Scope::Neuron => number,
                        Scope::Layer => tensor,
                        _ => 0,
                    };
                    let there = (first..first + row).filter(|&i| before.mask.keeps(i));
                    match sets.last_mut().filter(|(last, _)| *last == name) {
                        Some((_, set)) => set.extend(there),
                        None => sets.push((name, there.collect())),
                    }
                }
                let mut want = before.clone();
                let mut gone = 0;
                for (_, set) in sets {
                    let d = set.len() as f64;
                    let sum = |e: f64| -> f64 {
                        let sizes = set.iter().map(|&i| f64::from(before.weights[i].abs()));
                        sizes.map(|w| w.powf(e)).sum()
                    };
                    let index = 1.0 - (sum(p) / d).powf(1.0 / p) / (sum(q) / d).powf(1.0 / q);
                    let r = (d * (1.0 - index).powf(q * p / (q - p))).ceil();
                    let pruned = (d * (1.0 - r / d).clamp(0.0, 0.9) + 1e-9).floor() as usize;
                    gone += pruned;
                    let keep = set.len() - pruned;
                    keep_of(&mut want, &before, set, keep);
                }
                assert!(gone > 0);
                assert_eq!(difference(after, &want), None, "{scope:?} {p} {q}");
            }
        }
    }
}

#[test]
fn runs_and_densities_by_layer_are_exact() {
    let Some(gpu) = gpu() else { return };
    for (model, before) in with_rows() {
        for (n, m) in [(2, 4), (1, 4), (4, 8), (1, 1)] {
            for invert in [false, true] {
                let spec = PruneSpec {
                    invert,
                    ..spec(Scope::Global, Amount::NOfM { n, m })
                };
                let replicas = on_gpu(gpu, &model, &vec![before.clone(); 2]);
                prune::prune(gpu, &replicas, &[&spec, &spec]).unwrap();
                let mut want = before.clone();
                for (_, first, row) in rows_of(&model) {
                    for run in (first..first + row).step_by(m as usize) {
                        let end = (run + m as usize).min(first + row);
                        let mut there: Vec<usize> =
                            (run..end).filter(|&i| before.mask.keeps(i)).collect();
                        let size = |i: usize| i64::from(before.weights[i].abs().to_bits());
                        let sign = if invert { 1 } else { -1 };
                        there.sort_by_key(|&i| (sign * size(i), i));
                        for &i in there.iter().skip(n as usize) {
                            want.mask.remove(i);
                            want.weights[i] = 0.0;
                        }
                    }
                }
                for after in replicas.download(gpu).unwrap() {
                    assert_eq!(difference(&after, &want), None, "{n}:{m} {invert}");
                }
            }
        }
    }
    let model = odd_model();
    let mut dice = Dice(16);
    let before = filled(&model, || dice.unit());
    let names: Vec<String> = model
        .tensors
        .iter()
        .filter(|t| t.prunable)
        .map(|t| t.layer.clone())
        .collect();
    let by_layer = PruneSpec {
        layers: Some(names.clone()),
        densities: [(names[0].clone(), 0.1), (names[1].clone(), 0.5)].into(),
        ..spec(Scope::Layer, Amount::PerLayer)
    };
    prune_and_compare(
        gpu,
        &model,
        std::slice::from_ref(&before),
        std::slice::from_ref(&by_layer),
    );
    let groups = prune::groups(&model, &by_layer).unwrap();
    assert_eq!([groups[0].keep, groups[1].keep], [100, 135]);
    let asked = prune::target_density(&by_layer, &model, Some(1.0)).unwrap();
    assert!((asked - (99.9 + 135.0) / 1269.0).abs() < 1e-12);
}

/// Shuffled and random masks keep the counts of every layer, differ between seeds, and leave nothing outside.
#[test]
fn mask_controls_keep_every_layers_count() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(12);
    let full = filled(&model, || dice.unit() + 1.5);
    let sparse = by_sort(&model, &full, &spec(Scope::Global, Amount::Keep(100)));
    let counts = sparse.mask.counts(&model);
    for shuffle in [true, false] {
        let replicas = on_gpu(gpu, &model, &vec![sparse.clone(); 3]);
        if shuffle {
            prune::shuffle_masks(gpu, &replicas).unwrap();
        } else {
            prune::randomise_masks(gpu, &replicas, None).unwrap();
        }
        let after = replicas.download(gpu).unwrap();
        for snapshot in &after {
            assert_eq!(snapshot.mask.counts(&model), counts);
            assert_ne!(snapshot.mask, sparse.mask);
            for tensor in &model.tensors {
                for i in tensor.offset..tensor.offset + tensor.count {
                    let weight = snapshot.weights[i];
                    let stays = snapshot.mask.keeps(i) && sparse.mask.keeps(i);
                    let want = if stays { sparse.weights[i] } else { 0.0 };
                    assert_eq!(weight.to_bits(), want.to_bits(), "{} {i}", tensor.name);
                }
            }
        }
        assert_ne!(after[0].mask, after[1].mask);
        assert_ne!(after[1].mask, after[2].mask);
    }
}
