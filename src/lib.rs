//! Secateur.
pub mod gpu;
