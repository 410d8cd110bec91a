//! `secateur bench`: how fast this adapter is, what share of it our kernels use, and what masks and replicas bring.
//!
//! All times are the host's clock around many repeats, see `timing.rs`. GPU timestamps are not used: software adapters
//! take them from the host's clock anyway, and not every driver has them.

mod blocks;
mod ceilings;
mod cohort;
mod compare;
mod compare_text;
mod crowding;
mod eager;
mod error;
mod kernels;
mod numbers;
mod options;
mod product;
mod read_report;
mod report;
mod roofline;
mod selection;
mod speed;
mod steps;
mod steps_text;
mod text;
mod text_column;
mod timing;

pub use blocks::{Block, Blocks, CROWDED, Spread, UNEVEN};
pub use ceilings::{Ceilings, ProbeShape, ceilings};
pub use compare::{BenchComparison, RowPair, SpeedVerdict, compare_reports};
pub use compare_text::compared_text;
pub use crowding::crowded;
pub use eager::{EagerLimit, SECONDS_PER_OPERATION};
pub use error::BenchError;
pub use kernels::{Breakdown, KernelRow, breakdown};
pub use options::Options;
pub use product::{ProductRow, product};
pub use read_report::{ReportError, read_report};
pub use report::{AdapterFacts, FORMAT, FORMAT_VERSION, ModelFacts, Report, bench};
pub use roofline::{Roofline, StepWork};
pub use selection::{SelectionRow, selection};
pub use speed::{Speed, speed};
pub use steps::{CohortSteps, FASTER, StepRow, crossover};
pub use text::{breakdown_text, report_text};
