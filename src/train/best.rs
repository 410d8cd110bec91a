//! Early stopping and the best weights, by the validation split; each replica for itself.

use super::metrics::Metrics;
use super::replicas::Replicas;
use crate::gpu::{Buffer, Gpu, GpuError};
use crate::spec::{BestBy, Keep, Stopping};

/// The scores so far, and the weights that the replicas will end with if not the last.
pub(super) struct Best {
    rules: Stopping,
    kept: Buffer,
    standings: Vec<Standing>,
}

/// How a replica's validation scores stand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// The best score, larger is better, and its pass.
    pub best: Option<(f64, u32)>,
    /// Passes since.
    pub since: u32,
    /// The pass after which the replica stopped.
    pub stopped: Option<u32>,
}

impl Best {
    /// Room for one set of weights per replica; `None` where the validation split decides nothing.
    pub(super) fn new(
        gpu: &Gpu,
        replicas: &Replicas,
        rules: Stopping,
    ) -> Result<Option<Self>, GpuError> {
        if !rules.decides() {
            return Ok(None);
        }
        Ok(Some(Self {
            rules,
            kept: gpu.buffer("kept parameters", replicas.params.bytes())?,
            standings: vec![Standing::default(); replicas.count as usize],
        }))
    }

    pub(super) fn standing(&self, replica: usize) -> Standing {
        self.standings[replica]
    }

    pub(super) fn set_standing(&mut self, replica: usize, standing: Standing) {
        self.standings[replica] = standing;
    }

    /// The weights saved so far, all replicas.
    pub(super) fn weights(&self) -> &Buffer {
        &self.kept
    }

    /// Whether a replica has stopped.
    pub(super) fn stopped(&self, replica: usize) -> bool {
        self.standings[replica].stopped.is_some()
    }

    /// Whether all have.
    pub(super) fn all_stopped(&self) -> bool {
        self.standings.iter().all(|s| s.stopped.is_some())
    }

    /// Looks at the scores after pass `epoch` and saves the weights that they speak for.
    pub(super) fn judge(
        &mut self,
        gpu: &Gpu,
        replicas: &Replicas,
        epoch: u32,
        scores: &[Metrics],
    ) -> Result<(), GpuError> {
        for (replica, metrics) in scores.iter().enumerate() {
            let standing = &mut self.standings[replica];
            if standing.stopped.is_some() {
                continue;
            }
            let score = match self.rules.best_by {
                BestBy::Loss => -metrics.loss,
                BestBy::Accuracy => metrics.accuracy,
            };
            // The first pass is the best so far whatever its score; NaN is never better, and anything is better than NaN.
            let better = standing
                .best
                .is_none_or(|(best, _)| score > best || (best.is_nan() && !score.is_nan()));
            if better {
                standing.best = Some((score, epoch));
                standing.since = 0;
            } else {
                standing.since += 1;
            }
            let stops = self.rules.patience.is_some_and(|p| standing.since >= p);
            if stops {
                standing.stopped = Some(epoch);
            }
            let save = match self.rules.keep {
                Keep::Best => better,
                Keep::Last => stops,
            };
            if save {
                self.copy(gpu, replicas, replica, false)?;
            }
        }
        Ok(())
    }

    /// Puts the saved weights back, and says which pass each replica ends with if not the last.
    pub(super) fn restore(
        &self,
        gpu: &Gpu,
        replicas: &Replicas,
    ) -> Result<Vec<Option<u32>>, GpuError> {
        let mut epochs = Vec::new();
        for (replica, standing) in self.standings.iter().enumerate() {
            let epoch = match self.rules.keep {
                Keep::Best => standing.best.map(|(_, epoch)| epoch),
                Keep::Last => standing.stopped,
            };
            if epoch.is_some() {
                self.copy(gpu, replicas, replica, true)?;
            }
            epochs.push(epoch);
        }
        Ok(epochs)
    }

    fn copy(
        &self,
        gpu: &Gpu,
        replicas: &Replicas,
        replica: usize,
        back: bool,
    ) -> Result<(), GpuError> {
        let bytes = replicas.model.floats as u64 * 4;
        let (from, to) = if back {
            (&self.kept, &replicas.params)
        } else {
            (&replicas.params, &self.kept)
        };
        gpu.copy(from, to, replica as u64 * bytes, bytes)
    }
}
