//! What a `prune` step with `structure = "units"` asks for.

use super::prune::{LayerNames, Scored};
use super::unit_rule::EVIDENCE;
use super::{Amount, TrainSpec, UnitRule};
use crate::config::{
    Description, Fields, Form, Key, Maybe, NOT_NEGATIVE, Part, Plain, Real, UNIT, Whole, choice,
    table, words,
};
use serde::{Deserialize, Serialize};

words! {
    /// How units are scored; the largest scores stay. A unit's filters are the rows that make it, in all layers that are tied.
    pub enum UnitCriterion {
        /// Σ |w| over its filters, in all layers of the group (Li et al. 2017)
        L1 = "l1";
        /// the L2 norm of its filters
        L2 = "l2";
        /// Σ over the other units that are left of the distance between their filters: the most replaceable go first (He et al. 2019,
        /// equation 4)
        GeometricMedian = "geometric-median";
        /// Σ |scale| of its batch normalisations (Liu et al. 2017)
        BatchNormScale = "batch-norm-scale";
        /// |Σ w g| over what scales its outputs, g summed over batches: its filters and biases, or scale and shift of the batch normalisation
        /// behind them. That is |Σ z dL/dz| over its outputs z, a gate's gradient (Molchanov et al. 2019, section 3.3, without the square)
        Taylor = "taylor";
        /// the mean of |x| over batches, samples, pixels and the layers that read it, x as they read it (Molchanov et al. 2017)
        MeanActivation = "mean-activation";
        /// a random number: the control of the others
        Random = "random";
    }
}

impl UnitCriterion {
    /// Whether scores are measured on batches of a dataset.
    pub fn reads_data(self) -> bool {
        matches!(self, Self::Taylor | Self::MeanActivation)
    }
}

words! {
    /// Over which set units compete.
    pub enum UnitScope {
        /// all groups together. Norms are made comparable: `"l1"` is divided by the number of the unit's filter weights, `"l2"` and
        /// distances by its root, distances also by the number of other units; the other scores are taken as they are
        Global = "global";
        /// each group within itself, by the scores as they are
        Layer = "layer";
    }
}

/// How many units stay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitAmount {
    /// So many, or such a share, of the units in scope.
    Count(Amount),
    /// Those whose score is above this number.
    Threshold(f64),
}

choice! {
    /// How it is written.
    #[derive(Clone, Copy, PartialEq)]
    enum Units as "an amount" {
        /// the share of units removed
        Sparsity(f64) = "sparsity" => Real(&UNIT);
        /// the share kept
        Density(f64) = "density" => Real(&UNIT);
        /// the number kept
        Keep(u64) = "keep" => Whole(1, u32::MAX as u64);
        /// the share kept of the units that are left
        Remaining(f64) = "remaining" => Real(&UNIT);
        /// those whose score is above this number
        Threshold(f64) = "threshold" => Real(&NOT_NEGATIVE);
    }
}

/// An amount of units; of units or weights, a share.
struct Shares;

impl Form<UnitAmount> for Shares {
    fn take(&self, _: &Key, _: Option<UnitAmount>, table: &mut Fields<'_>) -> Option<UnitAmount> {
        let amount = Units::take(table, None);
        if table.word("structure") == Some("either") {
            let global = (table.word("scope") == Some("global")).then(|| table.get("scope"));
            let alone = table.get("keep").or(table.get("threshold"));
            if let Some(node) = alone.or(global.flatten()) {
                let message =
                    "with structure \"either\" each layer loses one share, of units or of weights";
                let help = "give `sparsity`, `density` or `remaining`, and scope \"layer\" or none";
                table.at(node, message, help);
                return None;
            }
        }
        Some(match amount? {
            Units::Sparsity(share) => UnitAmount::Count(Amount::Sparsity(share)),
            Units::Density(share) => UnitAmount::Count(Amount::Density(share)),
            Units::Keep(count) => UnitAmount::Count(Amount::Keep(count)),
            Units::Remaining(share) => UnitAmount::Count(Amount::Remaining(share)),
            Units::Threshold(score) => UnitAmount::Threshold(score),
        })
    }

    fn describe(&self, _: Key, _: Option<UnitAmount>, into: &mut Description) {
        Units::describe(into);
    }
}

table! {
    /// A `prune` step on units with every default filled in.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct UnitPrune as "this prune step on units" {
        /// how units are scored
        pub criterion: UnitCriterion = UnitCriterion::L2;
        /// over which set units compete
        pub scope: UnitScope = UnitScope::Layer;
        /// How many stay. At least one of each group does.
        pub amount: UnitAmount => Shares;
        /// names of layers whose units are in scope, with all that is tied to them; one of a tied group stands for all of it
        pub layers: Option<Vec<String>> = None => Maybe(LayerNames), usual "every layer but the last";
        /// names of layers that keep all their units
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub keep_dense: Vec<String> = Vec::new() => LayerNames, usual "none";
        /// with structure `"either"`: units go only where this says so, and single weights elsewhere, in the same share
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub rule: Option<UnitRule> = None => Maybe(Plain), usual "`\"spread\"`";
        /// batches that scores are measured on
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub data: Option<Box<TrainSpec>> = None => Scored(|criterion: UnitCriterion| (criterion.reads_data(), false));
    }
    then |prune: UnitPrune, table| {
        let either = table.word("structure") == Some("either");
        let rule = prune.rule.or(either.then_some(UnitRule::Spread(EVIDENCE)));
        Some(UnitPrune { rule, ..prune })
    };
}

impl UnitPrune {
    /// What the replicas of a cohort must agree in, the amount replaced: each has its own.
    pub fn alike(&self) -> Self {
        Self {
            amount: UnitAmount::Threshold(0.0),
            ..self.clone()
        }
    }

    /// All layers, without data.
    pub fn new(criterion: UnitCriterion, scope: UnitScope, amount: UnitAmount) -> Self {
        Self {
            criterion,
            scope,
            amount,
            layers: None,
            keep_dense: Vec::new(),
            rule: None,
            data: None,
        }
    }
}
