//! What tests share.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary takes a part of it"
)]

mod adapter;
mod builders;
mod dice;
mod lab;
mod samples;
mod skip;

pub use adapter::*;
pub use builders::*;
pub use dice::Dice;
pub use lab::*;
pub use samples::*;
pub use skip::*;
