//! How long the trainings that are left will take, by how fast those were that came before.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// How many times as fast a training is that keeps this little, by its density class (how often the share of kept weights can be doubled):
/// what was measured of lenet-300-100 on a software adapter (docs/performance.md). It stands in until one of its kind was measured.
const SPEEDUP: [f64; 7] = [1.0, 1.0, 1.0, 1.4, 1.9, 2.8, 3.5];

/// Trainings that take about as long per sample.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct WorkKind {
    /// The network.
    pub model: String,
    /// Multiply-adds of one sample forward, dense.
    pub multiply_adds: u64,
    /// See [`density_class`](super::cohort::density_class).
    pub density_class: u32,
}

impl WorkKind {
    /// What a sample costs, in a unit of no meaning.
    fn cost(&self) -> f64 {
        let class = (self.density_class as usize).min(SPEEDUP.len() - 1);
        self.multiply_adds as f64 / SPEEDUP[class]
    }
}

/// What is left, and how fast it has gone so far.
#[derive(Default)]
pub(super) struct TimeLeft {
    /// Samples and seconds of finished trainings.
    measured: HashMap<WorkKind, (f64, f64)>,
    current: Option<CurrentWork>,
}

/// What is trained now.
struct CurrentWork {
    kind: WorkKind,
    samples: u64,
    begun: Instant,
    /// Samples of what comes after.
    rest: BTreeMap<WorkKind, u64>,
}

impl TimeLeft {
    /// So many samples of one kind are trained on from now on, and then the rest.
    pub fn begin(&mut self, kind: WorkKind, samples: u64, rest: BTreeMap<WorkKind, u64>) {
        self.current = Some(CurrentWork {
            kind,
            samples,
            begun: Instant::now(),
            rest,
        });
    }

    /// So many of them were trained on.
    pub fn finish(&mut self, samples: u64) {
        if let Some(current) = self.current.take() {
            let sum = self.measured.entry(current.kind).or_default();
            sum.0 += samples as f64;
            sum.1 += current.begun.elapsed().as_secs_f64();
        }
    }

    /// Seconds until all is trained, when so many samples of the current work are done; `None` before anything is.
    pub fn seconds(&self, done: u64) -> Option<f64> {
        let current = self.current.as_ref()?;
        let elapsed = current.begun.elapsed().as_secs_f64();
        self.seconds_after(current, done, elapsed)
    }

    fn seconds_after(&self, current: &CurrentWork, done: u64, elapsed: f64) -> Option<f64> {
        let mut speeds = self.measured.clone();
        let now = speeds.entry(current.kind.clone()).or_default();
        now.0 += done as f64;
        now.1 += elapsed;
        speeds.retain(|_, (samples, _)| *samples > 0.0);
        let cost: f64 = speeds.iter().map(|(kind, (n, _))| kind.cost() * n).sum();
        let seconds: f64 = speeds.values().map(|(_, seconds)| seconds).sum();
        if cost == 0.0 {
            return None;
        }
        let each = |kind: &WorkKind| match speeds.get(kind) {
            Some((samples, seconds)) => seconds / samples,
            None => kind.cost() * seconds / cost,
        };
        let own = current.samples.saturating_sub(done) as f64 * each(&current.kind);
        let rest = current.rest.iter().map(|(kind, &n)| n as f64 * each(kind));
        Some(own + rest.sum::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(density_class: u32) -> WorkKind {
        WorkKind {
            model: "lenet".into(),
            multiply_adds: 1000,
            density_class,
        }
    }

    #[test]
    fn what_was_measured_counts_and_what_was_not_is_estimated() {
        let mut left = TimeLeft::default();
        let current = |class: u32, rest: &[(u32, u64)]| CurrentWork {
            kind: kind(class),
            samples: 1000,
            begun: Instant::now(),
            rest: rest.iter().map(|&(class, n)| (kind(class), n)).collect(),
        };
        let dense = current(0, &[(0, 500), (5, 2800)]);
        assert_eq!(left.seconds_after(&dense, 0, 1.0), None);
        // 100 samples a second; sparse ones 2.8 times as fast.
        let seconds = left.seconds_after(&dense, 400, 4.0).unwrap();
        assert!((seconds - (6.0 + 5.0 + 10.0)).abs() < 1e-9, "{seconds}");
        // By then both kinds are known.
        left.measured.insert(kind(0), (1000.0, 10.0));
        left.measured.insert(kind(5), (1000.0, 1.0));
        let sparse = current(5, &[(0, 500)]);
        let seconds = left.seconds_after(&sparse, 0, 0.0).unwrap();
        assert!((seconds - (1.0 + 5.0)).abs() < 1e-9, "{seconds}");
    }
}
