//! Samples per second of whole training steps: `cargo bench --bench training -- --model lenet-300-100 --batch 128`.
//!
//! One JSON line per density with `--json`, with the keys that the scripts in `benches/peers/` expect. Inputs are drawn
//! digits, so nothing is downloaded; a step's cost does not depend on the pixels.

use secateur::data::{self, SearchPath};
use secateur::gpu::{Gpu, GpuOptions, TuneMode};
use secateur::model::{Model, presets};
use secateur::ops::{Execution, SparseRule};
use secateur::prune::prune;
use secateur::spec::{
    Amount, Criterion, Init, Length, ModelSpec, Optimizer, PruneSpec, Scope, Shape, TrainSpec,
};
use secateur::train::{RandomKey, Replicas, ResidentDataset, Trainer, scales};
use std::sync::Arc;
use std::time::Instant;

struct Args {
    model: String,
    batch: u32,
    replicas: u32,
    seconds: f64,
    plain: bool,
    density: f64,
    sparse: SparseRule,
}

fn args() -> Args {
    let mut args = Args {
        model: "lenet-300-100".to_owned(),
        batch: 128,
        replicas: 1,
        seconds: 10.0,
        plain: false,
        density: 1.0,
        sparse: SparseRule::Auto,
    };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || {
            given
                .next()
                .unwrap_or_else(|| panic!("{flag} needs a value"))
        };
        match flag.as_str() {
            "--model" => args.model = value(),
            "--batch" => args.batch = value().parse().expect("--batch takes a number"),
            "--replicas" => args.replicas = value().parse().expect("--replicas takes a number"),
            "--seconds" => args.seconds = value().parse().expect("--seconds takes a number"),
            "--density" => args.density = value().parse().expect("--density takes a number"),
            "--sparse" => {
                args.sparse = match value().as_str() {
                    "auto" => SparseRule::Auto,
                    "never" => SparseRule::Never,
                    "always" => SparseRule::Always,
                    other => panic!("--sparse takes auto, never or always, not {other}"),
                };
            }
            "--plain" => args.plain = true,
            // cargo adds --bench; --json is the only format.
            "--bench" | "--json" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    args
}

fn main() {
    let args = args();
    let gpu = Gpu::open(&GpuOptions {
        adapter: std::env::var("SECATEUR_ADAPTER").ok(),
        tune: TuneMode::Auto,
        ..GpuOptions::default()
    })
    .expect("an adapter");
    let data = data::load("drawn-digits", &SearchPath::new(None)).expect("drawn data");
    let spec = ModelSpec {
        name: args.model.clone(),
        layers: presets::layers(&args.model).expect("a preset"),
        init: Init::Pytorch,
    };
    let model = Model::new(&spec, Shape::new(1, 28, 28), 10).expect("shapes");
    let keys: Vec<RandomKey> = (0..args.replicas)
        .map(|seed| RandomKey {
            seed,
            ..RandomKey::default()
        })
        .collect();
    let replicas = Replicas::new(&gpu, Arc::new(model), &keys).expect("replicas");
    replicas.initialise(&gpu).expect("weights");
    if args.density < 1.0 {
        // Random masks: what a step costs depends on how many weights are kept, hardly on which.
        let spec = PruneSpec::new(
            Criterion::Random,
            Scope::Uniform,
            Amount::Density(args.density),
        );
        prune(&gpu, &replicas, &vec![&spec; args.replicas as usize]).expect("masks");
    }
    let resident = ResidentDataset::upload(&gpu, &data).expect("data");
    let mut execution = if args.plain {
        Execution::default()
    } else {
        Execution::for_adapter(gpu.adapter())
    };
    execution.sparse = args.sparse;
    let train = |steps: u32| {
        let length = Length::Steps(steps);
        let spec = TrainSpec::plain(&data.name, args.batch, length, Optimizer::sgd(0.01, 0.9));
        let specs = vec![&spec; args.replicas as usize];
        let scales = scales(&spec.normalise, &data);
        let mut trainer =
            Trainer::new(&gpu, &replicas, &resident, &specs, &scales, &execution).expect("trainer");
        let begun = Instant::now();
        trainer.train(None, &mut |_| true).expect("training");
        begun.elapsed().as_secs_f64()
    };
    // The first steps compile shaders; then a trial tells how many steps fill the time.
    train(10);
    let trial = train(20) / 20.0;
    let steps = ((args.seconds / trial) as u32).max(10);
    let seconds = train(steps);
    let rate = f64::from(steps) * f64::from(args.batch) * f64::from(args.replicas) / seconds;
    println!(
        "{}",
        serde_json::json!({
            "engine": "secateur", "model": args.model, "batch": args.batch, "replicas": args.replicas, "density": args.density,
            "variant": execution.data.to_string(),
            "steps": steps, "seconds": seconds, "samples_per_second": rate, "adapter": gpu.adapter().name,
        })
    );
}
