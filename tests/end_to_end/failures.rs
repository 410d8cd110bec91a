//! A run that fails ends alone: the others finish with the same bits, and nobody has to look for the one that is missing.

use super::setup::{MLP, TRAINING, arm, lab, two_rates};
use crate::common::{Lab, assert_same, no_gpu, number, secateur};

/// Two learning rates, of which the second makes every weight NaN, in cohorts together.
fn diverging() -> Lab {
    two_rates("0.1", "1e30")
}

#[test]
fn a_diverged_replica_leaves_the_others_their_bits() {
    if no_gpu() {
        return;
    }
    let lab = diverging();
    let words = [
        "\"dense\" (lr = 1e30), \"pruned\" (lr = 1e30), seed 1: diverged",
        "not finite from step",
        "4 of 8 runs failed",
    ];
    let done = lab.run("e.toml", "out", &[]).fails(1, &words);
    assert!(done.stdout.contains("0 of 2"), "{}", done.stdout);
    assert!(
        done.stdout.contains("4 of 8 runs failed"),
        "{}",
        done.stdout
    );
    let rows = lab.results("out");
    assert_eq!(rows.len(), 8);
    for row in &rows {
        let mask = format!("out/masks/{}.safetensors", row["run"]);
        let weights = format!("out/weights/{}.safetensors", row["run"]);
        let here = [mask, weights].map(|path| lab.path(&path).exists());
        if row["lr"] == "0.1" {
            assert_eq!(row["failure"], "");
            assert!(number(row, "test_accuracy") > 0.0);
            assert_eq!(here, [true; 2]);
        } else {
            assert!(
                row["failure"].starts_with("step 0 (train): diverged"),
                "{row:?}"
            );
            for column in [
                "test_accuracy",
                "density",
                "weights_digest",
                "mask_violations",
            ] {
                assert_eq!(row[column], "", "{column} of {row:?}");
            }
            assert_eq!(here, [false; 2]);
        }
    }
    // As if the others had never been asked for.
    lab.run("e.toml", "alone", &["--set", "sweep.lr=[0.1]"])
        .ok();
    for row in lab.results("alone") {
        for folder in ["masks", "weights"] {
            let file = |out: &str| lab.read(&format!("{out}/{folder}/{}.safetensors", row["run"]));
            assert!(file("out") == file("alone"), "{folder} of {row:?}");
        }
    }
    // What failed is known: nothing is trained again, and every table is the same.
    let before = lab.contents("out");
    let times = lab.read("out/times.csv");
    let done = lab
        .run("e.toml", "out", &[])
        .fails(1, &["diverged", "seed 1"]);
    assert!(done.stdout.contains("0 of 2"), "{}", done.stdout);
    assert_same(
        &lab.contents("out"),
        &before,
        "a folder with failed runs, again",
    );
    assert!(lab.read("out/times.csv") == times);
    let listed = secateur(["runs".as_ref(), lab.path("out").as_os_str()])
        .ok()
        .stdout;
    assert!(listed.contains("8/8 (4 failed)"), "{listed}");
    // A later growth keeps them.
    lab.run("e.toml", "out", &["--set", "seeds=3"])
        .fails(1, &["6 of 12"]);
}

#[test]
fn the_first_failure_can_stop_all() {
    if no_gpu() {
        return;
    }
    let lab = diverging();
    let words = ["seed 0", "diverged", "--fail-fast"];
    let done = lab.run("e.toml", "out", &["--fail-fast"]).fails(1, &words);
    assert_eq!(done.stdout, "");
    lab.run("e.toml", "out", &[])
        .fails(1, &["4 of 8 runs failed"]);
}

/// What a mask rules out ends the runs with that mask.
#[test]
fn a_collapsed_arm_leaves_the_others() {
    if no_gpu() {
        return;
    }
    let arms = format!(
        "{}{}",
        arm(
            "nothing",
            &["{ prune = { layers = [\"fc2\"], keep = 0 } }", TRAINING]
        ),
        arm("dense", &[TRAINING])
    );
    let lab = lab(MLP, &arms);
    let stop = ["--set", "on_collapse=stop"];
    lab.run("e.toml", "out", &stop)
        .fails(1, &["collapsed", "2 of 4 runs failed"]);
    let rows = lab.results("out");
    let failed = |arm: &str| {
        let rows = rows.iter().filter(|row| row["arm"] == arm);
        rows.map(|row| !row["failure"].is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(failed("nothing"), [true, true]);
    assert_eq!(failed("dense"), [false, false]);
}
