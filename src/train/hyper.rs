//! Which kernel an optimizer is, and its numbers.

use super::state::Hyper;
use crate::spec::{Optimizer, TrainSpec};

/// The kernel of an optimizer.
pub(super) fn optimizer_kernel(optimizer: &Optimizer) -> &'static str {
    match optimizer {
        Optimizer::Sgd { .. } if optimizer.moments() == 0 => "sgd_step",
        Optimizer::Sgd { .. } => "sgd_momentum_step",
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } => "adam_step",
        Optimizer::Adadelta { .. } => "adadelta_step",
    }
}

/// The numbers of an optimizer as its kernel reads them.
pub(super) fn hyper(spec: &TrainSpec) -> Hyper {
    let clip_norm = spec.clip_norm.unwrap_or(0.0) as f32;
    match spec.optimizer {
        Optimizer::Sgd {
            lr,
            momentum,
            nesterov,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: momentum as f32,
            weight_decay: weight_decay as f32,
            nesterov: u32::from(nesterov),
            clip_norm,
            ..Hyper::default()
        },
        Optimizer::Adam {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
        }
        | Optimizer::AdamW {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: beta1 as f32,
            beta2: beta2 as f32,
            eps: eps as f32,
            weight_decay: weight_decay as f32,
            decoupled: u32::from(matches!(spec.optimizer, Optimizer::AdamW { .. })),
            rest1: (1.0 - beta1) as f32,
            rest2: (1.0 - beta2) as f32,
            clip_norm,
            ..Hyper::default()
        },
        Optimizer::Adadelta {
            lr,
            rho,
            eps,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: rho as f32,
            rest1: (1.0 - rho) as f32,
            eps: eps as f32,
            weight_decay: weight_decay as f32,
            clip_norm,
            ..Hyper::default()
        },
    }
}

/// 1 - beta1^t and 1 - beta2^t for t = 1, 2, ... (Kingma and Ba 2015, algorithm 1), up to the end of the training or the step from which
/// on both are 1; empty for other optimizers. In f64, as in PyTorch: powers that are multiplied up in f32 drift by a rounding a step.
fn bias_corrections(optimizer: &Optimizer, steps: u64) -> Vec<[f32; 2]> {
    let (Optimizer::Adam { beta1, beta2, .. } | Optimizer::AdamW { beta1, beta2, .. }) = optimizer
    else {
        return Vec::new();
    };
    let mut powers = [1.0, 1.0];
    let mut corrections = Vec::new();
    for _ in 0..steps.max(1) {
        powers = [powers[0] * beta1, powers[1] * beta2];
        let pair = powers.map(|power| (1.0 - power) as f32);
        corrections.push(pair);
        if pair == [1.0, 1.0] {
            break;
        }
    }
    corrections
}

/// The first of [`bias_corrections`]; zeros where there are none.
pub(super) fn first_correction(optimizer: &Optimizer) -> [f32; 2] {
    let first = bias_corrections(optimizer, 1).pop();
    first.unwrap_or_default()
}

/// The numbers of each replica's optimizer, and the factors that its steps take: those of the learning rate, which all share, and behind
/// them the bias corrections, once for replicas that have the same.
pub(super) fn hyper_and_factors(specs: &[&TrainSpec], table: &[f32]) -> (Vec<Hyper>, Vec<f32>) {
    let mut factors = table.to_vec();
    let mut places: Vec<(Vec<[f32; 2]>, u32)> = Vec::new();
    let mut all = Vec::new();
    for spec in specs {
        let own = bias_corrections(&spec.optimizer, table.len() as u64);
        let known = places.iter().find(|(known, _)| *known == own);
        let first = known.map_or(factors.len() as u32, |&(_, first)| first);
        if known.is_none() {
            factors.extend_from_slice(own.as_flattened());
            places.push((own.clone(), first));
        }
        all.push(Hyper {
            first_correction: first,
            corrections: own.len() as u32,
            ..hyper(spec)
        });
    }
    (all, factors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Length;

    fn adam(beta1: f64, beta2: f64) -> TrainSpec {
        let optimizer = Optimizer::Adam {
            lr: 0.1,
            beta1,
            beta2,
            eps: 1e-8,
            weight_decay: 0.0,
        };
        TrainSpec::plain("mnist", 8, Length::Steps(1), optimizer)
    }

    #[test]
    fn corrections_end_where_they_are_one_and_are_shared() {
        let (usual, other) = (adam(0.9, 0.999), adam(0.5, 0.75));
        let sgd = TrainSpec {
            optimizer: Optimizer::sgd(0.1, 0.9),
            ..usual.clone()
        };
        let specs = [&usual, &other, &usual, &sgd];
        let table = vec![0.5f32; 30_000];
        let (hyper, factors) = hyper_and_factors(&specs, &table);
        assert_eq!(factors[..30_000], table);
        assert_eq!(hyper[0].first_correction, 30_000);
        assert_eq!(hyper[2].first_correction, hyper[0].first_correction);
        // From there on 0.999^t is below half a unit in the last place of 1.
        let expected = (2f64.powi(-25).ln() / 0.999f64.ln()).ceil() as u32;
        let found = hyper[0].corrections;
        assert!(found.abs_diff(expected) <= 1, "{found}, {expected}");
        assert_eq!(hyper[1].first_correction, 30_000 + 2 * found);
        assert_eq!(hyper[3].corrections, 0);
        let at = |r: usize, t: u32| {
            let first = (hyper[r].first_correction + 2 * (t - 1)) as usize;
            [factors[first], factors[first + 1]]
        };
        for t in [1u32, 2, 10, 1000, 17_000] {
            let want = [0.9f64, 0.999].map(|beta| (1.0 - beta.powf(f64::from(t))) as f32);
            for (got, want) in at(0, t).into_iter().zip(want) {
                assert!(
                    (got - want).abs() <= f32::EPSILON * want,
                    "{t}: {got}, {want}"
                );
            }
        }
        assert_eq!(at(1, 2), [0.75, 0.4375]);
        // A training of a few steps has a few.
        assert_eq!(hyper_and_factors(&specs, &table[..3]).0[0].corrections, 3);
    }
}
