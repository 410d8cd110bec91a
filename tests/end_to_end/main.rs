//! The contracts of the program as a user meets them: through the binary, on small experiments, compared byte for byte.

#[path = "../common/mod.rs"]
mod common;

mod amounts;
mod bench;
mod compaction;
mod controls;
mod failures;
mod folders;
mod golden;
mod growing;
mod image_folder;
mod looking;
mod refusals;
mod reports;
mod resume;
mod run_folder;
mod same_bits;
mod setup;
mod sharing;
mod shell;
mod signals;
mod units;
