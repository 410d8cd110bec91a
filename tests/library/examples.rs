//! The programs of examples/, as they are built beside the tests.

use crate::common::{Done, Lab, no_gpu};
use crate::experiment;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// Runs one; `cargo test` builds them all.
fn example<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>, lab: &Lab) -> Done {
    // target/PROFILE/deps/TEST
    let test: PathBuf = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().join("examples");
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "`cargo build --examples` makes {}",
        program.display()
    );
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("SECATEUR_DATA", lab.path("data"));
    Done::of(command.output().expect("it starts"))
}

#[test]
fn an_experiment_runs_from_rust() {
    if no_gpu() {
        return;
    }
    let arm = "[[arm]]\nname = \"half\"\nsteps = [{ prune = { criterion = \"random\", sparsity = 0.5 } }, { train = {} }]";
    let lab = Lab::with(&experiment(arm));
    let done = example("run_file", [lab.path("e.toml"), lab.path("out")], &lab).ok();
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{done:?}");
    assert!(lines[0].starts_with("half, seed 0: "), "{done:?}");
    assert!(
        lines[1].ends_with("% right with 50.0 % of the weights"),
        "{done:?}"
    );
    assert!(
        done.stderr.contains("training 2 replicas on mnist"),
        "{done:?}"
    );
    example::<&str>("run_file", [], &lab).fails(1, &["usage"]);
}

#[test]
fn a_criterion_of_ones_own_is_compared() {
    if no_gpu() {
        return;
    }
    let lab = Lab::new();
    let done = example("own_criterion", [lab.path("out")], &lab).ok();
    for word in ["magnitude", "relative to", "5.0"] {
        assert!(done.stdout.contains(word), "{word}: {done:?}");
    }
    let rows = lab.results("out");
    assert_eq!(rows.len(), 6);
    let masks = |arm: &str, seed: &str| {
        let row = rows
            .iter()
            .find(|row| row["arm"] == arm && row["seed"] == seed);
        row.expect("a run")["mask_digest"].clone()
    };
    assert_ne!(masks("magnitude", "0"), masks("relative to layer", "0"));
}
