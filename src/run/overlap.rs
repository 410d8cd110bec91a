//! How alike the masks of an experiment's runs are.

use super::error::RunError;
use super::place::tensor_infos;
use super::session::Session;
use crate::experiment::Run;
use crate::model::Model;
use crate::store::{OverlapRow, load_mask};

/// A mask against another of the same model: the weights in both over those in either, and the same of two random masks with these
/// counts in each layer, both counts at their expectation.
fn overlap(model: &Model, a: &[u32], b: &[u32]) -> (f64, f64) {
    let (mut both, mut either, mut chance, mut sum) = (0, 0, 0.0, 0);
    for tensor in model.tensors.iter().filter(|t| t.prunable) {
        let words = tensor.offset / 32..(tensor.offset + tensor.count).div_ceil(32);
        // Bits past the tensor's end are 1 by convention.
        let tail = (words.len() * 32 - tensor.count) as u64;
        let count = |word: &dyn Fn(usize) -> u32| -> u64 {
            let ones: u64 = words.clone().map(|i| u64::from(word(i).count_ones())).sum();
            ones - tail
        };
        both += count(&|i| a[i] & b[i]);
        either += count(&|i| a[i] | b[i]);
        let (own, other) = (count(&|i| a[i]), count(&|i| b[i]));
        chance += own as f64 * other as f64 / tensor.count as f64;
        sum += own + other;
    }
    let ratio = |part: f64, whole: f64| if whole == 0.0 { 1.0 } else { part / whole };
    (
        ratio(both as f64, either as f64),
        ratio(chance, sum as f64 - chance),
    )
}

impl Session<'_> {
    /// The masks of every arm at every point between its seeds, then of every seed between arms whose points agree. Dense runs have
    /// no mask to compare, and those of compacted networks none of the same tensors. Masks are read from the run folder, those of one comparison at a time.
    pub(super) fn overlaps(&self) -> Result<Vec<OverlapRow>, RunError> {
        let sparse: Vec<usize> = self
            .rows
            .iter()
            .filter(|(_, row)| row.density < 1.0)
            .map(|(&number, _)| number)
            .filter(|&number| {
                let last = self.plan.runs[number].stages.last();
                last.is_none_or(|id| !self.networks.contains_key(id))
            })
            .collect();
        let run = |number: usize| &self.plan.runs[number];
        let mut rows = Vec::new();
        let same_arm = |a: &Run, b: &Run| (a.arm, a.variant) == (b.arm, b.variant);
        let others = |a: &Run, b: &Run| a.seed == b.seed && a.arm != b.arm && self.agree(a, b);
        for (first, &a) in sparse.iter().enumerate() {
            // Of a set of runs that are compared with each other, the first one reads them all.
            if sparse[..first].iter().any(|&b| same_arm(run(a), run(b))) {
                continue;
            }
            let of_arm = sparse.iter().copied().filter(|&b| same_arm(run(a), run(b)));
            self.compare(&of_arm.collect::<Vec<_>>(), &same_arm, &mut rows)?;
        }
        for (first, &a) in sparse.iter().enumerate() {
            let seed = run(a).seed;
            if sparse[..first].iter().any(|&b| run(b).seed == seed) {
                continue;
            }
            let of_seed = sparse.iter().copied().filter(|&b| run(b).seed == seed);
            self.compare(&of_seed.collect::<Vec<_>>(), &others, &mut rows)?;
        }
        Ok(rows)
    }

    /// Whether two runs are of one model, and no axis has different values in them.
    fn agree(&self, a: &Run, b: &Run) -> bool {
        let variant = |run: &Run| &self.experiment.arms[run.arm].variants[run.variant];
        let (a, b) = (variant(a), variant(b));
        let differs = |(name, value): &(String, String)| {
            b.point.iter().any(|(other, v)| other == name && v != value)
        };
        a.model.layers == b.model.layers && !a.point.iter().any(differs)
    }

    /// Compares the masks of all pairs of these runs that `belong` together.
    fn compare(
        &self,
        numbers: &[usize],
        belong: &dyn Fn(&Run, &Run) -> bool,
        rows: &mut Vec<OverlapRow>,
    ) -> Result<(), RunError> {
        let runs: Vec<&Run> = numbers.iter().map(|&n| &self.plan.runs[n]).collect();
        let mut masks = Vec::new();
        for (&number, run) in numbers.iter().zip(&runs) {
            let variant = &self.experiment.arms[run.arm].variants[run.variant];
            let Some(model) = self.models.of(&variant.model) else {
                return Ok(());
            };
            let path = self.folder.mask_path(&self.names[number]);
            masks.push((model, load_mask(&path, &tensor_infos(model))?));
        }
        for (i, a) in runs.iter().enumerate() {
            for (j, b) in runs.iter().enumerate().skip(i + 1) {
                if !belong(a, b) {
                    continue;
                }
                let (jaccard, by_chance) = overlap(masks[i].0, &masks[i].1, &masks[j].1);
                let point = |run: &Run| &self.experiment.arms[run.arm].variants[run.variant].point;
                let (own, other) = (point(a), point(b));
                let more = other
                    .iter()
                    .filter(|(name, _)| own.iter().all(|(n, _)| n != name));
                rows.push(OverlapRow {
                    point: own.iter().chain(more).cloned().collect(),
                    arm: self.experiment.arms[a.arm].name.clone(),
                    other_arm: self.experiment.arms[b.arm].name.clone(),
                    seed: a.seed,
                    other_seed: b.seed,
                    jaccard,
                    by_chance,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Init, Layer, ModelSpec, NamedLayer, Shape};

    #[test]
    fn overlap_counts_weights_and_not_padding() {
        let linear = |name: &str, features| NamedLayer {
            name: name.into(),
            layer: Layer::Linear {
                features,
                bias: true,
            },
            from: None,
        };
        let spec = ModelSpec {
            name: "test".into(),
            layers: vec![linear("a", 5), linear("b", 2)],
            init: Init::default(),
        };
        let model = Model::new(&spec, Shape::flat(8), 2).unwrap();
        // 40 weights in words 0 and 1, biases in 2 and 3, 10 weights in word 4.
        let mut a = vec![u32::MAX; model.mask_words()];
        let mut b = a.clone();
        (a[0], a[1], a[4]) = (0xff, 0xffff_ff00, 0xffff_fc03);
        (b[0], b[1], b[4]) = (0xf0, 0xffff_ff0f, 0xffff_fc02);
        // Both: 4 + 0 + 1; either: 8 + 4 + 2.
        let (jaccard, by_chance) = overlap(&model, &a, &b);
        assert!((jaccard - 5.0 / 14.0).abs() < 1e-15);
        // 8 x 8 / 40 + 2 x 1 / 10 = 1.8 of 19 - 1.8.
        assert!((by_chance - 1.8 / 17.2).abs() < 1e-15);
        assert_eq!(overlap(&model, &a, &a).0, 1.0);
    }
}
