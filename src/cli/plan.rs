//! `secateur plan`.

use super::check::verified;
use super::failure::Failure;
use super::say;
use super::{AdapterArgs, CohortArgs, ExperimentArgs};
use clap::Args;
use secateur::experiment::{self, Step};
use secateur::gpu::{Gpu, GpuOptions};
use secateur::run::{DEFAULT_MEMORY, Limits, cohort_key};
use secateur::train::Memory;
use std::collections::BTreeMap;

/// Show what an experiment would do: runs, shared stages, cohorts, memory, steps
#[derive(Args)]
pub struct Plan {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    cohort: CohortArgs,
}

pub fn run(args: &Plan) -> Result<(), Failure> {
    let experiment = args.experiment.read()?;
    let models = verified(&experiment)?;
    let plan = experiment::Plan::new(&experiment, "");
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
    let mut groups: BTreeMap<String, Vec<&experiment::Stage>> = BTreeMap::new();
    for stage in &plan.stages {
        if matches!(stage.step, Step::Train(_)) {
            groups.entry(cohort_key(stage)).or_default().push(stage);
        }
    }
    say(format_args!("trainings that share a program:"));
    for stages in groups.values() {
        let Step::Train(spec) = &stages[0].step else {
            continue;
        };
        let Some(model) = models.of(&stages[0].model) else {
            continue;
        };
        let most = limits
            .replicas_of(model, spec.batch)
            .map_err(Failure::experiment)?;
        let memory = Memory::plan(model, spec.batch);
        let replicas = stages.len().min(most);
        let (largest, bytes) = memory.largest();
        say(format_args!(
            "  {} x {} on {}, batch {}, {}: cohorts of up to {replicas}, {} MiB each (largest buffer: {largest}, {} MiB)",
            stages.len(),
            model.name,
            spec.dataset,
            spec.batch,
            spec.length,
            memory.bytes(replicas as u64) >> 20,
            (bytes * replicas as u64) >> 20,
        ));
    }
    Ok(())
}
