//! Experiments on pruning neural networks, run by compute shaders on any GPU that wgpu reaches.
//!
//! An [`Experiment`] is a TOML file: a model, trainings, prune steps, a sweep, arms that are compared, seeds. An [`Engine`] computes
//! all of it on a [`Gpu`] and leaves results, curves, masks, weights and plots in a run folder. What it is stopped in, it goes on
//! with when it is executed again, and ends with the same bits. It prints nothing and installs no signal handler: the embedding program
//! hears [`Event`]s and holds a [`StopToken`].
//!
//! ```no_run
//! use secateur::{Engine, Event, Experiment, Gpu, GpuOptions, RunOptions, StopToken};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     secateur = 1
//!     seeds = 3
//!     model = { preset = "lenet-300-100" }
//!     train = { dataset = "drawn-digits", batch = 50, length = "3ep", optimizer = { kind = "adam", lr = 0.001 } }
//!     sweep = { sparsity = [0.5, 0.9, 0.99] }
//!     [[arm]]
//!     name = "magnitude"
//!     steps = [{ train = {} }, { prune = { sparsity = "$sparsity" } }, { train = {} }]
//! "#;
//! let experiment = Experiment::parse("magnitude.toml", text, ".".as_ref(), &[])?;
//! let gpu = Gpu::open(&GpuOptions::default())?;
//! let options = RunOptions { out: "runs/magnitude".into(), ..RunOptions::default() };
//! let token = StopToken::new(); // token.stop() ends the run, from any thread
//! let results = Engine::new(&gpu, options)
//!     .on_event(|event| {
//!         if let Event::Finished(row) = event {
//!             println!("{} {}: {:.2} %", row.arm, row.seed, row.test_accuracy);
//!         }
//!     })
//!     .stop(token)
//!     .execute(&experiment)?;
//! assert_eq!(results.rows.len(), 9);
//! # Ok(())
//! # }
//! ```
//!
//! `docs/experiment-file.md` has the keys of the file, `docs/columns.md` what the tables say; `examples/` has programs that run a file
//! and that prune by a criterion of their own ([`Engine::criterion`]). [`report`] makes tables and plots of rows.
#![deny(missing_docs)]

mod config;
pub mod report;

pub use experiment::{Experiment, ExperimentErrors};
pub use gpu::{AdapterDescription, Gpu, GpuError, GpuOptions, list_adapters};
pub use prune::LayerWeights;
pub use run::{Engine, Event, Results, RunError, RunOptions, StopToken, arm_infos};
pub use store::{CurveRow, DataRecord, RunRow};

// What follows is for the command line, the tests and the benchmarks of this package. Nothing of it is promised to stay.

#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod data;
#[doc(hidden)]
pub mod experiment;
#[doc(hidden)]
pub mod gpu;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod ops;
#[doc(hidden)]
pub mod prune;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod spec;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod train;
