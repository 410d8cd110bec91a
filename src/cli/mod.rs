//! The command line: one file per command.

mod adapters;
mod bench;
mod check;
mod completions;
mod data;
mod execution;
mod failure;
mod man;
mod model;
mod plan;
mod run;

use clap::{Args, Parser, Subcommand};
use failure::Failure;
use secateur::experiment::Experiment;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Experiments on pruning neural networks, run entirely by compute shaders, on any GPU.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an experiment, or go on with one that was interrupted
    Run(run::Run),
    /// Check an experiment file without running it
    Check(check::Check),
    /// Show what an experiment would do: runs, shared stages, cohorts, memory, steps
    Plan(plan::Plan),
    /// List the adapters (GPUs and software) that can be used
    Adapters(adapters::Adapters),
    /// Measure this adapter: ceilings, kernels, training steps, top-k, memory
    Bench(bench::Bench),
    /// Fetch and look at datasets
    #[command(subcommand)]
    Data(data::Data),
    /// Look at models
    #[command(subcommand)]
    Model(model::Model),
    /// Print a script that completes commands and options in a shell
    Completions(completions::Completions),
    /// Print the manual page, or write one for each command
    Man(man::Manual),
}

/// Which experiment.
#[derive(Args)]
struct ExperimentArgs {
    /// The experiment's TOML file
    file: PathBuf,
    /// Override a value, e.g. --set train.batch=32 or --set 'seeds=[7,8]'; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
}

impl ExperimentArgs {
    fn read(&self) -> Result<Experiment, Failure> {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Experiment::read(&self.file, &self.overrides)
            .map_err(|e| Failure::experiment(e.render(colour)))
    }
}

/// Which adapter.
#[derive(Args)]
struct AdapterArgs {
    /// Adapter by its number or by a part of its name (see `secateur adapters`); the best one if not given
    #[arg(long, env = "SECATEUR_ADAPTER", value_name = "INDEX|TEXT")]
    adapter: Option<String>,
}

/// How many replicas train together.
#[derive(Args)]
struct CohortArgs {
    /// Memory a cohort may take, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 40))]
    memory: Option<u64>,
    /// Replicas that train together, at most; changes speed and memory, never a result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    replicas: Option<u32>,
}

impl CohortArgs {
    /// The memory in bytes.
    fn bytes(&self) -> Option<u64> {
        self.memory.map(|mib| mib << 20)
    }
}

/// Where the data is.
#[derive(Args)]
struct DataArgs {
    /// Folder with the datasets; else SECATEUR_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Prints a line of results. A reader that closes the pipe (`| head`) ends the program quietly, as it does for other tools;
/// on any other fault results would be lost, which must not look like success.
fn say(line: impl std::fmt::Display) {
    let Err(error) = writeln!(std::io::stdout(), "{line}") else {
        return;
    };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    let failure = Failure::storage(format!(
        "cannot write to standard output: {error}\nfree some space where it goes, or send it somewhere else"
    ));
    complain(&failure);
    std::process::exit(i32::from(failure.code()));
}

/// Says on stderr what failed. Where even that cannot be written, the exit code is all there is: `eprintln!` would panic and
/// give another.
fn complain(failure: &Failure) {
    let _ = writeln!(std::io::stderr(), "{failure}");
}

/// Runs the command and turns its failure into a message and an exit code.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Adapters(args) => adapters::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Data(args) => data::run(args),
        Command::Model(args) => model::run(args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.code())
        }
    }
}
