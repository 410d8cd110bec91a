//! What the commands print.

use super::failure::Failure;
use std::io::{ErrorKind, Write};

/// Prints a line of results. A reader that closes the pipe (`| head`) ends the program quietly, as it does for other tools;
/// on any other fault results would be lost, which must not look like success.
pub(super) fn say(line: impl std::fmt::Display) {
    let Err(error) = writeln!(std::io::stdout(), "{line}") else {
        return;
    };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    let failure = Failure::storage(format!(
        "cannot write to standard output: {error}\nfree some space where it goes, or send it somewhere else"
    ));
    complain(&failure);
    std::process::exit(i32::from(failure.code()));
}

/// Says something on stderr. A reader that went away must not end hours of work: what cannot be written there is lost, where `eprintln!`
/// would panic.
pub(super) fn tell(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says on stderr what failed. Where even that cannot be written, the exit code is all there is.
pub(super) fn complain(failure: &Failure) {
    tell(failure);
}
