//! How alike the masks of an experiment's runs are.

use super::error::RunError;
use super::setup::Setup;
use crate::experiment::Run;
use crate::model::{Mask, Model};
use crate::store::{OverlapRow, RunFolder, load_mask};

/// A mask against another of the same model: the weights in both over those in either, and the same of two random masks with these
/// counts in each layer, both counts at their expectation.
fn overlap(model: &Model, a: &Mask, b: &Mask) -> (f64, f64) {
    let both = a.and(b).prunable_count(model);
    let (mut chance, mut sum) = (0.0, 0);
    for tensor in model.tensors.iter().filter(|t| t.prunable) {
        let (own, other) = (a.count_in(tensor), b.count_in(tensor));
        chance += own as f64 * other as f64 / tensor.count as f64;
        sum += own + other;
    }
    let ratio = |part: f64, whole: f64| if whole == 0.0 { 1.0 } else { part / whole };
    (
        ratio(both as f64, (sum - both) as f64),
        ratio(chance, sum as f64 - chance),
    )
}

/// The masks of finished runs, in the run folder.
pub(super) struct FinishedMasks<'s> {
    pub setup: &'s Setup<'s>,
    pub folder: &'s RunFolder,
    /// The name of each run of the plan.
    pub names: &'s [String],
}

impl FinishedMasks<'_> {
    /// How alike the masks of these runs are: of every arm at every point between its seeds, then of every seed between arms whose points
    /// agree. Those of one comparison at a time are in memory.
    pub fn overlaps(&self, sparse: &[usize]) -> Result<Vec<OverlapRow>, RunError> {
        let run = |number: usize| &self.setup.plan.runs[number];
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
        let variant = |run: &Run| &self.setup.experiment.arms[run.arm].variants[run.variant];
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
        let runs: Vec<&Run> = numbers.iter().map(|&n| &self.setup.plan.runs[n]).collect();
        let mut masks = Vec::new();
        for (&number, run) in numbers.iter().zip(&runs) {
            let variant = &self.setup.experiment.arms[run.arm].variants[run.variant];
            let Some(model) = self.setup.models.of(&variant.model) else {
                return Ok(());
            };
            let path = self.folder.mask_path(&self.names[number]);
            masks.push((model, load_mask(&path, &model.tensors)?));
        }
        for (i, a) in runs.iter().enumerate() {
            for (j, b) in runs.iter().enumerate().skip(i + 1) {
                if !belong(a, b) {
                    continue;
                }
                let (jaccard, expected_jaccard) = overlap(masks[i].0, &masks[i].1, &masks[j].1);
                let point =
                    |run: &Run| &self.setup.experiment.arms[run.arm].variants[run.variant].point;
                let (own, other) = (point(a), point(b));
                let more = other
                    .iter()
                    .filter(|(name, _)| own.iter().all(|(n, _)| n != name));
                rows.push(OverlapRow {
                    point: own.iter().chain(more).cloned().collect(),
                    arm: self.setup.experiment.arms[a.arm].name.clone(),
                    other_arm: self.setup.experiment.arms[b.arm].name.clone(),
                    seed: a.seed,
                    other_seed: b.seed,
                    jaccard,
                    expected_jaccard,
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
        let mask = |first, second, last| {
            let mut words = vec![u32::MAX; model.mask_words()];
            (words[0], words[1], words[4]) = (first, second, last);
            Mask::from_words(words)
        };
        let a = mask(0xff, 0xffff_ff00, 0xffff_fc03);
        let b = mask(0xf0, 0xffff_ff0f, 0xffff_fc02);
        // Both: 4 + 0 + 1; either: 8 + 4 + 2.
        let (jaccard, expected_jaccard) = overlap(&model, &a, &b);
        assert!((jaccard - 5.0 / 14.0).abs() < 1e-15);
        // 8 x 8 / 40 + 2 x 1 / 10 = 1.8 of 19 - 1.8.
        assert!((expected_jaccard - 1.8 / 17.2).abs() < 1e-15);
        assert_eq!(overlap(&model, &a, &a).0, 1.0);
    }
}
