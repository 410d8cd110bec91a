//! Ctrl-C ends a run between submissions; a second one at once.

use secateur::run::StopToken;

/// A token that the first Ctrl-C stops.
pub fn stop_token() -> StopToken {
    let token = StopToken::new();
    let heard = token.clone();
    // A handler that cannot be installed leaves the default: Ctrl-C kills, and finished stages are safe all the same.
    let _ = ctrlc::set_handler(move || {
        if heard.is_stopped() {
            std::process::exit(130);
        }
        heard.stop();
        eprintln!("stopping after this submission (press Ctrl-C again to stop at once)");
    });
    token
}
