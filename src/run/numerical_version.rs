//! The version of the numbers.

/// Raised when any bit of any result changes, and only then. It is in the digest of every stage, so a new package that computes the
/// same numbers goes on with the stages of the old one. `tests/end_to_end/golden.rs` holds the digests of some runs: where those
/// change, this is raised with them.
pub const NUMERICAL_VERSION: u32 = 3;
