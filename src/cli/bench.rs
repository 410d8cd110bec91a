//! `secateur bench`.

use super::args::AdapterArgs;
use super::execution::ExecutionArgs;
use super::failure::Failure;
use super::model::preset;
use super::output::{say, tell};
use clap::Args;
use secateur::bench::{Options, bench, report_text};
use secateur::data::{self, SearchPath};
use secateur::gpu::{AdapterKind, Gpu, GpuOptions};
use secateur::run::{DEFAULT_MEMORY, RunError};
use secateur::spec::Shape;
use std::sync::Arc;

/// Measure this adapter: ceilings, kernels, whole training steps over densities and replicas, top-k, memory
#[derive(Args)]
pub struct BenchArgs {
    /// The model: a preset's name
    #[arg(long, value_name = "PRESET", default_value = "lenet-300-100")]
    model: String,
    /// Batch size
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch: u32,
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

impl BenchArgs {
    fn options(&self, gpu: &Gpu) -> Options {
        let quick = self.quick;
        let software = gpu.adapter().kind == AdapterKind::Software;
        let or =
            |given: &[f64], usual: &[f64]| if given.is_empty() { usual } else { given }.to_vec();
        let mut densities = if quick {
            or(&self.densities, &[1.0, 0.1])
        } else {
            or(&self.densities, &[1.0, 0.5, 0.2, 0.1, 0.05, 0.025, 0.01])
        };
        densities.sort_by(|a, b| b.total_cmp(a));
        densities.dedup();
        let mut replicas = match (self.replicas.is_empty(), quick) {
            (false, _) => self.replicas.clone(),
            (true, true) => vec![1, 2],
            (true, false) => vec![1, 8, 32, 64],
        };
        replicas.sort_unstable();
        replicas.dedup();
        let mib = |count: u64| count << 20;
        Options {
            batch: self.batch,
            replicas,
            densities,
            seconds: self.seconds.unwrap_or(if quick { 0.1 } else { 1.0 }),
            memory: self.memory.map_or(DEFAULT_MEMORY, mib),
            execution: self.execution.on(gpu),
            copy_bytes: mib(match (quick, software) {
                (true, _) => 16,
                (false, true) => 128,
                // Caches of large GPUs hold tens of MiB.
                (false, false) => 1024,
            }),
            // On hardware, the weights of a ResNet-50, and a product larger than any cache.
            keys: match (quick, software) {
                (true, _) => 1 << 16,
                (false, true) => 1 << 22,
                (false, false) => 25_600_000,
            },
            product: match (quick, software) {
                (true, _) => 128,
                (false, true) => 512,
                (false, false) => 4096,
            },
        }
    }
}

pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    // Drawn, so that nothing need be there; a step's cost does not depend on the pixels.
    let data = data::load("drawn-digits", &SearchPath::new(None))?;
    let shape = Shape::new(data.channels, data.height, data.width);
    let model = Arc::new(preset(&args.model, shape)?);
    let gpu = Gpu::open(&GpuOptions {
        adapter: args.adapter.adapter.clone(),
        tune: args.execution.tune(),
        ..GpuOptions::default()
    })?;
    let mut progress = |what: &str| {
        if !args.quiet {
            tell(what);
        }
    };
    progress(&format!("adapter {}", gpu.adapter().line()));
    let options = args.options(&gpu);
    let report = bench(&gpu, &model, &data, &options, &mut progress).map_err(RunError::from)?;
    if args.json {
        let json = serde_json::to_value(&report).unwrap_or_default();
        say(format_args!("{json:#}"));
    } else {
        say(format_args!("{}", report_text(&report).trim_end()));
    }
    Ok(())
}
