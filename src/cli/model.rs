//! `secateur model summary` and `show`.

use super::args::ExperimentArgs;
use super::check::verified;
use super::failure::Failure;
use super::output::say;
use clap::{Args, Subcommand};
use secateur::experiment::model_toml;
use secateur::model::{LayerAt, LayerInput, Model as Network, presets};
use secateur::spec::{INPUT, Init, ModelSpec, Shape};
use secateur::train::{Memory, MemoryRequest};
use std::path::Path;

/// Look at models
#[derive(Subcommand)]
pub enum ModelCommand {
    /// Layers, what they read, shapes, parameters, multiply-adds and memory of a preset, or of an experiment's models
    Summary(SummaryArgs),
    /// A preset as TOML, to copy into an experiment and change
    Show(ShowPresetArgs),
}

#[derive(Args)]
pub struct ShowPresetArgs {
    /// The preset's name
    preset: String,
    /// Outputs of its last layer
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    classes: u32,
}

#[derive(Args)]
pub struct SummaryArgs {
    /// The preset's name, or an experiment file
    model: String,
    /// Batch size, for the memory of training
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch: u32,
}

/// The preset of this name.
fn spec(name: &str) -> Result<ModelSpec, Failure> {
    let Some(layers) = presets::layers(name) else {
        return Err(Failure::experiment(format!(
            "there is no preset {name:?}; the presets are {}",
            presets::names().join(", ")
        )));
    };
    Ok(ModelSpec {
        name: name.to_owned(),
        layers,
        init: Init::default(),
    })
}

/// The preset of this name on inputs of this shape.
pub(super) fn preset(name: &str, input: Shape) -> Result<Network, Failure> {
    let spec = spec(name)?;
    Network::new(&spec, input, 10).map_err(|e| Failure::experiment(e.to_string()))
}

pub fn run(command: ModelCommand) -> Result<(), Failure> {
    let args = match command {
        ModelCommand::Summary(args) => args,
        ModelCommand::Show(args) => {
            let layers =
                presets::for_classes(&spec(&args.preset)?, args.classes as usize).into_owned();
            say(model_toml(&layers).trim_end());
            return Ok(());
        }
    };
    let path = Path::new(&args.model);
    // A path is told from a misspelt preset by its ending or by being there.
    if path.extension().is_some() || path.exists() {
        let file = ExperimentArgs {
            file: path.to_owned(),
            overrides: Vec::new(),
        };
        let experiment = file.read()?;
        for model in verified(&experiment)?.iter() {
            summary(model, args.batch);
        }
    } else {
        summary(
            &preset(&args.model, presets::input(&args.model))?,
            args.batch,
        );
    }
    Ok(())
}

fn summary(model: &Network, batch: u32) {
    say(format_args!(
        "{} on inputs of {}, {} classes",
        model.name, model.input, model.classes
    ));
    let name_of = |source| match source {
        LayerInput::Input => INPUT.to_owned(),
        LayerInput::Layer(i) => model.layers[i].name.clone(),
    };
    let inputs = |layer: &LayerAt| layer.sources().map(name_of).collect::<Vec<_>>().join(", ");
    let wide = |texts: Vec<usize>| texts.into_iter().max().unwrap_or(0).max(6);
    let layers = &model.layers;
    let names = wide(layers.iter().map(|l| l.name.len()).collect());
    let sources = wide(layers.iter().map(|l| inputs(l).len()).collect());
    say(format_args!(
        "{:<names$}  {:<sources$} {:>12} {:>12} {:>12} {:>12}",
        "layer", "reads", "output", "parameters", "mult-adds", "bytes/sample"
    ));
    // Four samples are the least that is ever allocated.
    let plan = Memory::plan(model, &MemoryRequest::of_batch(4));
    let bytes_of = |buffer: &str| {
        let found = plan.buffers.iter().find(|(name, _)| name == buffer);
        found.map_or(0, |(_, words)| *words)
    };
    let mut bytes = bytes_of("input batch");
    for layer in layers {
        let tensors = model.tensors[layer.tensors.clone()].iter();
        let parameters: usize = tensors.filter(|t| t.learned).map(|t| t.count).sum();
        let own = bytes_of(&format!("activations of {}", layer.name));
        bytes += own;
        say(format_args!(
            "{:<names$}  {:<sources$} {:>12} {:>12} {:>12} {:>12}",
            layer.name,
            inputs(layer),
            layer.output.to_string(),
            parameters,
            layer.operator.multiply_adds(layer.input),
            own,
        ));
    }
    say(format_args!(
        "{} parameters, {} of them prunable; {} multiply-adds per sample forward",
        model.parameters(),
        model.prunable(),
        model.multiply_adds()
    ));
    if model.statistics() > 0 {
        say(format_args!("{} running statistics", model.statistics()));
    }
    let mebibytes = |moments: usize| {
        let request = MemoryRequest {
            moments,
            ..MemoryRequest::of_batch(batch)
        };
        Memory::plan(model, &request).bytes(1) as f64 / f64::from(1 << 20)
    };
    say(format_args!(
        "activations: {bytes} bytes per sample, the input's included; training with batch {batch}: {:.1} MiB per replica with plain SGD, {:.1} with momentum, {:.1} with Adam",
        mebibytes(0),
        mebibytes(1),
        mebibytes(2)
    ));
}
