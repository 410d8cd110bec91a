//! Masks that change while a training runs: what a `train` step asks for, and at which steps it happens.

use super::{Amount, Criterion, Length, PruneSpec, Scope, steps_of};
use crate::config::{BELOW_ONE, Fields, Maybe, Only, POSITIVE, Plain, Real, choice, table, words};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::ops::RangeInclusive;

choice! {
    /// How masks change during a training.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum MaskSchedule as "a change of masks" {
        /// more and more weights go: `s(t) = final + (initial - final) (1 - (t - begin) / (end - begin))^power` at step t (Zhu and
        /// Gupta 2018, equation 1)
        Gradual(Gradual) = "prune";
        /// as many weights in every layer, of which some are exchanged: the smallest go, others grow. It needs a mask to begin with,
        /// such as a random one; layers that are dense or frozen stay as they are
        Rewire(Rewire) = "rewire";
    }
}

/// Of a `prune` step, what prunes gradually: by criteria that look at weights alone.
const TARGET: [&str; 7] = [
    "criterion",
    "scope",
    "sparsity",
    "density",
    "keep",
    "layers",
    "keep_dense",
];

/// Steps between refreshes where the file does not say (TensorFlow Model Optimization's and RigL's).
const EVERY: Length = Length::Steps(100);
/// The exponent of Zhu and Gupta 2018.
const POWER: f64 = 3.0;
/// The share of weights replaced at first (Evci et al. 2020).
const FRACTION: f64 = 0.3;

table! {
    /// Sparsity that grows while a network trains.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Gradual as "`prune` within a training" {
        /// What is asked for at the end, by a criterion that looks at weights alone.
        pub prune: PruneSpec => Only(&TARGET);
        /// the fraction removed at the first refresh
        pub initial_sparsity: f64 = 0.0 => Real(&BELOW_ONE);
        /// 1 is a straight line
        pub power: f64 = POWER => Real(&POSITIVE);
        /// after how much of the training it begins
        pub begin: Option<Length> = None => Maybe(Plain), usual "the start";
        /// after how much of the training it ends
        pub end: Option<Length> = None => Maybe(Plain), usual "three quarters";
        /// from one refresh of the mask to the next; the last is at `end`
        pub every: Length = EVERY;
    }
    then Gradual::settled;
}

impl Gradual {
    /// Refuses what a training has no moment for.
    fn settled(self, table: &mut Fields<'_>) -> Option<Self> {
        let node = table.node;
        let at = |key: &str| node.get(key).unwrap_or(node);
        let criterion = self.prune.criterion;
        let of_weights = [Criterion::Magnitude, Criterion::Lamp, Criterion::Random];
        if !of_weights.contains(&criterion) {
            let help = "choose magnitude, lamp or random, or prune in a step of its own";
            let message = "within a training, scores are of weights alone";
            table.at(at("criterion"), message, help);
            return None;
        }
        if self.prune.scope == Scope::Neuron {
            let help = "choose another scope, or prune in a step of its own";
            let message = "within a training, neurons do not prune for themselves";
            table.at(at("scope"), message, help);
            return None;
        }
        let last = match self.prune.amount {
            Amount::Sparsity(sparsity) => sparsity,
            Amount::Density(density) => 1.0 - density,
            _ => return Some(self),
        };
        let first = self.initial_sparsity;
        if first > last {
            let message = format!("`initial_sparsity` is {first}, more than the {last} at the end");
            let help = "pruned weights do not return: begin lower";
            table.at(at("initial_sparsity"), message, help);
            return None;
        }
        Some(self)
    }
}

table! {
    /// Dynamic sparse training: in each layer as many of the smallest weights go as new ones grow, from 0 and with an optimizer state
    /// of 0. The first refresh is `every` into the training.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Rewire as "`rewire`" {
        /// which weights grow
        pub grow: Grow, like "\"gradient\"";
        /// the share of a layer's weights that goes at the first step of the training
        pub fraction: f64 = FRACTION => Real(&BELOW_ONE);
        /// how this share falls
        pub decay: FractionDecay = FractionDecay::Cosine;
        /// from one exchange to the next
        pub every: Length = EVERY;
        /// no exchange from there on
        pub until: Option<Length> = None => Maybe(Plain), usual "three quarters";
    }
}

words! {
    /// Which pruned weights grow.
    pub enum Grow {
        /// any (SET: Mocanu et al. 2018)
        Random = "random";
        /// those with the largest gradient: of the mean loss of the coming batch, before anything goes, without dropout or label
        /// smoothing (RigL: Evci et al. 2020)
        Gradient = "gradient";
    }
}

words! {
    /// How the share of weights that goes falls over a training.
    pub enum FractionDecay {
        /// `fraction (1 + cos(pi t / until)) / 2` at step t (Evci et al. 2020, section 3)
        Cosine = "cosine";
        /// not at all
        Constant = "constant";
    }
}

/// The steps of a training at which its masks change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateSteps {
    /// Ascending; a mask changes at t after t optimizer steps, before the next.
    pub at: Vec<u64>,
    /// The span that a schedule is stretched over.
    pub span: (u64, u64),
}

/// A schedule that does not fit into its training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The key that says so.
    pub key: &'static str,
    /// In words.
    pub why: String,
}

impl MaskSchedule {
    /// The key of its table in a `train` step.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Gradual(_) => "prune",
            Self::Rewire(_) => "rewire",
        }
    }

    /// What it prunes to by its end; `None` if it exchanges weights and keeps their number, so that there must be a mask before.
    pub fn target(&self) -> Option<&PruneSpec> {
        match self {
            Self::Gradual(gradual) => Some(&gradual.prune),
            Self::Rewire(_) => None,
        }
    }

    /// [`MaskSchedule::target`], to be changed.
    pub fn target_mut(&mut self) -> Option<&mut PruneSpec> {
        match self {
            Self::Gradual(gradual) => Some(&mut gradual.prune),
            Self::Rewire(_) => None,
        }
    }

    /// The fraction removed when it begins, if it prunes.
    pub fn initial_sparsity(&self) -> Option<f64> {
        match self {
            Self::Gradual(gradual) => Some(gradual.initial_sparsity),
            Self::Rewire(_) => None,
        }
    }

    /// The points of a training that it names.
    pub fn lengths(&self) -> Vec<Length> {
        let named = match self {
            Self::Gradual(gradual) => [gradual.begin, gradual.end],
            Self::Rewire(rewire) => [Some(rewire.every), rewire.until],
        };
        named.into_iter().flatten().collect()
    }

    /// The update steps of a training of `length`, with batches of `batch` out of `samples`.
    ///
    /// # Errors
    /// The schedule does not fit into the training.
    pub fn update_steps(
        &self,
        length: Length,
        samples: u32,
        batch: u32,
    ) -> Result<UpdateSteps, Misfit> {
        let in_steps = |length| steps_of(length, samples, batch);
        let all = in_steps(length);
        let early = |end: Option<Length>| end.map_or(all - all / 4, in_steps);
        match self {
            Self::Gradual(gradual) => {
                let (begin, end) = (gradual.begin.map_or(0, in_steps), early(gradual.end));
                if begin > end {
                    return Err(Misfit {
                        key: "begin",
                        why: format!(
                            "pruning begins at step {begin}, after its end at step {end}: it must begin before"
                        ),
                    });
                }
                if end > all {
                    return Err(Misfit {
                        key: "end",
                        why: format!(
                            "pruning until step {end} does not fit into a training of {all} steps. Lower `end`, or train longer."
                        ),
                    });
                }
                let mut at = every(begin..=end, in_steps(gradual.every));
                // The amount asked for is exact, whatever the interval.
                if at.last() != Some(&end) {
                    at.push(end);
                }
                Ok(UpdateSteps {
                    at,
                    span: (begin, end),
                })
            }
            Self::Rewire(rewire) => {
                let (interval, until) = (in_steps(rewire.every), early(rewire.until));
                if until > all {
                    return Err(Misfit {
                        key: "until",
                        why: format!(
                            "rewiring until step {until} does not fit into a training of {all} steps. Lower `until`, or train longer."
                        ),
                    });
                }
                let at = every(interval..=until.saturating_sub(1), interval);
                if at.is_empty() {
                    return Err(Misfit {
                        key: "every",
                        why: format!(
                            "rewiring every {interval} steps until step {until} never happens in a training of {all} steps; give a smaller `every`"
                        ),
                    });
                }
                Ok(UpdateSteps {
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

impl UpdateSteps {
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
    pub fn sparsity(&self, update_steps: &UpdateSteps, last: f64, t: u64) -> f64 {
        last + (self.initial_sparsity - last) * (1.0 - update_steps.way(t)).powf(self.power)
    }
}

impl Rewire {
    /// How many of `alive` weights of a layer go at step t: the share, rounded down.
    pub fn replaced(&self, update_steps: &UpdateSteps, alive: u64, t: u64) -> u64 {
        let share = match self.decay {
            FractionDecay::Cosine => self.fraction * (1.0 + (PI * update_steps.way(t)).cos()) / 2.0,
            FractionDecay::Constant => self.fraction,
        };
        (share * alive as f64).floor() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn update_steps(schedule: MaskSchedule) -> UpdateSteps {
        schedule.update_steps(Length::Steps(2000), 100, 10).unwrap()
    }

    #[test]
    fn sparsity_follows_zhu_and_gupta() {
        let cubic = gradual(3.0, 1000, 1400, 100);
        let at = update_steps(MaskSchedule::Gradual(cubic.clone()));
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
        let at = update_steps(MaskSchedule::Gradual(gradual(3.0, 0, 250, 100)));
        assert_eq!(at.at, [0, 100, 200, 250]);
        let at = update_steps(MaskSchedule::Gradual(gradual(3.0, 7, 7, 100)));
        assert_eq!(at.at, [7]);
        let open = Gradual {
            begin: None,
            end: None,
            every: Length::Epochs(50),
            ..gradual(3.0, 1, 1, 1)
        };
        assert_eq!(
            update_steps(MaskSchedule::Gradual(open)).at,
            [0, 500, 1000, 1500]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let late = MaskSchedule::Gradual(gradual(3.0, 0, 2001, 100));
        assert!(late.update_steps(Length::Steps(2000), 100, 10).is_err());
        let back = MaskSchedule::Gradual(gradual(3.0, 20, 10, 100));
        assert!(back.update_steps(Length::Steps(2000), 100, 10).is_err());
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
        let at = update_steps(MaskSchedule::Rewire(rewire.clone()));
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
