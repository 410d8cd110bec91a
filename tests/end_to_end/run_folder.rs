//! Whose a run folder is: one experiment's, one version's, one process's at a time.

use super::setup::{ARMS, MLP, TRAINING, arm, assert_same_results, lab};
use crate::common::{Done, TEST, TRAIN, assert_same, command, no_gpu, table, write_mnist};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Results on other data are not mixed with those that are there: what reads them is computed anew, and said so.
#[test]
fn a_change_of_the_data_computes_what_reads_it_anew() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, &arm("dense", &[TRAINING]));
    let short = ["--set", "train.length=3st"];
    lab.run("e.toml", "out", &short).ok();
    let before = lab.read("out/results.csv");
    write_mnist(&lab.path("data/mnist"), TRAIN + 1, TEST);
    let done = lab.run("e.toml", "out", &short).ok();
    assert!(
        done.stderr
            .contains("the data of `mnist` is not what it was"),
        "{}",
        done.stderr
    );
    lab.run("e.toml", "fresh", &short).ok();
    assert_ne!(lab.read("out/results.csv"), before);
    assert_same_results(&lab, "out", "fresh");
    // Put back, it costs nothing.
    write_mnist(&lab.path("data/mnist"), TRAIN, TEST);
    let trained = table(&lab.path("out/times.csv")).len();
    lab.run("e.toml", "out", &short).ok();
    assert_eq!(lab.read("out/results.csv"), before);
    assert_eq!(table(&lab.path("out/times.csv")).len(), trained);
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
    // The folder is of the new name, and of the text under it.
    let but_the_name = |mut all: BTreeMap<PathBuf, Vec<u8>>| {
        all.remove(Path::new("folder.json"));
        all
    };
    let renamed = but_the_name(lab.contents("out"));
    assert_same(&renamed, &but_the_name(before), "after a renaming");
    let before = lab.contents("out");
    // The same file by another path.
    let mut there = command(["run", "renamed.toml", "--out"]);
    there
        .arg(lab.path("out"))
        .arg("--data")
        .arg(lab.path("data"));
    let done = there.args(short).current_dir(lab.path("")).output();
    Done::of(done.expect("the binary starts")).ok();
    assert_same(&lab.contents("out"), &before, "from another folder");
}
