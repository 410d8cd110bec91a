//! Ctrl-C ends the program between submissions; a second one at once.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Installs the handler.
pub fn install() {
    // A handler that cannot be installed leaves the default: Ctrl-C kills, and finished stages are safe all the same.
    let _ = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("stopping after this submission (press Ctrl-C again to stop at once)");
    });
}

/// Whether Ctrl-C was pressed.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
