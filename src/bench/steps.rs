//! Whole training steps, over densities and sizes of the cohort.

use super::blocks::Spread;
use super::ceilings::Ceilings;
use super::cohort::Bench;
use super::error::BenchError;
use super::roofline::{Roofline, StepWork};
use super::timing::{LEAST_RUNS, time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Steps of one cohort at one density.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepRow {
    /// Kept weights by all prunable ones, as asked for; the same in each layer.
    pub density: f64,
    /// Steps that were timed.
    pub steps: u64,
    /// Seconds of one.
    pub step_seconds: f64,
    /// How the blocks differ.
    #[serde(flatten)]
    pub spread: Spread,
    /// Samples per second, all replicas together.
    pub samples_per_second: f64,
    /// Samples per second of processor time; on software adapters.
    pub samples_per_cpu_second: Option<f64>,
    /// What such a step could take at least here.
    pub roofline: Roofline,
    /// Bytes of all buffers of the cohort.
    pub allocated_bytes: u64,
}

/// One size of cohort at all densities.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CohortSteps {
    /// Replicas that train together.
    pub replicas: u32,
    /// Bytes that [`Memory::plan`](crate::train::Memory::plan) foresees.
    pub planned_bytes: u64,
    /// By density, in the order of [`super::Options::densities`]; empty where the cohort was left out.
    pub densities: Vec<StepRow>,
    /// See [`crossover`].
    pub crossover_density: Option<f64>,
    /// Why the cohort was left out.
    pub skipped: Option<String>,
}

/// A density counts as faster where it gives this many times the samples per second of density 1: less than that is noise
/// on a machine that does other things too.
pub const FASTER: f64 = 1.05;
/// A cohort is left out where [`LEAST_RUNS`] of its step would take longer than this many times what was asked for.
const PATIENCE: f64 = 3.0;

/// The highest density from which on all lower ones are [`FASTER`] than density 1, between measured densities by linear
/// interpolation of the samples per second. `rates` are (density, samples per second), highest density first. `None` where
/// no density is, or density 1 was not measured.
pub fn crossover(rates: &[(f64, f64)]) -> Option<f64> {
    let dense = rates.iter().find(|(density, _)| *density == 1.0)?.1;
    let enough = dense * FASTER;
    let faster = rates
        .iter()
        .rev()
        .take_while(|(_, rate)| *rate >= enough)
        .count();
    let first = rates.len() - faster;
    let (density, rate) = *rates.get(first)?;
    // Density 1 itself is not faster, so there is one before.
    let (above, slower) = rates[first - 1];
    Some(density + (above - density) * (rate - enough) / (rate - slower))
}

impl Bench<'_> {
    /// Times whole steps of every cohort.
    pub(super) fn steps(
        &self,
        ceilings: &Ceilings,
        say: &mut dyn FnMut(&str),
    ) -> Result<Vec<CohortSteps>, BenchError> {
        let mut done: Vec<CohortSteps> = Vec::new();
        for &count in &self.options.replicas {
            let skipped = self.no_room(count).or_else(|| self.no_time(count, &done));
            let mut cohort = CohortSteps {
                replicas: count,
                planned_bytes: self.memory.bytes(u64::from(count)),
                densities: Vec::new(),
                crossover_density: None,
                skipped,
            };
            if cohort.skipped.is_none() {
                match self.sweep(count, ceilings, say) {
                    Ok(rows) => cohort.densities = rows,
                    Err(error) if error.is_no_room() => cohort.skipped = Some(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
            let rows = cohort.densities.iter();
            let rates: Vec<_> = rows.map(|r| (r.density, r.samples_per_second)).collect();
            cohort.crossover_density = crossover(&rates);
            done.push(cohort);
        }
        Ok(done)
    }

    fn sweep(
        &self,
        count: u32,
        ceilings: &Ceilings,
        say: &mut dyn FnMut(&str),
    ) -> Result<Vec<StepRow>, BenchError> {
        let densities = &self.options.densities;
        let mut rows = Vec::new();
        for &density in densities {
            rows.push(self.step(count, density, ceilings, say)?);
        }
        // All others are compared with the first, and whatever disturbed it would show in all of them.
        if densities.len() > 1 {
            let again = self.step(count, densities[0], ceilings, say)?;
            if again.step_seconds < rows[0].step_seconds {
                rows[0] = again;
            }
        }
        Ok(rows)
    }

    fn step(
        &self,
        count: u32,
        density: f64,
        ceilings: &Ceilings,
        say: &mut dyn FnMut(&str),
    ) -> Result<StepRow, BenchError> {
        let plural = if count == 1 { "" } else { "s" };
        say(&format!(
            "training {count} replica{plural} at density {density}"
        ));
        let samples = f64::from(self.options.batch) * f64::from(count);
        let window = Duration::from_secs_f64(self.options.seconds);
        let others = self.gpu.allocated();
        self.with_cohort(count, density, |trainer, _| {
            let program = trainer.training_program()?;
            let allocated_bytes = self.gpu.allocated() - others;
            let timing = time(self.gpu, &program, window)?;
            let (blocks, seconds) = (timing.blocks, timing.blocks.fastest);
            let work = StepWork::of(&program.parts(), self.model, self.options.batch, count);
            Ok(StepRow {
                density,
                steps: timing.runs,
                step_seconds: seconds,
                spread: blocks.spread(),
                samples_per_second: samples / seconds,
                samples_per_cpu_second: blocks
                    .cpu_seconds
                    // A clock with coarse ticks may not have seen any.
                    .filter(|cpu| *cpu > 0.0)
                    .map(|cpu| samples / cpu),
                roofline: work.roofline(ceilings, seconds),
                allocated_bytes,
            })
        })
    }

    /// Why a cohort of `count` would take too long, judged by the largest one before it, if so.
    fn no_time(&self, count: u32, done: &[CohortSteps]) -> Option<String> {
        let measured = done.iter().filter(|c| !c.densities.is_empty());
        let trial = measured.max_by_key(|c| c.replicas)?;
        let factor = f64::from(count) / f64::from(trial.replicas);
        let step = trial.densities[0].step_seconds * factor;
        let seconds = step * f64::from(LEAST_RUNS) / PATIENCE;
        (seconds > self.options.seconds).then(|| {
            format!(
                "no time: one step would take about {step:.1} s, judged by {} replicas; --seconds {:.0} would allow it",
                trial.replicas,
                seconds.ceil()
            )
        })
    }
}
