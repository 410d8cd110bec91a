//! A run up to some step: what its steps, one after another, have made of the network. All that asks about the past of a step
//! reads it here.

use super::step::{MaskEffect, Step, WeightEffect};
use crate::spec::{PruneSpec, Restart, TrainStep};

/// A bound on the weights that are left, kept up to date step by step.
pub trait Bound {
    /// Weights were pruned.
    fn prune(&mut self, spec: &PruneSpec);
    /// Nothing more is known than was before.
    fn forget(&mut self);
    /// The count of all weights together stays; layers share it in another way.
    fn redistribute(&mut self);
    /// All weights exist again.
    fn release(&mut self);
}

/// No bound.
impl Bound for () {
    fn prune(&mut self, _: &PruneSpec) {}
    fn forget(&mut self) {}
    fn redistribute(&mut self) {}
    fn release(&mut self) {}
}

/// The first training since the weights were fresh.
#[derive(Clone, Copy, Debug)]
pub struct FirstTraining<'s> {
    /// What it was.
    pub step: &'s TrainStep,
    /// Trainings before it in the run.
    pub ordinal: u32,
    /// The weights that it began with.
    pub began: Began,
}

/// The weights that a training began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// As they were drawn.
    Whole,
    /// Some of them 0, but free.
    Zeroed,
    /// Under a mask.
    Masked,
}

/// A run up to some step.
#[derive(Clone, Debug, Default)]
pub struct History<'s, B = ()> {
    /// Steps so far.
    pub steps: u32,
    /// Trainings so far.
    pub trainings: u32,
    /// How often weights were drawn anew.
    pub draws: u32,
    /// The first training since the weights were fresh; `None` before it.
    pub first_training: Option<FirstTraining<'s>>,
    /// Whether a mask is in force.
    pub masked: bool,
    /// Whether a mask has set weights to 0 since they were drawn.
    pub zeroed: bool,
    /// A restart that nothing has used yet.
    pub restarted: bool,
    /// Whether tensors have become smaller.
    pub compacted: bool,
    /// Whether they have since the weights were drawn.
    pub shrunk: bool,
    /// The dataset of the last training; empty before it.
    pub dataset: &'s str,
    /// The dataset of the last training when weights or units were last pruned; empty where none was.
    pub mask_dataset: &'s str,
    /// The most that may be left of the weights.
    pub left: B,
}

impl<'s, B: Bound> History<'s, B> {
    /// Before the first step, with a bound that holds then.
    pub fn new(left: B) -> Self {
        Self {
            steps: 0,
            trainings: 0,
            draws: 0,
            first_training: None,
            masked: false,
            zeroed: false,
            restarted: false,
            compacted: false,
            shrunk: false,
            dataset: "",
            mask_dataset: "",
            left,
        }
    }

    /// Takes one more step into account.
    pub fn take(&mut self, step: &'s Step) {
        let effect = step.effect();
        self.steps += 1;
        match effect.weights {
            WeightEffect::None => {}
            WeightEffect::Reads => self.restarted = false,
            WeightEffect::Trains(step) => self.train(step),
            WeightEffect::Replaces(restart) => self.restart(restart),
        }
        if effect.compacts {
            self.compacted = true;
            self.shrunk = true;
            // Shares are of the weights that the network has by then.
            self.left.forget();
        }
        match effect.mask {
            MaskEffect::None | MaskEffect::Exchanges | MaskEffect::RedrawsLayers => {}
            MaskEffect::Prunes(spec) => {
                self.put_mask();
                self.mask_dataset = self.dataset;
                self.left.prune(spec);
            }
            MaskEffect::PrunesUnits => {
                self.put_mask();
                self.mask_dataset = self.dataset;
                // What that makes of weights depends on the layers they are of.
                self.left.forget();
            }
            MaskEffect::Redraws => self.left.redistribute(),
            MaskEffect::Loads => {
                self.put_mask();
                self.left.release();
                self.left.forget();
            }
            MaskEffect::Releases => {
                self.masked = false;
                self.left.release();
            }
        }
    }

    fn train(&mut self, step: &'s TrainStep) {
        let began = match (self.masked, self.zeroed) {
            (true, _) => Began::Masked,
            (false, true) => Began::Zeroed,
            (false, false) => Began::Whole,
        };
        self.first_training.get_or_insert(FirstTraining {
            step,
            ordinal: self.trainings,
            began,
        });
        self.trainings += 1;
        self.restarted = false;
        self.dataset = &step.train.dataset;
    }

    fn restart(&mut self, restart: Restart) {
        self.restarted = true;
        if restart == Restart::Fresh {
            self.draws += 1;
            self.first_training = None;
            self.zeroed = self.masked;
            self.shrunk = false;
        }
    }

    /// Weights are set to 0 and held there.
    fn put_mask(&mut self) {
        self.masked = true;
        self.zeroed = true;
    }
}
