//! A `prune` step with `structure = "units"`.

use super::fields::Fields;
use super::node::{Node, Value};
use super::problem::Problems;
use super::read_step::{Surroundings, read_data, read_layers};
use super::read_train::SCORING;
use super::scalars::{NOT_NEGATIVE, UNIT, choice, integer, number};
use crate::prune::{Amount, UnitAmount, UnitCriterion, UnitPrune, UnitScope};

pub(super) const UNIT_CRITERIA: [(&str, UnitCriterion); 7] = [
    ("l1", UnitCriterion::L1),
    ("l2", UnitCriterion::L2),
    ("geometric-median", UnitCriterion::GeometricMedian),
    ("batch-norm-scale", UnitCriterion::BatchNormScale),
    ("taylor", UnitCriterion::Taylor),
    ("mean-activation", UnitCriterion::MeanActivation),
    ("random", UnitCriterion::Random),
];
const UNIT_SCOPES: [(&str, UnitScope); 2] =
    [("global", UnitScope::Global), ("layer", UnitScope::Layer)];

/// Whether a prune step is about units; `None` after a mistake.
pub(super) fn prunes_units(node: &Node, problems: &mut Problems) -> Option<bool> {
    match node.get("structure") {
        Some(structure) if matches!(node.value, Value::Table(_)) => {
            let words = [("weights", false), ("units", true)];
            choice(structure, "structure", &words, problems)
        }
        _ => Some(false),
    }
}

pub(super) fn read_prune_units(
    node: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<UnitPrune> {
    let amounts = ["sparsity", "density", "keep", "remaining", "threshold"];
    let keys = ["structure", "criterion", "scope", "layers", "keep_dense"];
    let keys = [&keys[..], &amounts, &SCORING].concat();
    let fields = Fields::open(node, "this prune step on units", &keys, problems)?;
    let criterion = match fields.get("criterion") {
        Some(node) => choice(node, "criterion", &UNIT_CRITERIA, problems),
        None => Some(UnitCriterion::L2),
    };
    let scope = match fields.get("scope") {
        Some(node) => choice(node, "scope", &UNIT_SCOPES, problems),
        None => Some(UnitScope::Layer),
    };
    let layers = match fields.get("layers") {
        Some(node) => read_layers(node, "layers", around, problems).map(Some),
        None => Some(None),
    };
    let keep_dense = match fields.get("keep_dense") {
        Some(node) => read_layers(node, "keep_dense", around, problems),
        None => Some(Vec::new()),
    };
    let (word, amount) = fields.one_of(&amounts, "an amount", problems)?;
    let amount = match word {
        "keep" => integer(amount, word, 1, u64::from(u32::MAX), problems)
            .map(|n| UnitAmount::Count(Amount::Keep(n))),
        "threshold" => number(amount, word, &NOT_NEGATIVE, problems).map(UnitAmount::Threshold),
        _ => number(amount, word, &UNIT, problems).map(|share| {
            UnitAmount::Count(match word {
                "sparsity" => Amount::Sparsity(share),
                "density" => Amount::Density(share),
                _ => Amount::Remaining(share),
            })
        }),
    };
    let criterion = criterion?;
    let data = read_data(node, (criterion.reads_data(), false), around, problems);
    Some(UnitPrune {
        criterion,
        scope: scope?,
        amount: amount?,
        layers: layers?,
        keep_dense: keep_dense?,
        data: data?,
    })
}
