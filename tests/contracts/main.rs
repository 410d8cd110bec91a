//! The contracts on masks, counts, audits and cohorts, at the library's own doors; each on the adapter, against plain Rust.

#[path = "../common/mod.rs"]
mod common;

mod amounts;
mod audit;
mod bench;
mod bench_reports;
mod compaction;
mod dispatches;
mod either;
mod group_lasso;
mod mask_schedules;
mod models;
mod same_bits;
mod selection;
mod setup;
mod structure;
mod training;
mod units;
