//! A training between two steps, off the GPU: what it takes to go on from there with the same bits.

use super::best::{Best, Standing};
use super::metrics::EpochPoint;
use super::replicas::Replicas;
use super::state::State;
use super::workspace::Workspace;
use crate::gpu::{Gpu, GpuError};
use crate::model::Mask;

/// All replicas of a training after the same number of steps: between passes, or where it was stopped.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Optimizer steps done.
    pub steps: u64,
    /// One per replica.
    pub replicas: Vec<ReplicaCheckpoint>,
}

/// One replica; flat layouts as in [`Model::tensors`](crate::model::Model::tensors).
#[derive(Clone, Debug)]
pub struct ReplicaCheckpoint {
    /// The weights.
    pub weights: Vec<f32>,
    /// The mask, where the training changes it.
    pub mask: Option<Mask>,
    /// The optimizer's moments.
    pub moments: Vec<Vec<f32>>,
    /// Where it stands.
    pub state: State,
    /// Its curve.
    pub points: Vec<EpochPoint>,
    /// Where the validation split decides: the scores, and the weights saved so far.
    pub best: Option<(Standing, Vec<f32>)>,
}

impl Checkpoint {
    /// Reads a training back, with its masks if they change.
    pub(super) fn take(
        gpu: &Gpu,
        replicas: &Replicas,
        workspace: &Workspace,
        (steps, states, points): (u64, &[State], &[Vec<EpochPoint>]),
        best: Option<&Best>,
        masks_change: bool,
    ) -> Result<Self, GpuError> {
        let floats = replicas.model.floats;
        let mut taken = Vec::new();
        for (r, (state, points)) in states.iter().zip(points).enumerate() {
            let read = |buffer| gpu.read(buffer, (r * floats * 4) as u64, floats);
            let best = match best {
                Some(best) => Some((best.standing(r), read(best.weights())?)),
                None => None,
            };
            taken.push(ReplicaCheckpoint {
                weights: read(&replicas.params)?,
                mask: if masks_change {
                    Some(replicas.read_mask(gpu, r)?)
                } else {
                    None
                },
                moments: workspace
                    .moments
                    .iter()
                    .map(read)
                    .collect::<Result<_, _>>()?,
                state: *state,
                points: points.clone(),
                best,
            });
        }
        Ok(Self {
            steps,
            replicas: taken,
        })
    }

    /// Writes everything that lies on the GPU; states and points are the trainer's to take over.
    pub(super) fn put(
        &self,
        gpu: &Gpu,
        replicas: &Replicas,
        workspace: &Workspace,
        mut best: Option<&mut Best>,
    ) -> Result<(), GpuError> {
        for (r, replica) in self.replicas.iter().enumerate() {
            let first = (r * replicas.model.floats * 4) as u64;
            gpu.write(&replicas.params, first, &replica.weights)?;
            if let Some(mask) = &replica.mask {
                replicas.write_mask(gpu, r, mask)?;
            }
            for (to, moments) in workspace.moments.iter().zip(&replica.moments) {
                gpu.write(to, first, moments)?;
            }
            if let (Some(best), Some((standing, weights))) = (&mut best, &replica.best) {
                gpu.write(best.weights(), first, weights)?;
                best.set_standing(r, *standing);
            }
        }
        Ok(())
    }
}
