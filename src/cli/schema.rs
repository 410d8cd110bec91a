//! `secateur schema`.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::experiment::schema;

/// Print a JSON Schema of the experiment file, with which editors complete and check it
#[derive(Args)]
pub struct Schema {}

pub fn run(_: &Schema) -> Result<(), Failure> {
    say(format_args!("{:#}", schema()));
    Ok(())
}
