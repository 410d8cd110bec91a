//! What the steps of a run ask for, one after another.

use crate::experiment::Step;
use crate::model::Model;
use crate::prune::Asked;
use crate::spec::MaskStep;

/// Takes one more step into account.
pub fn follow(asked: &mut Asked<'_>, step: &Step) {
    if let Some(spec) = step.prunes() {
        asked.prune(spec);
    }
    match step {
        // It asks for units, and what that makes of weights depends on which layers they are of; amounts after a compaction are of
        // another network.
        Step::PruneUnits(_) | Step::Compact => asked.forget(),
        Step::Mask(MaskStep::Release) => asked.release(),
        Step::Mask(MaskStep::Load(_)) => {
            asked.release();
            asked.forget();
        }
        Step::Mask(MaskStep::RandomUniform | MaskStep::RandomErk) => asked.spread(),
        _ => {}
    }
}

/// The share of all weights that the prune steps among these ask for; `None` without any, and where the weights or a file decide. It
/// stands where the mask is released later, too, beside the whole network that is achieved.
pub fn asked_density(steps: &[Step], model: &Model) -> Option<f64> {
    let mut so_far = Asked::new(model);
    let (mut asked, mut whole) = (None, true);
    for step in steps {
        follow(&mut so_far, step);
        if step.prunes().is_some() {
            asked = so_far.density().filter(|_| whole);
        }
        match step {
            Step::PruneUnits(_) | Step::Mask(MaskStep::Load(_)) => asked = None,
            Step::Compact => whole = false,
            _ => {}
        }
    }
    asked
}
