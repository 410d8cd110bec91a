//! The contracts on masks, counts, audits and cohorts, at the library's own doors; each on the adapter, against plain Rust.

mod common;

#[path = "contracts/amounts.rs"]
mod amounts;
#[path = "contracts/audit.rs"]
mod audit;
#[path = "contracts/mask_schedules.rs"]
mod mask_schedules;
#[path = "contracts/models.rs"]
mod models;
#[path = "contracts/same_bits.rs"]
mod same_bits;
#[path = "contracts/selection.rs"]
mod selection;
#[path = "contracts/setup.rs"]
mod setup;
#[path = "contracts/training.rs"]
mod training;
