//! Trainings saved between their passes and where they are stopped, and taken up again.

use super::error::RunError;
use super::events::{Reporter, StopToken};
use super::exact::Exact;
use super::failure::diverged;
use super::options::RunOptions;
use super::record::CurvePoint;
use crate::experiment::Stage;
use crate::model::Mask;
use crate::store::{Partial, RunFolder};
use crate::train::{
    Checkpoint, EpochPoint, MOMENTS, Progress, ReplicaCheckpoint, Standing, State, Watch,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Unless `--checkpoint` says otherwise, a training is saved at the end of the pass in which this much time has gone by, or so
/// many times what saving took, if that is longer.
const INTERVAL: Duration = Duration::from_secs(60);
const TIMES_SAVING: u32 = 20;

/// What a replica's checkpoint holds beside arrays.
#[derive(Serialize, Deserialize)]
struct CheckpointText {
    steps: u64,
    /// The words of [`State`].
    state: Vec<u32>,
    points: Vec<CurvePoint>,
    best: Option<Judged>,
}

/// [`Standing`].
#[derive(Serialize, Deserialize)]
struct Judged {
    best: Option<(Exact, u32)>,
    since: u32,
    stopped: Option<u32>,
}

fn partial_of(steps: u64, replica: ReplicaCheckpoint) -> Partial {
    let mut arrays = vec![("weights".to_owned(), replica.weights)];
    let names = MOMENTS.map(str::to_owned).into_iter();
    arrays.extend(names.zip(replica.moments));
    let best = replica.best.map(|(standing, kept)| {
        arrays.push(("kept weights".to_owned(), kept));
        Judged {
            best: standing.best.map(|(score, epoch)| (Exact(score), epoch)),
            since: standing.since,
            stopped: standing.stopped,
        }
    });
    let masks = replica
        .mask
        .map(|mask| ("mask".to_owned(), mask.words().to_vec()));
    let text = CheckpointText {
        steps,
        state: bytemuck::cast_slice(&[replica.state]).to_vec(),
        points: replica.points.iter().map(CurvePoint::from).collect(),
        best,
    };
    Partial {
        arrays,
        words: masks.into_iter().collect(),
        text: serde_json::to_string(&text).unwrap_or_default(),
    }
}

/// What a partial training holds that keeps so many moments, if it holds all. What else it holds is left.
fn checkpoint_of(partial: Partial, moments: usize) -> Option<(u64, ReplicaCheckpoint)> {
    let text: CheckpointText = serde_json::from_str(&partial.text).ok()?;
    let array = |name: &str| {
        let found = partial.arrays.iter().find(|(n, _)| n == name)?;
        Some(found.1.clone())
    };
    let state: &[State] = bytemuck::try_cast_slice(&text.state).ok()?;
    let best = match text.best {
        Some(score) => {
            let standing = Standing {
                best: score.best.map(|(score, epoch)| (score.0, epoch)),
                since: score.since,
                stopped: score.stopped,
            };
            Some((standing, array("kept weights")?))
        }
        None => None,
    };
    let replica = ReplicaCheckpoint {
        weights: array("weights")?,
        mask: partial
            .words
            .iter()
            .find(|(n, _)| n == "mask")
            .map(|(_, words)| Mask::from_words(words.clone())),
        moments: MOMENTS
            .iter()
            .take(moments)
            .map(|name| array(name))
            .collect::<Option<_>>()?,
        state: *state.first()?,
        points: text.points.iter().map(EpochPoint::from).collect(),
        best,
    };
    Some((text.steps, replica))
}

/// What a stage was saved as.
fn saved(folder: &RunFolder, stage: &Stage) -> Option<(u64, ReplicaCheckpoint)> {
    let partial = folder.stages().load_partial(&stage.digest)?;
    checkpoint_of(partial, stage.training()?.optimizer.moments())
}

/// Steps that a stage was saved after, 0 where it was not. Those are read again only when it is computed.
pub(super) fn steps_saved(folder: &RunFolder, stage: &Stage) -> u64 {
    if stage.step.training().is_none() {
        return 0;
    }
    saved(folder, stage).map_or(0, |(steps, _)| steps)
}

/// The checkpoint of a cohort whose stages were all saved after the same number of steps.
pub(super) fn checkpoint(folder: &RunFolder, stages: &[&Stage]) -> Option<Checkpoint> {
    let mut steps = None;
    let mut replicas = Vec::new();
    for stage in stages {
        let (at, replica) = saved(folder, stage)?;
        if *steps.get_or_insert(at) != at {
            return None;
        }
        replicas.push(replica);
    }
    Some(Checkpoint {
        steps: steps?,
        replicas,
    })
}

/// Saves checkpoints of a cohort's training.
pub(super) struct Saver<'a> {
    folder: &'a RunFolder,
    digests: Vec<String>,
    /// Whose each stage is, for people.
    names: &'a [String],
    /// Replicas that are known to have diverged.
    diverged: HashSet<usize>,
    fail_fast: bool,
    /// `--checkpoint`.
    every: Option<u32>,
    last: Instant,
    /// How long the last one took to write.
    took: Duration,
    /// What ended the training: the disk, or a run that failed.
    pub(super) error: Option<RunError>,
}

impl<'a> Saver<'a> {
    /// `names` says whose each of the stages is.
    pub(super) fn new(
        folder: &'a RunFolder,
        options: &RunOptions,
        stages: &[&Stage],
        names: &'a [String],
    ) -> Self {
        Self {
            folder,
            digests: stages.iter().map(|s| s.digest.clone()).collect(),
            names,
            diverged: HashSet::new(),
            fail_fast: options.fail_fast,
            every: options.checkpoint,
            last: Instant::now(),
            took: Duration::ZERO,
            error: None,
        }
    }
}

/// A pass of a cohort, for the log. A number that is not finite is null.
fn epoch(progress: Progress, points: &[Vec<EpochPoint>], names: &[String]) -> Value {
    let replicas = points.iter().zip(names).filter_map(|(points, name)| {
        let point = points.last()?;
        Some(json!({
            "run": name,
            "train_loss": point.train.loss,
            "train_accuracy": point.train.accuracy,
            "validation_loss": point.validation.map(|scores| scores.loss),
            "validation_accuracy": point.validation.map(|scores| scores.accuracy),
            "density": point.density,
        }))
    });
    let last = points.iter().filter_map(|points| points.last());
    json!({
        "epoch": last.map(|point| point.epoch).max(),
        "steps": progress.steps,
        "of": progress.of,
        "samples_per_step": progress.samples_per_step,
        "replicas": replicas.collect::<Vec<Value>>(),
    })
}

/// What a training is watched with: the saver, who hears of its progress, and who may stop it.
pub(super) struct Watcher<'w, 'a, 'e> {
    pub(super) saver: Option<&'w mut Saver<'a>>,
    pub(super) reporter: &'w mut Reporter<'e>,
    pub(super) stop: &'w StopToken,
}

impl Watch for Watcher<'_, '_, '_> {
    fn progress(&mut self, progress: Progress) -> bool {
        self.reporter
            .within(progress.steps * progress.samples_per_step);
        !self.stop.is_stopped()
    }

    fn epoch(&mut self, progress: Progress, points: &[Vec<EpochPoint>]) -> bool {
        let Some(saver) = &mut self.saver else {
            return true;
        };
        let samples = progress.steps * progress.samples_per_step;
        let mut fields = epoch(progress, points, saver.names);
        fields["seconds_left"] = json!(self.reporter.seconds_left(samples));
        self.reporter.log("epoch", fields);
        for (replica, points) in points.iter().enumerate() {
            let curve: Vec<CurvePoint> = points.iter().map(CurvePoint::from).collect();
            let Some(reason) = diverged(&curve) else {
                continue;
            };
            let run = &saver.names[replica];
            if saver.fail_fast {
                saver.error = Some(RunError::FailedFast {
                    run: run.clone(),
                    reason,
                });
                return false;
            }
            // At the end of the training it is told with what follows from it.
            if saver.diverged.insert(replica) && progress.steps < progress.of {
                self.reporter.warn(&format!("{run}: {reason}"));
            }
        }
        true
    }

    fn wants_checkpoint(&self, epoch: u32) -> bool {
        self.saver.as_ref().is_some_and(|saver| match saver.every {
            Some(every) => epoch.is_multiple_of(every),
            None => saver.last.elapsed() >= INTERVAL.max(TIMES_SAVING * saver.took),
        })
    }

    fn saves_when_stopped(&self) -> bool {
        // A run that failed is not gone on with.
        self.saver
            .as_ref()
            .is_some_and(|saver| saver.error.is_none())
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> bool {
        let Some(saver) = &mut self.saver else {
            return true;
        };
        let begun = Instant::now();
        for (digest, replica) in saver.digests.iter().zip(checkpoint.replicas) {
            let partial = partial_of(checkpoint.steps, replica);
            if let Err(error) = saver.folder.stages().save_partial(digest, &partial) {
                saver.error = Some(error.into());
                return false;
            }
        }
        saver.last = Instant::now();
        saver.took = begun.elapsed();
        true
    }
}
