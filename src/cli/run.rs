//! `secateur run`.

use super::args::{AdapterArgs, CohortArgs, DataArgs, ExperimentArgs, FolderArgs};
use super::execution::ExecutionArgs;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output::tell;
use super::progress::{Meter, duration};
use super::table::{Tabled, reference};
use clap::Args;
use secateur::gpu::{AdapterKind, Gpu, GpuOptions};
use secateur::run::{Engine, RunError, RunOptions, arm_infos};
use std::time::Instant;

/// Run an experiment, or go on with one that was interrupted
#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    folder: FolderArgs,
    /// Compare every arm with this one, instead of controls with their originals
    #[arg(long, value_name = "ARM")]
    reference: Option<String>,
    #[command(flatten)]
    cohort: CohortArgs,
    #[command(flatten)]
    execution: ExecutionArgs,
    /// Compute one run alone, by its name (column `run` of results.csv), into a folder of its own
    #[arg(long, value_name = "RUN")]
    only: Option<String>,
    /// Stop at the first run that fails; else the others finish
    #[arg(long)]
    fail_fast: bool,
    /// Save trainings after every so many epochs, to go on from if killed [default: at the end of an epoch, once a minute]
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    checkpoint: Option<u32>,
    /// Train everything that runs sparse a second time without, and stop if a bit differs
    #[arg(long)]
    verify_sparse: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    /// Print on stderr how long each kernel of the first training takes
    #[arg(long)]
    profile: bool,
    /// Time finished runs under their masks, and the same dense, into speed.csv
    #[arg(long)]
    measure_speed: bool,
    /// Nothing on stderr unless the command fails
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: RunArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let experiment = args.experiment.read()?;
    let arms = arm_infos(&experiment);
    let reference = reference(args.reference.as_deref(), &arms)?;
    let gpu = Gpu::open(&GpuOptions {
        adapter: args.adapter.adapter,
        tune: args.execution.tune(),
        ..GpuOptions::default()
    })?;
    if !args.quiet {
        tell(format_args!("{}: {}", experiment.name, experiment.title));
        tell(format_args!("adapter {}", gpu.adapter().line()));
    }
    if gpu.adapter().kind == AdapterKind::Software && !args.quiet {
        tell(format_args!(
            "warning: this is a software adapter: results are as good, but slow. `secateur adapters` lists what else there is."
        ));
    }
    let options = RunOptions {
        data: args.data.data,
        memory: args.cohort.bytes(),
        replicas: args.cohort.replicas,
        execution: Some(args.execution.on(&gpu)),
        verify_sparse: args.verify_sparse,
        profile: args.profile,
        measure_speed: args.measure_speed,
        only: args.only,
        fail_fast: args.fail_fast,
        checkpoint: args.checkpoint,
        ..args.folder.options(&experiment)
    };
    let folder = options.out.display().to_string();
    let interrupt = Interrupt::listen();
    let mut meter = Meter::new(args.quiet);
    let finished = Engine::new(&gpu, options)
        .on_event(|event| meter.show(event))
        .stop(interrupt.token())
        .execute(&experiment);
    drop(meter);
    let finished = finished.map_err(|error| match error {
        RunError::Interrupted => Failure::interrupted(&folder, interrupt.exit_code()),
        error => error.into(),
    })?;
    let results = Tabled {
        title: &experiment.title,
        rows: &finished.rows,
        arms: &arms,
        data: &finished.data,
        planned: finished.rows.len(),
    };
    results.print(&reference, args.json);
    if !args.quiet {
        tell(format_args!(
            "results.csv, curves.csv, rounds.csv, overlap.csv, masks, weights and plots are in {} ({}, GPU memory at the peak {:.1} MiB)",
            finished.folder.display(),
            duration(begun.elapsed().as_secs_f64()),
            finished.peak_bytes as f64 / f64::from(1 << 20)
        ));
    }
    let failed = finished.rows.iter().filter(|row| row.failed()).count();
    match failed {
        0 => Ok(()),
        failed => Err(Failure::runs(failed, finished.rows.len(), &folder)),
    }
}
