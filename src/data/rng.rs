//! Random numbers for the drawn datasets, made by counting.

/// The `pcg4d` hash: four integers in, four well-mixed integers out.
///
/// Jarzynski & Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020, listing in section 4.2.
pub(super) fn pcg4d(v: [u32; 4]) -> [u32; 4] {
    let [mut x, mut y, mut z, mut w] =
        v.map(|c| c.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    for round in 0..2 {
        x = x.wrapping_add(y.wrapping_mul(w));
        y = y.wrapping_add(z.wrapping_mul(x));
        z = z.wrapping_add(x.wrapping_mul(y));
        w = w.wrapping_add(y.wrapping_mul(z));
        if round == 0 {
            [x, y, z, w] = [x, y, z, w].map(|c| c ^ (c >> 16));
        }
    }
    [x, y, z, w]
}

/// One sample's own sequence of random numbers, a function of (seed, stream, sample) alone: the result depends neither
/// on the order in which samples are drawn nor on how many threads draw them.
pub(super) struct Draws {
    seed: u32,
    stream: u32,
    sample: u32,
    index: u32,
    block: [u32; 4],
}

impl Draws {
    /// The sequence of `sample` in `stream` of the dataset keyed by `seed`.
    pub(super) fn new(seed: u32, stream: u32, sample: u32) -> Self {
        Self {
            seed,
            stream,
            sample,
            index: 0,
            block: [0; 4],
        }
    }

    fn bits(&mut self) -> u32 {
        let lane = (self.index % 4) as usize;
        if lane == 0 {
            self.block = pcg4d([self.seed, self.stream, self.sample, self.index / 4]);
        }
        self.index = self.index.wrapping_add(1);
        self.block[lane]
    }

    /// Uniform in [0, 1); every value is exact in f64.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.bits()) / 4_294_967_296.0
    }

    /// Uniform in [low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Bell-shaped in (-1, 1): the mean of three uniforms, which needs no logarithm (and so no libm).
    pub(super) fn bell(&mut self) -> f64 {
        (self.unit() + self.unit() + self.unit()) * (2.0 / 3.0) - 1.0
    }

    /// A whole number in 0..n; `n` must be at least 1.
    pub(super) fn below(&mut self, n: usize) -> usize {
        // The product is below n * 2^32: exact for every n used here.
        ((u64::from(self.bits()) * n as u64) >> 32) as usize
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_depends_on_every_part_of_its_key() {
        let first = |a, b, c| Draws::new(a, b, c).bits();
        let all = [
            first(1, 2, 3),
            first(2, 2, 3),
            first(1, 3, 3),
            first(1, 2, 4),
        ];
        for i in 0..4 {
            for j in 0..i {
                assert_ne!(all[i], all[j]);
            }
        }
    }

    #[test]
    fn uniforms_fill_their_interval_evenly() {
        let mut draws = Draws::new(7, 0, 0);
        let mut bins = [0; 10];
        for _ in 0..100_000 {
            bins[draws.below(10)] += 1;
        }
        assert!(
            bins.iter().all(|&n| (9_600..10_400).contains(&n)),
            "{bins:?}"
        );
        let mean = (0..100_000).map(|_| draws.bell()).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01, "{mean}");
    }
}
