//! How much a prune step keeps: one of several keys.

use super::fields::Fields;
use super::read_model::prunable;
use super::scalars::{Interval, NOT_NEGATIVE, POSITIVE, UNIT, integer, number, wrong_type};
use super::surroundings::Surroundings;
use crate::config::Problems;
use crate::config::{Node, Value};
use crate::spec::{Amount, Norms, Sap};
use std::collections::BTreeMap;

/// The keys of all kinds of prune steps, of which each has exactly one; the last is of units alone.
pub(super) const ALL_AMOUNTS: [&str; 8] = [
    "sparsity",
    "density",
    "keep",
    "remaining",
    "densities",
    "n_of_m",
    "sap",
    "threshold",
];

/// Those of weights.
pub(super) const AMOUNTS: &[&str] = ALL_AMOUNTS.split_at(7).0;

/// The largest run of `n_of_m`; each weight is compared with all of its run.
const LONGEST_RUN: u32 = 1024;

/// Fractions that are not 0.
const SHARE: Interval = Interval {
    words: "in (0, 1]: greater than 0, at most 1",
    holds: |x| x > 0.0 && x <= 1.0,
};

/// An amount, and for `densities` the share that each of its layers keeps.
pub(super) struct Asked {
    pub amount: Amount,
    pub densities: BTreeMap<String, f64>,
}

/// Reads the amount of a prune step and refuses the keys that have no meaning beside it.
pub(super) fn read_amount(
    fields: &Fields<'_>,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Asked> {
    let (key, node) = fields.one_of(AMOUNTS, "an amount", problems)?;
    let plain = |amount| Asked {
        amount,
        densities: BTreeMap::new(),
    };
    match key {
        "sparsity" => number(node, key, &UNIT, problems).map(|x| plain(Amount::Sparsity(x))),
        "density" => number(node, key, &UNIT, problems).map(|x| plain(Amount::Density(x))),
        "remaining" => number(node, key, &UNIT, problems).map(|x| plain(Amount::Remaining(x))),
        "keep" => {
            let keep = integer(node, key, 0, u64::from(u32::MAX), problems)?;
            Some(plain(Amount::Keep(keep)))
        }
        "densities" => {
            let of_layer = "every layer has its own density here";
            let alone = alone(
                fields,
                &["scope", "layers", "keep_dense"],
                of_layer,
                problems,
            );
            let densities = read_densities(node, around, problems)?;
            alone.then_some(Asked {
                amount: Amount::PerLayer,
                densities,
            })
        }
        "n_of_m" => {
            let in_runs = "the weights of each run compete once, among themselves";
            let alone = alone(fields, &["scope", "iterations"], in_runs, problems);
            let (n, m) = read_runs(node, problems)?;
            alone.then_some(plain(Amount::NOfM { n, m }))
        }
        _ => {
            let scope = fields.get("scope").and_then(Node::text);
            if let (Some(word), Some(node)) = (scope, fields.get("scope"))
                && ["uniform", "er", "erk"].contains(&word)
            {
                let message = format!("scope {word:?} shares a total, and `sap` has none");
                let help = "each set of weights says how many of it go: \"neuron\", \"layer\" or \"global\"";
                problems.at(node, message, help);
                return None;
            }
            read_sap(node, problems).map(|sap| plain(Amount::Sap(sap)))
        }
    }
}

/// Reports those of `keys` that stand beside an amount that leaves them nothing to say; whether there is none.
fn alone(fields: &Fields<'_>, keys: &[&str], why: &str, problems: &mut Problems) -> bool {
    let given = keys.iter().filter_map(|key| Some((key, fields.get(key)?)));
    let given: Vec<(&&str, &Node)> = given.collect();
    for (key, node) in &given {
        let message = format!("`{key}` has no meaning here: {why}");
        problems.at(node, message, "remove it");
    }
    given.is_empty()
}

/// `{ fc1 = 0.1, fc2 = 0.5 }`.
fn read_densities(
    node: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<BTreeMap<String, f64>> {
    let names = prunable(around.model?);
    let fields = Fields::open(node, "`densities`", &names, problems)?;
    let known = |name: &str| names.contains(&name);
    if node.entries().is_empty() {
        let help = "for example: densities = { fc1 = 0.1, fc2 = 0.5 }";
        problems.at(fields.node, "`densities` is empty", help);
        return None;
    }
    let read = node.entries().iter().map(|entry| {
        let density = number(&entry.node, &entry.key, &UNIT, problems);
        Some((entry.key.clone(), density.filter(|_| known(&entry.key))?))
    });
    let read: Vec<Option<(String, f64)>> = read.collect();
    read.into_iter().collect()
}

/// `"2:4"`.
fn read_runs(node: &Node, problems: &mut Problems) -> Option<(u32, u32)> {
    let expected = "a string such as \"2:4\"";
    let Value::String(text) = &node.value else {
        return wrong_type(node, "n_of_m", expected, problems);
    };
    let parts = text.split_once(':');
    let read = parts.and_then(|(n, m)| Some((n.parse().ok()?, m.parse().ok()?)));
    match read {
        Some((n, m)) if n >= 1 && n <= m && m <= LONGEST_RUN => Some((n, m)),
        _ => {
            let help = format!(
                "for example \"2:4\": of each 4 consecutive inputs of an output 2 stay; from 1:1 to {LONGEST_RUN}:{LONGEST_RUN}"
            );
            problems.at(
                node,
                format!("`n_of_m` is {text:?}: not N:M with N <= M"),
                help,
            );
            None
        }
    }
}

/// `{ p = 0.5, q = 1.0, eta = 0.0, gamma = 1.0, beta = 0.9 }`, these being the defaults.
fn read_sap(node: &Node, problems: &mut Problems) -> Option<Sap> {
    let fields = Fields::open(node, "`sap`", &["p", "q", "eta", "gamma", "beta"], problems)?;
    let usual = Sap::default();
    let mut read = |key: &str, interval: &Interval, usual: f64| match fields.get(key) {
        Some(node) => number(node, key, interval, problems),
        None => Some(usual),
    };
    let (p, q) = (
        read("p", &POSITIVE, usual.norms.p),
        read("q", &POSITIVE, usual.norms.q),
    );
    let eta = read("eta", &NOT_NEGATIVE, usual.eta);
    let gamma = read("gamma", &POSITIVE, usual.gamma);
    let beta = read("beta", &SHARE, usual.beta);
    let (p, q) = (p?, q?);
    if p >= q {
        let message = format!("p is {p} and q is {q}: p must be smaller than q");
        problems.at(node, message, "the paper has (0.5, 1) and (1, 2)");
        return None;
    }
    Some(Sap {
        norms: Norms { p, q },
        eta: eta?,
        gamma: gamma?,
        beta: beta?,
    })
}
