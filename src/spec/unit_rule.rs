//! What decides whether units are removed from a layer, or single weights.

use crate::config::{NOT_NEGATIVE, Real, choice};
use serde::{Deserialize, Serialize};

choice! {
    /// What decides, layer by layer, that units go and not single weights. Looked at when the step runs, so the same step may choose
    /// otherwise after more training.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum UnitRule as "a rule" {
        /// units go where they differ more than that many times what chance makes them: the F statistic of w² between units. It is
        /// about 1 for fresh weights, however they were drawn, and no scale changes it
        Spread(f64 = EVIDENCE) = "spread" => Real(&NOT_NEGATIVE), like "1.0";
        /// units go where the mean over them of the L2 norm of their weights is above that number. This depends on
        /// the scale of the weights and on the number of inputs: fresh weights by Glorot have a mean of sqrt(2 in / (in + out)), so a
        /// limit of 0.5 chooses units in every layer with out < 7 in, whatever was learned
        MeanNorm(f64 = NORM) = "mean-norm" => Real(&NOT_NEGATIVE), like "0.5";
    }
}

/// The limit of `"spread"`: units that differ as much as chance makes them are 1.
pub(crate) const EVIDENCE: f64 = 1.0;
/// The limit of `"mean-norm"`.
const NORM: f64 = 0.5;

impl UnitRule {
    /// Whether units go, of a group whose units have these weights; those that do not exist are left out.
    pub fn takes_units(self, units: &[Vec<f64>]) -> bool {
        match self {
            Self::MeanNorm(limit) => mean_norm(units) > limit,
            Self::Spread(limit) => spread(units) > limit,
        }
    }
}

/// The mean over the units that have any weight of the L2 norm of their weights; 0 without any.
pub fn mean_norm(units: &[Vec<f64>]) -> f64 {
    let alive = units.iter().filter(|unit| !unit.is_empty());
    let norms = alive.map(|unit| unit.iter().map(|w| w * w).sum::<f64>().sqrt());
    let (sum, count) = norms.fold((0.0, 0), |(sum, n), norm| (sum + norm, n + 1));
    if count == 0 {
        0.0
    } else {
        sum / f64::from(count)
    }
}

/// How much more the units of a layer differ than chance makes them: the F statistic of a one-way analysis of variance of w^2 over
/// units, which is the mean square between units over the mean square within.
///
/// It asks whether it is units that are unimportant, or weights in all of them: had the layer's weights been dealt to its units at
/// random, it were 1 on average, whatever their number, scale and distribution. So it does not change when the layer is scaled,
/// and fresh weights of any initialiser are about 1: there neither answer is given beforehand, and a limit above 1 asks for
/// evidence. Training that silences some units makes it large; training that silences weights evenly leaves it near 1.
///
/// 0 where there is nothing to compare: fewer than two units, one weight in each, or weights of one size.
pub fn spread(units: &[Vec<f64>]) -> f64 {
    let alive: Vec<&Vec<f64>> = units.iter().filter(|unit| !unit.is_empty()).collect();
    let count: usize = alive.iter().map(|unit| unit.len()).sum();
    if alive.len() < 2 || count <= alive.len() {
        return 0.0;
    }
    let mean = |unit: &[f64]| unit.iter().map(|w| w * w).sum::<f64>() / unit.len() as f64;
    let all: f64 = alive
        .iter()
        .map(|unit| mean(unit) * unit.len() as f64)
        .sum();
    let all = all / count as f64;
    let (mut between, mut within) = (0.0, 0.0);
    for unit in &alive {
        let own = mean(unit);
        between += unit.len() as f64 * (own - all).powi(2);
        within += unit.iter().map(|w| (w * w - own).powi(2)).sum::<f64>();
    }
    if within == 0.0 {
        return 0.0;
    }
    let freedom = (alive.len() - 1) as f64;
    (between / freedom) / (within / (count - alive.len()) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_norm_is_of_units_that_exist() {
        let units = [vec![3.0, 4.0], vec![], vec![1.0, 0.0]];
        assert_eq!(mean_norm(&units), 3.0);
        assert!(UnitRule::MeanNorm(2.9).takes_units(&units));
        assert!(!UnitRule::MeanNorm(3.0).takes_units(&units));
        assert_eq!(mean_norm(&[]), 0.0);
    }

    #[test]
    fn the_spread_is_the_f_statistic() {
        // Squares 1, 4 and 9, 16: means 2.5 and 12.5; between 2 (5^2 + 5^2) / 1, within 2 (1.5^2 + 3.5^2) / 2.
        let units = [vec![1.0, -2.0], vec![3.0, 4.0]];
        assert!((spread(&units) - 100.0 / (29.0 / 2.0)).abs() < 1e-12);
        let none: [&[Vec<f64>]; 4] = [
            &[],
            &[vec![1.0, 2.0]],
            &[vec![1.0], vec![2.0]],
            &[vec![1.0, 1.0], vec![2.0, -2.0]],
        ];
        assert!(none.iter().all(|units| spread(units) == 0.0));
    }

    /// Fresh weights of five shapes and two distributions: about 1 for every scale, where a limit on the norm always says the same.
    #[test]
    fn fresh_weights_are_neither_units_nor_weights() {
        let mut state = 7u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut mean = 0.0;
        let (mut units, mut above) = (0, 0);
        for trial in 0..40 {
            let (outputs, inputs) =
                [(300, 784), (100, 300), (32, 9), (64, 288), (20, 1000)][trial % 5];
            let scale = (6.0 / f64::from(inputs + outputs)).sqrt();
            let own: Vec<Vec<f64>> = (0..outputs)
                .map(|_| {
                    let mut weight = || match trial % 2 {
                        0 => scale * (2.0 * uniform() - 1.0),
                        // A sum of uniform numbers is nearly normal.
                        _ => scale * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0),
                    };
                    (0..inputs).map(|_| weight()).collect()
                })
                .collect();
            let found = spread(&own);
            assert!((0.3..2.5).contains(&found), "{found}");
            mean += found / 40.0;
            above += usize::from(found > 1.0);
            units += usize::from(UnitRule::MeanNorm(0.5).takes_units(&own));
            // No scale changes it.
            let large: Vec<Vec<f64>> = own
                .iter()
                .map(|u| u.iter().map(|w| 1024.0 * w).collect())
                .collect();
            assert_eq!(spread(&large), found);
        }
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
        assert!((8..=32).contains(&above), "{above}");
        assert!(units >= 36, "{units}");
        // A tenth of the units silenced is seen at once.
        let mut learned: Vec<Vec<f64>> = (0..50)
            .map(|_| (0..100).map(|_| 2.0 * uniform() - 1.0).collect())
            .collect();
        for unit in &mut learned[..5] {
            unit.iter_mut().for_each(|w| *w *= 0.01);
        }
        assert!(spread(&learned) > 5.0);
    }
}
