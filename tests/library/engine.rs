//! Events, stopping, and silence.

use crate::common::{Lab, assert_same, gpu};
use crate::{engine, experiment, read};
use secateur::{Event, RunError, StopToken};
use std::path::Path;

const ARMS: &str = r#"
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = 0.9 } }, { train = {} }]
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

#[test]
fn events_tell_of_a_run_and_the_folder_is_the_one_that_the_command_leaves() {
    let Some(gpu) = gpu() else { return };
    let lab = Lab::with(&experiment(ARMS));
    let experiment = read(&lab);
    let (mut planned, mut done, mut begun, mut finished) = (0, (0, 0), Vec::new(), Vec::new());
    let results = engine(&lab, gpu, "library")
        .on_event(|event| match event {
            Event::Planned { samples } => planned = samples,
            Event::Begun(what) => begun.push(what.to_owned()),
            Event::Progress {
                done: now, samples, ..
            } => {
                assert!(now >= done.0 && now <= samples);
                done = (now, samples);
            }
            Event::Finished(row) => finished.push(row.clone()),
            _ => {}
        })
        .execute(&experiment)
        .unwrap();
    assert_eq!(results.rows.len(), 4);
    assert_eq!(results.resumed, 0);
    assert!(planned > 0);
    assert_eq!(done, (planned, planned));
    assert!(
        begun[0].contains("training") && begun[0].contains("mnist"),
        "{begun:?}"
    );
    finished.sort_by_key(|row| (row.arm == "dense", row.seed));
    assert_eq!(finished, results.rows);

    lab.run("e.toml", "command", &["--quiet"]).ok();
    assert_same(
        &lab.contents("library"),
        &lab.contents("command"),
        "by the library and by the command",
    );

    // Again, with nothing left to do: rows are reported, and no step begins.
    let mut told = 0;
    let again = engine(&lab, gpu, "library")
        .on_event(|event| match event {
            Event::Begun(what) => panic!("{what}"),
            Event::Finished(_) => told += 1,
            _ => {}
        })
        .execute(&experiment)
        .unwrap();
    assert_eq!(again.rows, results.rows);
    assert!(again.resumed > 0);
    assert_eq!(told, 4);
}

#[test]
fn a_stopped_run_goes_on_and_ends_with_the_same_bytes() {
    let Some(gpu) = gpu() else { return };
    let lab = Lab::with(&experiment(ARMS));
    let experiment = read(&lab);
    engine(&lab, gpu, "whole").execute(&experiment).unwrap();
    // Once before anything, and once in the second training.
    let token = StopToken::new();
    token.stop();
    let stopped = engine(&lab, gpu, "stopped")
        .stop(token)
        .execute(&experiment);
    assert!(matches!(stopped, Err(RunError::Interrupted)));
    let token = StopToken::new();
    let stopped = engine(&lab, gpu, "stopped")
        .stop(token.clone())
        .on_event(|event| match event {
            Event::Progress { done, samples, .. } if 2 * done > samples => token.stop(),
            _ => {}
        })
        .execute(&experiment);
    assert!(matches!(stopped, Err(RunError::Interrupted)));
    let results = engine(&lab, gpu, "stopped").execute(&experiment).unwrap();
    assert!(results.resumed > 0);
    assert_same(
        &lab.contents("whole"),
        &lab.contents("stopped"),
        "whole and stopped",
    );
}

/// All of `src/` but the command line.
fn library(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match path.is_dir() {
            true if name != "cli" => library(&path, files),
            false if name != "main.rs" => {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.display().to_string(), text));
            }
            _ => {}
        }
    }
}

#[test]
fn the_library_prints_nothing_and_leaves_signals_alone() {
    let mut files = Vec::new();
    library(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 100);
    let words = [
        "print!(",
        "println!(",
        "dbg!(",
        "ctrlc",
        "indicatif",
        "process::exit",
    ];
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            let code = !line.trim_start().starts_with("//");
            let found = words.iter().find(|word| code && line.contains(**word));
            assert_eq!(found, None, "{path}:{}: {line}", number + 1);
        }
    }
}
