//! `prune` and `rewire` within a `train` step: masks that change while it runs.

use super::fields::Fields;
use super::read_prune::read_prune;
use super::scalars::{BELOW_ONE, POSITIVE, choice, length, number};
use super::surroundings::Surroundings;
use crate::config::Problems;
use crate::config::{Node, Value};
use crate::spec::{
    Amount, Criterion, FractionDecay, Gradual, Grow, Length, MaskSchedule, PruneSpec, Rewire, Scope,
};

/// What is to stay at the end, as in a `prune` step.
const PRUNE: [&str; 7] = [
    "criterion",
    "scope",
    "sparsity",
    "density",
    "keep",
    "layers",
    "keep_dense",
];
const AMOUNTS: [&str; 3] = ["sparsity", "density", "keep"];
/// How it is come to.
const GRADUAL: [&str; 5] = ["initial_sparsity", "power", "begin", "end", "every"];
const REWIRE: [&str; 5] = ["grow", "fraction", "decay", "every", "until"];

/// Steps between refreshes where the file does not say (TensorFlow Model Optimization's and RigL's).
const EVERY: Length = Length::Steps(100);
/// The exponent of Zhu and Gupta 2018.
const POWER: f64 = 3.0;
/// The share of weights replaced at first (Evci et al. 2020).
const FRACTION: f64 = 0.3;

/// Reads what a `train` step says of its masks; `Some(None)` where it says nothing.
pub(super) fn read_mask_schedule(
    step: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Option<Box<MaskSchedule>>> {
    let schedule = match (step.get("prune"), step.get("rewire")) {
        (None, None) => return Some(None),
        (Some(_), Some(node)) => {
            let help = "give each a train step of its own";
            problems.at(node, "a training either prunes or rewires", help);
            return None;
        }
        (Some(node), None) if is_true(step, around, "equal_flops") => {
            let help = "remove `equal_flops`, or prune in a step of its own";
            let message = "a training that prunes has no one cost: `equal_flops` means nothing";
            problems.at(node, message, help);
            return None;
        }
        (Some(node), None) => read_gradual(node, around, problems).map(MaskSchedule::Gradual),
        (None, Some(node)) => read_rewire(node, problems).map(MaskSchedule::Rewire),
    };
    schedule.map(|schedule| Some(Box::new(schedule)))
}

fn is_true(step: &Node, around: &Surroundings<'_>, key: &str) -> bool {
    let default = || around.defaults?.get(key);
    let node = step.get(key).or_else(default);
    node.is_some_and(|node| matches!(node.value, Value::Boolean(true)))
}

fn read_gradual(
    node: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Gradual> {
    let keys = [&PRUNE[..], &GRADUAL].concat();
    let fields = Fields::open(node, "`prune` within a training", &keys, problems)?;
    let initial_sparsity = match fields.get("initial_sparsity") {
        Some(node) => number(node, "initial_sparsity", &BELOW_ONE, problems),
        None => Some(0.0),
    };
    let power = match fields.get("power") {
        Some(node) => number(node, "power", &POSITIVE, problems),
        None => Some(POWER),
    };
    let begin = optional_length(&fields, "begin", problems);
    let end = optional_length(&fields, "end", problems);
    let every = interval(&fields, problems);
    // Asked here too, so that help names no amount that has no meaning here.
    fields.one_of(&AMOUNTS, "an amount", problems)?;
    let mut table = node.clone();
    let target = |key: &str| PRUNE.contains(&key);
    let target = node.entries().iter().filter(|entry| target(&entry.key));
    table.value = Value::Table(target.cloned().collect());
    let prune = read_prune(&table, around, problems)?;
    if prune.scope == Scope::Neuron {
        let at = node.get("scope").unwrap_or(node);
        let help = "choose another scope, or prune in a step of its own";
        problems.at(
            at,
            "within a training, neurons do not prune for themselves",
            help,
        );
        return None;
    }
    if prune.criterion.reads_data() || prune.criterion == Criterion::Synflow {
        let at = node.get("criterion").unwrap_or(node);
        let help = "choose magnitude, lamp or random, or prune in a step of its own";
        let message = "within a training, scores are of weights alone";
        problems.at(at, message, help);
        return None;
    }
    let gradual = Gradual {
        prune,
        initial_sparsity: initial_sparsity?,
        power: power?,
        begin: begin?,
        end: end?,
        every: every?,
    };
    rises(&gradual, node, problems).then_some(gradual)
}

/// Whether sparsity goes up, where that can be told.
fn rises(gradual: &Gradual, node: &Node, problems: &mut Problems) -> bool {
    let last = match gradual.prune {
        PruneSpec {
            amount: Amount::Sparsity(sparsity),
            ..
        } => sparsity,
        PruneSpec {
            amount: Amount::Density(density),
            ..
        } => 1.0 - density,
        _ => return true,
    };
    let rises = gradual.initial_sparsity <= last;
    if !rises {
        let at = node.get("initial_sparsity").unwrap_or(node);
        let first = gradual.initial_sparsity;
        let message = format!("`initial_sparsity` is {first}, more than the {last} at the end");
        problems.at(at, message, "pruned weights do not return: begin lower");
    }
    rises
}

fn read_rewire(node: &Node, problems: &mut Problems) -> Option<Rewire> {
    let fields = Fields::open(node, "`rewire`", &REWIRE, problems)?;
    let ways = [("gradient", Grow::Gradient), ("random", Grow::Random)];
    let grow = fields
        .need("grow", "grow = \"gradient\"", problems)
        .and_then(|node| choice(node, "grow", &ways, problems));
    let fraction = match fields.get("fraction") {
        Some(node) => number(node, "fraction", &BELOW_ONE, problems),
        None => Some(FRACTION),
    };
    let decays = [
        ("cosine", FractionDecay::Cosine),
        ("constant", FractionDecay::Constant),
    ];
    let decay = match fields.get("decay") {
        Some(node) => choice(node, "decay", &decays, problems),
        None => Some(FractionDecay::Cosine),
    };
    let every = interval(&fields, problems);
    let until = optional_length(&fields, "until", problems);
    Some(Rewire {
        grow: grow?,
        fraction: fraction?,
        decay: decay?,
        every: every?,
        until: until?,
    })
}

fn interval(fields: &Fields<'_>, problems: &mut Problems) -> Option<Length> {
    match fields.get("every") {
        Some(node) => length(node, "every", problems),
        None => Some(EVERY),
    }
}

fn optional_length(
    fields: &Fields<'_>,
    key: &str,
    problems: &mut Problems,
) -> Option<Option<Length>> {
    match fields.get(key) {
        Some(node) => length(node, key, problems).map(Some),
        None => Some(None),
    }
}
