//! Several processes, and several experiments, on the same stages: each is computed once, and all end with the same bytes.

use super::setup::{
    ARMS, MLP, TRAINING, arm, assert_same_folders, assert_same_results, finished_stages, lab,
};
use crate::common::{Done, Lab, assert_same, command, no_gpu, table};
use std::process::Child;
use std::time::Duration;

/// Trainings long enough that processes meet, in cohorts of one.
const SHARED: [&str; 5] = ["--quiet", "--replicas", "1", "--set", "train.length=400st"];

fn trainings(lab: &Lab, out: &str) -> u32 {
    let path = lab.path(out).join("times.csv");
    if !path.exists() {
        return 0;
    }
    let rows = table(&path);
    let rows = rows
        .iter()
        .filter(|row| row["work"].starts_with("training"));
    rows.map(|row| row["replicas"].parse::<u32>().unwrap())
        .sum()
}

fn start(lab: &Lab, out: &str, more: &[&str]) -> Child {
    lab.command("e.toml", out, more).spawn().expect("it starts")
}

fn ends(child: Child) -> Done {
    Done::of(child.wait_with_output().expect("a child"))
}

#[test]
fn processes_on_one_folder_help_each_other() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    lab.run("e.toml", "alone", &SHARED).ok();
    let together = [start(&lab, "out", &SHARED), start(&lab, "out", &SHARED)];
    while finished_stages(&lab, "out") < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let late = start(&lab, "out", &SHARED);
    for child in together {
        ends(child).ok();
    }
    ends(late).ok();
    assert_same_folders(&lab, "alone", "out");
    assert_eq!(trainings(&lab, "out"), trainings(&lab, "alone"));
    let left = std::fs::read_dir(lab.path("out/claims")).expect("a folder");
    assert_eq!(left.count(), 0, "no claim is left");
}

/// Killed at any moment and started again, and no command is needed to take its claims away.
#[test]
fn a_process_that_is_killed_leaves_nothing_in_the_way() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    lab.run("e.toml", "alone", &SHARED).ok();
    let steady = start(&lab, "out", &SHARED);
    for moment in [90, 240, 410, 130, 350] {
        let mut killed = start(&lab, "out", &SHARED);
        std::thread::sleep(Duration::from_millis(moment));
        killed.kill().expect("it can be killed");
        ends(killed);
    }
    let again = start(&lab, "out", &SHARED);
    ends(steady).ok();
    ends(again).ok();
    assert_same_folders(&lab, "alone", "out");
    // Rows are written once a stage is saved: what a killed process had not finished was computed by another.
    assert!(trainings(&lab, "out") <= trainings(&lab, "alone"));
}

/// Two experiments with a store: what they have in common is trained once, and their folders are as without it.
#[test]
fn experiments_share_a_store() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let other = format!("{MLP}{}", arm("dense", &[TRAINING]));
    lab.write("other.toml", other);
    lab.run("e.toml", "alone", &["--quiet"]).ok();
    lab.run("other.toml", "other alone", &["--quiet"]).ok();
    let store = lab.path("store").display().to_string();
    let shared = ["--quiet", "--store", &store];
    lab.run("e.toml", "out", &shared).ok();
    let done = lab.run("other.toml", "other", &["--store", &store]).ok();
    assert!(
        done.stderr.contains("2 of 2 stages are already"),
        "{}",
        done.stderr
    );
    assert_eq!(trainings(&lab, "other"), 0);
    for (alone, out) in [("alone", "out"), ("other alone", "other")] {
        let mut alone = lab.contents(alone);
        alone.retain(|path, _| !path.starts_with("stages"));
        assert_same(&alone, &lab.contents(out), out);
    }
    // A folder that has stages of its own brings them along.
    let brought = lab.path("brought").display().to_string();
    lab.run("e.toml", "alone", &["--quiet", "--store", &brought])
        .ok();
    assert_eq!(
        finished_stages(&lab, "brought"),
        finished_stages(&lab, "alone")
    );
    let variable = command(["run"])
        .arg(lab.path("e.toml"))
        .arg("--out")
        .arg(lab.path("variable"))
        .arg("--data")
        .arg(lab.path("data"))
        .env("SECATEUR_STORE", &store)
        .output();
    Done::of(variable.expect("the binary starts")).ok();
    assert_same_results(&lab, "variable", "out");
}
