//! The PQ index of weights: how far from equal they are (Diao et al. 2023, "Pruning deep neural networks from a sparsity
//! perspective", equation 2).
//!
//! On the host, in f64: sums in the order of the weights, p and q of 1/2, 1 and 2 by square roots and products, which IEEE 754
//! rounds alike everywhere, and others by one implementation of `pow` that is compiled in. So the index, and every count that is
//! worked out from it, is the same to the bit on every adapter; `pow` in a shader may differ by many ulp between drivers, and
//! weights are downloaded after every step anyway.

use crate::config::{POSITIVE, Real, table};
use serde::{Deserialize, Serialize};

table! {
    /// The two norms that an index compares; 0 < p < q.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Norms as "`sap`" {
        /// the smaller of the two norms that the PQ index compares
        pub p: f64 = 0.5 => Real(&POSITIVE);
        /// the larger
        pub q: f64 = 1.0 => Real(&POSITIVE);
    }
    then |norms: Norms, table| {
        let Norms { p, q } = norms;
        if p >= q {
            let message = format!("p is {p} and q is {q}: p must be smaller than q");
            table.at(table.node, message, "the paper has (0.5, 1) and (1, 2)");
            return None;
        }
        Some(norms)
    };
}

/// The pairs of the paper, of which every round is reported: (0.5, 1) and (1, 2).
pub const REPORTED: [Norms; 2] = [Norms { p: 0.5, q: 1.0 }, Norms { p: 1.0, q: 2.0 }];

/// What the index of a set of weights is made of. Sets add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PowerSums {
    /// d, the weights that exist.
    pub count: u64,
    /// The sum of |w|^p over them.
    pub p: f64,
    /// The sum of |w|^q.
    pub q: f64,
}

impl PowerSums {
    /// Adds up weights in the order given; those that do not exist are not to be among them.
    pub fn of(weights: impl IntoIterator<Item = f32>, norms: Norms) -> Self {
        let mut sums = Self::default();
        for weight in weights {
            let size = f64::from(weight.abs());
            sums.count += 1;
            sums.p += power(size, norms.p);
            sums.q += power(size, norms.q);
        }
        sums
    }

    /// I = 1 - d^(1/q - 1/p) |w|_p / |w|_q: 0 where all weights are of one size, at most 1 - d^(1/q - 1/p). 0 where there are none
    /// or all are 0, and where rounding leaves it less than 1e-5 below 0, as in the authors' code.
    pub fn index(&self, norms: Norms) -> f64 {
        if self.count == 0 || self.q == 0.0 {
            return 0.0;
        }
        let d = self.count as f64;
        let index = 1.0 - power(self.p / d, 1.0 / norms.p) / power(self.q / d, 1.0 / norms.q);
        if (-1e-5..0.0).contains(&index) {
            0.0
        } else {
            index
        }
    }
}

impl std::ops::Add for PowerSums {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            p: self.p + other.p,
            q: self.q + other.q,
        }
    }
}

/// x^e for x >= 0; the forms that the usual norms need are rounded once.
pub(super) fn power(x: f64, e: f64) -> f64 {
    if e == 1.0 {
        x
    } else if e == 0.5 {
        x.sqrt()
    } else if e == 2.0 {
        x * x
    } else {
        libm::pow(x, e)
    }
}
