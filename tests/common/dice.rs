//! Inputs for tests.

/// Numbers for tests: splitmix64 (Steele, Lea and Flood 2014), apart from the generator under test.
pub struct Dice(pub u64);

impl Dice {
    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A random word.
    pub fn word(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }
    /// A whole number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(n)) >> 32) as u32
    }
    /// Uniform in [-1, 1).
    pub fn unit(&mut self) -> f32 {
        (self.word() >> 8) as f32 / 8_388_608.0 - 1.0
    }
    /// Values in [-1, 1), an eighth of them 0, as masks and relu leave them.
    pub fn values(&mut self, count: usize) -> Vec<f32> {
        let each = |_| if self.below(8) == 0 { 0.0 } else { self.unit() };
        (0..count).map(each).collect()
    }
    /// Random words.
    pub fn words(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.word()).collect()
    }
    /// Mask words for `count` weights, a multiple of 32: weight k is kept with probability `density(k)`, which may be 0 or 1.
    pub fn mask(&mut self, count: usize, density: impl Fn(usize) -> f64) -> Vec<u32> {
        let mut words = vec![0; count / 32];
        for k in 0..count {
            let on = f64::from(self.word()) < density(k) * 4_294_967_296.0;
            words[k / 32] |= u32::from(on) << (k % 32);
        }
        words
    }
    /// (seed, fresh, train, select) per replica; the last three are small counts.
    pub fn keys(&mut self, replicas: u32) -> Vec<[u32; 4]> {
        let mut key = |_| [self.word(), self.below(5), self.below(5), self.below(5)];
        (0..replicas).map(&mut key).collect()
    }
}
