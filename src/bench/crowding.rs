//! Whether something else had part of the processor throughout, which no difference between blocks would show.

use super::blocks::CROWDED;

/// Cores that a software driver is sure to use, where there are as many: lavapipe starts 16 threads at most in old versions.
const CORES_THAT_DRIVERS_USE: usize = 16;

/// Why a report is not to be trusted as a whole, as a sentence without its end, if multiply-adds in registers, which have work for
/// every core, kept fewer than [`CROWDED`] of `cores` busy.
pub fn crowded(used: Option<f64>, cores: Option<usize>) -> Option<String> {
    let (used, cores) = (used?, cores?);
    let expected = cores.min(CORES_THAT_DRIVERS_USE) as f64;
    (used < CROWDED * expected).then(|| {
        format!(
            "multiply-adds in registers had {used:.1} of {cores} cores: something else ran, or the driver's threads are limited"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_that_are_missing_are_named() {
        assert_eq!(crowded(None, Some(2)), None);
        assert_eq!(crowded(Some(1.9), Some(2)), None);
        assert_eq!(crowded(Some(15.0), Some(64)), None);
        let said = crowded(Some(1.2), Some(2)).unwrap();
        assert!(said.starts_with("multiply-adds in registers had 1.2 of 2 cores"));
    }
}
