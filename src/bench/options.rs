//! What a benchmark measures.

use crate::ops::Execution;

/// What to measure, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// Samples per batch.
    pub batch: u32,
    /// Sizes of cohorts; the first is taken apart kernel by kernel.
    pub replicas: Vec<u32>,
    /// Densities in (0, 1], largest first.
    pub densities: Vec<f64>,
    /// Seconds of one measurement of whole steps; each kernel takes a tenth.
    pub seconds: f64,
    /// Bytes that a cohort may take.
    pub memory: u64,
    /// What kernel variants are chosen from.
    pub execution: Execution,
    /// Size of the copy's two buffers: more than the caches hold.
    pub copy_bytes: u64,
    /// Keys of the large selection.
    pub keys: u32,
    /// Rows and columns of the matrix product, a multiple of 4.
    pub product: u32,
}
