//! The blocks of one measurement: which one counts, how far the others are from it, and whether the machine was disturbed.

use serde::{Deserialize, Serialize};

/// Repeats between two looks at the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Wall-clock seconds, all repeats together.
    pub seconds: f64,
    /// Seconds of processor time, user and system, all threads; on software adapters.
    pub cpu_seconds: Option<f64>,
}

/// What the blocks of a measurement come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blocks {
    /// Seconds of one repeat in the fastest block.
    pub fastest: f64,
    /// The same in the block in the middle.
    pub median: f64,
    /// The same in the slowest.
    pub slowest: f64,
    /// Seconds of processor time of one repeat, over all blocks.
    pub cpu_seconds: Option<f64>,
    /// Processor time over wall-clock time, all blocks together.
    pub cores: Option<f64>,
    /// The same of the block in which it was largest.
    pub most_cores: Option<f64>,
}

/// A measurement is called disturbed where its median block took this much longer than the fastest, as a share. Blocks on a
/// machine that is left alone lie within a few percent.
pub const UNEVEN: f64 = 0.15;
/// On a software adapter also where all blocks together had less than this share of the cores of the block that had most.
pub const CROWDED: f64 = 0.75;

impl Blocks {
    /// Of blocks of `repeats` each; there is at least one.
    pub fn of(blocks: &[Block], repeats: u64) -> Self {
        let mut seconds: Vec<f64> = blocks.iter().map(|block| block.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let repeats = repeats as f64;
        let each = |index: usize| seconds.get(index).map_or(f64::NAN, |all| all / repeats);
        let cpu: Option<Vec<f64>> = blocks.iter().map(|block| block.cpu_seconds).collect();
        let cpu_sum = cpu.as_ref().map(|cpu| cpu.iter().sum::<f64>());
        let cores = blocks
            .iter()
            .filter_map(|block| Some(block.cpu_seconds? / block.seconds));
        Self {
            fastest: each(0),
            median: each(seconds.len() / 2),
            slowest: each(seconds.len().saturating_sub(1)),
            cpu_seconds: cpu_sum.map(|sum| sum / (repeats * blocks.len() as f64)),
            cores: cpu_sum.map(|sum| sum / seconds.iter().sum::<f64>()),
            most_cores: cores.reduce(f64::max),
        }
    }

    /// What speaks for something else having used the machine meanwhile, as a sentence without its end, if anything does.
    pub fn disturbed(&self) -> Option<String> {
        let uneven = self.median / self.fastest - 1.0;
        let mut signs = Vec::new();
        if uneven > UNEVEN {
            let percent = 100.0 * uneven;
            signs.push(format!("fastest and median block differ by {percent:.0} %"));
        }
        if let (Some(cores), Some(most)) = (self.cores, self.most_cores)
            && cores < CROWDED * most
        {
            signs.push(format!(
                "{cores:.1} cores on average, {most:.1} in the best block"
            ));
        }
        (!signs.is_empty()).then(|| signs.join("; "))
    }

    /// What a row of the report says of them beside its time.
    pub fn spread(&self) -> Spread {
        Spread {
            median_seconds: self.median,
            slowest_seconds: self.slowest,
            cpu_seconds: self.cpu_seconds,
            cores_used: self.cores,
            disturbed: self.disturbed(),
        }
    }
}

/// What stands beside a row's time, which is the fastest block's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Seconds in the block in the middle.
    pub median_seconds: f64,
    /// Seconds in the slowest block.
    pub slowest_seconds: f64,
    /// Seconds of processor time, user and system, all threads, over all blocks; on software adapters.
    pub cpu_seconds: Option<f64>,
    /// Processor time over wall-clock time; on software adapters.
    pub cores_used: Option<f64>,
    /// Why this time is not to be trusted, if so; see [`UNEVEN`] and [`CROWDED`].
    pub disturbed: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(seconds: [f64; 5], cores: Option<[f64; 5]>) -> Blocks {
        let all: Vec<Block> = (0..5)
            .map(|k| Block {
                seconds: seconds[k],
                cpu_seconds: cores.map(|cores| cores[k] * seconds[k]),
            })
            .collect();
        Blocks::of(&all, 10)
    }

    #[test]
    fn the_fastest_block_counts_and_the_others_tell_the_spread() {
        let of = blocks([3.0, 1.0, 2.0, 5.0, 4.0], None);
        assert_eq!((of.fastest, of.median, of.slowest), (0.1, 0.3, 0.5));
        assert_eq!(
            (of.cpu_seconds, of.cores, of.most_cores),
            (None, None, None)
        );
        let of = blocks([1.0, 1.0, 1.0, 1.0, 2.0], Some([2.0, 2.0, 2.0, 2.0, 1.0]));
        // 10 seconds of 50 repeats, and 10 of 6.
        assert_eq!(of.cpu_seconds, Some(0.2));
        assert!((of.cores.unwrap() - 10.0 / 6.0).abs() < 1e-12);
        assert_eq!(of.most_cores, Some(2.0));
    }

    #[test]
    fn one_slow_block_is_no_disturbance_but_three_are() {
        assert_eq!(blocks([1.0, 1.0, 1.1, 1.1, 9.0], None).disturbed(), None);
        let said = blocks([1.0, 1.0, 1.4, 1.5, 9.0], None).disturbed();
        assert_eq!(
            said.as_deref(),
            Some("fastest and median block differ by 40 %")
        );
        // At the threshold is not above it.
        assert_eq!(blocks([1.0, 1.0, 1.15, 1.2, 2.0], None).disturbed(), None);
    }

    #[test]
    fn cores_that_others_took_are_a_disturbance() {
        let even = [1.0; 5];
        let alone = blocks(even, Some([2.0, 1.9, 1.9, 1.8, 1.7]));
        assert_eq!(alone.disturbed(), None);
        let shared = blocks(even, Some([2.0, 1.0, 1.0, 1.0, 1.0]));
        assert_eq!(
            shared.disturbed().as_deref(),
            Some("1.2 cores on average, 2.0 in the best block")
        );
    }
}
