//! Whose a run folder is: one experiment's, one version's, one process's at a time.

use super::setup::{ARMS, MLP, TRAINING, arm, lab};
use crate::common::{Done, TEST, TRAIN, assert_same, command, no_gpu, write_mnist};
use std::time::Duration;

/// An update of the program or a change of the data names no stage that is there: said before anything is computed or written.
#[test]
fn results_of_another_version_or_other_data_are_not_mixed() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, &arm("dense", &[TRAINING]));
    let short = ["--set", "train.length=3st"];
    lab.run("e.toml", "out", &short).ok();
    let before = lab.contents("out");
    let refused = |words: &[&str]| {
        let done = lab.run("e.toml", "out", &short).fails(2, words);
        assert!(!done.stderr.contains("replica"), "{}", done.stderr);
    };

    write_mnist(&lab.path("data/mnist"), TRAIN + 1, TEST);
    refused(&["the data mnist=", "is mnist=", "--out", "remove"]);
    assert_same(&lab.contents("out"), &before, "after a change of the data");
    write_mnist(&lab.path("data/mnist"), TRAIN, TEST);

    let ours = env!("CARGO_PKG_VERSION");
    let table = String::from_utf8(lab.read("out/results.csv")).expect("text");
    let older = table.replace(&format!(",{ours},"), ",0.0.9,");
    assert_ne!(table, older);
    lab.write("out/results.csv", older);
    let before = lab.contents("out");
    refused(&["Secateur 0.0.9", ours, "--out", "remove"]);
    assert_same(&lab.contents("out"), &before, "after an update");
}

/// What the experiment's digest leaves out does not stand in a run's files either: its file's name, and where a mask file lies.
#[test]
fn a_renamed_experiment_goes_on_and_so_does_one_seen_from_elsewhere() {
    if no_gpu() {
        return;
    }
    let loads = r#"
[[arm]]
name = "loaded"
steps = [{ mask = { load = "m.safetensors" } }, { train = {} }]
"#;
    let lab = lab(MLP, ARMS);
    let short = ["--quiet", "--set", "train.length=3st"];
    lab.run("e.toml", "masks", &short).ok();
    let mask = lab.read("masks/masks/random-seed0.safetensors");
    lab.write("m.safetensors", mask);
    let text = format!("title = \"Is a rose a rose?\"\n{MLP}{loads}");
    lab.write("rose.toml", &text);
    lab.run("rose.toml", "out", &short).ok();
    let before = lab.contents("out");

    lab.write("renamed.toml", &text);
    lab.run("renamed.toml", "out", &short).ok();
    assert_same(&lab.contents("out"), &before, "after a renaming");
    // The same file by another path.
    let mut there = command(["run", "rose.toml", "--out"]);
    there
        .arg(lab.path("out"))
        .arg("--data")
        .arg(lab.path("data"));
    let done = there.args(short).current_dir(lab.path("")).output();
    Done::of(done.expect("the binary starts")).ok();
    assert_same(&lab.contents("out"), &before, "from another folder");
}

#[test]
fn two_processes_do_not_write_one_folder() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let long = [
        "--quiet",
        "--replicas",
        "1",
        "--set",
        "train.length=100000st",
    ];
    let short = ["--quiet", "--set", "train.length=20st"];
    // Once its subfolders are there, the first process holds the lock.
    let mut child = lab
        .command("e.toml", "out", &long)
        .spawn()
        .expect("it starts");
    while !lab.path("out/stages").exists() {
        assert!(child.try_wait().expect("a child").is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = lab.run("e.toml", "out", &long);
    child.kill().expect("it can be killed");
    Done::of(child.wait_with_output().expect("a child"));
    second.fails(5, &["another process", "--out"]);
    // A killed process holds no lock.
    lab.run("e.toml", "out", &short)
        .fails(5, &["another experiment"]);
}
