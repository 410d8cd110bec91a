//! Arms that are well written and mean nothing.

use super::history::{Began, History};
use super::kept::{Compared, KeptShares};
use super::step::{MaskEffect, Step};
use crate::config::{Node, Problems};
use crate::spec::{MaskStep, PruneSpec, Restart};

/// Reports steps that cannot do what they say, in the order they run; whether there are none.
pub(super) fn check_arm(
    arm: &Node,
    nodes: &[Node],
    steps: &[Step],
    problems: &mut Problems,
) -> bool {
    let Some(last_training) = last_training(steps) else {
        let help = "add { train = {} }: without it there is nothing to measure";
        problems.at(arm, "this arm never trains", help);
        return false;
    };
    let mut good = true;
    for (node, verdict) in nodes.iter().zip(judge(steps, last_training).0) {
        if let Err((message, help)) = verdict {
            problems.at(node, message, help);
            good = false;
        }
    }
    good
}

/// Reports what a control, whose word is `mask`, makes senseless of the steps of an arm that has trainings.
pub(super) fn check_control(mask: &Node, steps: &[Step], problems: &mut Problems) {
    let last_training = last_training(steps).unwrap_or_default();
    let (verdicts, _) = judge(steps, last_training);
    for (index, verdict) in verdicts.into_iter().enumerate() {
        if let Err((message, help)) = verdict {
            let step = index + 1;
            let message = format!("after this control, step {step} makes no sense: {message}");
            problems.at(mask, message, help);
        }
    }
}

/// Whether a mask is in force after these steps, which others follow.
pub(super) fn masked(steps: &[Step]) -> bool {
    judge(steps, steps.len()).1.masked
}

fn last_training(steps: &[Step]) -> Option<usize> {
    steps.iter().rposition(|step| step.training().is_some())
}

/// What there is to say against a step, and what helps.
type Verdict = Result<(), (&'static str, String)>;

/// What there is to say against each step, and what all of them lead to. A step that makes no sense is left out of the history,
/// so that later ones are not judged by it; but trainings and prune steps are taken as if they made sense.
///
/// The last training is at `last_training`.
fn judge(steps: &[Step], last_training: usize) -> (Vec<Verdict>, History<'_, KeptShares>) {
    let mut history = History::new(KeptShares::default());
    let mut verdicts = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let verdict = verdict(&history, step, index > last_training);
        if verdict.is_ok() || step.training().is_some() || step.prunes().is_some() {
            history.take(step);
        }
        verdicts.push(verdict);
    }
    (verdicts, history)
}

fn verdict(before: &History<'_, KeptShares>, step: &Step, after_training: bool) -> Verdict {
    match step {
        Step::Compact if !before.masked => Err((
            "there is no mask at this point, so there is nothing to remove",
            "put { prune = { structure = \"units\", ... } } before it".into(),
        )),
        Step::Restart(to) => restart(before, *to, after_training),
        Step::Mask(mask) => change_mask(before, mask, after_training),
        step => match step.effect().mask {
            MaskEffect::Prunes(spec) => prune(before, spec),
            MaskEffect::Exchanges if !before.masked => Err((
                "there is no mask to rewire at this point",
                "prune before, for example { prune = { criterion = \"random\", scope = \"erk\", sparsity = 0.9 } }"
                    .into(),
            )),
            _ => Ok(()),
        },
    }
}

fn prune(before: &History<'_, KeptShares>, spec: &PruneSpec) -> Verdict {
    match before.left.compare(spec) {
        Compared::Fewer => Ok(()),
        Compared::Same(kept) => Err((
            "this prune step removes nothing: as many weights are left as it asks for",
            format!(
                "an earlier step left a density of {kept:.6}, and amounts count all prunable \
                 weights, not those still alive: prune further each time, or say how much of \
                 what is left stays, for example {{ prune = {{ remaining = 0.8 }} }}"
            ),
        )),
        Compared::More(kept) => Err((
            "this prune step asks for more weights than are left",
            format!(
                "an earlier step left a density of {kept:.6}, and pruned weights do not return; \
                 amounts count all prunable weights, not those still alive: prune further each \
                 time, or put {{ mask = \"release\" }} before"
            ),
        )),
    }
}

fn restart(before: &History<'_, KeptShares>, to: Restart, after_training: bool) -> Verdict {
    // Under a mask that the first weights decided, new ones are a change.
    let changes = before.trainings > 0 || (to == Restart::Fresh && before.masked);
    if !changes {
        return Err((
            "this restart comes before any training",
            "the weights are already fresh: remove the step".into(),
        ));
    }
    if before.restarted {
        return Err((
            "this restart follows another",
            "only the last one counts: remove one of them".into(),
        ));
    }
    if after_training && to != Restart::None {
        return Err((
            "no training follows this restart",
            "the arm would report untrained weights: add { train = {} } after it".into(),
        ));
    }
    if before.shrunk && matches!(to, Restart::Init | Restart::Rewind(_)) {
        return Err((
            "this restart goes back to weights of the network before it was compacted",
            "restart first and compact then, or use restart = \"fresh\", which draws for the smaller network".into(),
        ));
    }
    if !matches!(to, Restart::Rewind(_)) {
        return Ok(());
    }
    match before.first_training.map(|first| first.began) {
        None => Err((
            "there is no training to rewind to since the weights were fresh",
            "use restart = \"init\", or train before".into(),
        )),
        Some(Began::Masked) => Err((
            "the training to rewind to was under a mask",
            "it is done again up to that point, and the mask of then is gone: train before pruning"
                .into(),
        )),
        Some(Began::Zeroed) => Err((
            "the training to rewind to began with weights that a prune step had set to 0",
            "it is done again from the weights as they were drawn, so others would come out: train before pruning, or restart with \"fresh\" once the mask is released"
                .into(),
        )),
        Some(Began::Whole) => Ok(()),
    }
}

fn change_mask(before: &History<'_, KeptShares>, mask: &MaskStep, after_training: bool) -> Verdict {
    let needs_mask = !matches!(mask, MaskStep::Load(_));
    if needs_mask && !before.masked {
        return Err((
            "there is no mask at this point",
            "put { prune = ... } or { mask = { load = FILE } } before it".into(),
        ));
    }
    if !needs_mask && before.masked {
        return Err((
            "this mask would come on top of another",
            "pruned weights do not return, and the file may keep some: put { mask = \"release\" } before it, or leave out the step that made the first mask".into(),
        ));
    }
    let idle = matches!(mask, MaskStep::Transfer | MaskStep::Release);
    if idle && after_training {
        return Err((
            "no training follows this mask step",
            "it changes nothing that is measured: add { train = {} } after it or remove it".into(),
        ));
    }
    Ok(())
}
