//! The language of tables: TOML whose values know their places, mistakes that are collected and shown with their place, and
//! `--set`. It knows nothing of what the tables are about.

mod document;
mod errors;
mod node;
mod problem;
mod set;
mod set_path;
pub mod suggest;

pub use document::{parse, sources};
pub use errors::{Errors, Mistake, Source};
pub use node::{Entry, Node, Value, is_bare, join};
pub use problem::{Problem, Problems};
