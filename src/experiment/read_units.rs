//! A `prune` step with `structure = "units"`.

use super::fields::Fields;
use super::read_prune::{read_data, read_in_scope};
use super::read_train::SCORING;
use super::scalars::{NOT_NEGATIVE, UNIT, choice, integer, number};
use super::surroundings::Surroundings;
use crate::config::Problems;
use crate::config::{Node, Value};
use crate::spec::{Amount, UnitAmount, UnitCriterion, UnitPrune, UnitRule, UnitScope};

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

/// The limit of `rule = "spread"`: units that differ as much as chance makes them are 1.
const EVIDENCE: f64 = 1.0;
/// The limit of `rule = "mean-norm"`.
const NORM: f64 = 0.5;

/// Whether a prune step is about units, or units here and weights there; `None` after a mistake.
pub(super) fn prunes_units(node: &Node, problems: &mut Problems) -> Option<bool> {
    match node.get("structure") {
        Some(structure) if matches!(node.value, Value::Table(_)) => {
            let words = [("weights", false), ("units", true), ("either", true)];
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
    let either = node.get("structure").and_then(Node::text) == Some("either");
    let keys = ["structure", "criterion", "scope", "layers", "keep_dense"];
    let more: &[&str] = if either { &["rule"] } else { &[] };
    let keys = [&keys[..], more, &amounts, &SCORING].concat();
    let fields = Fields::open(node, "this prune step on units", &keys, problems)?;
    let rule = match fields.get("rule") {
        Some(node) => read_rule(node, problems).map(Some),
        None => Some(either.then_some(UnitRule::Spread(EVIDENCE))),
    };
    let criterion = match fields.get("criterion") {
        Some(node) => choice(node, "criterion", &UNIT_CRITERIA, problems),
        None => Some(UnitCriterion::L2),
    };
    let scope = match fields.get("scope") {
        Some(node) => choice(node, "scope", &UNIT_SCOPES, problems),
        None => Some(UnitScope::Layer),
    };
    let (layers, keep_dense) = read_in_scope(&fields, around, problems);
    let (word, amount) = fields.one_of(&amounts, "an amount", problems)?;
    let alone = either && ["keep", "threshold"].contains(&word);
    if alone || (either && scope == Some(UnitScope::Global)) {
        let node = if alone {
            Some(amount)
        } else {
            fields.get("scope")
        };
        let message =
            "with structure \"either\" each layer loses one share, of units or of weights";
        let help = "give `sparsity`, `density` or `remaining`, and scope \"layer\" or none";
        problems.at(node?, message, help);
        return None;
    }
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
        rule: rule?,
        data: data?,
    })
}

/// `"spread"`, `"mean-norm"`, or either with its limit: `{ spread = 2.0 }`.
fn read_rule(node: &Node, problems: &mut Problems) -> Option<UnitRule> {
    let words = [
        ("spread", UnitRule::Spread(EVIDENCE)),
        ("mean-norm", UnitRule::MeanNorm(NORM)),
    ];
    if !matches!(node.value, Value::Table(_)) {
        return choice(node, "rule", &words, problems);
    }
    let keys = ["spread", "mean-norm"];
    let fields = Fields::open(node, "`rule`", &keys, problems)?;
    let (word, limit) = fields.one_of(&keys, "a rule", problems)?;
    let limit = number(limit, word, &NOT_NEGATIVE, problems)?;
    Some(match word {
        "spread" => UnitRule::Spread(limit),
        _ => UnitRule::MeanNorm(limit),
    })
}
