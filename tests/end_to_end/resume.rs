//! What was interrupted goes on and ends with the same bytes; what is finished is not repeated.

use super::setup::{
    ARMS, MLP, TRAINING, arm, assert_same_folders, cut, cut_when, finished_stages, lab, stage_files,
};
use crate::common::{assert_same, no_gpu, number, table};
use std::path::PathBuf;

/// Killed in the middle of its trainings, it goes on from the last pass that was saved and ends with the same bytes.
#[test]
fn a_training_that_was_killed_goes_on_from_its_last_checkpoint() {
    if no_gpu() {
        return;
    }
    let changing = r#"
[[arm]]
name = "gradually"
steps = [{ train = { prune = { sparsity = 0.9, every = "7st" } } }]
[[arm]]
name = "rewired"
steps = [
  { prune = { criterion = "random", scope = "erk", sparsity = 0.8 } },
  { train = { rewire = { grow = "gradient", every = "7st" } } },
]
"#;
    let lab = lab(MLP, &format!("{ARMS}{changing}"));
    let set = [
        "--checkpoint",
        "1",
        "--set",
        "train.length=30ep",
        "--set",
        "train.keep=best",
        "--set",
        "train.patience=20",
    ];
    lab.run("e.toml", "whole", &set).ok();
    assert_eq!(
        stage_files(&lab, "whole", ".partial"),
        0,
        "they are removed at the end"
    );
    let (mut kills, mut resumed) = (0, 0);
    for _ in 0..4 {
        let ready = || stage_files(&lab, "cut", ".partial") > 0;
        let done = cut_when(&lab, "cut", &set, ready, |child| {
            // The first file of several may be there, so that cohorts part.
            child.kill().expect("it can be killed");
        });
        kills += usize::from(done.code.is_none());
        resumed += usize::from(done.stderr.contains("going on after step"));
        // The next one is killed at once where nothing is removed: go on to the end of a training.
        let before = finished_stages(&lab, "cut");
        let done = cut(&lab, "cut", &set, before + 1, |child| {
            child.kill().expect("it can be killed");
        });
        resumed += usize::from(done.stderr.contains("going on after step"));
    }
    let last = lab.run("e.toml", "cut", &set).ok();
    resumed += usize::from(last.stderr.contains("going on after step"));
    assert!(
        kills > 0 && resumed > 0,
        "{kills} kills, {resumed} times resumed"
    );
    assert_eq!(stage_files(&lab, "cut", ".partial"), 0);
    assert_same_folders(&lab, "whole", "cut");
}

/// Killed after every stage, each time with other cohorts, it ends with the bytes of a run that was left alone.
#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let set = ["--quiet", "--set", "train.length=120st"];
    lab.run("e.toml", "whole", &set).ok();
    let (mut kills, mut attempts) = (0, 0);
    loop {
        let before = finished_stages(&lab, "cut");
        let replicas = ["1", "2"][attempts % 2];
        let more = [&set[..], &["--replicas", replicas]].concat();
        let done = cut(&lab, "cut", &more, before + 1, |child| {
            child.kill().expect("it can be killed");
        });
        attempts += 1;
        match done.code {
            Some(0) => break,
            None => kills += 1,
            Some(code) => panic!("exit code {code}: {}", done.stderr),
        }
        assert!(attempts < 50, "it never ends");
    }
    assert!(kills > 0, "it was never killed: make the trainings longer");
    println!("killed {kills} times");
    assert_same_folders(&lab, "whole", "cut");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_says_where_and_goes_on() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    // Longer trainings where the adapter is faster than the signal.
    for steps in ["150st", "1500st", "15000st"] {
        let length = format!("train.length={steps}");
        let set = ["--replicas", "1", "--set", &length];
        let out = format!("cut {steps}");
        let done = cut(&lab, &out, &set, 1, |child| {
            let pid = child.id().to_string();
            let sent = std::process::Command::new("kill")
                .args(["-INT", &pid])
                .status();
            assert!(sent.expect("kill runs").success());
        });
        if done.code == Some(0) {
            continue;
        }
        let folder = lab.path(&out).display().to_string();
        done.fails(130, &["interrupted", &folder, "same command"]);
        let more = lab.run("e.toml", &out, &set).ok();
        assert!(
            more.stderr.contains("going on from there"),
            "{}",
            more.stderr
        );
        lab.run("e.toml", "whole", &set).ok();
        assert_same_folders(&lab, "whole", &out);
        return;
    }
    panic!("it always ended before the signal");
}

#[test]
fn a_finished_experiment_run_again_changes_nothing() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let first = lab.run("e.toml", "out", &[]).ok();
    let before = lab.contents("out");
    let second = lab.run("e.toml", "out", &[]).ok();
    assert_same(&lab.contents("out"), &before, "after the second run");
    assert_eq!(first.stdout, second.stdout);
    // Nothing was computed again.
    assert!(!second.stderr.contains("training"), "{}", second.stderr);
}

/// Of a resumed training only what came after the checkpoint took the time, and of one that stopped early only what it took.
#[test]
fn times_are_of_the_steps_that_were_taken() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, &arm("dense", &[TRAINING]));
    let taken = |out: &str| {
        let times = table(&lab.path(out).join("times.csv"));
        let [row] = &times[..] else {
            panic!("one row: {times:?}");
        };
        let (steps, samples) = (number(row, "steps"), number(row, "samples"));
        assert_eq!(samples, steps * 30.0 * number(row, "replicas"));
        steps as u64
    };
    let passed = |out: &str| {
        let curves = table(&lab.path(out).join("curves.csv"));
        let steps = curves.iter().map(|row| number(row, "step") as u64);
        steps.max().expect("a curve")
    };
    let early = [
        "--quiet",
        "--set",
        "train.length=60ep",
        "--set",
        "train.patience=1",
    ];
    lab.run("e.toml", "early", &early).ok();
    assert!(passed("early") < 60 * 14, "it never stopped");
    assert_eq!(taken("early"), passed("early"));

    // Longer trainings where the adapter is faster than the signal.
    for (out, length) in ["30ep", "300ep", "3000ep"].into_iter().enumerate() {
        let out = format!("cut {out}");
        let length = format!("train.length={length}");
        let set = ["--checkpoint", "1", "--set", "seeds=1", "--set", &length];
        let ready = || stage_files(&lab, &out, ".partial") > 0;
        let killed = cut_when(&lab, &out, &set, ready, |child| {
            child.kill().expect("it can be killed");
        });
        let last = lab.run("e.toml", &out, &set).ok();
        let from = last.stderr.split("going on after step ").nth(1);
        let (None, Some(from)) = (killed.code, from) else {
            continue;
        };
        let from: u64 = from.lines().next().unwrap_or("").parse().expect("a number");
        assert_eq!(taken(&out), passed(&out) - from);
        return;
    }
    panic!("it always ended before it was killed");
}

/// A stage file that is damaged is named and set aside; its stage is computed again, and what came after it stays.
#[test]
fn a_damaged_stage_is_set_aside_and_computed_again() {
    if no_gpu() {
        return;
    }
    // One arm trains after the damaged stage, one only prunes.
    let ends = arm("ends", &[TRAINING, "{ prune = { sparsity = 0.8 } }"]);
    let lab = lab(MLP, &format!("{ARMS}{ends}"));
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let before = lab.contents("out");
    let stages: Vec<(&PathBuf, &Vec<u8>)> = before
        .iter()
        .filter(|(name, _)| name.starts_with("stages"))
        .filter(|(name, _)| name.extension().is_some_and(|end| end == "safetensors"))
        .collect();
    // Of the last stage of a run, weights/ has another name for the same file.
    for (name, bytes) in stages {
        let path = lab.path("out").join(name);
        let mut damaged = bytes.clone();
        *damaged.last_mut().expect("a byte") ^= 1;
        std::fs::write(&path, damaged).expect("a file");
        let done = lab.run("e.toml", "out", &[]).ok();
        let shown = path.display().to_string();
        for word in [&shown, "damaged", "computed again"] {
            assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
        }
        let aside = path.with_extension("damaged");
        assert!(aside.exists());
        std::fs::remove_file(aside).expect("a file");
        assert_same(&lab.contents("out"), &before, "after the repair");
    }
}
