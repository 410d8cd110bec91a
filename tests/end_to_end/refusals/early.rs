//! What a run would refuse is refused by `check` and `plan`, which read no data and need no adapter.

use super::EXPERIMENT;
use crate::common::{Done, Lab, command, no_gpu};
use std::path::Path;

/// `secateur check` or `plan` of `e.toml`.
fn early(lab: &Lab, word: &str) -> Done {
    let args = [Path::new(word), &lab.path("e.toml")];
    Done::of(command(args).output().expect("it starts"))
}

/// A text that is refused, at this path and on the line that holds `at`.
fn refused(lab: &Lab, text: &str, at: &str, path: &str, words: &[&str]) {
    lab.write("e.toml", text);
    let before = &text[..text.find(at).expect("part of the text")];
    let line = format!("e.toml:{}:", before.matches('\n').count() + 1);
    for word in ["check", "plan"] {
        let done = early(lab, word).fails(2, &[&line, path]);
        done.fails(2, words);
    }
}

fn fine(lab: &Lab, text: &str) {
    lab.write("e.toml", text);
    early(lab, "check").ok();
}

/// A mask for the network of `EXPERIMENT`: the first 2000 of the 9408 weights of fc1, so that its third output has 432 and the
/// fourth none, and every other one of the 120 of fc2. As another program would write it.
fn mask() -> Vec<u8> {
    let fc1 = (0..9408).map(|i| u8::from(i < 2000));
    let fc2 = (0..120).map(|i| u8::from(i % 2 == 0));
    let header = r#"{"fc1.weight":{"dtype":"BOOL","shape":[12,784],"data_offsets":[0,9408]},"fc2.weight":{"dtype":"BOOL","shape":[10,12],"data_offsets":[9408,9528]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    let head = length.into_iter().chain(header.bytes());
    head.chain(fc1).chain(fc2).collect()
}

/// `EXPERIMENT`, its first arm with these steps.
fn with_steps(steps: &str) -> String {
    let own = EXPERIMENT.lines().find(|line| line.starts_with("steps"));
    let own = own.expect("steps");
    EXPERIMENT.replacen(own, &format!("steps = [\n{steps}\n]"), 1)
}

/// A mask is loaded, and `prune` stands after a training.
fn loads(prune: &str) -> String {
    with_steps(&format!(
        "{{ mask = {{ load = \"m.safetensors\" }} }},\n{{ train = {{}} }},\n{prune},\n{{ train = {{}} }},"
    ))
}

#[test]
fn more_weights_than_a_mask_file_leaves() {
    let lab = Lab::new();
    lab.write("m.safetensors", mask());
    let step = "arm[0].steps[2].prune";
    for (amount, key, words) in [
        (
            "sparsity = 0.5",
            ".sparsity",
            &["keep 4764 weights of fc1, fc2", "leaves only 2060"][..],
        ),
        ("keep = 2061", ".keep", &["keep 2061", "leaves only 2060"]),
        (
            "scope = \"layer\", density = 0.5",
            ".density",
            &["4704 weights of fc1,", "only 2000"],
        ),
        (
            "layers = [\"fc2\"], density = 0.51",
            ".density",
            &["61 weights of fc2", "only 60"],
        ),
        (
            "scope = \"neuron\", density = 0.1",
            ".density",
            &["78 weights of one output of fc1", "only 0"],
        ),
        (
            "scope = \"uniform\", keep = 2040",
            ".keep",
            &["2014 weights of fc1", "only 2000"],
        ),
        (
            "scope = \"erk\", keep = 2060",
            ".keep",
            &["weights of fc1", "only 2000"],
        ),
        (
            "densities = { fc1 = 0.3 }",
            ".densities",
            &["2822 weights of fc1", "only 2000"],
        ),
        (
            "keep_dense = [\"fc2\"], keep = 50",
            ".keep_dense",
            &["layers with 60 weights", "only 50 are to stay"],
        ),
        (
            "structure = \"units\", sparsity = 0.5",
            ".sparsity",
            &["6 units of fc1", "only 3 are left"],
        ),
    ] {
        let text = loads(&format!("{{ prune = {{ {amount} }} }}"));
        refused(&lab, &text, amount, &format!("{step}{key}"), words);
    }
    let gradual = loads("{ train = { prune = { sparsity = 0.5 } } }");
    let path = "arm[0].steps[2].train.prune.sparsity";
    refused(&lab, &gradual, "sparsity = 0.5", path, &["only 2060"]);
    // A step between leaves each layer its count.
    let shuffled = loads("{ mask = \"shuffle\" },\n{ prune = { sparsity = 0.5 } }");
    let path = "arm[0].steps[3].prune.sparsity";
    refused(&lab, &shuffled, "sparsity = 0.5", path, &["only 2060"]);
    for amount in [
        "keep = 2060",
        "remaining = 0.5",
        "layers = [\"fc2\"], density = 0.5",
        "layers = [\"fc2\"], scope = \"neuron\", density = 0.5",
        "scope = \"uniform\", keep = 2000",
        "scope = \"erk\", keep = 500",
        "densities = { fc1 = 0.2 }",
        // Whole it has 120.
        "keep_dense = [\"fc2\"], keep = 100",
        "structure = \"units\", sparsity = 0.75",
        // Where units go is decided by the weights.
        "structure = \"either\", sparsity = 0.5",
    ] {
        println!("{amount}");
        fine(&lab, &loads(&format!("{{ prune = {{ {amount} }} }}")));
    }
    fine(
        &lab,
        &loads("{ mask = \"release\" },\n{ train = {} },\n{ prune = { sparsity = 0.5 } }"),
    );
}

/// A dataset that the program draws, and a network whose batches must not hold a single sample.
const DRAWN: &str = r#"
secateur = 1
seeds = 1
[model]
layers = ["flatten", { linear = 12 }, "batch_norm", "relu", { linear = 10 }]
[train]
dataset = "drawn-digits"
batch = 20
samples = 60
validation = 10
length = "1ep"
optimizer = { kind = "sgd", lr = 0.05 }
[[arm]]
name = "a"
steps = [{ train = {} }]
"#;

#[test]
fn samples_that_are_known_without_data() {
    let lab = Lab::new();
    fine(&lab, DRAWN);
    let with = |from: &str, to: &str| {
        assert!(DRAWN.contains(from));
        DRAWN.replace(from, to)
    };
    let one = &["the last batch", "\"bn1\""][..];
    let last = with("samples = 60", "samples = 61");
    refused(&lab, &last, "batch = 20", "train.batch", one);
    // A part of a dataset has its size whatever the dataset's.
    let mnist = last.replace("drawn-digits", "mnist");
    refused(&lab, &mnist, "batch = 20", "train.batch", one);
    // Of a whole one only files tell.
    fine(&lab, &mnist.replace("samples = 61\n", ""));

    // 11,990 samples are 600 batches.
    let whole = with("samples = 60\n", "");
    let of_one = whole.replace("batch = 20", "batch = 19");
    refused(&lab, &of_one, "batch = 19", "train.batch", one);
    let all = whole.replace("validation = 10", "validation = 12000");
    let none = ["12000 training", "leaves none"];
    refused(&lab, &all, "validation", "train.validation", &none);
    let more = with("samples = 60", "samples = 11991");
    let fewer = ["leaves 11990", "11991 asks"];
    refused(&lab, &more, "samples", "train.samples", &fewer);
    let steps = |steps: &str| whole.replace("{ train = {} }", steps);
    let rewind = |to: u32| {
        steps(&format!(
            "{{ train = {{}} }}, {{ prune = {{ sparsity = 0.5 }} }}, {{ restart = {{ rewind = \"{to}st\" }} }}, {{ train = {{}} }}"
        ))
    };
    fine(&lab, &rewind(600));
    let path = "arm[0].steps[2].restart.rewind";
    refused(&lab, &rewind(601), "601st", path, &["rewinding to 601st"]);
    let enter = steps("{ train = { enter = \"600st\" } }");
    refused(&lab, &enter, "600st", "train.enter", &["begin at 600st"]);
    for (key, words) in [("begin", "its end"), ("end", "601")] {
        let gradual = steps(&format!(
            "{{ train = {{ prune = {{ sparsity = 0.5, {key} = \"601st\" }} }} }}"
        ));
        let path = format!("train.prune.{key}");
        refused(&lab, &gradual, "601st", &path, &[words]);
    }
    // A third of what is drawn: 3,590 samples.
    let some = whole.replace("dataset = \"drawn-digits\"", "dataset = \"some\"")
        + "[datasets.some]\nof = \"drawn-digits\"\nclasses = [\"0\", \"1\", \"2\"]\n";
    let some = some.replace("{ linear = 10 }", "{ linear = 3 }");
    fine(&lab, &some);
    let of_one = some.replace("batch = 20", "batch = 97");
    refused(&lab, &of_one, "batch = 97", "train.batch", one);
}

/// The same mistakes, said by the run.
#[test]
fn a_run_refuses_the_same() {
    if no_gpu() {
        return;
    }
    let lab = Lab::new();
    lab.write("m.safetensors", mask());
    lab.write("e.toml", loads("{ prune = { sparsity = 0.5 } }"));
    let path = "arm[0].steps[2].prune.sparsity";
    lab.run("e.toml", "out", &[]).fails(2, &[path, "only 2060"]);
    assert!(!lab.path("out").exists());
    lab.write("e.toml", loads("{ prune = { keep = 2060 } }"));
    lab.run("e.toml", "out", &["--set", "seeds=1"]).ok();
}
