//! How many weights prune steps ask for, to stand beside how many they left.

use super::counts::{RankedGroup, tensors_in_scope};
use super::error::PruneError;
use crate::model::Model;
use crate::spec::{Amount, PruneSpec, Scope};

/// Which share of the weights in its scope a prune step is to leave, where `before` was asked for so far; `None` where the weights
/// themselves decide, now or before, or where a layer is unknown.
pub fn target_density(spec: &PruneSpec, model: &Model, before: Option<f64>) -> Option<f64> {
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

/// Layers of which only the sum of what they keep is known.
#[derive(Clone)]
struct LayerPool {
    /// Indices into [`Model::tensors`].
    tensors: Vec<usize>,
    /// The share of their weights that is asked for, or the most that it may be.
    share: f64,
    /// Whether it is asked for.
    exact: bool,
    /// Whether rows or runs rounded for themselves, so that more may be left than the share says.
    finer: bool,
}

/// What is asked for in all by one prune step after another. Layers that a step ranks together make a pool; a later step on a part
/// of a pool finds what the weights decided, and from there on the whole is unknown.
pub struct TargetDensity<'m> {
    model: &'m Model,
    pools: Vec<LayerPool>,
}

impl<'m> TargetDensity<'m> {
    /// All weights.
    pub fn new(model: &'m Model) -> Self {
        let pool = |tensor| LayerPool {
            tensors: vec![tensor],
            share: 1.0,
            exact: true,
            finer: false,
        };
        let pools = model.prunable_tensors().map(pool).collect();
        Self { model, pools }
    }

    /// The share of all prunable weights that is asked for; `None` where that cannot be told without the weights.
    pub fn density(&self) -> Option<f64> {
        self.pools
            .iter()
            .all(|pool| pool.exact)
            .then(|| self.at_most())
    }

    /// The largest share of all prunable weights that may be left.
    pub fn at_most(&self) -> f64 {
        let first = self.pools.first().map_or(1.0, |pool| pool.share);
        if self.pools.iter().all(|pool| pool.share == first) {
            // As it was written, without rounding.
            return first;
        }
        let kept: f64 = self
            .pools
            .iter()
            .map(|p| p.share * self.count(&p.tensors))
            .sum();
        (kept / self.model.prunable() as f64 * 1e12).round() / 1e12
    }

    /// All weights may be there again.
    pub fn release(&mut self) {
        *self = Self::new(self.model);
    }

    /// A mask keeps so many weights of each tensor of the model, whatever was asked for before.
    pub fn load(&mut self, counts: &[u64]) {
        self.release();
        for pool in &mut self.pools {
            let kept: u64 = pool.tensors.iter().map(|&t| counts[t]).sum();
            let all: usize = pool
                .tensors
                .iter()
                .map(|&t| self.model.tensors[t].count)
                .sum();
            pool.share = kept as f64 / all.max(1) as f64;
        }
    }

    /// From here on only the weights tell.
    pub fn forget(&mut self) {
        for pool in &mut self.pools {
            pool.exact = false;
        }
    }

    /// The sum stays, and layers share it in another way.
    pub fn spread(&mut self) {
        let pool = LayerPool {
            tensors: self.model.prunable_tensors().collect(),
            share: self.at_most(),
            exact: self.density().is_some(),
            finer: self.pools.iter().any(|pool| pool.finer),
        };
        self.pools = vec![pool];
    }

    /// Whether as many weights may be there as the groups of the next step keep.
    ///
    /// # Errors
    /// Fewer are there for certain.
    pub fn leaves_enough(
        &self,
        spec: &PruneSpec,
        groups: &[RankedGroup],
    ) -> Result<(), PruneError> {
        // Their counts are of what is there then.
        if matches!(
            spec.amount,
            Amount::Remaining(_) | Amount::Sap(_) | Amount::NOfM { .. }
        ) {
            return Ok(());
        }
        for group in groups {
            let before = self.take(&group.tensors);
            let most = before.share * self.count(&group.tensors);
            // Each layer rounds its count, or each of its rows.
            let rounded = |&t: &usize| match spec.scope {
                Scope::Neuron => self.model.tensors[t].shape[0],
                _ => 1,
            };
            let rounding: usize = group.tensors.iter().map(rounded).sum();
            if !before.finer && group.keep as f64 > most + rounding as f64 {
                let names = group
                    .tensors
                    .iter()
                    .map(|&t| self.model.tensors[t].layer.as_str());
                return Err(PruneError::TooFewLeft {
                    keep: group.keep,
                    alive: most.round() as u64,
                    layers: names.collect::<Vec<_>>().join(", "),
                });
            }
        }
        Ok(())
    }

    /// After a prune step.
    pub fn prune(&mut self, spec: &PruneSpec) {
        let Ok(scope) = tensors_in_scope(self.model, spec.layers.as_deref()) else {
            return self.forget();
        };
        let is_dense = |t: &usize| spec.keep_dense.contains(&self.model.tensors[*t].layer);
        let (dense, pruned): (Vec<usize>, Vec<usize>) = scope.iter().partition(|t| is_dense(t));
        // What counts all weights needs no past.
        let relative = matches!(spec.amount, Amount::Remaining(_));
        let runs = matches!(spec.amount, Amount::NOfM { .. });
        let finer = runs || spec.scope == Scope::Neuron;
        let each = finer || spec.scope == Scope::Layer || matches!(spec.amount, Amount::PerLayer);
        if each {
            for tensor in pruned {
                let before = self.take(&[tensor]);
                let known = before.exact || !relative;
                let own = spec.densities.get(&self.model.tensors[tensor].layer);
                let now = match spec.amount {
                    Amount::PerLayer => own.copied(),
                    // Of runs that have lost weights before, as many as are left stay.
                    Amount::NOfM { .. } if !before.exact || before.share < 1.0 => None,
                    _ => target_density(spec, self.model, Some(before.share)),
                };
                self.put(before, now.filter(|_| known), finer);
            }
            return;
        }
        let (all, whole) = (self.take(&scope), self.take(&dense));
        let share = target_density(spec, self.model, Some(all.share));
        let now = match share {
            Some(share) if !dense.is_empty() => {
                let kept = share * self.count(&scope) - whole.share * self.count(&dense);
                Some(kept / self.count(&pruned).max(1.0))
            }
            share => share,
        };
        let known = whole.exact && (all.exact || !relative);
        let before = self.take(&pruned);
        self.put(before, now.filter(|_| known), finer);
    }

    /// Makes one pool of layers of which so much is known, and that are to keep `now`, or at most what they had.
    fn put(&mut self, before: LayerPool, now: Option<f64>, finer: bool) {
        let of_others = |t: &usize| !before.tensors.contains(t);
        let mut pools = Vec::new();
        for pool in &self.pools {
            let rest: Vec<usize> = pool.tensors.iter().copied().filter(of_others).collect();
            if rest.len() == pool.tensors.len() {
                pools.push(pool.clone());
            } else if !rest.is_empty() {
                pools.push(self.take(&rest));
            }
        }
        if !before.tensors.is_empty() {
            pools.push(LayerPool {
                share: now.unwrap_or(before.share),
                exact: now.is_some(),
                // What was finer has at most so many for each row, whatever came after.
                finer: finer || before.finer,
                ..before
            });
        }
        self.pools = pools;
    }

    /// What is known of these layers together.
    fn take(&self, tensors: &[usize]) -> LayerPool {
        let (mut kept, mut exact, mut finer) = (0.0, true, false);
        for pool in &self.pools {
            let inside: Vec<usize> = pool
                .tensors
                .iter()
                .copied()
                .filter(|t| tensors.contains(t))
                .collect();
            let (all, part) = (self.count(&pool.tensors), self.count(&inside));
            kept += part.min(pool.share * all);
            exact &= inside.is_empty() || (pool.exact && inside.len() == pool.tensors.len());
            finer |= !inside.is_empty() && pool.finer;
        }
        LayerPool {
            tensors: tensors.to_vec(),
            share: kept / self.count(tensors).max(1.0),
            exact,
            finer,
        }
    }

    fn count(&self, tensors: &[usize]) -> f64 {
        let counts = tensors.iter().map(|&t| self.model.tensors[t].count);
        counts.sum::<usize>() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::presets;
    use crate::spec::{Criterion, Init, ModelSpec, Shape};

    fn lenet() -> Model {
        let spec = ModelSpec {
            name: "lenet-300-100".to_owned(),
            layers: presets::layers("lenet-300-100").expect("a preset"),
            init: Init::Pytorch,
        };
        Model::new(&spec, Shape::new(1, 28, 28), 10).expect("a model")
    }

    fn spec(scope: Scope, amount: Amount, layers: Option<&[&str]>) -> PruneSpec {
        PruneSpec {
            layers: layers.map(|names| names.iter().map(|n| (*n).to_owned()).collect()),
            ..PruneSpec::new(Criterion::Magnitude, scope, amount)
        }
    }

    /// 235,200, 30,000 and 1,000 weights.
    const ALL: f64 = 266_200.0;

    #[test]
    fn rounds_on_alternating_layers_are_each_of_their_own() {
        let model = lenet();
        let mut target = TargetDensity::new(&model);
        for _ in 0..12 {
            let hidden = Some(&["fc1", "fc2"][..]);
            target.prune(&spec(Scope::Layer, Amount::Remaining(0.8), hidden));
            let last = Some(&["fc3"][..]);
            target.prune(&spec(Scope::Layer, Amount::Remaining(0.9), last));
        }
        let want = (265_200.0 * 0.8f64.powi(12) + 1000.0 * 0.9f64.powi(12)) / ALL;
        assert!((target.density().expect("known") - want).abs() < 1e-9);
    }

    #[test]
    fn what_is_written_is_what_is_asked() {
        let model = lenet();
        let mut target = TargetDensity::new(&model);
        assert_eq!(target.density(), Some(1.0));
        target.prune(&spec(Scope::Global, Amount::Sparsity(0.95), None));
        assert_eq!(target.density(), Some(0.05));
        target.prune(&spec(Scope::Global, Amount::Keep(1000), None));
        assert_eq!(target.density(), Some(1000.0 / ALL));
        target.prune(&spec(Scope::Global, Amount::Remaining(0.5), None));
        assert_eq!(target.density(), Some(500.0 / ALL));
    }

    /// Two of four of what was pruned before: the weights tell how many are left.
    #[test]
    fn runs_of_pruned_weights_are_unknown() {
        let model = lenet();
        let runs = spec(Scope::Global, Amount::NOfM { n: 2, m: 4 }, None);
        let mut target = TargetDensity::new(&model);
        target.prune(&runs);
        assert_eq!(target.density(), Some(0.5));
        let mut target = TargetDensity::new(&model);
        target.prune(&spec(Scope::Global, Amount::Density(0.3), None));
        target.prune(&runs);
        assert_eq!(target.density(), None);
        // Each layer may have kept all of what the three had together.
        let most = (79_860.0 + 30_000.0 + 1000.0) / ALL;
        assert!((target.at_most() - most).abs() < 1e-9);
    }

    /// Of layers that were ranked together one alone keeps what the weights decided.
    #[test]
    fn a_part_of_a_pool_is_unknown() {
        let model = lenet();
        let mut target = TargetDensity::new(&model);
        target.prune(&spec(Scope::Global, Amount::Density(0.5), None));
        target.prune(&spec(Scope::Layer, Amount::Density(0.1), Some(&["fc1"])));
        assert_eq!(target.density(), None);
        // fc1 to a tenth; fc2 and fc3 whole at the most.
        assert!((target.at_most() - (23_520.0 + 31_000.0) / ALL).abs() < 1e-9);
        target.prune(&spec(Scope::Global, Amount::Density(0.05), None));
        assert_eq!(target.density(), Some(0.05));
    }

    #[test]
    fn dense_layers_count_as_they_do_in_the_scope() {
        let model = lenet();
        let dense = |scope| PruneSpec {
            keep_dense: vec!["fc1".to_owned()],
            ..spec(scope, Amount::Density(0.9), None)
        };
        let mut target = TargetDensity::new(&model);
        target.prune(&dense(Scope::Global));
        assert_eq!(target.density(), Some(0.9));
        let mut target = TargetDensity::new(&model);
        target.prune(&dense(Scope::Layer));
        let want = (235_200.0 + 0.9 * 31_000.0) / ALL;
        assert!((target.density().expect("known") - want).abs() < 1e-9);
    }
}
