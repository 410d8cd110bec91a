//! The command line: one file per command.

mod adapters;
mod args;
mod bench;
mod check;
mod compare;
mod completions;
mod data;
mod execution;
mod explain;
mod failure;
mod gc;
mod init;
mod interrupt;
mod man;
mod model;
mod output;
mod plan;
mod progress;
mod run;
mod runs;
mod schema;
mod show;
mod table;
mod verify;
mod watch;

use clap::{CommandFactory, Parser, Subcommand};
use output::complain;
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
    /// Write one of the experiments that come with Secateur to a file, to run and to change
    Init(init::InitArgs),
    /// Run an experiment, or go on with one that was interrupted
    Run(run::RunArgs),
    /// List run folders: experiment, runs done and planned, size, last write, adapter
    Runs(runs::RunsArgs),
    /// Print the table of a run folder, also while a run goes on in it
    Table(table::TableArgs),
    /// Watch a run from another terminal: what it does, each arm's mean so far, time left, failures
    Watch(watch::WatchArgs),
    /// Show one run: its settings, result, data, stages, and the command that recomputes it alone
    Show(show::ShowArgs),
    /// Compare the experiments of two run folders: settings that differ, and paired differences of test accuracy
    Compare(compare::CompareArgs),
    /// Say what a run folder or a store holds that no row of a table needs; with --yes, delete it
    Gc(gc::GcArgs),
    /// Compute some stages of a run folder again and compare every bit; equal ones let it go on under a new driver
    Verify(verify::VerifyArgs),
    /// Check an experiment file without running it
    Check(check::CheckArgs),
    /// Show what an experiment would do: runs, shared stages, cohorts, memory, steps
    Plan(plan::PlanArgs),
    /// List the adapters (GPUs and software) that can be used
    Adapters(adapters::Adapters),
    /// Measure this adapter: ceilings, kernels, training steps, top-k, memory
    Bench(bench::BenchArgs),
    /// Fetch and look at datasets
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Look at models
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Say what a key of the experiment file means: its type, range and default
    Explain(explain::Explain),
    /// Print a JSON Schema of the experiment file, with which editors complete and check it
    Schema(schema::Schema),
    /// Print a script that completes commands and options in a shell
    Completions(completions::Completions),
    /// Print the manual page, or write one for each command
    Man(man::Manual),
}

/// Runs the command and turns its failure into a message and an exit code.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Init(args) => init::run(&args),
        Command::Run(args) => run::run(args),
        Command::Runs(args) => runs::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Table(args) => table::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Verify(args) => verify::run(args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Adapters(args) => adapters::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Data(args) => data::run(args),
        Command::Model(args) => model::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.code())
        }
    }
}
