//! Counts that the weights themselves decide: see [`Sap::pruned`](crate::spec::Sap::pruned).

use super::counts::Group;
use crate::model::{Model, mask};
use crate::spec::{Amount, PowerSums, PruneSpec};
use crate::train::Snapshot;

/// Lowers what each group keeps, all that is alive, by what its weights say, where the amount is theirs to decide.
pub(super) fn lower_to_sap(
    model: &Model,
    spec: &PruneSpec,
    snapshot: &Snapshot,
    groups: &mut [Group],
) {
    let Amount::Sap(sap) = spec.amount else {
        return;
    };
    let exists = |i: &usize| mask::kept(&snapshot.mask, *i);
    for group in groups {
        let tensors = group.tensors.iter().map(|&t| &model.tensors[t]);
        let there = tensors.flat_map(|t| (t.offset..t.offset + t.count).filter(exists));
        let weights = there.map(|i| snapshot.weights[i]);
        group.keep -= sap.pruned(&PowerSums::of(weights, sap.norms));
    }
}
