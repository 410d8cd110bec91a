//! Standard output that cannot be written to.

use crate::common::{Done, command, skip};
use std::fs;

/// `secateur data list`, with stdout going there.
#[cfg(target_os = "linux")]
fn listed(stdout: impl Into<std::process::Stdio>) -> std::process::Command {
    let mut command = command(["data", "list"]);
    command.stdout(stdout);
    command
}

/// Results that are lost are not a success, even where the reason cannot be said either.
#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full");
    if let Err(error) = full() {
        skip(&format!("/dev/full cannot be opened: {error}"));
        return;
    }
    let output = listed(full().expect("a device")).output();
    let words = ["cannot write to standard output", "No space left", "free"];
    Done::of(output.expect("it starts")).fails(5, &words);
    let mut mute = listed(full().expect("a device"));
    mute.stderr(full().expect("a device"));
    Done::of(mute.output().expect("it starts")).fails(5, &[]);
}

/// As in `secateur data list | head -0`.
#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let done = Done::of(listed(writer).output().expect("it starts")).ok();
    assert_eq!(done.stderr, "");
}
