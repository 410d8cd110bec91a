//! `secateur plan`.

use super::args::{AdapterArgs, CohortArgs, DataArgs, ExperimentArgs, FolderArgs};
use super::check::verified;
use super::failure::Failure;
use super::output::say;
use super::progress::duration;
use clap::Args;
use secateur::data::{Dataset, SearchPath};
use secateur::experiment;
use secateur::gpu::{Gpu, GpuOptions};
use secateur::run::{self, DEFAULT_MEMORY, Limits};
use secateur::train::MemoryRequest;
use std::collections::BTreeMap;

/// Show what an experiment would do: runs, shared stages, cohorts, memory, steps
#[derive(Args)]
pub struct PlanArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    cohort: CohortArgs,
    #[command(flatten)]
    folder: FolderArgs,
    /// Say for each arm why stages are new: the first setting that differs from what is there
    #[arg(long)]
    why: bool,
    /// List the runs by name
    #[arg(long)]
    runs: bool,
}

pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    let experiment = args.experiment.read()?;
    let models = verified(&experiment)?;
    let plan = experiment::Plan::new(&experiment, &experiment::PlanContext::default());
    say(format_args!("{}: {}", experiment.name, experiment.title));
    say(format_args!(
        "{} runs of {} arms; {} stages to compute ({} trainings), {} shared between runs",
        plan.runs.len(),
        experiment.arms.len(),
        plan.stages.len(),
        plan.trainings(),
        plan.shared()
    ));
    for model in models.iter() {
        say(format_args!(
            "model {}: {} parameters, {} prunable, {} multiply-adds per sample forward",
            model.name,
            model.parameters(),
            model.prunable(),
            model.multiply_adds()
        ));
    }
    let gpu = Gpu::open(&GpuOptions {
        adapter: args.adapter.adapter.clone(),
        ..GpuOptions::default()
    });
    let limits = match &gpu {
        Ok(gpu) => {
            say(format_args!("adapter {}", gpu.adapter().line()));
            Limits::new(gpu, args.cohort.bytes(), args.cohort.replicas)
        }
        Err(error) => {
            say(format_args!(
                "no adapter here ({error}); cohorts as for one with default limits"
            ));
            Limits {
                max_binding: 128 << 20,
                memory: args.cohort.bytes().unwrap_or(DEFAULT_MEMORY),
                replicas: args.cohort.replicas.map_or(64, u64::from),
            }
        }
    };
    let cohorts = run::cohorts(&plan, &models, &limits).map_err(Failure::experiment)?;
    say(format_args!("trainings that share a program:"));
    for cohort in &cohorts {
        let Some(step) = cohort.stage.step.training() else {
            continue;
        };
        let spec = &step.train;
        let replicas = cohort.replicas as u64;
        say(format_args!(
            "  {} x {} on {}, batch {}, {}: cohorts of up to {replicas}, {:.1} MiB each (largest buffers: {})",
            cohort.stages,
            cohort.stage.model.name,
            spec.dataset,
            MemoryRequest::of(spec, 1.0).batch_text(),
            spec.length,
            mib(cohort.memory.bytes(replicas)),
            cohort.memory.largest_text(replicas),
        ));
    }
    let search = SearchPath::new(args.data.data.clone());
    match run::load_datasets(&experiment, &search) {
        Ok(datasets) => {
            say(format_args!(
                "GPU memory at the peak: {:.1} MiB, datasets included",
                mib(run::planned_peak(&cohorts, &datasets))
            ));
            match &gpu {
                Ok(gpu) => {
                    run::rehearse(gpu, &cohorts, &models, &datasets)?;
                    foresee(args, &experiment, gpu, &datasets)?;
                }
                Err(_) => say("stages that are here already: not known without an adapter"),
            }
        }
        Err(error) => say(format_args!(
            "GPU memory at the peak: {:.1} MiB, and the datasets, which are not all here ({error})",
            mib(run::planned_peak(&cohorts, &BTreeMap::new()))
        )),
    }
    Ok(())
}

/// What is in the run folder already, and what the rest takes.
fn foresee(
    args: &PlanArgs,
    experiment: &experiment::Experiment,
    gpu: &Gpu,
    datasets: &BTreeMap<String, Dataset>,
) -> Result<(), Failure> {
    let options = args.folder.clone().options(experiment);
    let place = options.store.as_ref().unwrap_or(&options.out);
    let place = place.display().to_string();
    let foresight = run::foresee(experiment, gpu, options, datasets, args.why)?;
    say(format_args!(
        "{} stages with a file, {} are here ({place}); {} trainings to compute, {:.1} MiB of files",
        foresight.stages,
        foresight.here,
        foresight.trainings,
        mib(foresight.bytes)
    ));
    match foresight.seconds {
        _ if foresight.samples == 0 => {}
        Some(seconds) => say(format_args!(
            "time: about {} for {} samples, at the speed of what was trained there",
            duration(seconds),
            foresight.samples
        )),
        None => say(format_args!(
            "time: not known before something was trained there ({} samples); `secateur bench` measures this adapter",
            foresight.samples
        )),
    }
    if args.why {
        match foresight.reasons.is_empty() {
            true => say("nothing is new"),
            false => say("why stages are new, by what is most like them there:"),
        }
        for reason in &foresight.reasons {
            say(format_args!("  {reason}"));
        }
    }
    if args.runs {
        say("runs:");
        for name in &foresight.runs {
            say(format_args!("  {name}"));
        }
    }
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
