//! Means and their uncertainty over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean and spread of one quantity over n runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divisor n - 1); `None` for one value.
    pub sd: Option<f64>,
    /// Half the width of the 95 % confidence interval of the mean: t(0.975, n - 1) * sd / sqrt(n). `None` for one value, which says
    /// nothing about its own uncertainty.
    pub half_width_95: Option<f64>,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Summary {
    /// Summarises values; `None` if there are none. A NaN makes everything but `n` NaN: a diverged run must not vanish in a mean.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let poisoned = values.iter().any(|value| value.is_nan());
        let mean = values.iter().sum::<f64>() / n as f64;
        let sd = (n > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (n - 1) as f64).sqrt()
        });
        let extreme = |start: f64, pick: fn(f64, f64) -> f64| {
            if poisoned {
                f64::NAN
            } else {
                values.iter().copied().fold(start, pick)
            }
        };
        Some(Summary {
            n,
            mean,
            sd,
            half_width_95: sd.map(|sd| t_975(n - 1) * sd / (n as f64).sqrt()),
            min: extreme(f64::INFINITY, f64::min),
            max: extreme(f64::NEG_INFINITY, f64::max),
        })
    }

    /// Lower and upper end of the 95 % confidence interval; `None` for one value.
    pub fn interval_95(&self) -> Option<(f64, f64)> {
        self.half_width_95
            .map(|half| (self.mean - half, self.mean + half))
    }
}

/// The 97.5 % quantile of Student's t distribution.
fn t_975(degrees: usize) -> f64 {
    StudentsT::new(0.0, 1.0, degrees as f64)
        .map_or(f64::NAN, |distribution| distribution.inverse_cdf(0.975))
}

/// Summary of `value - reference` over the seeds that both have; `None` if they share none.
///
/// Pairing by seed removes what both runs owe to the seed (initial weights, order of batches), so it sees smaller differences than
/// comparing two means does.
pub fn paired_difference(values: &[(u32, f64)], reference: &[(u32, f64)]) -> Option<Summary> {
    let differences: Vec<f64> = values
        .iter()
        .filter_map(|(seed, value)| {
            let (_, other) = reference.iter().find(|(other, _)| other == seed)?;
            Some(value - other)
        })
        .collect();
    Summary::of(&differences)
}
