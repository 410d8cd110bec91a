//! Secateur: experiments on pruning neural networks, run by compute shaders on any GPU that wgpu reaches.
//!
//! Rooms, from the ground up: [`gpu`] (device, kernels, programs), [`ops`] (layer kinds), [`model`] and [`data`],
//! [`train`] and [`prune`], then [`experiment`] (the TOML file and its plan), [`store`] and [`report`], and [`run`], which
//! carries a plan out; [`bench`] measures. The binary's commands are in `src/cli/`.
#![deny(missing_docs)]

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
