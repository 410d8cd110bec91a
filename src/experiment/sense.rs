//! Arms that are well written and mean nothing.

use super::Step;
use super::kept::{Asks, Kept};
use crate::config::Node;
use crate::config::Problems;
use crate::spec::{MaskSchedule, MaskStep, PruneSpec, Restart};

/// Reports steps that cannot do what they say, in the order they run; whether there are none.
pub(super) fn check_arm(
    arm: &Node,
    nodes: &[Node],
    steps: &[Step],
    problems: &mut Problems,
) -> bool {
    if !steps.iter().any(trains) {
        let help = "add { train = {} }: without it there is nothing to measure";
        problems.at(arm, "this arm never trains", help);
        return false;
    }
    let mut good = true;
    for (node, verdict) in nodes.iter().zip(verdicts(steps)) {
        if let Err((message, help)) = verdict {
            problems.at(node, message, help);
            good = false;
        }
    }
    good
}

/// Reports what a control, whose word is `mask`, makes senseless of the steps of an arm that has trainings.
pub(super) fn check_control(mask: &Node, steps: &[Step], problems: &mut Problems) {
    for (index, verdict) in verdicts(steps).enumerate() {
        if let Err((message, help)) = verdict {
            let step = index + 1;
            let message = format!("after this control, step {step} makes no sense: {message}");
            problems.at(mask, message, help);
        }
    }
}

/// Whether a mask is in force after these steps.
pub(super) fn masked(steps: &[Step]) -> bool {
    let mut state = State::default();
    for step in steps {
        // What makes no sense is reported by the check of the whole arm.
        let _ = state.take(step, false);
    }
    state.masked
}

fn trains(step: &Step) -> bool {
    matches!(step, Step::Train(_))
}

/// What there is to say against each step.
fn verdicts(steps: &[Step]) -> impl Iterator<Item = Verdict> {
    let last_train = steps.iter().rposition(trains);
    let mut state = State::default();
    let steps = steps.iter().enumerate();
    steps.map(move |(index, step)| state.take(step, Some(index) > last_train))
}

#[derive(Default)]
struct State {
    /// Whether any mask is in force.
    masked: bool,
    /// Whether weights have changed since they were drawn.
    trained: bool,
    /// Whether a mask has set weights to 0 since they were drawn.
    zeroed: bool,
    /// How the first training since the weights were fresh began; `None` before it.
    origin: Option<Origin>,
    /// A restart that nothing has used yet.
    restarted: bool,
    /// Whether the network is smaller than when its weights were drawn.
    shrunk: bool,
    /// What prunes whose counts are still in force have left.
    kept: Kept,
}

/// What a training began with.
enum Origin {
    /// The weights as they were drawn.
    Whole,
    /// Some of them 0, but free.
    Zeroed,
    /// A mask.
    Masked,
}

type Verdict = Result<(), (&'static str, String)>;

impl State {
    fn take(&mut self, step: &Step, after_training: bool) -> Verdict {
        match step {
            Step::Train(step) => {
                let masked = self.masked;
                self.trained = true;
                self.restarted = false;
                self.origin.get_or_insert(match (masked, self.zeroed) {
                    (true, _) => Origin::Masked,
                    (false, true) => Origin::Zeroed,
                    (false, false) => Origin::Whole,
                });
                match step.masks.as_deref() {
                    Some(MaskSchedule::Gradual(gradual)) => self.prune(&gradual.prune),
                    Some(MaskSchedule::Rewire(_)) if !masked => Err((
                        "there is no mask to rewire at this point",
                        "prune before, for example { prune = { criterion = \"random\", scope = \"erk\", sparsity = 0.9 } }"
                            .into(),
                    )),
                    _ => Ok(()),
                }
            }
            Step::Recalibrate(_) => {
                self.restarted = false;
                Ok(())
            }
            Step::Compact => self.compact(),
            Step::Prune(spec) => self.prune(spec),
            // Shares of units say nothing about shares of weights.
            Step::PruneUnits(_) => {
                self.mask_on();
                self.kept.forget();
                Ok(())
            }
            Step::Restart(restart) => self.restart(*restart, after_training),
            Step::Mask(mask) => self.mask(mask, after_training),
        }
    }

    /// Weights are set to 0 and held there.
    fn mask_on(&mut self) {
        self.masked = true;
        self.zeroed = true;
        self.restarted = false;
    }

    fn prune(&mut self, spec: &PruneSpec) -> Verdict {
        self.mask_on();
        match self.kept.prune(spec) {
            Asks::Fewer => Ok(()),
            Asks::Same(kept) => Err((
                "this prune step removes nothing: as many weights are left as it asks for",
                format!(
                    "an earlier step left a density of {kept:.6}, and amounts count all prunable \
                     weights, not those still alive: prune further each time, or say how much of \
                     what is left stays, for example {{ prune = {{ remaining = 0.8 }} }}"
                ),
            )),
            Asks::More(kept) => Err((
                "this prune step asks for more weights than are left",
                format!(
                    "an earlier step left a density of {kept:.6}, and pruned weights do not return; \
                     amounts count all prunable weights, not those still alive: prune further each \
                     time, or put {{ mask = \"release\" }} before"
                ),
            )),
        }
    }

    fn compact(&mut self) -> Verdict {
        if !self.masked {
            return Err((
                "there is no mask at this point, so there is nothing to remove",
                "put { prune = { structure = \"units\", ... } } before it".into(),
            ));
        }
        self.shrunk = true;
        self.restarted = false;
        // Shares count the weights that the network has then.
        self.kept.forget();
        Ok(())
    }

    fn restart(&mut self, restart: Restart, after_training: bool) -> Verdict {
        // Under a mask that the first weights decided, new ones are a change.
        let changes = self.trained || (restart == Restart::Fresh && self.masked);
        if !changes {
            return Err((
                "this restart comes before any training",
                "the weights are already fresh: remove the step".into(),
            ));
        }
        if self.restarted {
            return Err((
                "this restart follows another",
                "only the last one counts: remove one of them".into(),
            ));
        }
        if after_training && restart != Restart::None {
            return Err((
                "no training follows this restart",
                "the arm would report untrained weights: add { train = {} } after it".into(),
            ));
        }
        if self.shrunk && matches!(restart, Restart::Init | Restart::Rewind(_)) {
            return Err((
                "this restart goes back to weights of the network before it was compacted",
                "restart first and compact then, or use restart = \"fresh\", which draws for the smaller network".into(),
            ));
        }
        match (restart, &self.origin) {
            (Restart::Fresh, _) => {
                self.origin = None;
                self.zeroed = self.masked;
                self.shrunk = false;
            }
            (Restart::Rewind(_), None) => {
                return Err((
                    "there is no training to rewind to since the weights were fresh",
                    "use restart = \"init\", or train before".into(),
                ));
            }
            (Restart::Rewind(_), Some(Origin::Masked)) => {
                return Err((
                    "the training to rewind to was under a mask",
                    "it is done again up to that point, and the mask of then is gone: train before pruning"
                        .into(),
                ));
            }
            (Restart::Rewind(_), Some(Origin::Zeroed)) => {
                return Err((
                    "the training to rewind to began with weights that a prune step had set to 0",
                    "it is done again from the weights as they were drawn, so others would come out: train before pruning, or restart with \"fresh\" once the mask is released"
                        .into(),
                ));
            }
            _ => {}
        }
        self.restarted = true;
        Ok(())
    }

    fn mask(&mut self, mask: &MaskStep, after_training: bool) -> Verdict {
        let needs_mask = !matches!(mask, MaskStep::Load(_));
        if needs_mask && !self.masked {
            return Err((
                "there is no mask at this point",
                "put { prune = ... } or { mask = { load = FILE } } before it".into(),
            ));
        }
        let idle = matches!(mask, MaskStep::Transfer | MaskStep::Release);
        if idle && after_training {
            return Err((
                "no training follows this mask step",
                "it changes nothing that is measured: add { train = {} } after it or remove it"
                    .into(),
            ));
        }
        match mask {
            MaskStep::Release => {
                self.masked = false;
                self.kept.forget();
            }
            MaskStep::Load(_) => {
                self.masked = true;
                self.zeroed = true;
                self.kept.forget();
            }
            // The count of every layer stays.
            MaskStep::Transfer | MaskStep::Shuffle | MaskStep::Random => {}
            // The total stays, and layers share it in another way.
            MaskStep::RandomUniform | MaskStep::RandomErk => self.kept.spread(),
        }
        Ok(())
    }
}
