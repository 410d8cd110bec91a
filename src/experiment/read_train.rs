//! `train` steps over the defaults of `[train]`, and the other steps that run batches.

use super::best_by;
use super::fields::Fields;
use super::scalars::integer32;
use super::train_settings::{KEYS, MASK_SCHEDULES, NEEDED, Settings};
use crate::config::Node;
use crate::config::Problems;
use crate::spec::{ModelSpec, TrainSpec};

/// Checks `[train]` by itself, so that a default no step uses is still read.
pub(super) fn check_defaults(node: &Node, datasets: &[String], problems: &mut Problems) {
    if Fields::open(node, "[train]", &KEYS, problems).is_some() {
        Settings {
            step: node,
            what: "[train] table",
            keys: &KEYS,
            defaults: None,
            datasets,
            model: None,
        }
        .read(problems);
    }
}

/// Reads one `train` step, but for what it says of masks; what it leaves out comes from `defaults`. `datasets` are the names there are; `model` is `None` if it
/// has a mistake.
pub(super) fn read_train(
    step: &Node,
    defaults: Option<&Node>,
    (datasets, model): (&[String], Option<&ModelSpec>),
    problems: &mut Problems,
) -> Option<TrainSpec> {
    let keys = [&KEYS[..], &MASK_SCHEDULES].concat();
    Fields::open(step, "this train step", &keys, problems)?;
    let settings = Settings {
        step,
        what: "train step",
        keys: &KEYS,
        defaults,
        datasets,
        model,
    };
    let complete = settings.check_complete(&NEEDED, problems);
    let read = settings.read(problems);
    let stopping = read.stopping?;
    let complete = best_by::check_step(step, defaults, &stopping, problems) && complete;
    Some(TrainSpec {
        dataset: read.dataset?,
        batch: read.batch?,
        micro_batch: read.micro_batch?,
        length: read.length?,
        equal_flops: read.equal_flops?,
        enter: read.enter?,
        leave: None,
        optimizer: read.optimizer?,
        weight_decay_on: read.weight_decay_on?,
        freeze: read.freeze?,
        schedule: read.schedule?,
        label_smoothing: read.label_smoothing?,
        stopping,
        clip_norm: read.clip_norm?,
        group_lasso: read.group_lasso?,
        validation: read.validation?,
        samples: read.samples?,
        balanced: read.balanced?,
        normalise: read.normalise?,
        augment: read.augment?,
    })
    .filter(|_| complete)
}

/// What a `recalibrate` step takes from `[train]`; all but the last two may be keys of its own.
pub(super) const RECALIBRATE: [&str; 7] = [
    "dataset",
    "batch",
    "validation",
    "samples",
    "normalise",
    "balanced",
    "augment",
];

/// Reads one `recalibrate` step: a training of so many batches, of which only the forward passes are run.
pub(super) fn read_recalibrate(
    step: &Node,
    defaults: Option<&Node>,
    datasets: &[String],
    problems: &mut Problems,
) -> Option<TrainSpec> {
    let own = [&["batches"], &RECALIBRATE[..5]].concat();
    let fields = Fields::open(step, "this recalibrate step", &own, problems)?;
    let settings = Settings {
        step,
        what: "recalibrate step",
        keys: &RECALIBRATE,
        defaults,
        datasets,
        model: None,
    };
    let batches = fields
        .need("batches", "batches = 100", problems)
        .and_then(|node| integer32(node, "batches", 1, problems));
    let complete = settings.check_complete(&NEEDED[..2], problems);
    let read = settings.read(problems);
    let measuring = read.measuring(batches?)?;
    Some(TrainSpec {
        augment: read.augment?,
        ..measuring
    })
    .filter(|_| complete)
}

/// Keys of a `prune` step that say what scores are measured on; all but `batches` have defaults in `[train]`.
pub(super) const SCORING: [&str; 7] = [
    "batches",
    "dataset",
    "batch",
    "validation",
    "samples",
    "balanced",
    "normalise",
];

/// What a `prune` step that trains takes from `[train]`: also how weights are updated.
pub(super) const MOVEMENT: [&str; 13] = [
    "dataset",
    "batch",
    "validation",
    "samples",
    "balanced",
    "normalise",
    "optimizer",
    "freeze",
    "schedule",
    "label_smoothing",
    "clip_norm",
    "group_lasso",
    "augment",
];

/// Reads what a `prune` step measures its scores on, from a table of none but these keys: a training of `batches` steps. With
/// `trained`, one of this model that makes updates, and takes the rest from `[train]`; else one without augmentation.
pub(super) fn read_scoring(
    step: &Node,
    defaults: Option<&Node>,
    (datasets, trained): (&[String], Option<&ModelSpec>),
    problems: &mut Problems,
) -> Option<TrainSpec> {
    let settings = Settings {
        step,
        what: "prune step",
        keys: if trained.is_some() {
            &MOVEMENT
        } else {
            &SCORING
        },
        defaults,
        datasets,
        model: trained,
    };
    let batches = match step.get("batches") {
        Some(node) => integer32(node, "batches", 1, problems),
        None => Some(1),
    };
    let [dataset, batch, _, optimizer] = NEEDED;
    let needed = if trained.is_some() {
        &[dataset, batch, optimizer][..]
    } else {
        &[dataset, batch][..]
    };
    let complete = settings.check_complete(needed, problems);
    let read = settings.read(problems);
    let spec = read.measuring(batches?)?;
    if !complete || trained.is_none() {
        return complete.then_some(spec);
    }
    Some(TrainSpec {
        optimizer: read.optimizer?,
        weight_decay_on: read.weight_decay_on?,
        freeze: read.freeze?,
        schedule: read.schedule?,
        label_smoothing: read.label_smoothing?,
        clip_norm: read.clip_norm?,
        group_lasso: read.group_lasso?,
        augment: read.augment?,
        ..spec
    })
}
