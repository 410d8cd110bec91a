//! The `secateur` command.
// `eprintln!` panics where stderr is closed; cli/output.rs has `tell`.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod cli;

fn main() -> std::process::ExitCode {
    quiet_driver();
    cli::main()
}

/// Drivers that look for a window system complain on stderr where this is not set, in words that look like a failure of ours.
fn quiet_driver() {
    const RUNTIME: &str = "XDG_RUNTIME_DIR";
    if cfg!(unix) && std::env::var_os(RUNTIME).is_none() {
        // SAFETY: nothing else runs yet.
        unsafe { std::env::set_var(RUNTIME, std::env::temp_dir()) };
    }
}
