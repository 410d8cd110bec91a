//! A training: its passes one after another, and between them the audit, the scores, and what is kept.

use super::best::Best;
use super::checkpoint::Checkpoint;
use super::error::TrainError;
use super::hyper::hyper;
use super::metrics::{EpochPoint, Metrics};
use super::state::State;
use super::trainer::{EvalSplit, Trainer};
use crate::gpu::Program;
use crate::spec::steps_per_epoch;
use std::ops::Range;

/// What a training leaves of a replica beside its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// One per pass, up to the one after which the replica stopped.
    pub points: Vec<EpochPoint>,
    /// The pass whose weights were kept, where the validation split chose one.
    pub kept_epoch: Option<u32>,
}

/// How far a training is, for progress bars.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps done by the cohort.
    pub steps: u64,
    /// Steps in all.
    pub of: u64,
    /// Samples per step, all replicas together.
    pub samples_per_step: u64,
}

/// An observer of a running training.
pub trait Watch {
    /// Called a few times a second; false stops the training.
    fn progress(&mut self, progress: Progress) -> bool;

    /// Called after every pass with the points of all replicas so far; those of one that has stopped are no longer added to.
    /// False stops the training.
    fn epoch(&mut self, _progress: Progress, _points: &[Vec<EpochPoint>]) -> bool {
        true
    }

    /// Asked after every pass but the last.
    fn wants_checkpoint(&self, _epoch: u32) -> bool {
        false
    }

    /// Whether it takes a checkpoint, in the middle of a pass, of a training that it stops.
    fn saves_when_stopped(&self) -> bool {
        false
    }

    /// Takes the checkpoint that it wanted; false stops the training.
    fn checkpoint(&mut self, _checkpoint: Checkpoint) -> bool {
        true
    }
}

impl<F: FnMut(Progress) -> bool> Watch for F {
    fn progress(&mut self, progress: Progress) -> bool {
        self(progress)
    }
}

impl Trainer<'_> {
    /// Trains to the end, or until the validation split has stopped every replica; from the beginning, or from a checkpoint of
    /// the same training, with the same bits.
    ///
    /// # Errors
    /// The device failed, the audit found a violation, or `watch` stopped it.
    pub fn train(
        &mut self,
        from: Option<Checkpoint>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Trained>, TrainError> {
        let mut best = Best::new(self.gpu, self.replicas, self.spec().stopping)?;
        let audit = self.audit_program()?;
        let per_epoch = u64::from(steps_per_epoch(self.samples, self.spec().batch));
        let mut density = self.replicas.densities(self.gpu)?;
        let mut states = self.first_states();
        let mut points = vec![Vec::new(); states.len()];
        let mut done = 0;
        if let Some(from) = from {
            from.put(self.gpu, self.replicas, &self.workspace, best.as_mut())?;
            done = from.steps;
            (states, points) = from
                .replicas
                .into_iter()
                .map(|replica| (replica.state, replica.points))
                .unzip();
            // The masks are the checkpoint's now; where they have shrunk, what follows lists them.
            if let Some(sparsity) = &self.sparsity {
                sparsity.refill(self.gpu)?;
            }
        }
        self.choose_if_settled(done)?;
        let mut program = self.training_program()?;
        // One that was stopped while it was scored has taken all steps of a pass, and its sums are not cleared.
        let all = self.steps;
        let unscored = |done: u64, states: &[State]| {
            (done.is_multiple_of(per_epoch) || done == all) && states[0].seen > 0
        };
        while done < self.steps || unscored(done, &states) {
            if !unscored(done, &states) {
                let end = ((done / per_epoch + 1) * per_epoch).min(self.steps);
                self.gpu.write(&self.workspace.state, 0, &states)?;
                done = self.run(&mut program, done..end, watch)?;
                states = self.gpu.read(&self.workspace.state, 0, states.len())?;
                if done < end {
                    self.save_stopped((done, &states, &points), best.as_ref(), watch)?;
                    return Err(TrainError::Interrupted);
                }
            }
            let violations = self.audit(&audit)?;
            if self.changes.is_some() {
                density = self.replicas.densities(self.gpu)?;
            }
            let validation = if self.spec().validation > 0 {
                // It takes none of the training's steps, and may be stopped like them.
                let here = self.progress(done);
                let scores = self.evaluate(EvalSplit::Validation, &mut |_| watch.progress(here));
                if matches!(scores, Err(TrainError::Interrupted)) {
                    self.save_stopped((done, &states, &points), best.as_ref(), watch)?;
                }
                Some(scores?)
            } else {
                None
            };
            let epoch = done.div_ceil(per_epoch) as u32;
            for (r, state) in states.iter_mut().enumerate() {
                let point = EpochPoint {
                    epoch,
                    step: done as u32,
                    learning_rate: f64::from(
                        hyper(self.specs[r]).lr * self.table[(done - 1) as usize],
                    ),
                    density: density[r],
                    train: Metrics::of(state),
                    validation: validation.as_ref().map(|v| v[r]),
                    violations: violations[r],
                    broken: state.broken,
                };
                if !best.as_ref().is_some_and(|best| best.stopped(r)) {
                    points[r].push(point);
                }
                (state.loss_sum, state.correct, state.seen) = (0.0, 0, 0);
            }
            if let Some(r) = violations.iter().position(|&v| v > 0) {
                return Err(TrainError::Violation {
                    count: violations[r],
                    replica: r,
                    step: done,
                });
            }
            if !watch.epoch(self.progress(done), &points) {
                return Err(TrainError::Interrupted);
            }
            // The pass that is kept must be one with the masks that the training ends with.
            let settled = self.changes.is_none_or(|c| c.next(done).is_none());
            if let (Some(best), Some(scores), true) = (&mut best, &validation, settled) {
                best.judge(self.gpu, self.replicas, epoch, scores)?;
                if best.all_stopped() {
                    break;
                }
            }
            if done < self.steps && watch.wants_checkpoint(epoch) {
                let checkpoint = self.checkpoint((done, &states, &points), best.as_ref())?;
                if !watch.checkpoint(checkpoint) {
                    return Err(TrainError::Interrupted);
                }
            }
        }
        let kept = match best {
            Some(best) => best.restore(self.gpu, self.replicas)?,
            None => vec![None; points.len()],
        };
        let pairs = points.into_iter().zip(kept);
        Ok(pairs
            .map(|(points, kept_epoch)| Trained { points, kept_epoch })
            .collect())
    }

    fn checkpoint(
        &self,
        progress: (u64, &[State], &[Vec<EpochPoint>]),
        best: Option<&Best>,
    ) -> Result<Checkpoint, TrainError> {
        let (gpu, workspace) = (self.gpu, &self.workspace);
        let masks_change = self.changes.is_some();
        let taken = Checkpoint::take(gpu, self.replicas, workspace, progress, best, masks_change);
        Ok(taken?)
    }

    /// Hands `watch`, which stops the training, what it has come to.
    fn save_stopped(
        &self,
        progress: (u64, &[State], &[Vec<EpochPoint>]),
        best: Option<&Best>,
        watch: &mut dyn Watch,
    ) -> Result<(), TrainError> {
        if watch.saves_when_stopped() {
            watch.checkpoint(self.checkpoint(progress, best)?);
        }
        Ok(())
    }

    fn progress(&self, steps: u64) -> Progress {
        Progress {
            steps,
            of: self.steps,
            samples_per_step: u64::from(self.spec().batch) * u64::from(self.replicas.count),
        }
    }

    /// Runs these steps, with the changes of masks that fall among them; one at their end only where the training ends there too.
    /// Returns how many steps the training has taken by then: fewer than these where `watch` stopped it.
    fn run(
        &mut self,
        program: &mut Program,
        steps: Range<u64>,
        watch: &mut dyn Watch,
    ) -> Result<u64, TrainError> {
        let mut done = steps.start;
        while done < steps.end {
            if self.change_masks(done)? {
                *program = self.training_program()?;
            }
            let change = self.changes.and_then(|c| c.next(done + 1));
            let chunk = change.map_or(steps.end, |at| at.min(steps.end)) - done;
            let mut going = true;
            let ran = self.gpu.run_repeated(program, chunk, &mut |count| {
                going = watch.progress(self.progress(done + count));
                going
            })?;
            done += ran;
            if !going && ran < chunk {
                return Ok(done);
            }
        }
        if done == self.steps {
            self.change_masks(done)?;
        }
        Ok(done)
    }

    /// Makes the change of masks that is due after `done` steps, if any. True where the kernels of a step are others now.
    fn change_masks(&mut self, done: u64) -> Result<bool, TrainError> {
        let Some(changes) = self.changes.filter(|c| c.next(done) == Some(done)) else {
            return Ok(false);
        };
        changes.change(self, done)?;
        if let Some(sparsity) = &self.sparsity {
            sparsity.refill(self.gpu)?;
        }
        self.choose_if_settled(done + 1)
    }

    /// Where masks that have shrunk will not change from step `from` on, lets them run sparse. True if it was so.
    fn choose_if_settled(&mut self, from: u64) -> Result<bool, TrainError> {
        let changes = self.changes;
        let settled = changes.is_some_and(|c| !c.keeps_counts() && c.next(from).is_none());
        if settled && from <= self.steps {
            self.choose_kernels(self.execution.sparse)?;
            return Ok(true);
        }
        Ok(false)
    }
}
