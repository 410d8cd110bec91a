//! `secateur model summary`.

use super::failure::Failure;
use super::say;
use clap::{Args, Subcommand};
use secateur::model::{Init, Model as Network, ModelSpec, Shape, presets};
use secateur::train::Memory;

/// Look at models
#[derive(Subcommand)]
pub enum Model {
    /// Layers, shapes, parameters, multiply-adds and memory of a preset
    Summary(Summary),
}

#[derive(Args)]
pub struct Summary {
    /// The preset's name
    preset: String,
    /// Batch size, for the memory
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch: u32,
}

/// The preset of this name.
pub(super) fn preset(name: &str) -> Result<Network, Failure> {
    let Some(layers) = presets::layers(name) else {
        return Err(Failure::experiment(format!(
            "there is no preset {name:?}; the presets are {}",
            presets::names().join(", ")
        )));
    };
    let spec = ModelSpec {
        name: name.to_owned(),
        layers,
        init: Init::default(),
    };
    // All presets so far are for MNIST's shape.
    Network::new(&spec, Shape::new(1, 28, 28), 10).map_err(|e| Failure::experiment(e.to_string()))
}

pub fn run(command: Model) -> Result<(), Failure> {
    let Model::Summary(args) = command;
    let model = preset(&args.preset)?;
    say(format_args!(
        "{:<12} {:>12} {:>12} {:>12}",
        "layer", "output", "parameters", "mult-adds"
    ));
    say(format_args!(
        "{:<12} {:>12}",
        "input",
        model.input.to_string()
    ));
    for layer in &model.layers {
        let parameters: usize = model.tensors[layer.tensors.clone()]
            .iter()
            .map(|t| t.count)
            .sum();
        say(format_args!(
            "{:<12} {:>12} {:>12} {:>12}",
            layer.name,
            layer.output.to_string(),
            parameters,
            layer.operator.multiply_adds(layer.input)
        ));
    }
    say(format_args!(
        "{} parameters, {} of them prunable; {} multiply-adds per sample forward",
        model.parameters(),
        model.prunable(),
        model.multiply_adds()
    ));
    let memory = Memory::plan(&model, args.batch);
    say(format_args!(
        "training with batch {}: {:.1} MiB per replica",
        args.batch,
        memory.bytes(1) as f64 / f64::from(1 << 20)
    ));
    Ok(())
}
