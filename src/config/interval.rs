//! Ranges of real numbers.

/// A range of real numbers.
pub struct Interval {
    /// How a message says it.
    pub words: &'static str,
    pub from: f64,
    pub to: f64,
    /// Whether the ends are left out.
    pub open: (bool, bool),
}

impl Interval {
    const fn new(words: &'static str, from: f64, to: f64, open: (bool, bool)) -> Interval {
        Interval {
            words,
            from,
            to,
            open,
        }
    }

    /// From 0 to a finite number, both possible.
    pub const fn up_to(to: f64, words: &'static str) -> Interval {
        Interval::new(words, 0.0, to, (false, false))
    }

    pub fn holds(&self, x: f64) -> bool {
        let above = if self.open.0 {
            x > self.from
        } else {
            x >= self.from
        };
        let below = if self.open.1 {
            x < self.to
        } else {
            x <= self.to
        };
        above && below && x.is_finite()
    }
}

impl Interval {
    /// The share that somebody meant who wrote so many percent, where it is shares that are written; digits that only
    /// computing with binary fractions adds are left out.
    pub fn share_of_percent(&self, percent: f64) -> Option<f64> {
        let shares = self.from == 0.0 && self.to == 1.0 && !self.open.1;
        let share = (percent * 1e10).round() / 1e12;
        (shares && self.holds(share)).then_some(share)
    }
}

/// Fractions.
pub static UNIT: Interval = Interval::up_to(1.0, "in [0, 1]");
/// Fractions below one.
pub static BELOW_ONE: Interval = Interval::new(
    "in [0, 1): at least 0, less than 1",
    0.0,
    1.0,
    (false, true),
);
/// Fractions that are neither none nor all.
pub static PART: Interval = Interval::new(
    "in (0, 1): more than 0, less than 1",
    0.0,
    1.0,
    (true, true),
);
/// Fractions that are not 0.
pub static SHARE: Interval = Interval::new(
    "in (0, 1]: greater than 0, at most 1",
    0.0,
    1.0,
    (true, false),
);
/// Rates, factors, norms.
pub static POSITIVE: Interval = Interval::new(
    "finite and greater than 0",
    0.0,
    f64::INFINITY,
    (true, false),
);
/// Penalties.
pub static NOT_NEGATIVE: Interval = Interval::up_to(f64::INFINITY, "finite and at least 0");
/// Any number.
pub static FINITE: Interval =
    Interval::new("finite", f64::NEG_INFINITY, f64::INFINITY, (false, false));
