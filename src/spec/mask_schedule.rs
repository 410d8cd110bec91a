//! Masks that change while a training runs: what a `train` step asks for, and at which steps it happens.

use super::{Length, PruneSpec, steps_of};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::ops::RangeInclusive;

/// How masks change during a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskSchedule {
    /// More and more weights go.
    Gradual(Gradual),
    /// As many weights come back as go.
    Rewire(Rewire),
}

/// Sparsity that grows while a network trains (Zhu and Gupta 2018, equation 1):
/// `s(t) = final + (initial - final) (1 - (t - begin) / (end - begin))^power` at each refresh t.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gradual {
    /// What is asked for at the end, by a criterion that looks at weights alone.
    pub prune: PruneSpec,
    /// The fraction removed at the first refresh.
    pub initial_sparsity: f64,
    /// 3 is Zhu and Gupta's, 1 a straight line.
    pub power: f64,
    /// When refreshes begin; `None` at the first step.
    pub begin: Option<Length>,
    /// When the last one is; `None` after three quarters of the training.
    pub end: Option<Length>,
    /// From one to the next.
    pub every: Length,
}

/// Dynamic sparse training: in each layer as many of the smallest weights go as new ones grow, from 0 and with an optimizer state
/// of 0. The first refresh is `every` into the training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rewire {
    /// Which weights grow.
    pub grow: Grow,
    /// The share of a layer's weights that goes at the first step of the training.
    pub fraction: f64,
    /// How it falls.
    pub decay: FractionDecay,
    /// From one refresh to the next.
    pub every: Length,
    /// No refresh from here on; `None` from three quarters of the training.
    pub until: Option<Length>,
}

/// Which pruned weights grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grow {
    /// Any (SET: Mocanu et al. 2018).
    Random,
    /// Those with the largest gradient: of the mean loss of the coming batch, before anything goes, without dropout or label
    /// smoothing (RigL: Evci et al. 2020).
    Gradient,
}

/// How the share of weights that goes falls over a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FractionDecay {
    /// `fraction (1 + cos(pi t / until)) / 2` at step t (Evci et al. 2020, section 3).
    Cosine,
    /// Not at all.
    Constant,
}

/// The steps of a training at which its masks change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moments {
    /// Ascending; a mask changes at t after t optimizer steps, before the next.
    pub at: Vec<u64>,
    /// The span that a schedule is stretched over.
    pub span: (u64, u64),
}

impl MaskSchedule {
    /// The moments of a training of `length`, with batches of `batch` out of `samples`.
    ///
    /// # Errors
    /// The schedule does not fit into the training; in words.
    pub fn moments(&self, length: Length, samples: u32, batch: u32) -> Result<Moments, String> {
        let in_steps = |length| steps_of(length, samples, batch);
        let all = in_steps(length);
        let early = |end: Option<Length>| end.map_or(all - all / 4, in_steps);
        match self {
            Self::Gradual(gradual) => {
                let (begin, end) = (gradual.begin.map_or(0, in_steps), early(gradual.end));
                if begin > end || end > all {
                    return Err(format!(
                        "pruning from step {begin} to step {end} does not fit into a training of {all} steps"
                    ));
                }
                let mut at = every(begin..=end, in_steps(gradual.every));
                // The amount asked for is exact, whatever the interval.
                if at.last() != Some(&end) {
                    at.push(end);
                }
                Ok(Moments {
                    at,
                    span: (begin, end),
                })
            }
            Self::Rewire(rewire) => {
                let (interval, until) = (in_steps(rewire.every), early(rewire.until));
                if until > all {
                    return Err(format!(
                        "rewiring until step {until} does not fit into a training of {all} steps"
                    ));
                }
                let at = every(interval..=until.saturating_sub(1), interval);
                if at.is_empty() {
                    return Err(format!(
                        "rewiring every {interval} steps until step {until} never happens in a training of {all} steps; give a smaller `every`"
                    ));
                }
                Ok(Moments {
                    at,
                    span: (0, until),
                })
            }
        }
    }
}

fn every(steps: RangeInclusive<u64>, interval: u64) -> Vec<u64> {
    steps.step_by(interval.max(1) as usize).collect()
}

impl Moments {
    /// How much of the span is behind step t, in [0, 1].
    fn way(&self, t: u64) -> f64 {
        let (from, to) = self.span;
        if t >= to {
            return 1.0;
        }
        t.saturating_sub(from) as f64 / (to - from) as f64
    }
}

impl Gradual {
    /// The sparsity at step t on the way to `last`.
    pub fn sparsity(&self, moments: &Moments, last: f64, t: u64) -> f64 {
        last + (self.initial_sparsity - last) * (1.0 - moments.way(t)).powf(self.power)
    }
}

impl Rewire {
    /// How many of `alive` weights of a layer go at step t: the share, rounded down.
    pub fn replaced(&self, moments: &Moments, alive: u64, t: u64) -> u64 {
        let share = match self.decay {
            FractionDecay::Cosine => self.fraction * (1.0 + (PI * moments.way(t)).cos()) / 2.0,
            FractionDecay::Constant => self.fraction,
        };
        (share * alive as f64).floor() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Amount, Criterion, Scope};

    fn gradual(power: f64, begin: u32, end: u32, every: u32) -> Gradual {
        let amount = Amount::Sparsity(0.8);
        Gradual {
            prune: PruneSpec::new(Criterion::Magnitude, Scope::Layer, amount),
            initial_sparsity: 0.5,
            power,
            begin: Some(Length::Steps(begin)),
            end: Some(Length::Steps(end)),
            every: Length::Steps(every),
        }
    }

    fn moments(schedule: MaskSchedule) -> Moments {
        schedule.moments(Length::Steps(2000), 100, 10).unwrap()
    }

    #[test]
    fn sparsity_follows_zhu_and_gupta() {
        let cubic = gradual(3.0, 1000, 1400, 100);
        let at = moments(MaskSchedule::Gradual(cubic.clone()));
        assert_eq!(at.at, [1000, 1100, 1200, 1300, 1400]);
        let values: Vec<f64> = at.at.iter().map(|&t| cubic.sparsity(&at, 0.8, t)).collect();
        // 0.8 - 0.3 (1 - k / 4)^3.
        let want = [0.5, 0.673_437_5, 0.7625, 0.795_312_5, 0.8];
        for (got, want) in values.iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        let line = gradual(1.0, 1000, 1400, 100);
        assert!((line.sparsity(&at, 0.8, 1100) - 0.575).abs() < 1e-12);
        // Before it begins and after it ends nothing moves.
        assert_eq!(cubic.sparsity(&at, 0.8, 0), 0.5);
        assert_eq!(cubic.sparsity(&at, 0.8, 1999), 0.8);
    }

    #[test]
    fn the_last_refresh_is_at_the_end_whatever_the_interval() {
        let at = moments(MaskSchedule::Gradual(gradual(3.0, 0, 250, 100)));
        assert_eq!(at.at, [0, 100, 200, 250]);
        let at = moments(MaskSchedule::Gradual(gradual(3.0, 7, 7, 100)));
        assert_eq!(at.at, [7]);
        let open = Gradual {
            begin: None,
            end: None,
            every: Length::Epochs(50),
            ..gradual(3.0, 1, 1, 1)
        };
        assert_eq!(
            moments(MaskSchedule::Gradual(open)).at,
            [0, 500, 1000, 1500]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let late = MaskSchedule::Gradual(gradual(3.0, 0, 2001, 100));
        assert!(late.moments(Length::Steps(2000), 100, 10).is_err());
        let back = MaskSchedule::Gradual(gradual(3.0, 20, 10, 100));
        assert!(back.moments(Length::Steps(2000), 100, 10).is_err());
    }

    #[test]
    fn fractions_fall_by_a_cosine_and_refreshes_end_before_the_last_quarter() {
        let rewire = Rewire {
            grow: Grow::Gradient,
            fraction: 0.3,
            decay: FractionDecay::Cosine,
            every: Length::Steps(500),
            until: None,
        };
        let at = moments(MaskSchedule::Rewire(rewire.clone()));
        assert_eq!((at.at.clone(), at.span), (vec![500, 1000], (0, 1500)));
        // 0.3 (1 + cos(pi / 3)) / 2 = 0.225, 0.3 (1 + cos(2 pi / 3)) / 2 = 0.075.
        assert_eq!(rewire.replaced(&at, 10_003, 500), 2250);
        assert_eq!(rewire.replaced(&at, 10_003, 1000), 750);
        let constant = Rewire {
            decay: FractionDecay::Constant,
            ..rewire
        };
        assert_eq!(constant.replaced(&at, 7, 1000), 2);
    }
}
