//! Lengths in steps, and the learning rate's factor at each step.

use super::{Length, Schedule};

/// Optimizer steps in one pass: the last batch may be partial.
pub fn steps_per_epoch(samples: u32, batch: u32) -> u32 {
    samples.div_ceil(batch)
}

/// A length in optimizer steps.
pub fn steps_of(length: Length, samples: u32, batch: u32) -> u64 {
    match length {
        Length::Steps(steps) => u64::from(steps),
        Length::Epochs(epochs) => u64::from(epochs) * u64::from(steps_per_epoch(samples, batch)),
    }
}

/// What the base learning rate is multiplied by at each step. Computed in f64 on the host and stored, so that every
/// schedule is one table and the training program never changes.
pub fn factors(schedule: &Schedule, steps: u64, samples: u32, batch: u32) -> Vec<f32> {
    (0..steps)
        .map(|step| match *schedule {
            Schedule::Constant => 1.0,
            Schedule::Step { every, factor } => {
                let every = steps_of(every, samples, batch).max(1);
                factor.powi((step / every).min(i32::MAX as u64) as i32) as f32
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_schedule_drops_at_epoch_boundaries() {
        let schedule = Schedule::Step {
            every: Length::Epochs(1),
            factor: 0.7,
        };
        // 10 samples by 4: three steps an epoch.
        let table = factors(&schedule, 7, 10, 4);
        assert_eq!(table[..3], [1.0; 3]);
        assert_eq!(table[3..6], [0.7; 3]);
        assert_eq!(table[6], (0.7f64 * 0.7) as f32);
    }

    #[test]
    fn a_partial_batch_counts_as_a_step() {
        assert_eq!(steps_of(Length::Epochs(14), 60_000, 64), 14 * 938);
        assert_eq!(steps_of(Length::Steps(5), 60_000, 64), 5);
    }
}
