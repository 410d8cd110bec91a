//! Prunes by a criterion of its own, and compares it with magnitude.
//!
//! ```text
//! cargo run --release --example own_criterion -- runs/own-criterion
//! ```
//!
//! By magnitude alone, a layer whose weights are small loses the most, whatever it does with them. Here a weight counts by its size in
//! units of the root mean square of its layer. The rest is as with any other criterion: exact counts, masks that are enforced, seeds,
//! statistics.

use secateur::report::{TableOptions, table};
use secateur::{Engine, Experiment, Gpu, GpuOptions, LayerWeights, RunOptions, arm_infos};
use std::path::Path;

const EXPERIMENT: &str = r#"
secateur = 1
title = "Does size within the layer say more than size?"
seeds = 3

[model]
preset = "lenet-300-100"

[train]
dataset = "drawn-digits"
samples = 2000
batch = 50
length = "2ep"
optimizer = { kind = "adam", lr = 0.002 }

[[arm]]
name = "magnitude"
steps = [{ train = {} }, { prune = { criterion = "magnitude", sparsity = 0.95 } }, { train = {} }]

[[arm]]
name = "relative to layer"
steps = [{ train = {} }, { prune = { criterion = "custom", sparsity = 0.95 } }, { train = {} }]
"#;

/// |w| over the root mean square of its layer's weights, of which pruned ones are 0.
fn relative_to_layer(layer: &LayerWeights<'_>) -> Vec<f32> {
    let squares: f32 = layer.weights.iter().map(|w| w * w).sum();
    let usual = (squares / layer.weights.len() as f32).sqrt();
    layer.weights.iter().map(|w| w.abs() / usual).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("usage: own_criterion FOLDER")?;
    let experiment = Experiment::parse("own-criterion.toml", EXPERIMENT, Path::new("."), &[])?;
    let gpu = Gpu::open(&GpuOptions::default())?;
    let options = RunOptions {
        out: folder.into(),
        ..RunOptions::default()
    };
    let results = Engine::new(&gpu, options)
        .criterion("relative to layer", relative_to_layer)
        .execute(&experiment)?;
    let arms = arm_infos(&experiment);
    print!(
        "{}",
        table(
            &experiment.title,
            &results.rows,
            &arms,
            &TableOptions::default()
        )
    );
    Ok(())
}
