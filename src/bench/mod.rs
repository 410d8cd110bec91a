//! `secateur bench`: how fast this adapter is, what share of it our kernels use, and what masks and replicas bring.
//!
//! All times are the host's clock around many repeats, see `timing.rs`. GPU timestamps are not used: software adapters
//! take them from the host's clock anyway, and not every driver has them.

mod ceilings;
mod cohort;
mod error;
mod kernels;
mod options;
mod product;
mod report;
mod selection;
mod speed;
mod steps;
mod text;
mod timing;

pub use ceilings::{Ceilings, ProbeShape, ceilings};
pub use error::BenchError;
pub use kernels::{Breakdown, KernelRow, breakdown};
pub use options::Options;
pub use product::{ProductRow, product};
pub use report::{AdapterFacts, ModelFacts, Report, bench};
pub use selection::{SelectionRow, selection};
pub use speed::{Speed, speed};
pub use steps::{CohortSteps, FASTER, StepRow, crossover};
pub use text::{breakdown_text, report_text};
