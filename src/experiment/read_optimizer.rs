//! `optimizer` tables. Defaults are PyTorch's.

use super::fields::Fields;
use super::scalars::{BELOW_ONE, Interval, NOT_NEGATIVE, POSITIVE, boolean, choice, number32};
use crate::config::Problems;
use crate::config::suggest;
use crate::config::{Node, Value};
use crate::spec::{DecayOn, Optimizer};

/// Each kind with the keys beside `kind`.
const OPTIMIZERS: [(&str, &[&str]); 4] = [
    (
        "sgd",
        &[
            "kind",
            "lr",
            "momentum",
            "nesterov",
            "weight_decay",
            "weight_decay_on",
        ],
    ),
    (
        "adam",
        &[
            "kind",
            "lr",
            "beta1",
            "beta2",
            "eps",
            "weight_decay",
            "weight_decay_on",
        ],
    ),
    (
        "adamw",
        &[
            "kind",
            "lr",
            "beta1",
            "beta2",
            "eps",
            "weight_decay",
            "weight_decay_on",
        ],
    ),
    (
        "adadelta",
        &[
            "kind",
            "lr",
            "rho",
            "eps",
            "weight_decay",
            "weight_decay_on",
        ],
    ),
];
pub(super) fn read_optimizer(node: &Node, problems: &mut Problems) -> Option<Optimizer> {
    let (kind, fields) = open(node, "optimizer", &OPTIMIZERS, problems)?;
    let mut real = |key: &str, interval: &Interval, default: f64| match fields.get(key) {
        Some(node) => number32(node, key, interval, problems),
        None => Some(default),
    };
    let penalty = if kind == "adamw" { 0.01 } else { 0.0 };
    let weight_decay = real("weight_decay", &NOT_NEGATIVE, penalty);
    match kind {
        "sgd" => {
            let momentum = real("momentum", &BELOW_ONE, 0.0);
            sgd(&fields, momentum, weight_decay, problems)
        }
        "adadelta" => {
            let (lr, rho) = (real("lr", &POSITIVE, 1.0), real("rho", &BELOW_ONE, 0.9));
            let eps = real("eps", &POSITIVE, 1e-6);
            Some(Optimizer::Adadelta {
                lr: lr?,
                rho: rho?,
                eps: eps?,
                weight_decay: weight_decay?,
            })
        }
        _ => {
            let lr = real("lr", &POSITIVE, 1e-3);
            let beta1 = real("beta1", &BELOW_ONE, 0.9);
            let beta2 = real("beta2", &BELOW_ONE, 0.999);
            let eps = real("eps", &POSITIVE, 1e-8);
            let (lr, beta1, beta2) = (lr?, beta1?, beta2?);
            let (eps, weight_decay) = (eps?, weight_decay?);
            Some(if kind == "adam" {
                Optimizer::Adam {
                    lr,
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                }
            } else {
                Optimizer::AdamW {
                    lr,
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                }
            })
        }
    }
}

/// What an optimizer's weight decay shrinks. Mistakes in the table itself are left to [`read_optimizer`].
pub(super) fn read_decay_on(node: &Node, problems: &mut Problems) -> Option<DecayOn> {
    let options = [("all", DecayOn::All), ("weights", DecayOn::Weights)];
    match node.get("weight_decay_on") {
        Some(node) => choice(node, "weight_decay_on", &options, problems),
        None => Some(DecayOn::All),
    }
}

fn sgd(
    fields: &Fields<'_>,
    momentum: Option<f64>,
    weight_decay: Option<f64>,
    problems: &mut Problems,
) -> Option<Optimizer> {
    // No default: plain SGD has no learning rate that suits most models.
    let lr = fields
        .need("lr", "lr = 0.1", problems)
        .and_then(|lr| number32(lr, "lr", &POSITIVE, problems));
    let nesterov = match fields.get("nesterov") {
        Some(node) => boolean(node, "nesterov", problems),
        None => Some(false),
    };
    if nesterov == Some(true)
        && momentum == Some(0.0)
        && let Some(node) = fields.get("nesterov")
    {
        let help = "Nesterov's look-ahead follows the momentum: set momentum, e.g. 0.9";
        problems.at(node, "`nesterov` without momentum", help);
        return None;
    }
    Some(Optimizer::Sgd {
        lr: lr?,
        momentum: momentum?,
        nesterov: nesterov?,
        weight_decay: weight_decay?,
    })
}

/// Opens a table whose `kind` decides which other keys it takes.
pub(super) fn open<'n>(
    node: &'n Node,
    key: &str,
    kinds: &[(&'static str, &'static [&'static str])],
    problems: &mut Problems,
) -> Option<(&'static str, Fields<'n>)> {
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let example = format!("{key} = {{ kind = \"{}\", ... }}", names[0]);
    if !matches!(node.value, Value::Table(_)) {
        if !matches!(node.value, Value::Unknown) {
            let message = format!("`{key}` must be a table, not {}", node.describe());
            let help = match node.text().filter(|text| names.contains(text)) {
                Some(text) => format!("write {key} = {{ kind = \"{text}\" }}"),
                None => format!("for example: {example}"),
            };
            problems.at(node, message, help);
        }
        return None;
    }
    let Some(kind) = node.get("kind") else {
        // Without the kind no other key can be judged.
        let message = format!("`{key}` needs `kind`");
        let help = format!(
            "kinds: {}. An `{key}` table replaces the one in [train] whole",
            suggest::list(&names)
        );
        problems.add(super::fields::missing(node, "kind", message, help));
        return None;
    };
    let options: Vec<_> = kinds
        .iter()
        .map(|(name, keys)| (*name, (*name, *keys)))
        .collect();
    let (name, keys) = super::scalars::choice(kind, "kind", &options, problems)?;
    let what = format!("the `{name}` {key}");
    Some((name, Fields::open(node, &what, keys, problems)?))
}
