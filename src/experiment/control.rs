//! Controls: another arm with one change.

use super::sense::masked;
use super::step::{MaskEffect, Step};
use super::types::StepOrigin;
use crate::config::{Choice, FromNode, Node, Problem, Reader, Value, words};
use crate::spec::{MaskSchedule, MaskStep, Restart, UnitAmount, UnitCriterion};

words! {
    /// What a control changes: it is the other arm,
    pub(super) enum Control {
        /// with `{ mask = "shuffle" }` right after the last step that makes a mask (`prune` or `load`, or a training that rewires where
        /// another training follows), and after any shuffle or random step that already follows it. Where the last training
        /// rewires, it comes before it, upon the mask that it begins with
        Shuffle = "shuffle";
        /// the same with `{ mask = "random" }`
        Random = "random";
        /// the same with `{ mask = "random-uniform" }`
        RandomUniform = "random-uniform";
        /// the same with `{ mask = "random-erk" }`
        RandomErk = "random-erk";
        /// with its last step that prunes units taking as many at random: of each layer, or in all, as the step does
        RandomUnits = "random-units";
        /// with `invert = true` in its last prune step (Frankle et al. 2021); not where a training rewires after it
        Invert = "invert";
        /// with `{ restart = "fresh" }` before its last training, in place of any restart there: new initial weights under the same
        /// mask, so there must be one
        Fresh = "fresh";
        /// without its prune, mask and compact steps: the same trainings and restarts, nothing pruned
        Dense = "dense";
    }
}

/// Steps that put another mask in the place of one.
const SHUFFLES: [MaskStep; 4] = [
    MaskStep::Shuffle,
    MaskStep::Random,
    MaskStep::RandomUniform,
    MaskStep::RandomErk,
];

/// Whether a control's word is `dense`.
pub(super) fn is_dense(mask: &Node) -> bool {
    mask.text() == Some("dense")
}

/// A step, as written, as a dense control has it: nothing where it makes, changes or makes use of a mask, and a training
/// under the mask that it finds.
pub(super) fn unmasked(step: &Node) -> Option<Node> {
    let masks = ["prune", "mask", "compact"];
    if masks.iter().any(|key| step.get(key).is_some()) {
        return None;
    }
    let mut step = step.clone();
    if let Value::Table(entries) = &mut step.value {
        for entry in entries.iter_mut().filter(|entry| entry.key == "train") {
            if let Value::Table(settings) = &mut entry.node.value {
                let schedules = MaskSchedule::keys();
                settings.retain(|setting| !schedules.contains(&setting.key.as_str()));
            }
        }
    }
    Some(step)
}

/// The steps of an arm but for those that make or change a mask.
pub(super) fn without_masks(
    of: &Node,
    steps: &[Node],
    reader: &mut Reader<'_>,
) -> Option<Vec<Node>> {
    let changes = |step: &Node| {
        let mut keys = MaskSchedule::keys().into_iter();
        keys.any(|key| step.get("train").is_some_and(|t| t.get(key).is_some()))
    };
    if !steps
        .iter()
        .any(|step| unmasked(step).is_none() || changes(step))
    {
        no_mask(of, reader);
        return None;
    }
    Some(steps.iter().filter_map(unmasked).collect())
}

/// Changes the steps of an arm, and where each comes from, as `mask` says; a control of a control changes that one's steps. Not for `dense`, which
/// [`without_masks`] does before steps are read.
pub(super) fn put_control(
    (of, mask, origin): (&Node, &Node, StepOrigin),
    steps: &mut Vec<Step>,
    origins: &mut Vec<StepOrigin>,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let control = Control::read(mask, "mask", reader)?;
    let Some(last) = steps.iter().rposition(makes) else {
        no_mask(of, reader);
        return None;
    };
    match control {
        Control::Dense => {}
        Control::Shuffle | Control::Random | Control::RandomUniform | Control::RandomErk => {
            // The mask of a rewiring counts where something is trained under it.
            let last_train = steps.iter().rposition(trains)?;
            let rewired = steps[..last_train].iter().rposition(rewires);
            let last = rewired.map_or(last, |rewired| rewired.max(last));
            let shuffles =
                |step: &&Step| matches!(step, Step::Mask(mask) if SHUFFLES.contains(mask));
            let following = steps[last + 1..].iter().take_while(shuffles).count();
            let change = mask.text().and_then(MaskStep::word)?;
            steps.insert(last + 1 + following, Step::Mask(change));
            origins.insert(last + 1 + following, origin);
        }
        Control::Invert if steps[last..].iter().any(rewires) => {
            let help = "a rewiring has no scores to invert; \"shuffle\" changes any mask";
            reader.at(mask, "the mask is of a training that rewires", help);
            return None;
        }
        Control::Invert => match steps[last].prunes_mut() {
            Some(spec) if !spec.invert => spec.invert = true,
            Some(_) => {
                let help = "inverted again it is the arm it was: remove this one";
                reader.at(mask, "the last prune step is inverted already", help);
                return None;
            }
            _ => {
                let help = "only a step that prunes single weights has scores to invert; \"shuffle\" changes any mask";
                reader.at(
                    mask,
                    "the mask is of whole units, or comes from a file",
                    help,
                );
                return None;
            }
        },
        Control::RandomUnits => match &mut steps[last] {
            Step::PruneUnits(spec)
                if matches!(spec.amount, UnitAmount::Count(_)) && spec.rule.is_none() =>
            {
                spec.criterion = UnitCriterion::Random;
                spec.data = None;
            }
            _ => {
                let help = "it takes as many units at random, by layer or in all as the step does: give that a sparsity, a density or a count; \"random\" is the control of single weights";
                let message = "the last mask is not of a number of units";
                reader.at(mask, message, help);
                return None;
            }
        },
        Control::Fresh => {
            let last = steps.iter().rposition(trains)?;
            if !masked(&steps[..last]) {
                let help = "\"fresh\" is new weights under the same mask: it needs an arm whose last training is under a mask made before";
                let message = "the arm has no mask when its last training begins";
                reader.at(mask, message, help);
                return None;
            }
            let between = |step: &&Step| matches!(step, Step::Restart(_) | Step::Mask(_));
            let first = last - steps[..last].iter().rev().take_while(between).count();
            if steps[first..last].contains(&Step::Restart(Restart::Fresh)) {
                let help =
                    "it would be the same arm; control one that restarts otherwise, or not at all";
                reader.at(
                    mask,
                    "the arm already starts its last training afresh",
                    help,
                );
                return None;
            }
            let between = steps.drain(first..last).zip(origins.drain(first..last));
            let kept = between.filter(|(step, _)| !matches!(step, Step::Restart(_)));
            let fresh = (Step::Restart(Restart::Fresh), origin);
            let (tail, of_tail): (Vec<_>, Vec<_>) = kept.chain([fresh]).unzip();
            steps.splice(first..first, tail);
            origins.splice(first..first, of_tail);
        }
    }
    Some(())
}

fn trains(step: &Step) -> bool {
    step.training().is_some()
}

/// Whether it makes a mask anew, not out of the one that is there.
fn makes(step: &Step) -> bool {
    matches!(
        step.effect().mask,
        MaskEffect::Prunes(_) | MaskEffect::PrunesUnits | MaskEffect::Loads
    )
}

/// Whether it is a training that exchanges weights.
fn rewires(step: &Step) -> bool {
    step.effect().mask == MaskEffect::Exchanges
}

/// Reports that the arm `of` has nothing that a control could change.
fn no_mask(of: &Node, reader: &mut Reader<'_>) {
    reader.problems.add(Problem {
        message: format!(
            "the arm {:?} never makes a mask",
            of.text().unwrap_or_default()
        ),
        place: of.place.clone(),
        path: of.path.clone(),
        used_at: None,
        help: Some(
            "a control changes a mask: it needs an arm with { prune = ... } or { mask = { load = FILE } }"
                .into(),
        ),
    });
}
