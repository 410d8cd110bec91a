//! `secateur run`.

use super::args::{AdapterArgs, CohortArgs, DataArgs, ExperimentArgs};
use super::execution::ExecutionArgs;
use super::failure::Failure;
use super::interrupt::stop_token;
use super::output::say;
use super::progress::{Meter, duration};
use clap::Args;
use secateur::gpu::{AdapterKind, Gpu, GpuOptions};
use secateur::report::{Reference, TableOptions, table, table_json};
use secateur::run::{Engine, RunError, RunOptions, arm_infos};
use std::path::PathBuf;
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
    /// The run folder; runs/<experiment name> if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compare every arm with this one, instead of controls with their originals
    #[arg(long, value_name = "ARM")]
    reference: Option<String>,
    #[command(flatten)]
    cohort: CohortArgs,
    #[command(flatten)]
    execution: ExecutionArgs,
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
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: RunArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let experiment = args.experiment.read()?;
    let reference = match &args.reference {
        None => Reference::Own,
        Some(name) if experiment.arms.iter().any(|arm| arm.name == *name) => {
            Reference::Arm(name.clone())
        }
        Some(name) => {
            let names: Vec<&str> = experiment.arms.iter().map(|a| a.name.as_str()).collect();
            return Err(Failure::experiment(format!(
                "--reference {name:?} is no arm of this experiment; its arms are: {}",
                names.join(", ")
            )));
        }
    };
    let gpu = Gpu::open(&GpuOptions {
        adapter: args.adapter.adapter,
        tune: args.execution.tune(),
        ..GpuOptions::default()
    })?;
    if !args.quiet {
        eprintln!("{}: {}", experiment.name, experiment.title);
        eprintln!("adapter {}", gpu.adapter().line());
    }
    if gpu.adapter().kind == AdapterKind::Software {
        eprintln!(
            "warning: this is a software adapter: results are as good, but slow. `secateur adapters` lists what else there is."
        );
    }
    let out = args
        .out
        .unwrap_or_else(|| PathBuf::from("runs").join(&experiment.name));
    let options = RunOptions {
        out,
        data: args.data.data,
        memory: args.cohort.bytes(),
        replicas: args.cohort.replicas,
        execution: Some(args.execution.on(&gpu)),
        verify_sparse: args.verify_sparse,
        profile: args.profile,
        measure_speed: args.measure_speed,
        checkpoint: args.checkpoint,
    };
    let folder = options.out.display().to_string();
    let mut meter = Meter::new(args.quiet);
    let finished = Engine::new(&gpu, options)
        .on_event(|event| meter.show(event))
        .stop(stop_token())
        .execute(&experiment);
    drop(meter);
    let finished = finished.map_err(|error| match error {
        RunError::Interrupted => Failure::interrupted(&folder),
        error => error.into(),
    })?;
    let arms = arm_infos(&experiment);
    if args.json {
        let mut json = table_json(&experiment.title, &finished.rows, &arms, &reference);
        json["skipped_images"] = finished
            .data
            .iter()
            .map(|data| (data.name.clone(), data.skipped_images.len().into()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        say(format_args!("{json:#}"));
    } else {
        let options = TableOptions {
            reference,
            ..TableOptions::default()
        };
        say(format_args!(
            "{}",
            table(&experiment.title, &finished.rows, &arms, &options)
        ));
        for data in finished
            .data
            .iter()
            .filter(|d| !d.skipped_images.is_empty())
        {
            let count = data.skipped_images.len();
            let images = if count == 1 { "image" } else { "images" };
            say(format_args!(
                "{}: {count} {images} left out as undecodable; data.json has the names",
                data.name
            ));
        }
    }
    if !args.quiet {
        eprintln!(
            "results.csv, curves.csv, rounds.csv, overlap.csv, masks, weights and plots are in {} ({}, GPU memory at the peak {:.1} MiB)",
            finished.folder.display(),
            duration(begun.elapsed().as_secs_f64()),
            finished.peak_bytes as f64 / f64::from(1 << 20)
        );
    }
    Ok(())
}
