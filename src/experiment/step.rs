//! Steps: all that is to be known of one, each fact as a match over the kinds.

use crate::base::json;
use crate::spec::{
    Criterion, MaskSchedule, MaskStep, PruneSpec, Restart, TrainSpec, TrainStep, UnitPrune,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What an arm does, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Train on a dataset.
    Train(TrainStep),
    /// Remove weights.
    Prune(PruneSpec),
    /// Remove whole units.
    #[serde(rename = "prune_units")]
    PruneUnits(UnitPrune),
    /// Replace or free the mask.
    Mask(MaskStep),
    /// Put the weights back.
    Restart(Restart),
    /// Set running statistics to their average over training batches: those of a training of this length, of which nothing
    /// but the forward passes is run.
    Recalibrate(TrainSpec),
    /// Make tensors smaller by the units that do nothing.
    Compact,
}

/// What a step does to a network, as far as later steps depend on it.
pub struct Effect<'s> {
    /// To the mask.
    pub mask: MaskEffect<'s>,
    /// To the weights that exist.
    pub weights: WeightEffect<'s>,
    /// Whether tensors become smaller.
    pub compacts: bool,
}

/// What a step does to the mask.
#[derive(Clone, Copy, PartialEq)]
pub enum MaskEffect<'s> {
    /// It stays.
    None,
    /// Weights go: at once, or gradually in a training.
    Prunes(&'s PruneSpec),
    /// Whole units go; how many weights that is depends on the layers they are of.
    PrunesUnits,
    /// In each layer as many weights go as others grow.
    Exchanges,
    /// Another mask with the same count in each layer.
    RedrawsLayers,
    /// Another mask with the same count in all.
    Redraws,
    /// A file's mask.
    Loads,
    /// All weights exist again.
    Releases,
}

/// What a step does to the weights that exist.
#[derive(Clone, Copy, PartialEq)]
pub enum WeightEffect<'s> {
    /// They stay and do not matter.
    None,
    /// They stay and decide something.
    Reads,
    /// They are trained.
    Trains(&'s TrainStep),
    /// Others take their place.
    Replaces(Restart),
}

impl Step {
    /// The experiment file's word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Train(_) => "train",
            Self::Prune(_) | Self::PruneUnits(_) => "prune",
            Self::Mask(_) => "mask",
            Self::Restart(_) => "restart",
            Self::Recalibrate(_) => "recalibrate",
            Self::Compact => "compact",
        }
    }

    /// What it does to `count` networks, for people.
    pub fn describe(&self, count: usize) -> String {
        let plural = if count == 1 { "" } else { "s" };
        let networks = format!("{count} replica{plural}");
        match self {
            Self::Train(step) => format!("training {networks} on {}", step.train.dataset),
            Self::Recalibrate(spec) => format!("recalibrating {networks} on {}", spec.dataset),
            Self::Prune(_) => format!("pruning {networks}"),
            Self::PruneUnits(_) => format!("pruning units of {networks}"),
            Self::Compact => format!("compacting {networks}"),
            Self::Mask(_) => format!("masking {networks}"),
            Self::Restart(Restart::Rewind(to)) => format!("rewinding {networks} to {to}"),
            Self::Restart(_) => format!("restarting {networks}"),
        }
    }

    /// Its effect on what later steps find.
    pub fn effect(&self) -> Effect<'_> {
        let (mask, weights) = match self {
            Self::Train(step) => {
                let mask = match step.masks.as_deref().map(MaskSchedule::target) {
                    None => MaskEffect::None,
                    Some(Some(target)) => MaskEffect::Prunes(target),
                    Some(None) => MaskEffect::Exchanges,
                };
                (mask, WeightEffect::Trains(step))
            }
            Self::Prune(spec) => (MaskEffect::Prunes(spec), WeightEffect::Reads),
            Self::PruneUnits(_) => (MaskEffect::PrunesUnits, WeightEffect::Reads),
            Self::Mask(mask) => {
                let mask = match mask {
                    MaskStep::Transfer => MaskEffect::None,
                    MaskStep::Shuffle | MaskStep::Random => MaskEffect::RedrawsLayers,
                    MaskStep::RandomUniform | MaskStep::RandomErk => MaskEffect::Redraws,
                    MaskStep::Load(_) => MaskEffect::Loads,
                    MaskStep::Release => MaskEffect::Releases,
                };
                (mask, WeightEffect::None)
            }
            Self::Restart(restart) => (MaskEffect::None, WeightEffect::Replaces(*restart)),
            Self::Recalibrate(_) | Self::Compact => (MaskEffect::None, WeightEffect::Reads),
        };
        Effect {
            mask,
            weights,
            compacts: matches!(self, Self::Compact),
        }
    }

    /// What it reads of a dataset: a training, or one of which only some passes are run.
    pub fn data(&self) -> Option<&TrainSpec> {
        match self {
            Self::Train(step) => Some(&step.train),
            Self::Recalibrate(spec) => Some(spec),
            Self::Prune(spec) => spec.data.as_deref(),
            Self::PruneUnits(spec) => spec.data.as_deref(),
            Self::Mask(_) | Self::Restart(_) | Self::Compact => None,
        }
    }

    /// The training that it is.
    pub fn training(&self) -> Option<&TrainStep> {
        match self {
            Self::Train(step) => Some(step),
            _ => None,
        }
    }

    /// What it prunes: at once, or gradually while it trains.
    pub fn prunes(&self) -> Option<&PruneSpec> {
        match self.effect().mask {
            MaskEffect::Prunes(spec) => Some(spec),
            _ => None,
        }
    }

    /// [`Step::prunes`], to be changed.
    pub(super) fn prunes_mut(&mut self) -> Option<&mut PruneSpec> {
        match self {
            Self::Prune(spec) => Some(spec),
            Self::Train(step) => step.masks.as_deref_mut()?.target_mut(),
            _ => None,
        }
    }

    /// Whether computing it again takes more than milliseconds.
    pub fn takes_long(&self) -> bool {
        match self {
            Self::Train(_) => true,
            Self::Prune(spec) => spec.data.is_some() || spec.iterations > 1,
            Self::PruneUnits(spec) => spec.data.is_some(),
            Self::Mask(_) | Self::Restart(_) | Self::Recalibrate(_) | Self::Compact => false,
        }
    }

    /// Whether it makes a new history. Some steps only state what is so anyway.
    pub fn changes_anything(&self) -> bool {
        !matches!(
            self,
            Self::Mask(MaskStep::Transfer) | Self::Restart(Restart::None)
        )
    }

    /// What GPU memory it takes beside that of a training or an evaluation: the names of these buffers, each the size of the
    /// parameters.
    pub fn buffers(&self) -> &'static [&'static str] {
        match self {
            Self::Train(step) if step.masks.is_some() => &["scores"],
            Self::Prune(spec) => spec.criterion.buffers(),
            Self::PruneUnits(spec) => spec.criterion.buffers(),
            Self::Recalibrate(_) => &["weights put aside"],
            // The replicas that take over the weights of those that train.
            Self::Restart(Restart::Rewind(_)) => &["parameters to replace", "their gradients"],
            Self::Train(_) | Self::Restart(_) | Self::Mask(_) | Self::Compact => &[],
        }
    }

    /// Whether it takes memory for the branches that layers with kinks took.
    pub fn holds_branches(&self) -> bool {
        matches!(self, Self::Prune(spec) if spec.criterion == Criterion::Grasp)
    }

    /// Whether it runs dense whatever its mask: scores are of all weights, and a rewinding begins with all of them.
    pub fn runs_dense(&self) -> bool {
        match self {
            Self::Prune(_) | Self::PruneUnits(_) | Self::Restart(Restart::Rewind(_)) => true,
            Self::Train(_)
            | Self::Recalibrate(_)
            | Self::Restart(_)
            | Self::Mask(_)
            | Self::Compact => false,
        }
    }

    /// What steps must agree in to run in the same dispatches, as text. Numbers that each replica has for itself are left out:
    /// amounts, learning rates and the like.
    pub fn alike(&self) -> String {
        let settings = match self {
            Self::Train(step) => json(&step.alike()),
            Self::Recalibrate(spec) => json(&spec.alike()),
            Self::Prune(spec) => json(&spec.alike()),
            Self::PruneUnits(spec) => json(&spec.alike()),
            Self::Mask(mask) => json(mask),
            Self::Restart(restart) => json(restart),
            Self::Compact => String::new(),
        };
        format!("{} {settings}", self.word())
    }

    /// Its JSON as digests of stages take it: a mask file is named by its content, not by where it lies. Micro-batches are left
    /// out: they change no bit.
    pub(super) fn canonical(&self, files: &BTreeMap<PathBuf, String>) -> String {
        match self {
            Self::Mask(MaskStep::Load(path)) => {
                let digest = files.get(path).map_or("", String::as_str);
                json(&serde_json::json!({ "mask": { "load": { "sha256": digest } } }))
            }
            Self::Train(step) => {
                let mut step = step.clone();
                step.train.micro_batch = None;
                json(&Self::Train(step))
            }
            step => json(step),
        }
    }

    /// How it makes or changes a mask, in the words of [`Step::canonical`]; `None` if it does not.
    pub fn mask_criterion(&self, files: &BTreeMap<PathBuf, String>) -> Option<String> {
        match (self, self.effect().mask) {
            (_, MaskEffect::None) => None,
            (Self::Train(step), _) => Some(json(&step.masks)),
            _ => Some(self.canonical(files)),
        }
    }
}
