//! What earlier prune steps of an arm left of the weights, as far as its file says.

use super::history::Bound;
use crate::spec::{Amount, PruneSpec, Scope};

/// At most which share is left of some sets of weights.
#[derive(Default)]
pub(super) struct KeptShares {
    shares: Vec<(Counted, f64)>,
}

/// The weights that an amount counts.
#[derive(PartialEq)]
struct Counted {
    layers: Option<Vec<String>>,
    /// Those of the layers that are left alone, and not made up for by the others.
    alone: Vec<String>,
}

/// What a prune step asks for.
pub(super) enum Compared {
    /// Fewer weights than are left, or a number that is not known yet.
    Fewer,
    /// This share, which is left.
    Same(f64),
    /// More than this share, which is left.
    More(f64),
}

/// Rounding of 1 - sparsity is no difference.
const ROUNDING: f64 = 1e-12;

impl KeptShares {
    /// Compares what a step asks for with what is left of the same weights.
    pub fn compare(&self, spec: &PruneSpec) -> Compared {
        match (target(spec.amount), self.left(&Counted::by(spec))) {
            (Some(target), Some(left)) if target > left + ROUNDING => Compared::More(left),
            (Some(target), Some(left)) if target > left - ROUNDING => Compared::Same(left),
            _ => Compared::Fewer,
        }
    }

    fn left(&self, counted: &Counted) -> Option<f64> {
        let known = self.shares.iter().find(|(other, _)| other == counted);
        known.map(|(_, share)| *share)
    }

    fn note(&mut self, counted: Counted, share: f64) {
        self.shares.retain(|(other, _)| *other != counted);
        self.shares.push((counted, share));
    }
}

/// The share that an amount leaves of the weights that it counts, where it says one.
fn target(amount: Amount) -> Option<f64> {
    match amount {
        Amount::Sparsity(sparsity) => Some(1.0 - sparsity),
        Amount::Density(density) => Some(density),
        _ => None,
    }
}

impl Bound for KeptShares {
    fn prune(&mut self, spec: &PruneSpec) {
        let counted = Counted::by(spec);
        let left = self.left(&counted);
        match (spec.amount, target(spec.amount)) {
            (Amount::Remaining(share), _) => self.note(counted, left.unwrap_or(1.0) * share),
            // A count is comparable once shapes are known.
            (Amount::Keep(_) | Amount::PerLayer, _) => self.forget(),
            // Pruned weights do not return, whatever is asked for.
            (_, Some(target)) if left.is_none_or(|left| target <= left - ROUNDING) => {
                self.note(counted, target);
            }
            // At most what was there stays; how much is not known yet.
            _ => {}
        }
    }

    /// From here on nothing is comparable with what was left before.
    fn forget(&mut self) {
        self.shares.clear();
    }

    /// From here on only the whole is comparable.
    fn redistribute(&mut self) {
        let whole = |counted: &Counted| counted.layers.is_none() && counted.alone.is_empty();
        self.shares.retain(|(counted, _)| whole(counted));
    }

    fn release(&mut self) {
        self.forget();
    }
}

impl Counted {
    fn by(spec: &PruneSpec) -> Counted {
        let alone = match spec.scope {
            Scope::Layer | Scope::Neuron => spec.keep_dense.clone(),
            // What `keep_dense` keeps there, the other layers lose.
            Scope::Global | Scope::Uniform | Scope::Er | Scope::Erk => Vec::new(),
        };
        Counted {
            layers: spec.layers.clone(),
            alone,
        }
    }
}
