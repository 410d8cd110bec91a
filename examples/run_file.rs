//! Runs an experiment's file and prints a line for each run.
//!
//! ```text
//! cargo run --release --example run_file -- experiments/quickstart.toml runs/quickstart
//! ```

use secateur::{Engine, Event, Experiment, Gpu, GpuOptions, RunOptions};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, folder] = &arguments[..] else {
        return Err("usage: run_file EXPERIMENT.toml FOLDER".into());
    };
    let experiment = Experiment::read(Path::new(file), &[])?;
    let gpu = Gpu::open(&GpuOptions::default())?;
    let options = RunOptions {
        out: folder.into(),
        ..RunOptions::default()
    };
    let results = Engine::new(&gpu, options)
        .on_event(|event| match event {
            Event::Begun(what) => eprintln!("{what}"),
            Event::Warning(text) => eprintln!("warning: {text}"),
            _ => {}
        })
        .execute(&experiment)?;
    for row in &results.rows {
        println!(
            "{}, seed {}: {:.2} % right with {:.1} % of the weights",
            row.arm,
            row.seed,
            row.test_accuracy,
            100.0 * row.density
        );
    }
    Ok(())
}
