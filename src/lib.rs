//! Secateur: experiments on pruning neural networks, run by compute shaders on any GPU that wgpu reaches.
//!
//! Each module is a room with its own vocabulary; `docs/architecture.md` says which may import which. An experiment is read by
//! [`experiment`], made of the plain data of [`spec`], and carried out by [`run()`](run::run). The binary's commands are in
//! `src/cli/`.
#![deny(missing_docs)]

pub mod base;
pub mod bench;
mod config;
pub mod data;
pub mod experiment;
pub mod gpu;
pub mod model;
pub mod ops;
pub mod prune;
pub mod report;
pub mod run;
pub mod spec;
pub mod store;
pub mod train;
