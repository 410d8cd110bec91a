//! The steps that a training takes, and the learning rate's factor at each step.

use super::error::TrainError;
use crate::spec::{Decay, LearningRateSchedule, TrainSpec, steps_of};
use std::f64::consts::PI;
use std::ops::Range;

/// The optimizer steps that a training takes, out of those of its whole length.
///
/// # Errors
/// It would enter at its end or after, or leave after it.
pub fn step_range_of(spec: &TrainSpec, samples: u32) -> Result<Range<u64>, TrainError> {
    let in_steps = |length| steps_of(length, samples, spec.batch);
    let all = in_steps(spec.length);
    let (enter, leave) = (
        spec.enter.map_or(0, in_steps),
        spec.leave.map_or(all, in_steps),
    );
    if enter >= leave || leave > all {
        return Err(TrainError::NoSteps {
            length: spec.length,
            enter: spec.enter,
            leave: spec.leave,
        });
    }
    Ok(enter..leave)
}

/// The longest training: its table of learning rates is one binding, of which every adapter has 128 MiB.
pub const MOST_STEPS: u64 = 1 << 25;

/// What the base learning rate is multiplied by at each step. Computed in f64 on the host and stored, so that every
/// schedule is one table and the training program never changes.
pub fn factors(schedule: &LearningRateSchedule, steps: u64, samples: u32, batch: u32) -> Vec<f32> {
    let in_steps = |length| steps_of(length, samples, batch).max(1);
    let warmup = schedule.warmup.map_or(0, in_steps);
    let ramp = |step: u64| {
        if step < warmup {
            (step + 1) as f64 / warmup as f64
        } else {
            1.0
        }
    };
    // The share of the way that is behind a step, after the warm-up.
    let way = |step: u64| {
        let all = steps.saturating_sub(warmup).max(1);
        step.saturating_sub(warmup) as f64 / all as f64
    };
    let decay: Box<dyn Fn(u64) -> f64> = match &schedule.decay {
        Decay::Constant => Box::new(|_| 1.0),
        Decay::Step { every, factor } => {
            let every = in_steps(*every);
            Box::new(move |step| power(*factor, step / every))
        }
        Decay::Milestones { at, factor } => {
            let at: Vec<u64> = at.iter().map(|&length| in_steps(length)).collect();
            Box::new(move |step| {
                let passed = at.iter().filter(|&&moment| moment <= step).count();
                power(*factor, passed as u64)
            })
        }
        Decay::Cosine { floor } => {
            Box::new(move |step| floor + (1.0 - floor) * (1.0 + (PI * way(step)).cos()) / 2.0)
        }
        Decay::Linear { floor } => Box::new(move |step| 1.0 - (1.0 - floor) * way(step)),
        Decay::Exponential { every, factor } => {
            let every = in_steps(*every);
            Box::new(move |step| factor.powf(step as f64 / every as f64))
        }
    };
    (0..steps)
        .map(|step| (ramp(step) * decay(step)) as f32)
        .collect()
}

fn power(factor: f64, times: u64) -> f64 {
    factor.powi(times.min(i32::MAX as u64) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Length;

    const EPOCH: Length = Length::Epochs(1);

    /// The factors of `steps` steps; 10 samples by 4 are three steps an epoch.
    fn table(warmup: Option<Length>, decay: Decay, steps: u64) -> Vec<f32> {
        factors(&LearningRateSchedule { warmup, decay }, steps, 10, 4)
    }

    #[test]
    fn a_step_schedule_drops_at_epoch_boundaries() {
        let decay = Decay::Step {
            every: EPOCH,
            factor: 0.7,
        };
        let table = table(None, decay, 7);
        assert_eq!(table[..3], [1.0; 3]);
        assert_eq!(table[3..6], [0.7; 3]);
        assert_eq!(table[6], (0.7f64 * 0.7) as f32);
    }

    #[test]
    fn milestones_are_moments_in_epochs_or_steps() {
        let at = vec![EPOCH, Length::Steps(5)];
        let table = table(None, Decay::Milestones { at, factor: 0.5 }, 7);
        assert_eq!(table, [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn cosine_and_linear_end_a_step_before_their_floor() {
        let cosine = table(None, Decay::Cosine { floor: 0.0 }, 4);
        let half = std::f64::consts::FRAC_1_SQRT_2;
        let want = [1.0, (1.0 + half) / 2.0, 0.5, (1.0 - half) / 2.0];
        for (got, want) in cosine.iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-7, "{got} {want}");
        }
        assert_eq!(
            table(None, Decay::Linear { floor: 0.5 }, 4),
            [1.0, 0.875, 0.75, 0.625]
        );
    }

    #[test]
    fn a_warm_up_ramps_and_the_rest_spans_what_it_leaves() {
        let warmup = Some(Length::Steps(2));
        assert_eq!(
            table(warmup, Decay::Linear { floor: 0.0 }, 6),
            [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
        );
        assert_eq!(table(warmup, Decay::Constant, 3), [0.5, 1.0, 1.0]);
    }

    #[test]
    fn exponential_meets_step_at_its_intervals() {
        let table = table(
            None,
            Decay::Exponential {
                every: EPOCH,
                factor: 0.125,
            },
            7,
        );
        assert_eq!((table[0], table[3], table[6]), (1.0, 0.125, 0.015625));
        assert!((table[1] - 0.5).abs() < 1e-7);
    }
}
