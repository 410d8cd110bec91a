//! Where gradients of activations lie during the backward pass, worked out ahead.
//!
//! Gradients live in slots, each of which serves one value after another. A value read by several layers gets the sum of
//! what its readers send: in backward order, the last layer first; of an addition's two summands, the one it was given by
//! name first. The first to come writes, the others are added one by one. A sequential model needs two slots.
//!
//! Both summands of an addition have the sum's gradient. Where the slot can serve both of them it is copied nowhere.

use crate::model::{LayerAt, LayerInput, Model, readers};

/// The plan of a model's backward pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GradientPlan {
    /// Features of each slot: the widest value it ever holds.
    pub slots: Vec<usize>,
    /// For each layer, in the model's order.
    pub layers: Vec<LayerGradients>,
}

/// What a layer's backward pass reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LayerGradients {
    /// The slot of its output's gradient.
    pub dy: usize,
    /// The slot that it writes its input's gradient to, unless it leaves that in `dy`.
    pub dx: Option<usize>,
    /// What happens afterwards, in order.
    pub moves: Vec<GradientTarget>,
}

/// A gradient on its way to the value it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GradientTarget {
    /// The layer whose output the gradient is for.
    pub of: usize,
    /// The slot it is in.
    pub from: usize,
    /// The slot of that value.
    pub to: usize,
    /// Whether it is added to what stands there.
    pub add: bool,
    /// Whether that makes the whole gradient of a ReLU's output, and goes through the backward pass of that: see [`Fused`](crate::ops::Fused).
    pub gate: bool,
}

impl GradientPlan {
    /// Assigns slots as if every layer learned; what does not is left out when the pass is recorded.
    pub(super) fn new(model: &Model) -> Self {
        let layers = &model.layers;
        let mut slots = Slots::default();
        let mut slot_of: Vec<Option<usize>> = vec![None; layers.len()];
        let mut plan = vec![LayerGradients::default(); layers.len()];
        let outputs = (0..layers.len()).map(LayerInput::Layer);
        let mut to_come: Vec<usize> = outputs.map(|own| readers(layers, own)).collect();
        for (i, layer) in layers.iter().enumerate().rev() {
            // Only the model's output has no reader that came before.
            let dy = slot_of[i].unwrap_or_else(|| slots.take(layer.output.features()));
            let width = layer.input.features();
            let mut own = LayerGradients {
                dy,
                ..LayerGradients::default()
            };
            if let Some(LayerInput::Layer(of)) = layer.with {
                to_come[of] -= 1;
                if share_gradient(layers, i) {
                    slot_of[of] = Some(dy);
                    slots.share(dy);
                } else {
                    let add = slot_of[of].is_some();
                    let to = *slot_of[of].get_or_insert_with(|| slots.take(width));
                    own.moves.push(GradientTarget {
                        of,
                        from: dy,
                        to,
                        add,
                        gate: add && to_come[of] == 0 && layers[of].operator.is_relu(),
                    });
                }
            }
            let mut sent = dy;
            if !layer.operator.passes_gradient_on() && layer.from != LayerInput::Input {
                sent = slots.take(width);
                own.dx = Some(sent);
                slots.give(dy);
            }
            match layer.from {
                LayerInput::Input => slots.give(dy),
                LayerInput::Layer(of) => {
                    to_come[of] -= 1;
                    if let Some(to) = slot_of[of] {
                        own.moves.push(GradientTarget {
                            of,
                            from: sent,
                            to,
                            add: true,
                            gate: to_come[of] == 0 && layers[of].operator.is_relu(),
                        });
                        slots.give(sent);
                    } else {
                        slot_of[of] = Some(sent);
                    }
                }
            }
            plan[i] = own;
        }
        Self {
            slots: slots.widest,
            layers: plan,
        }
    }
}

/// Whether both summands of the addition `i` may have their gradients in the slot of the sum's.
///
/// Of the layers that gave the summands the later one has its turn first. The slot serves both if it is unchanged when the other's
/// turn comes: so the later one leaves its `dy` as it is, nobody else sends to it, and who else sends to the other does so
/// afterwards, as layers up to the later one do; itself it reads `dy` before it sends. From then on the slot is the other's alone.
fn share_gradient(layers: &[LayerAt], i: usize) -> bool {
    let (LayerInput::Layer(a), Some(LayerInput::Layer(b))) = (layers[i].from, layers[i].with)
    else {
        return false;
    };
    let (earlier, later) = (LayerInput::Layer(a.min(b)), a.max(b));
    let mut after = layers.iter().enumerate().skip(later + 1);
    a != b
        && !layers[later].operator.passes_gradient_on()
        && readers(layers, LayerInput::Layer(later)) == 1
        && !after.any(|(j, layer)| j != i && layer.sources().any(|s| s == earlier))
}

/// For each layer, whether the gradient of its output is needed: it learns, or a layer does that it reads.
pub(super) fn needs_gradient(layers: &[LayerAt], learns: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut needs: Vec<bool> = Vec::with_capacity(layers.len());
    for (i, layer) in layers.iter().enumerate() {
        let below = layer
            .sources()
            .any(|s| matches!(s, LayerInput::Layer(j) if needs[j]));
        needs.push(below || learns(i));
    }
    needs
}

#[derive(Default)]
struct Slots {
    widest: Vec<usize>,
    /// Values that wait in each.
    users: Vec<usize>,
}

impl Slots {
    /// The first free slot, for a value of `features`.
    fn take(&mut self, features: usize) -> usize {
        let free = self.users.iter().position(|&users| users == 0);
        let slot = free.unwrap_or(self.users.len());
        if free.is_none() {
            self.users.push(0);
            self.widest.push(0);
        }
        self.users[slot] = 1;
        self.widest[slot] = self.widest[slot].max(features);
        slot
    }

    /// One value more waits in it.
    fn share(&mut self, slot: usize) {
        self.users[slot] += 1;
    }

    fn give(&mut self, slot: usize) {
        self.users[slot] -= 1;
    }
}
