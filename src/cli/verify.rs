//! `secateur verify`.

use super::args::{AdapterArgs, DataArgs, ExperimentArgs, FolderArgs};
use super::execution::ExecutionArgs;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output::say;
use clap::Args;
use secateur::gpu::{Gpu, GpuOptions};
use secateur::run::{Engine, RunError, RunOptions};

/// Compute some stages of a run folder again and compare every bit; equal ones let it go on under a new driver
#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    folder: FolderArgs,
    /// How many trainings to compute again
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    #[command(flatten)]
    execution: ExecutionArgs,
}

pub fn run(args: VerifyArgs) -> Result<(), Failure> {
    let experiment = args.experiment.read()?;
    let gpu = Gpu::open(&GpuOptions {
        adapter: args.adapter.adapter,
        tune: args.execution.tune(),
        ..GpuOptions::default()
    })?;
    let options = RunOptions {
        data: args.data.data,
        execution: Some(args.execution.on(&gpu)),
        ..args.folder.options(&experiment)
    };
    let out = options.out.clone();
    let interrupt = Interrupt::listen();
    let reproduction = Engine::new(&gpu, options)
        .stop(interrupt.token())
        .reproduce(&experiment, args.sample as usize)
        .map_err(|error| match error {
            RunError::Interrupted => {
                Failure::interrupted(&out.display().to_string(), interrupt.exit_code())
            }
            error => error.into(),
        })?;
    let mut differing = 0;
    for stage in &reproduction.stages {
        let verdict = match &stage.difference {
            None => "the same bits".to_owned(),
            Some(difference) => {
                differing += 1;
                format!("DIFFERS: {difference}")
            }
        };
        say(format_args!(
            "{} ({}): {verdict}",
            stage.what,
            &stage.digest[..12]
        ));
    }
    let count = reproduction.stages.len();
    let (then, now) = (&reproduction.then, &reproduction.now);
    if differing > 0 {
        return Err(Failure::differs(format!(
            "{differing} of {count} stages of {} come out otherwise here ({}, driver {}): results of the two are not to be mixed",
            out.display(),
            now.adapter,
            now.driver
        )));
    }
    say(format_args!(
        "{count} of {count} stages are the same to the bit"
    ));
    if then != now {
        say(format_args!(
            "{} goes on under {}, driver {}, and its rows keep the name of what its stages were computed under: {}, driver {}",
            out.display(),
            now.adapter,
            now.driver,
            then.adapter,
            then.driver
        ));
    }
    Ok(())
}
