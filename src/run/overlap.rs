//! How alike the masks of an experiment's runs are.

use super::error::RunError;
use super::setup::Setup;
use crate::experiment::Run;
use crate::model::{Mask, Model};
use crate::store::{OverlapRow, RunFolder, load_mask};
use rayon::prelude::*;

/// A mask, with its count in each tensor.
struct CountedMask {
    mask: Mask,
    counts: Vec<u64>,
}

impl CountedMask {
    fn new(mask: Mask, model: &Model) -> Self {
        let counts = mask.counts(model);
        Self { mask, counts }
    }
}

/// A mask against another of the same model: the weights in both over those in either, and the same of two random masks with these
/// counts in each layer, both counts at their expectation.
fn overlap(model: &Model, a: &CountedMask, b: &CountedMask) -> (f64, f64) {
    let (mut both, mut chance, mut sum) = (0, 0.0, 0);
    for (index, tensor) in model.tensors.iter().enumerate().filter(|(_, t)| t.prunable) {
        let (own, other) = (a.counts[index], b.counts[index]);
        both += a.mask.common_in(&b.mask, tensor);
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
        let (experiment, models) = (self.setup.experiment, &self.setup.models);
        let (folder, names) = (self.folder, self.names);
        let load = |(&number, run): (&usize, &&Run)| {
            let variant = &experiment.arms[run.arm].variants[run.variant];
            let Some(model) = models.of(&variant.model) else {
                return Ok(None);
            };
            let path = folder.mask_path(&names[number]);
            let mask = load_mask(&path, &model.tensors)?;
            Ok::<_, RunError>(Some((model, CountedMask::new(mask, model))))
        };
        let loaded: Result<Option<Vec<_>>, RunError> =
            numbers.par_iter().zip(&runs).map(load).collect();
        let Some(masks) = loaded? else {
            return Ok(());
        };
        let all = 0..runs.len();
        let pairs = all.flat_map(|i| (i + 1..runs.len()).map(move |j| (i, j)));
        let pairs: Vec<(usize, usize)> = pairs.filter(|&(i, j)| belong(runs[i], runs[j])).collect();
        let point = |run: &Run| &experiment.arms[run.arm].variants[run.variant].point;
        let arm = |run: &Run| experiment.arms[run.arm].name.clone();
        let compared = pairs.par_iter().map(|&(i, j)| {
            let (a, b) = (runs[i], runs[j]);
            let (jaccard, expected_jaccard) = overlap(masks[i].0, &masks[i].1, &masks[j].1);
            let (own, other) = (point(a), point(b));
            let more = other
                .iter()
                .filter(|(name, _)| own.iter().all(|(n, _)| n != name));
            OverlapRow {
                point: own.iter().chain(more).cloned().collect(),
                arm: arm(a),
                other_arm: arm(b),
                seed: a.seed,
                other_seed: b.seed,
                jaccard,
                expected_jaccard,
            }
        });
        rows.extend(compared.collect::<Vec<OverlapRow>>());
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
            CountedMask::new(Mask::from_words(words), &model)
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
