//! From scope and amount to exact counts: which weights compete, and how many of each group stay.

use super::erk::er_shares;
use crate::model::{Model, Tensor};
use crate::spec::{Amount, PruneSpec, Scope};

/// Weights that compete with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankedGroup {
    /// Indices into [`Model::tensors`].
    pub tensors: Vec<usize>,
    /// How many stay.
    pub keep: u64,
}

/// An amount that cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    /// A layer that the model lacks or that has no weights.
    #[error("there is no layer {layer:?} with weights; the prunable layers are {available}")]
    NoSuchLayer {
        /// The name asked for.
        layer: String,
        /// The names there are.
        available: String,
    },
    /// More asked for than there are.
    #[error("keep = {keep} is more than the {available} weights in scope")]
    TooMany {
        /// Asked for.
        keep: u64,
        /// In scope.
        available: u64,
    },
    /// A total count where every layer rounds its own.
    #[error(
        "keep = {keep} is one total, but scopes \"layer\" and \"neuron\" have a count for each; use scope \"global\" or \"uniform\""
    )]
    TotalPerLayer {
        /// Asked for.
        keep: u64,
    },
    /// Every layer in scope stays dense.
    #[error("keep_dense names every layer in scope, so nothing is pruned; leave one out")]
    AllDense,
    /// Layers that stay dense are more than what is to stay.
    #[error(
        "keep_dense names layers with {dense} weights, but only {keep} are to stay; ask for more, or keep fewer layers dense"
    )]
    DenseTooLarge {
        /// Weights of the dense layers.
        dense: u64,
        /// Asked for in all.
        keep: u64,
    },
}

/// How many of `total` stay, of which `alive` are there. Fractions round half to even, like PyTorch's `prune` (which rounds the
/// number removed).
pub fn kept_of(amount: Amount, total: u64, alive: u64) -> u64 {
    let all = total as f64;
    match amount {
        Amount::Sparsity(sparsity) => total - (sparsity * all).round_ties_even() as u64,
        Amount::Density(density) => (density * all).round_ties_even() as u64,
        Amount::Keep(keep) => keep,
        Amount::Remaining(share) => (share * alive as f64).round_ties_even() as u64,
        // Decided layer by layer, run by run, or by the weights: at most all that are there.
        Amount::PerLayer | Amount::NOfM { .. } | Amount::Sap(_) => alive,
    }
}

/// How many stay after iteration `shot` of `shots` on the way from `alive` to `keep`: each takes the same factor, the last is
/// exact.
pub fn kept_after(alive: u64, keep: u64, shot: u32, shots: u32) -> u64 {
    if shot >= shots || alive == 0 {
        return keep;
    }
    let last = keep.max(1) as f64 / alive as f64;
    let share = last.powf(f64::from(shot) / f64::from(shots));
    ((alive as f64 * share).round() as u64).clamp(keep, alive)
}

/// The prunable tensors that `layers` names, all of them for `None`.
///
/// # Errors
/// A name that no prunable layer has.
pub fn tensors_in_scope(
    model: &Model,
    layers: Option<&[String]>,
) -> Result<Vec<usize>, CountError> {
    let prunable: Vec<usize> = model.prunable_tensors().collect();
    let Some(layers) = layers else {
        return Ok(prunable);
    };
    if let Some(missing) = layers
        .iter()
        .find(|l| !prunable.iter().any(|&t| model.tensors[t].layer == **l))
    {
        let available: Vec<&str> = prunable
            .iter()
            .map(|&t| model.tensors[t].layer.as_str())
            .collect();
        return Err(CountError::NoSuchLayer {
            layer: missing.clone(),
            available: available.join(", "),
        });
    }
    Ok(prunable
        .into_iter()
        .filter(|&t| layers.contains(&model.tensors[t].layer))
        .collect())
}

/// [`groups_of`] where every weight is alive.
///
/// # Errors
/// As [`groups_of`].
pub fn groups(model: &Model, spec: &PruneSpec) -> Result<Vec<RankedGroup>, CountError> {
    let all: Vec<u64> = model.tensors.iter().map(|t| t.count as u64).collect();
    groups_of(model, spec, &all)
}

/// The groups of a prune step and the exact number each keeps; `alive[tensor]` weights are there. Scope neuron and runs have finer
/// groups ([`super::rows`]); amounts that the weights decide are bounds.
///
/// # Errors
/// An unknown layer, or an amount that the weights in scope cannot meet.
pub fn groups_of(
    model: &Model,
    spec: &PruneSpec,
    alive: &[u64],
) -> Result<Vec<RankedGroup>, CountError> {
    let scope = tensors_in_scope(model, spec.layers.as_deref())?;
    let dense = match &spec.keep_dense[..] {
        [] => Vec::new(),
        names => tensors_in_scope(model, Some(names))?,
    };
    let (whole, tensors): (Vec<usize>, Vec<usize>) =
        scope.into_iter().partition(|t| dense.contains(t));
    if tensors.is_empty() && !whole.is_empty() {
        return Err(CountError::AllDense);
    }
    let count =
        |tensors: &[usize]| -> u64 { tensors.iter().map(|&t| model.tensors[t].count as u64).sum() };
    let living = |tensors: &[usize]| -> u64 { tensors.iter().map(|&t| alive[t]).sum() };
    let available = count(&tensors) + count(&whole);
    if let Amount::Keep(keep) = spec.amount {
        if matches!(spec.scope, Scope::Layer | Scope::Neuron) {
            return Err(CountError::TotalPerLayer { keep });
        }
        if keep > available {
            return Err(CountError::TooMany { keep, available });
        }
    }
    // What is left of the total for the layers that are pruned.
    let left = || {
        let keep = kept_of(spec.amount, available, living(&tensors) + living(&whole));
        let dense = living(&whole);
        keep.checked_sub(dense)
            .ok_or(CountError::DenseTooLarge { dense, keep })
    };
    let sizes: Vec<u64> = tensors
        .iter()
        .map(|&t| model.tensors[t].count as u64)
        .collect();
    let shares = |kernels| -> Result<Vec<u64>, CountError> {
        let list: Vec<&Tensor> = tensors.iter().map(|&t| &model.tensors[t]).collect();
        let (keep, available) = (left()?, sizes.iter().sum());
        if keep > available {
            return Err(CountError::TooMany { keep, available });
        }
        Ok(er_shares(&list, keep, kernels))
    };
    let keeps = match spec.scope {
        Scope::Global => {
            let keep = left()?;
            return Ok(vec![RankedGroup { tensors, keep }]);
        }
        Scope::Layer | Scope::Neuron => {
            let of_layer = |&t: &usize| {
                let own = spec.densities.get(&model.tensors[t].layer);
                let amount = own.map_or(spec.amount, |&density| Amount::Density(density));
                kept_of(amount, count(&[t]), alive[t])
            };
            tensors.iter().map(of_layer).collect()
        }
        Scope::Uniform => apportion(left()?, &sizes),
        Scope::Er => shares(false)?,
        Scope::Erk => shares(true)?,
    };
    Ok(tensors
        .into_iter()
        .zip(keeps)
        .map(|(tensor, keep)| RankedGroup {
            tensors: vec![tensor],
            keep,
        })
        .collect())
}

/// Lowers what groups keep to what is there.
pub(super) fn no_more_than_alive(groups: &mut [RankedGroup], alive: &[u64]) {
    for group in groups {
        let here = group.tensors.iter().map(|&t| alive[t]).sum();
        group.keep = group.keep.min(here);
    }
}

/// Shares `keep` among layers in proportion to their sizes so that the sum is exact: largest remainder first, ties to the
/// earlier layer (Hamilton's method). Integer arithmetic.
fn apportion(keep: u64, sizes: &[u64]) -> Vec<u64> {
    let total: u128 = sizes.iter().map(|&n| u128::from(n)).sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let product = |n: u64| u128::from(keep) * u128::from(n);
    let mut shares: Vec<u64> = sizes.iter().map(|&n| (product(n) / total) as u64).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&l| (std::cmp::Reverse(product(sizes[l]) % total), l));
    let missing = (keep - shares.iter().sum::<u64>()) as usize;
    for &l in order.iter().take(missing) {
        shares[l] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_round_like_pytorch() {
        // 97.5 % and 92 % of 1,199,648 weights, as PyTorch rounds them.
        assert_eq!(
            kept_of(Amount::Sparsity(0.975), 1_199_648, 1_199_648),
            29_991
        );
        assert_eq!(
            kept_of(Amount::Sparsity(0.92), 1_199_648, 1_199_648),
            95_972
        );
        assert_eq!(kept_of(Amount::Density(1.0), 7, 7), 7);
        assert_eq!(kept_of(Amount::Sparsity(1.0), 7, 7), 0);
    }

    #[test]
    fn iterations_take_equal_factors_and_end_exactly() {
        let path = |keep| {
            (1..=4)
                .map(|k| kept_after(10_000, keep, k, 4))
                .collect::<Vec<_>>()
        };
        assert_eq!(path(1), [1000, 100, 10, 1]);
        assert_eq!(path(0), [1000, 100, 10, 0]);
        assert_eq!(path(10_000), [10_000; 4]);
        assert_eq!(kept_after(0, 0, 1, 3), 0);
    }

    #[test]
    fn uniform_shares_sum_exactly_and_stay_within_one_of_the_quota() {
        let sizes = [288, 18_432, 1_179_648, 1_280];
        for keep in [0, 1, 7, 29_991, 95_972, 1_199_648] {
            let shares = apportion(keep, &sizes);
            assert_eq!(shares.iter().sum::<u64>(), keep);
            for (share, size) in shares.iter().zip(sizes) {
                let quota = keep as f64 * size as f64 / 1_199_648.0;
                assert!((*share as f64 - quota).abs() < 1.0);
                assert!(*share <= size);
            }
        }
    }
}
