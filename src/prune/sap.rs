//! Counts that the weights themselves decide: see [`Sap::pruned`](crate::spec::Sap::pruned).

use super::counts::RankedGroup;
use crate::gpu::{Gpu, GpuError};
use crate::model::{Mask, Model};
use crate::spec::{Amount, PowerSums, PruneSpec};
use crate::train::Replicas;

/// The weights of every replica, where the amount of any of them is theirs to decide.
pub(super) fn weights_for_sap(
    gpu: &Gpu,
    replicas: &Replicas,
    specs: &[&PruneSpec],
) -> Result<Option<Vec<Vec<f32>>>, GpuError> {
    let decide = |spec: &&PruneSpec| matches!(spec.amount, Amount::Sap(_));
    let any = specs.iter().any(decide);
    any.then(|| replicas.read_weights(gpu)).transpose()
}

/// Lowers what each group keeps, all that is alive, by what its weights say, where the amount is theirs to decide.
pub(super) fn lower_to_sap(
    model: &Model,
    spec: &PruneSpec,
    (weights, mask): (&[f32], &Mask),
    groups: &mut [RankedGroup],
) {
    let Amount::Sap(sap) = spec.amount else {
        return;
    };
    for group in groups {
        let tensors = group.tensors.iter().map(|&t| &model.tensors[t]);
        let there = tensors.flat_map(|t| mask.kept_in(t)).map(|i| weights[i]);
        group.keep -= sap.pruned(&PowerSums::of(there, sap.norms));
    }
}
