//! Arms that are well written and mean nothing.

use super::Step;
use super::node::Node;
use super::problem::Problems;
use crate::prune::{Amount, MaskStep, PruneSpec, Restart};

/// Reports steps that cannot do what they say, in the order they run.
pub(super) fn check_arm(arm: &Node, nodes: &[Node], steps: &[Step], problems: &mut Problems) {
    let trains = |step: &Step| matches!(step, Step::Train(_));
    let Some(last_train) = steps.iter().rposition(trains) else {
        let help = "add { train = {} }: without it there is nothing to measure";
        problems.at(arm, "this arm never trains", help);
        return;
    };
    let mut state = State::default();
    for (index, (node, step)) in nodes.iter().zip(steps).enumerate() {
        if let Err((message, help)) = state.take(step, index > last_train) {
            problems.at(node, message, help);
        }
    }
}

#[derive(Default)]
struct State {
    /// Whether any mask is in force.
    masked: bool,
    /// Whether weights have changed since they were drawn.
    trained: bool,
    /// Whether the first training since the weights were fresh was under a mask; `None` before it.
    origin_masked: Option<bool>,
    /// A restart that nothing has used yet.
    restarted: bool,
    /// Whether the network is smaller than when its weights were drawn.
    shrunk: bool,
    /// Layers and density of the last prune whose count is still in force.
    kept: Option<(Option<Vec<String>>, f64)>,
}

type Verdict = Result<(), (&'static str, String)>;

impl State {
    fn take(&mut self, step: &Step, after_training: bool) -> Verdict {
        match step {
            Step::Train(_) => {
                self.trained = true;
                self.restarted = false;
                self.origin_masked.get_or_insert(self.masked);
                Ok(())
            }
            Step::Recalibrate(_) => Ok(()),
            Step::Compact => self.compact(),
            Step::Prune(spec) => self.prune(spec),
            // Shares of units say nothing about shares of weights.
            Step::PruneUnits(_) => {
                self.masked = true;
                self.restarted = false;
                self.kept = None;
                Ok(())
            }
            Step::Restart(restart) => self.restart(*restart, after_training),
            Step::Mask(mask) => self.mask(mask, after_training),
        }
    }

    fn prune(&mut self, spec: &PruneSpec) -> Verdict {
        self.masked = true;
        self.restarted = false;
        let density = match spec.amount {
            Amount::Sparsity(sparsity) => 1.0 - sparsity,
            Amount::Density(density) => density,
            Amount::Remaining(share) => match &mut self.kept {
                Some((layers, kept)) if *layers == spec.layers => {
                    *kept *= share;
                    return Ok(());
                }
                _ => share,
            },
            // At most what was there stays; how much is not known yet.
            Amount::Sap(_) | Amount::NOfM { .. } => return Ok(()),
            // A count is comparable once shapes are known.
            Amount::Keep(_) | Amount::PerLayer => {
                self.kept = None;
                return Ok(());
            }
        };
        let before = self.kept.replace((spec.layers.clone(), density));
        match before {
            // Rounding of 1 - sparsity is no difference.
            Some((layers, kept)) if layers == spec.layers && density > kept + 1e-12 => Err((
                "this prune step asks for more weights than are left",
                format!(
                    "an earlier step left a density of {kept:.6}, and pruned weights do not return; \
                     amounts count all prunable weights, not those still alive: prune further each \
                     time, or put {{ mask = \"release\" }} before"
                ),
            )),
            _ => Ok(()),
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
        // Shares count the weights that the network has then.
        self.kept = None;
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
        match (restart, self.origin_masked) {
            (Restart::Fresh, _) => {
                self.origin_masked = None;
                self.shrunk = false;
            }
            (Restart::Rewind(_), None) => {
                return Err((
                    "there is no training to rewind to since the weights were fresh",
                    "use restart = \"init\", or train before".into(),
                ));
            }
            (Restart::Rewind(_), Some(true)) => {
                return Err((
                    "the training to rewind to was under a mask",
                    "it is done again up to that point, and the mask of then is gone: train before pruning"
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
                self.kept = None;
            }
            MaskStep::Load(_) => {
                self.masked = true;
                self.kept = None;
            }
            // The count stays.
            MaskStep::Transfer
            | MaskStep::Shuffle
            | MaskStep::Random
            | MaskStep::RandomUniform
            | MaskStep::RandomErk => {}
        }
        Ok(())
    }
}
