//! Prune and mask steps on replicas that are on the GPU.

use super::counts::{self, CountError, RankedGroup};
use super::criterion::Scorer;
use super::custom::CustomCriterion;
use super::error::PruneError;
use super::invert::layer_by_layer;
use super::rows::{prune_rows, prune_runs, row_counts, rows_in_scope};
use super::sap::{lower_to_sap, weights_for_sap};
use super::selection::{ScorePart, ScoreSegment, select};
use crate::gpu::{Buffer, Gpu, Observe, Program, shader_struct};
use crate::model::{Mask, Model};
use crate::ops::{Execution, SparseRule};
use crate::spec::{Amount, Criterion, PruneSpec, Scope, TrainSpec};
use crate::train::{Replicas, ResidentDataset, Trainer};

/// What scores are measured on.
pub struct ScoringData<'a> {
    /// The dataset.
    pub resident: &'a ResidentDataset,
    /// Its normalisation, see [`crate::train::scales`].
    pub scales: &'a [[f32; 2]],
    /// Which kernels.
    pub execution: Execution,
}

/// What scores are made of beside the weights.
#[derive(Default)]
pub struct Scoring<'a> {
    /// For criteria that read data.
    pub data: Option<ScoringData<'a>>,
    /// For [`Criterion::Custom`].
    pub custom: Option<&'a CustomCriterion<'a>>,
}

shader_struct! {
    /// Uniform of `mask_shuffle`.
    pub struct ShuffleShape {
        /// First word of the tensor in a replica's mask.
        pub first_word: u32,
        /// Its weights.
        pub count: u32,
        /// Its number, which keys its random stream.
        pub tensor: u32,
        /// Mask words per replica.
        pub mask_words: u32,
    }
}

/// [`prune_on`] by a criterion that reads no data.
///
/// # Errors
/// As [`prune_on`].
pub fn prune(gpu: &Gpu, replicas: &Replicas, specs: &[&PruneSpec]) -> Result<(), PruneError> {
    prune_on(gpu, replicas, specs, &Scoring::default(), &mut |_| true)
}

/// Prunes every replica by its own amount; `specs[replica]` may differ only in the amount. Pruned weights become 0. `observe` is
/// called a few times a second while scores are measured; it returns false to stop.
///
/// # Errors
/// NaN scores, fewer weights left than asked for, no data where the criterion reads some, no criterion where it is custom, or the device failed. Masks are
/// unchanged in all these cases but the last and NaN after the first of several iterations.
pub fn prune_on(
    gpu: &Gpu,
    replicas: &Replicas,
    specs: &[&PruneSpec],
    scoring: &Scoring<'_>,
    observe: Observe<'_>,
) -> Result<(), PruneError> {
    let Some(first) = specs.first() else {
        return Ok(());
    };
    let data_of = trainings(specs);
    let scorer = |invert| scorer(gpu, replicas, first.criterion, invert, &data_of, scoring);
    if let Amount::NOfM { n, m } = first.amount {
        return prune_runs(&scorer(first.invert)?, first, (n, m), observe);
    }
    let masks = replicas.read_masks(gpu)?;
    let weights = weights_for_sap(gpu, replicas, specs)?;
    if first.scope == Scope::Neuron {
        let before = (masks.as_slice(), weights.as_deref());
        return prune_rows(&scorer(first.invert)?, specs, before, observe);
    }
    let model = &replicas.model;
    let (mut groups, mut alive) = (Vec::new(), Vec::new());
    for (replica, (spec, mask)) in specs.iter().zip(&masks).enumerate() {
        let mut own = counts::groups_of(model, spec, &mask.counts(model))?;
        if let Some(weights) = &weights {
            lower_to_sap(model, spec, (&weights[replica], mask), &mut own);
        }
        alive.push(alive_in(model, &own, mask)?);
        groups.push(own);
    }
    let shots: Vec<Vec<Vec<RankedGroup>>> = (1..=first.iterations)
        .map(|shot| {
            let mut now = groups.clone();
            for (groups, alive) in now.iter_mut().zip(&alive) {
                for (group, &alive) in groups.iter_mut().zip(alive) {
                    group.keep = counts::kept_after(alive, group.keep, shot, first.iterations);
                }
            }
            now
        })
        .collect();
    if !first.invert {
        return take(&scorer(false)?, &shots, observe);
    }
    // How many each layer keeps is known once the criterion itself has pruned.
    let before = replicas.download(gpu)?;
    let inverted = kept_by(&scorer(false)?, &shots, observe)?;
    replicas.upload(gpu, &before.iter().collect::<Vec<_>>())?;
    take(&scorer(true)?, &inverted, observe)
}

/// Scores and prunes once per entry of `shots`, `[shot][replica][group]`.
fn take(
    scorer: &Scorer<'_>,
    shots: &[Vec<Vec<RankedGroup>>],
    observe: Observe<'_>,
) -> Result<(), PruneError> {
    for now in shots {
        keep_largest(scorer, now, observe)?;
    }
    Ok(())
}

/// [`take`], and for each shot the layers as groups of their own, with as many weights to keep as were kept of each.
fn kept_by(
    scorer: &Scorer<'_>,
    shots: &[Vec<Vec<RankedGroup>>],
    observe: Observe<'_>,
) -> Result<Vec<Vec<Vec<RankedGroup>>>, PruneError> {
    let mut found = Vec::new();
    for now in shots {
        keep_largest(scorer, now, observe)?;
        let masks = scorer.replicas.read_masks(scorer.gpu)?;
        let layers = now.iter().zip(&masks);
        found.push(
            layers
                .map(|(groups, mask)| layer_by_layer(&scorer.replicas.model, groups, mask))
                .collect(),
        );
    }
    Ok(found)
}

/// What each replica's scores are measured on; none by a criterion that reads no data.
fn trainings<'s>(specs: &[&'s PruneSpec]) -> Vec<&'s TrainSpec> {
    specs.iter().filter_map(|s| s.data.as_deref()).collect()
}

/// What scores the replicas by a criterion. `trainings` are those of the specs.
fn scorer<'a>(
    gpu: &'a Gpu,
    replicas: &'a Replicas,
    criterion: Criterion,
    invert: bool,
    trainings: &'a [&'a TrainSpec],
    scoring: &Scoring<'a>,
) -> Result<Scorer<'a>, PruneError> {
    Ok(Scorer {
        trainer: scoring_trainer(gpu, replicas, trainings, scoring.data.as_ref())?,
        custom: scoring.custom,
        invert,
        ..Scorer::of_weights(gpu, replicas, criterion)
    })
}

/// What runs batches for scores, pruned weights among them: they have gradients too. `None` by a criterion that reads no data,
/// of which there is no training for each replica.
pub(super) fn scoring_trainer<'a>(
    gpu: &'a Gpu,
    replicas: &'a Replicas,
    trainings: &'a [&'a TrainSpec],
    data: Option<&ScoringData<'a>>,
) -> Result<Option<Trainer<'a>>, PruneError> {
    let Some(data) = data.filter(|_| trainings.len() == replicas.count as usize) else {
        return Ok(None);
    };
    let dense = Execution {
        sparse: SparseRule::Never,
        ..data.execution
    };
    let (resident, scales) = (data.resident, data.scales);
    let trainer = Trainer::new(gpu, replicas, resident, trainings, scales, &dense)?;
    Ok(Some(trainer))
}

/// How many weights of each group exist; an error where fewer do than are to stay.
pub(super) fn alive_in(
    model: &Model,
    groups: &[RankedGroup],
    mask: &Mask,
) -> Result<Vec<u64>, PruneError> {
    let alive = mask.counts(model);
    let of_group = |group: &RankedGroup| {
        let here: u64 = group.tensors.iter().map(|&t| alive[t]).sum();
        if group.keep <= here {
            return Ok(here);
        }
        let names = group.tensors.iter().map(|&t| &model.tensors[t].layer);
        Err(PruneError::TooFewLeft {
            keep: group.keep,
            alive: here,
            layers: names.cloned().collect::<Vec<_>>().join(", "),
        })
    };
    groups.iter().map(of_group).collect()
}

/// Whether a mask leaves as many weights as a step asks for; amounts that the weights decide are not judged.
///
/// # Errors
/// As [`prune_on`] has them of such a mask.
pub fn room_for(model: &Model, spec: &PruneSpec, mask: &Mask) -> Result<(), PruneError> {
    let groups = counts::groups_of(model, spec, &mask.counts(model))?;
    match (spec.amount, spec.scope) {
        (Amount::Sap(_) | Amount::NOfM { .. }, _) => Ok(()),
        (_, Scope::Neuron) => {
            let tensors = rows_in_scope(model, spec)?;
            row_counts(model, &tensors, spec, mask, None).map(|_| ())
        }
        _ => alive_in(model, &groups, mask).map(|_| ()),
    }
}

/// Gives every replica a random mask of as many weights as it has now: with the present count in each layer, or with
/// counts by `scope`. Weights outside it become 0; weights that come back are 0 until a restart.
///
/// # Errors
/// The device failed.
pub fn randomise_masks(
    gpu: &Gpu,
    replicas: &Replicas,
    scope: Option<Scope>,
) -> Result<(), PruneError> {
    let model = &replicas.model;
    let groups = |mask: &Mask| -> Result<Vec<RankedGroup>, CountError> {
        let kept = mask.counts(model);
        let prunable = model.prunable_tensors();
        let Some(scope) = scope else {
            let same = |t| RankedGroup {
                tensors: vec![t],
                keep: kept[t],
            };
            return Ok(prunable.map(same).collect());
        };
        let total = Amount::Keep(prunable.map(|t| kept[t]).sum());
        counts::groups(model, &PruneSpec::new(Criterion::Random, scope, total))
    };
    let masks = replicas.read_masks(gpu)?;
    let groups = masks.iter().map(groups).collect::<Result<Vec<_>, _>>()?;
    let scorer = Scorer {
        revive: true,
        ..Scorer::of_weights(gpu, replicas, Criterion::Random)
    };
    keep_largest(&scorer, &groups, &mut |_| true)
}

/// Permutes each replica's mask within each layer. Weights outside it become 0.
///
/// # Errors
/// The device failed.
pub fn shuffle_masks(gpu: &Gpu, replicas: &Replicas) -> Result<(), PruneError> {
    let model = &replicas.model;
    let shuffled = gpu.buffer("shuffled masks", replicas.masks.bytes())?;
    // What no mask applies to stays as it is.
    gpu.copy(&replicas.masks, &shuffled, 0, shuffled.bytes())?;
    let mut program = Program::new("mask shuffle");
    for (number, tensor) in model.tensors.iter().enumerate() {
        if !tensor.prunable {
            continue;
        }
        let shape = ShuffleShape {
            first_word: (tensor.offset / 32) as u32,
            count: tensor.count as u32,
            tensor: number as u32,
            mask_words: model.mask_words() as u32,
        };
        let kernel = gpu.kernel("mask_shuffle", &[])?;
        let buffers = [&replicas.keys, &replicas.masks, &shuffled];
        let words = tensor.count.div_ceil(32) as u64;
        program.push(gpu, kernel, &shape, &buffers, words, replicas.count)?;
    }
    gpu.run(&program)?;
    gpu.copy(&shuffled, &replicas.masks, 0, shuffled.bytes())?;
    Ok(replicas.apply_masks(gpu)?)
}

/// Scores, selects, and zeroes what was not selected. All replicas have the same groups; the counts may differ.
pub(super) fn keep_largest(
    scorer: &Scorer<'_>,
    groups: &[Vec<RankedGroup>],
    observe: Observe<'_>,
) -> Result<(), PruneError> {
    let Some(first) = groups.first() else {
        return Ok(());
    };
    let tensors: Vec<usize> = first.iter().flat_map(|g| g.tensors.clone()).collect();
    let score = scorer.keys(&tensors, observe)?;
    keep_top(scorer.gpu, scorer.replicas, &score, groups)
}

/// Selects by keys `[replica][float]`, and zeroes the weights that were not selected.
pub(super) fn keep_top(
    gpu: &Gpu,
    replicas: &Replicas,
    score: &Buffer,
    groups: &[Vec<RankedGroup>],
) -> Result<(), PruneError> {
    let Some(first) = groups.first() else {
        return Ok(());
    };
    let model = &replicas.model;
    let segments: Vec<ScoreSegment> = first
        .iter()
        .enumerate()
        .flat_map(|(number, group)| {
            group.tensors.iter().map(move |&t| ScoreSegment {
                start: model.tensors[t].offset as u32,
                count: model.tensors[t].count as u32,
                group: number as u32,
            })
        })
        .collect();
    let part = ScorePart {
        score,
        masks: &replicas.masks,
        score_stride: model.floats as u32,
        mask_words: model.mask_words() as u32,
        base: 0,
        segments: &segments,
    };
    let keep: Vec<Vec<u32>> = groups
        .iter()
        .map(|groups| groups.iter().map(|g| g.keep as u32).collect())
        .collect();
    let mut program = Program::new("selection");
    select(gpu, &mut program, &[part], &keep)?;
    replicas.record_mask_apply(gpu, &mut program, &replicas.params)?;
    Ok(gpu.run(&program)?)
}
