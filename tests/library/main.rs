//! The library as a program that embeds it meets it: events out, a stop token in, a criterion of its own, and nothing printed.

#[path = "../common/mod.rs"]
mod common;

mod criterion;
mod engine;
mod examples;

use common::Lab;
use secateur::{Engine, Experiment, Gpu, RunOptions};

/// Two seeds of a small network on the stand-in for MNIST; these are the arms.
fn experiment(arms: &str) -> String {
    format!(
        r#"
secateur = 1
title = "A small one"
seeds = 2
[model]
layers = ["flatten", {{ linear = 24 }}, "relu", {{ linear = 10 }}]
[train]
dataset = "mnist"
batch = 30
length = "2ep"
optimizer = {{ kind = "sgd", lr = 0.1 }}
validation = 64
{arms}
"#
    )
}

/// The experiment in a lab's `e.toml`.
fn read(lab: &Lab) -> Experiment {
    Experiment::read(&lab.path("e.toml"), &[]).unwrap()
}

/// What runs it into one of the lab's folders.
fn engine<'a>(lab: &Lab, gpu: &'a Gpu, out: &str) -> Engine<'a> {
    let options = RunOptions {
        out: lab.path(out),
        data: Some(lab.path("data")),
        ..RunOptions::default()
    };
    Engine::new(gpu, options)
}
