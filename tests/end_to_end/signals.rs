//! What the world does to a run: signals that save what there is, and a stderr that nobody reads any more.
#![cfg(unix)]

use super::setup::{ARMS, MLP, TRAINING, arm, assert_same_folders, lab, stage_files};
use crate::common::{Done, Lab, no_gpu};
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A long training of long passes, with masks that change in it, and no checkpoint but those of signals.
const LONG: [&str; 8] = [
    "--set",
    "train.batch=1",
    "--set",
    "train.length=12ep",
    "--set",
    "train.optimizer.lr=0.01",
    "--checkpoint",
    "1000000",
];

fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.expect("kill").success());
}

/// Lets a process hear of a closed terminal, also where the tests were begun so that they do not.
fn hears_all(command: &mut Command) {
    // SAFETY: between fork and exec it only calls signal(2), which may be called there.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            Ok(())
        });
    }
}

/// Steps after which a run says that it goes on.
fn gone_on_after(stderr: &str) -> Vec<u64> {
    let lines = stderr.lines();
    let after = lines.filter_map(|line| line.trim().strip_prefix("going on after step "));
    after.map(|step| step.parse().expect(stderr)).collect()
}

#[test]
fn signals_save_the_pass_that_runs() {
    if no_gpu() {
        return;
    }
    let changing = arm(
        "gradually",
        &["{ train = { prune = { sparsity = 0.9, every = \"7st\" } } }"],
    );
    let lab = lab(MLP, &format!("{changing}{}", arm("dense", &[TRAINING])));
    lab.run("e.toml", "whole", &LONG).ok();
    let mut within_a_pass = 0;
    for (signal, code) in [("-TERM", 143), ("-HUP", 129), ("-INT", 130)] {
        let cohorts = || {
            let log = std::fs::read_to_string(lab.path("cut/events.jsonl")).unwrap_or_default();
            log.matches("\"event\":\"cohort\"").count()
        };
        let before = cohorts();
        let mut run = lab.command("e.toml", "cut", &LONG);
        hears_all(&mut run);
        let mut child = run.spawn().expect("the binary starts");
        while cohorts() == before {
            assert!(child.try_wait().expect("a child").is_none(), "it ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(300));
        send(signal, &child);
        let done = Done::of(child.wait_with_output().expect("a child"));
        for step in gone_on_after(&done.stderr) {
            within_a_pass += usize::from(step % 448 != 0);
        }
        done.fails(code, &["interrupted", "goes on from there"]);
    }
    assert!(stage_files(&lab, "cut", ".partial") > 0);
    let done = lab.run("e.toml", "cut", &LONG).ok();
    let steps = gone_on_after(&done.stderr);
    within_a_pass += steps.iter().filter(|&&step| step % 448 != 0).count();
    assert!(within_a_pass > 0, "{}", done.stderr);
    assert_same_folders(&lab, "whole", "cut");
}

/// A run under `nohup` outlives its terminal.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let run = lab.command("e.toml", "out", &["--quiet", "--set", "train.length=200st"]);
    let mut nohup = Command::new("nohup");
    nohup.arg(run.get_program()).args(run.get_args());
    nohup.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = nohup.spawn().expect("nohup");
    while !lab.path("out/stages").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    send("-HUP", &child);
    assert!(child.wait().expect("a child").success());
}

/// Runs with its stderr somewhere, and takes away its reader.
fn runs_on(lab: &Lab, stderr: File, reader: Option<std::io::PipeReader>) {
    let mut child = lab
        .command("e.toml", "out", &[])
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("the binary starts");
    drop(reader);
    assert_eq!(child.wait().expect("a child").code(), Some(0));
    assert!(lab.path("out/results.csv").exists());
}

#[test]
fn a_run_outlives_the_reader_of_its_stderr() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let writer: std::os::fd::OwnedFd = writer.into();
    runs_on(&lab, writer.into(), Some(reader));
    if let Ok(full) = OpenOptions::new().write(true).open("/dev/full") {
        std::fs::remove_dir_all(lab.path("out")).expect("a folder");
        runs_on(&lab, full, None);
    }
}
