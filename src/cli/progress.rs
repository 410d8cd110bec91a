//! Progress on stderr: a bar on a terminal, one line a minute otherwise.

use super::output::tell;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use secateur::run::Event;
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Samples trained so far, of all that the plan asks for.
pub struct Meter {
    bar: ProgressBar,
    terminal: bool,
    quiet: bool,
    begun: Instant,
    last_line: Instant,
    what: String,
}

const LINE_EVERY: Duration = Duration::from_secs(60);

impl Meter {
    /// A meter that shows nothing yet; a quiet one shows what was asked for alone.
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let target = match terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}% {per_sec}  {msg}") {
            bar.set_style(style.with_key(
                "per_sec",
                |state: &ProgressState, out: &mut dyn Write| {
                    let _ = write!(out, "{:.0} samples/s", state.per_sec());
                },
            ));
        }
        let now = Instant::now();
        Self {
            bar,
            terminal,
            quiet,
            begun: now,
            last_line: now,
            what: String::new(),
        }
    }

    /// Shows what happened.
    pub fn show(&mut self, event: Event<'_>) {
        if let Event::Profile(text) = event {
            self.bar.suspend(|| tell(text));
        }
        if self.quiet {
            return;
        }
        match event {
            Event::Planned { samples } => {
                self.bar.reset();
                self.bar.set_length(samples);
                self.begun = Instant::now();
                self.last_line = self.begun;
            }
            Event::Begun(what) => {
                what.clone_into(&mut self.what);
                self.bar.set_message(what.to_owned());
                if !self.terminal {
                    tell(what);
                }
            }
            Event::Progress {
                done,
                samples,
                seconds_left,
            } => {
                self.bar.set_length(samples);
                self.bar.set_position(done);
                let left = seconds_left.map_or_else(String::new, |left| {
                    format!("about {} left, ", duration(left))
                });
                self.bar.set_message(format!("{left}{}", self.what));
                if !self.terminal && self.last_line.elapsed() >= LINE_EVERY {
                    self.last_line = Instant::now();
                    self.print_line(done, samples, &left);
                }
            }
            Event::Note(text) => self.bar.suspend(|| tell(text)),
            Event::Warning(text) => self.bar.suspend(|| tell(format_args!("warning: {text}"))),
            _ => {}
        }
    }

    fn print_line(&self, done: u64, samples: u64, left: &str) {
        let rate = done as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        tell(format_args!(
            "{:.0} % of all training, {rate:.0} samples/s, {left}{}",
            100.0 * done as f64 / samples.max(1) as f64,
            self.what
        ));
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Seconds as people say them.
pub fn duration(seconds: f64) -> String {
    let s = seconds.round().max(0.0) as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}
