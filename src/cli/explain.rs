//! `secateur explain`.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::experiment::{explain, tables};

/// Say what a key of the experiment file means: its type, range and default
#[derive(Args)]
pub struct Explain {
    /// A path such as train.optimizer.lr, as errors print it, or its end; lists all tables if not given
    path: Option<String>,
}

pub fn run(args: &Explain) -> Result<(), Failure> {
    let text = match &args.path {
        Some(path) => explain(path).map_err(Failure::experiment)?,
        None => tables(),
    };
    say(text.trim_end());
    Ok(())
}
