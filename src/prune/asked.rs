//! The density that a prune step asks for, to stand beside what was achieved.

use super::counts::tensors_in_scope;
use super::{Amount, PruneSpec};
use crate::model::Model;

/// Which share of the weights in its scope a prune step is to leave, where `before` was asked for so far; `None` where the weights
/// themselves decide, now or before, or where a layer is unknown.
pub fn asked_density(spec: &PruneSpec, model: &Model, before: Option<f64>) -> Option<f64> {
    let tensors = tensors_in_scope(model, spec.layers.as_deref()).ok()?;
    let tensors = || tensors.iter().map(|&t| &model.tensors[t]);
    let total: usize = tensors().map(|t| t.count).sum();
    match spec.amount {
        // 1 - 0.95 is 0.050000000000000044; what was asked for is 0.05.
        Amount::Sparsity(sparsity) => Some(((1.0 - sparsity) * 1e12).round() / 1e12),
        Amount::Density(density) => Some(density),
        Amount::Keep(keep) => Some(keep as f64 / total.max(1) as f64),
        Amount::Remaining(share) => Some(share * before?),
        Amount::PerLayer => {
            let kept =
                tensors().map(|t| t.count as f64 * spec.densities.get(&t.layer).unwrap_or(&1.0));
            Some(kept.sum::<f64>() / total.max(1) as f64)
        }
        Amount::NOfM { n, m } => Some(f64::from(n) / f64::from(m)),
        Amount::Sap(_) => None,
    }
}
