//! What the steps of a run ask for, one after another.

use crate::experiment::{Bound, History, MaskEffect, Step};
use crate::model::Model;
use crate::prune::TargetDensity;
use crate::spec::PruneSpec;

impl Bound for TargetDensity<'_> {
    fn prune(&mut self, spec: &PruneSpec) {
        self.prune(spec);
    }

    fn forget(&mut self) {
        self.forget();
    }

    fn redistribute(&mut self) {
        self.spread();
    }

    fn release(&mut self) {
        self.release();
    }
}

/// The share of all weights that the prune steps among these ask for; `None` without any, and where the weights or a file decide. It
/// stands where the mask is released later, too, beside the whole network that is achieved.
pub fn target_density(steps: &[Step], model: &Model) -> Option<f64> {
    let mut history = History::new(TargetDensity::new(model));
    let mut target = None;
    for step in steps {
        history.take(step);
        match step.effect().mask {
            MaskEffect::Prunes(_) => {
                target = history.left.density().filter(|_| !history.compacted);
            }
            MaskEffect::PrunesUnits | MaskEffect::Loads => target = None,
            _ => {}
        }
    }
    target
}

/// The largest density that these steps may leave.
pub fn density_at_most<'s>(steps: impl Iterator<Item = &'s Step>, model: &Model) -> f64 {
    let mut history = History::new(TargetDensity::new(model));
    steps.for_each(|step| history.take(step));
    history.left.at_most()
}
