//! Experiments and command lines with mistakes.

use super::EXPERIMENT;
use crate::common::{Done, Lab, command, secateur};
use std::path::Path;

fn check(text: &str, more: &[&str]) -> Done {
    let lab = Lab::new();
    let path = lab.write("e.toml", text);
    let args = [Path::new("check"), &path];
    Done::of(command(args).args(more).output().expect("it starts"))
}

/// The line of `EXPERIMENT` that holds this text, from 1.
fn line_of(text: &str, part: &str) -> usize {
    let before = &text[..text.find(part).expect("part of the text")];
    before.matches('\n').count() + 1
}

#[test]
fn all_mistakes_are_named_at_once_with_their_lines() {
    let text = EXPERIMENT
        .replace("batch = 30", "batch = 0")
        .replace("sparsity = 0.8", "sparsity = 1.5")
        .replace("lr = 0.1", "rate = 0.1");
    let lines = ["batch = 0", "sparsity = 1.5", "rate = 0.1"].map(|part| {
        let line = line_of(&text, part);
        format!("e.toml:{line}:")
    });
    let words = [
        &lines[0][..],
        &lines[1],
        &lines[2],
        "in [0, 1]",
        "mistakes in",
    ];
    check(&text, &[]).fails(2, &words);
    let one = check(&EXPERIMENT.replace("sparsity = 0.8", "sparsity = 1.5"), &[]);
    let one = one.fails(2, &["1.5", "1 mistake in"]);
    assert!(
        one.stderr.contains("arm[0].steps[1].prune.sparsity"),
        "{}",
        one.stderr
    );
    check(EXPERIMENT, &[]).ok();
}

#[test]
fn a_slip_of_the_pen_is_answered_with_the_right_word() {
    for (wrong, right) in [
        (("dataset = \"mnist\"", "dataset = \"minst\""), "mnist"),
        (("[train]", "[trian]"), "train"),
        (
            ("{ train = {} }, { prune", "{ trian = {} }, { prune"),
            "train",
        ),
        (("kind = \"sgd\"", "kind = \"sdg\""), "sgd"),
        (("restart = \"fresh\"", "restart = \"frehs\""), "fresh"),
        (("length = \"4st\"", "length = \"4 steps\""), "st"),
        (
            ("batch = 30", "micro_batch = 31\nbatch = 30"),
            "the batch of 30",
        ),
        (
            ("batch = 30", "micro_batch = 33\nbatch = 99"),
            "the next is 64",
        ),
    ] {
        let text = EXPERIMENT.replace(wrong.0, wrong.1);
        let done = check(&text, &[]);
        let line = format!("e.toml:{}:", line_of(&text, wrong.1));
        done.fails(2, &[&line, right]);
    }
}

#[test]
fn overrides_are_checked_like_the_file() {
    check(EXPERIMENT, &["--set", "train.btach=32"]).fails(2, &["btach", "batch"]);
    check(EXPERIMENT, &["--set", "train.batch=0"]).fails(2, &["batch"]);
    check(EXPERIMENT, &["--set", "arm[7].name=x"]).fails(2, &["arm"]);
    check(EXPERIMENT, &["--set", "arm[\"dens\"].name=x"]).fails(2, &["dense"]);
    check(EXPERIMENT, &["--set", "train.batch"]).fails(2, &["train.batch"]);
    check(EXPERIMENT, &["--set", ""]).fails(2, &[]);
    check(EXPERIMENT, &["--set", "=3"]).fails(2, &[]);
    check(EXPERIMENT, &["--set", "seeds=[1,"]).fails(2, &["seeds"]);
    check(EXPERIMENT, &["--set", "train.batch=32"]).ok();
}

#[test]
fn shapes_that_do_not_fit_are_refused_before_anything_runs() {
    let layers = |list: &str| {
        let old = r#"["flatten", { linear = 12 }, "relu", { linear = 10 }]"#;
        assert!(EXPERIMENT.contains(old));
        check(&EXPERIMENT.replace(old, list), &[])
    };
    layers(r#"[{ conv2d = 4, kernel = 29 }, { linear = 10 }]"#).fails(2, &["conv1", "29", "28"]);
    layers(r#"[{ conv2d = 4, kernel = 5, padding = 5 }, { linear = 10 }]"#)
        .fails(2, &["conv1", "padding 5"]);
    layers(r#"[{ max_pool = 30 }, { linear = 10 }]"#).fails(2, &["maxpool1", "30", "28"]);
    layers(r#"[{ max_pool = 14 }, { conv2d = 4, kernel = 3 }, { linear = 10 }]"#)
        .fails(2, &["conv1", "window of 3", "input of 2"]);
    layers(r#"[{ linear = 12 }, "relu"]"#).fails(2, &["12", "dataset has 10", "{ linear = 10 }"]);
    let twelve = [
        "e.toml:5:",
        "model.layers[1]",
        "12 outputs",
        "{ linear = 10 }",
    ];
    layers(r#"["flatten", { linear = 12 }]"#).fails(2, &twelve);
    layers(r#"[{ linear = 12 }, { max_pool = 1 }]"#).fails(2, &["maxpool1", "12", "10 classes"]);
    layers(r#"["flatten"]"#).fails(2, &["no layer with weights"]);
    layers(r#"[]"#).fails(2, &["layers"]);
    layers(r#"[{ conv2d = 10, kernel = 3 }, { avg_pool = "global" }]"#).ok();
    // Every arm and point that is wrong is named.
    let text = EXPERIMENT.replace("sparsity = 0.8", "keep = 1000000");
    let done = check(&text, &[]).fails(2, &["pruned", "1000000", "9528"]);
    assert!(!done.stderr.contains("arm \"dense\""), "{}", done.stderr);
    let text = EXPERIMENT.replace("sparsity = 0.8", "sparsity = 0.8, layers = [\"fc3\"]");
    check(&text, &[]).fails(2, &["fc3", "fc1"]);
}

#[test]
fn files_that_are_no_experiments_are_refused() {
    for text in [
        "",
        "\u{feff}",
        "secateur = 2\n",
        "secateur = 1\n",
        "not toml at all",
        "secateur = 1\nsecateur = 1\n",
        "[[[",
        "a = \"\u{0}\"",
    ] {
        let done = check(text, &[]);
        assert_eq!(done.code, Some(2), "{text:?}: {}", done.stderr);
    }
    let lab = Lab::new();
    for path in [lab.path("none.toml"), lab.path("data")] {
        let shown = path.display().to_string();
        let args = [Path::new("check"), &path];
        Done::of(command(args).output().expect("it starts")).fails(2, &[&shown]);
    }
    let bytes = lab.write("bytes.toml", [0xff, 0xfe, 0x00, 0x80]);
    let args = [Path::new("check"), &bytes];
    Done::of(command(args).output().expect("it starts")).fails(2, &["bytes.toml"]);
}

#[test]
fn the_command_line_is_checked() {
    let lab = Lab::with(EXPERIMENT);
    for more in [
        &["--replicas", "0"][..],
        &["--replicas", "many"],
        &["--memory", "0"],
        &["--memory", "99999999999999999"],
        &["--tiles", "0x1,1x1"],
        &["--tiles", "8x2"],
        &["--no-such-flag"],
        &["another file"],
    ] {
        let done = lab.run("e.toml", "out", more);
        assert_eq!(done.code, Some(2), "{more:?}: {}", done.stderr);
        assert!(!lab.path("out").exists(), "{more:?}");
    }
    lab.run("e.toml", "out", &["--reference", "dens"])
        .fails(2, &["dens", "pruned", "dense"]);
    secateur(["model", "summary", "lenet"]).fails(2, &["lenet-300-100"]);
    secateur(["frobnicate"]).fails(2, &["frobnicate"]);
    secateur::<&str>([]).fails(2, &["Usage"]);
}
