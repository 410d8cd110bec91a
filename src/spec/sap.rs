//! How many weights their PQ index says are too many: sparsity-informed adaptive pruning (Diao et al. 2023, algorithm 1).

use super::pq::{Norms, PowerSums, power};
use crate::config::{Flat, NOT_NEGATIVE, POSITIVE, Real, SHARE, table};
use serde::{Deserialize, Serialize};

table! {
    /// How the PQ index I of d weights says how many of them go; the defaults are the paper's.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Sap as "`sap`" {
        /// Of the index.
        #[serde(flatten)]
        pub norms: Norms => Flat;
        /// how much of the p-th powers the weights beyond the bound may hold, relative to those within
        pub eta: f64 = 0.0 => Real(&NOT_NEGATIVE);
        /// prunes so many times what the bound says
        pub gamma: f64 = 1.0 => Real(&POSITIVE);
        /// the most that is pruned at once, a share of the weights
        pub beta: f64 = 0.9 => Real(&SHARE);
    }
}

impl Default for Sap {
    fn default() -> Self {
        Self {
            norms: Norms { p: 0.5, q: 1.0 },
            eta: 0.0,
            gamma: 1.0,
            beta: 0.9,
        }
    }
}

impl Sap {
    /// r = d (1 + eta)^(-q / (q - p)) (1 - I)^(q p / (q - p)): where the weights beyond the r largest hold at most eta times what these
    /// do, in p-th powers, there are at least r of the largest (theorem 2). Where q = 2 p, as in both pairs of the paper, d
    /// cancels and r is S_p^2 / S_q, the sums of powers themselves: so whole numbers come out whole.
    pub fn bound(&self, sums: &PowerSums) -> f64 {
        let Norms { p, q } = self.norms;
        let slack = power(1.0 + self.eta, -q / (q - p));
        let d = sums.count as f64;
        let index = sums.index(self.norms);
        let within = if index == 0.0 {
            d
        } else if q == 2.0 * p {
            sums.p * sums.p / sums.q
        } else {
            d * power(1.0 - index, q * p / (q - p))
        };
        slack * within
    }

    /// How many of the weights go: floor(d min(max(gamma (1 - r / d), 0), beta)), with r rounded up as in the authors' code.
    /// Written with d multiplied in, so that a difference of whole numbers is not spoilt by a quotient. Of weights whose sums are
    /// not finite none go.
    ///
    /// Exactly so many are pruned; the authors' code keeps those that are as large as the largest of them.
    pub fn pruned(&self, sums: &PowerSums) -> u64 {
        let d = sums.count as f64;
        let most = self.beta * d;
        (self.gamma * (d - self.bound(sums).ceil()))
            .max(0.0)
            .min(most)
            .floor() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(p: f64, q: f64) -> Sap {
        Sap {
            norms: Norms { p, q },
            ..Sap::default()
        }
    }

    fn sums(weights: &[f32], sap: &Sap) -> PowerSums {
        PowerSums::of(weights.iter().copied(), sap.norms)
    }

    /// Quantiles of a normal distribution: what a large sample of it comes to, without its noise.
    fn normal(count: usize) -> Vec<f32> {
        use statrs::distribution::{ContinuousCDF, Normal};
        let normal = Normal::standard();
        let middle = |i: usize| (i as f64 + 0.5) / count as f64;
        (0..count)
            .map(|i| normal.inverse_cdf(middle(i)) as f32)
            .collect()
    }

    #[test]
    fn the_index_of_normal_weights_is_what_integrals_say() {
        let weights = normal(400_000);
        let half = std::f64::consts::FRAC_2_PI;
        for (p, q, index, share) in [(1.0, 2.0, 0.20212, half), (0.5, 1.0, 0.15279, 0.84721)] {
            let sap = with(p, q);
            let sums = sums(&weights, &sap);
            assert!((sums.index(sap.norms) - index).abs() < 1e-5, "{p} {q}");
            assert!((sap.bound(&sums) / 400_000.0 - share).abs() < 2e-5);
            let pruned = (400_000.0 * (1.0 - share)) as u64;
            assert!(sap.pruned(&sums).abs_diff(pruned) < 10);
        }
    }

    #[test]
    fn equal_weights_stay_and_one_weight_says_all() {
        for (p, q) in [(0.5, 1.0), (1.0, 2.0), (0.3, 0.9), (1.0, 1.7)] {
            for count in [1, 2, 3, 10, 1000, 4097] {
                for size in [1.0, 0.1, 1e-20, 3e7] {
                    let sap = with(p, q);
                    let equal = sums(&vec![-size; count], &sap);
                    assert!(equal.index(sap.norms) < 1e-12);
                    assert_eq!(sap.pruned(&equal), 0, "{p} {q} {count} {size}");
                    // One that is not 0: d - 1 are too many, but at most 90 % go at once.
                    let mut one = vec![0.0; count];
                    one[count / 2] = size;
                    let one = sums(&one, &sap);
                    let most = 1.0 - (count as f64).powf(1.0 / q - 1.0 / p);
                    assert!((one.index(sap.norms) - most).abs() < 1e-9);
                    let want = ((count - 1) as f64).min(0.9 * count as f64) as u64;
                    assert!(sap.pruned(&one).abs_diff(want) <= 1, "{p} {q} {count}");
                }
            }
        }
    }

    #[test]
    fn guards_are_the_authors() {
        let sap = Sap::default();
        assert_eq!(sums(&[], &sap).index(sap.norms), 0.0);
        assert_eq!(sap.pruned(&sums(&[], &sap)), 0);
        assert_eq!(sums(&[0.0; 9], &sap).index(sap.norms), 0.0);
        assert_eq!(sap.pruned(&sums(&[0.0; 9], &sap)), 0);
        assert_eq!(sap.pruned(&sums(&[1.0, f32::NAN], &sap)), 0);
        // Rounding below 0.
        let almost = PowerSums {
            count: 1,
            p: 1.0 + 1e-9,
            q: 1.0,
        };
        assert_eq!(almost.index(sap.norms), 0.0);
    }

    #[test]
    fn counts_by_hand() {
        // Of 4, 1, 1, 0, with p = 0.5 and q = 1: r = (2 + 1 + 1)^2 / 6 = 2.67, rounded up 3; one goes.
        let sap = Sap::default();
        let four = sums(&[4.0, -1.0, 1.0, 0.0], &sap);
        assert!((sap.bound(&four) - 16.0 / 6.0).abs() < 1e-12);
        assert_eq!(sap.pruned(&four), 1);
        // With p = 1 and q = 2, r = 6^2 / 18 = 2; two go, and with gamma 1.5 three; beta 0.5 lets two.
        let squares = with(1.0, 2.0);
        let four = sums(&[4.0, -1.0, 1.0, 0.0], &squares);
        assert_eq!(squares.pruned(&four), 2);
        let hasty = Sap {
            gamma: 1.5,
            ..squares
        };
        assert_eq!(hasty.pruned(&four), 3);
        assert_eq!(Sap { beta: 0.5, ..hasty }.pruned(&four), 2);
        // Room for eta = 1: (1 + 1)^(-2) of r, 0.5, rounded up 1.
        assert_eq!(
            Sap {
                eta: 1.0,
                ..squares
            }
            .pruned(&four),
            3
        );
    }
}
