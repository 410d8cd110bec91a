//! `secateur bench`.

use super::args::AdapterArgs;
use super::execution::ExecutionArgs;
use super::failure::Failure;
use super::model::preset;
use super::output::{say, tell};
use clap::Args;
use secateur::bench::{
    BenchComparison, Options, Report, bench, compare_reports, compared_text, read_report,
    report_text,
};
use secateur::data::{self, SearchPath};
use secateur::gpu::{AdapterKind, Gpu, GpuOptions};
use secateur::run::{DEFAULT_MEMORY, RunError};
use secateur::spec::Shape;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Measure this adapter: ceilings, kernels, whole training steps over densities and replicas, top-k, memory
#[derive(Args)]
pub struct BenchArgs {
    /// The model: a preset's name [default: lenet-300-100]
    #[arg(long, value_name = "PRESET")]
    model: Option<String>,
    /// Batch size [default: 128]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch: Option<u32>,
    /// Replicas that train together, e.g. 1,8 [default: 1,8,32,64; with --quick 1,2]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65_535))]
    replicas: Vec<u32>,
    /// Densities of the masks, e.g. 1,0.1 [default: 1,0.5,0.2,0.1,0.05,0.025,0.01; with --quick 1,0.1]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_density)]
    densities: Vec<f64>,
    /// Seconds per measurement of whole steps [default: 1; with --quick 0.1]
    #[arg(long, value_parser = parse_seconds)]
    seconds: Option<f64>,
    /// Little of everything: shows that it works; the numbers are rough
    #[arg(long)]
    quick: bool,
    /// Memory a cohort may take, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 40))]
    memory: Option<u64>,
    /// Measure what an earlier report (`bench --json`) measured, and set every row beside its own; with a second report, compare the
    /// two and measure nothing
    #[arg(long, value_names = ["THEN.json", "NOW.json"], num_args = 1..=2)]
    compare: Vec<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    execution: ExecutionArgs,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

fn parse_density(text: &str) -> Result<f64, String> {
    let density = text.parse().ok().filter(|d| *d > 0.0 && *d <= 1.0);
    density.ok_or_else(|| "expected a number above 0, up to 1".to_owned())
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|s| (0.01..=3600.0).contains(s));
    seconds.ok_or_else(|| "expected a number from 0.01 to 3600".to_owned())
}

/// What is measured of a report's, where the command line does not say otherwise.
fn densities_of(report: &Report) -> Vec<f64> {
    let cohorts = report.steps.iter().map(|cohort| &cohort.densities);
    let longest = cohorts.max_by_key(|rows| rows.len());
    longest.map_or_else(Vec::new, |rows| {
        rows.iter().map(|row| row.density).collect()
    })
}

impl BenchArgs {
    /// What to measure: what the command line says, or else what the earlier report measured, or else the usual.
    fn options(&self, gpu: &Gpu, earlier: Option<&Report>) -> Options {
        let quick = self.quick;
        let software = gpu.adapter().kind == AdapterKind::Software;
        // `--quick` chooses lengths and sizes, too.
        let sized = earlier.filter(|_| !quick);
        let mut densities = self.densities.clone();
        if densities.is_empty() {
            densities = sized.map_or_else(Vec::new, densities_of);
        }
        if densities.is_empty() {
            densities = match quick {
                true => vec![1.0, 0.1],
                false => vec![1.0, 0.5, 0.2, 0.1, 0.05, 0.025, 0.01],
            };
        }
        densities.sort_by(|a, b| b.total_cmp(a));
        densities.dedup();
        let mut replicas = self.replicas.clone();
        if replicas.is_empty() {
            let counts = |report: &Report| report.steps.iter().map(|c| c.replicas).collect();
            replicas = sized.map_or_else(Vec::new, counts);
        }
        if replicas.is_empty() {
            replicas = match quick {
                true => vec![1, 2],
                false => vec![1, 8, 32, 64],
            };
        }
        replicas.sort_unstable();
        replicas.dedup();
        let mib = |count: u64| count << 20;
        let usual_seconds = if quick { 0.1 } else { 1.0 };
        let keys = |report: &Report| report.selection.last().map(|row| row.keys);
        let product = |report: &Report| report.product.first().map(|row| row.size);
        Options {
            batch: self.batch_size(earlier),
            replicas,
            densities,
            seconds: self
                .seconds
                .or(sized.map(|report| report.seconds))
                .unwrap_or(usual_seconds),
            memory: self.memory.map_or(DEFAULT_MEMORY, mib),
            execution: self.execution.on(gpu),
            copy_bytes: sized.map_or_else(
                || {
                    mib(match (quick, software) {
                        (true, _) => 16,
                        (false, true) => 128,
                        // Caches of large GPUs hold tens of MiB.
                        (false, false) => 1024,
                    })
                },
                |report| report.ceilings.copy_bytes,
            ),
            // On hardware, the weights of a ResNet-50, and a product larger than any cache.
            keys: sized.and_then(keys).unwrap_or(match (quick, software) {
                (true, _) => 1 << 16,
                (false, true) => 1 << 22,
                (false, false) => 25_600_000,
            }),
            product: sized.and_then(product).unwrap_or(match (quick, software) {
                (true, _) => 128,
                (false, true) => 512,
                (false, false) => 4096,
            }),
        }
    }

    fn batch_size(&self, earlier: Option<&Report>) -> u32 {
        let earlier = earlier.map(|report| report.batch);
        self.batch.or(earlier).unwrap_or(128)
    }

    fn model_name<'a>(&'a self, earlier: Option<&'a Report>) -> &'a str {
        let earlier = earlier.map(|report| report.model.name.as_str());
        self.model.as_deref().or(earlier).unwrap_or("lenet-300-100")
    }

    /// The first option given that says what to measure.
    fn measuring(&self) -> Option<&'static str> {
        let given = [
            ("--model", self.model.is_some()),
            ("--batch", self.batch.is_some()),
            ("--replicas", !self.replicas.is_empty()),
            ("--densities", !self.densities.is_empty()),
            ("--seconds", self.seconds.is_some()),
            ("--quick", self.quick),
            ("--memory", self.memory.is_some()),
        ];
        let found = given.into_iter().find(|(_, given)| *given);
        found.map(|(name, _)| name)
    }

    fn measure(&self, earlier: Option<&Report>) -> Result<Report, Failure> {
        // Drawn, so that nothing need be there; a step's cost does not depend on the pixels.
        let data = data::load("drawn-digits", &SearchPath::new(None))?;
        let shape = Shape::new(data.channels, data.height, data.width);
        let model = Arc::new(preset(self.model_name(earlier), shape)?);
        let gpu = Gpu::open(&GpuOptions {
            adapter: self.adapter.adapter.clone(),
            tune: self.execution.tune(),
            ..GpuOptions::default()
        })?;
        let mut progress = |what: &str| {
            if !self.quiet {
                tell(what);
            }
        };
        progress(&format!("adapter {}", gpu.adapter().line()));
        let options = self.options(&gpu, earlier);
        Ok(bench(&gpu, &model, &data, &options, &mut progress).map_err(RunError::from)?)
    }
}

/// A report in a file.
fn read(path: &Path) -> Result<Report, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::storage(format!(
            "cannot read {name}: {error}\n  name a report that `secateur bench --json > FILE.json` wrote"
        )))?;
    read_report(&text).map_err(|error| {
        Failure::experiment(format!(
            "cannot compare with {name}: {error}\n  name a report that `secateur bench --json > FILE.json` of this version wrote"
        ))
    })
}

pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    match args.compare.as_slice() {
        [] => print(args, &args.measure(None)?),
        [then] => {
            let earlier = read(then)?;
            let report = args.measure(Some(&earlier))?;
            let comparison = compare_reports(&earlier, &report);
            if args.json {
                // Still a report that can be compared with.
                let mut json = serde_json::to_value(&report).unwrap_or_default();
                json["comparison"] = serde_json::to_value(&comparison).unwrap_or_default();
                say(format_args!("{json:#}"));
            } else {
                print(args, &report);
                say("");
                print_comparison(
                    args,
                    &comparison,
                    &then.display().to_string(),
                    "this report",
                );
            }
        }
        [then, now, ..] => {
            if let Some(option) = args.measuring() {
                return Err(Failure::experiment(format!(
                    "--compare with two reports measures nothing, so {option} has no meaning there\n  leave {option} out, or name one report alone"
                )));
            }
            let comparison = compare_reports(&read(then)?, &read(now)?);
            let name = |path: &Path| path.display().to_string();
            print_comparison(args, &comparison, &name(then), &name(now));
        }
    }
    Ok(())
}

fn print(args: &BenchArgs, report: &Report) {
    if args.json {
        let json = serde_json::to_value(report).unwrap_or_default();
        say(format_args!("{json:#}"));
    } else {
        say(report_text(report).trim_end());
    }
}

fn print_comparison(args: &BenchArgs, comparison: &BenchComparison, then: &str, now: &str) {
    if args.json {
        let json = serde_json::to_value(comparison).unwrap_or_default();
        say(format_args!("{json:#}"));
    } else {
        say(compared_text(comparison, then, now).trim_end());
    }
}
