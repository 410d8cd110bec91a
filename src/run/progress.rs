//! Progress on stderr: a bar on a terminal, one line a minute otherwise.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Samples trained so far, of all that the plan asks for.
pub struct Meter {
    bar: ProgressBar,
    terminal: bool,
    quiet: bool,
    total: u64,
    done: u64,
    begun: Instant,
    last_line: Instant,
    what: String,
}

const LINE_EVERY: Duration = Duration::from_secs(60);

impl Meter {
    /// A meter for `total` samples.
    pub fn new(total: u64, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = ProgressBar::with_draw_target(
            Some(total),
            if terminal {
                ProgressDrawTarget::stderr()
            } else {
                ProgressDrawTarget::hidden()
            },
        );
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {percent:>3}% {per_sec} left {eta}  {msg}")
        {
            let style = style.with_key(
                "per_sec",
                |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                    let _ = write!(out, "{:.0} samples/s", state.per_sec());
                },
            );
            bar.set_style(style);
        }
        let now = Instant::now();
        Self {
            bar,
            terminal,
            quiet,
            total,
            done: 0,
            begun: now,
            last_line: now,
            what: String::new(),
        }
    }

    /// Says what happens from now on.
    pub fn say(&mut self, what: &str) {
        what.clone_into(&mut self.what);
        self.bar.set_message(what.to_owned());
        if !self.terminal && !self.quiet {
            eprintln!("{what}");
        }
    }

    /// Prints a line above the bar.
    pub fn note(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// `samples` of the current stage are done, counted from its start.
    pub fn within(&mut self, samples: u64) {
        self.bar.set_position(self.done + samples);
        if !self.terminal && !self.quiet && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let done = self.done + samples;
            let rate = done as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
            let left = self.total.saturating_sub(done) as f64 / rate.max(1e-9);
            eprintln!(
                "{:.0} % of all training, {rate:.0} samples/s, about {} left; {}",
                100.0 * done as f64 / self.total.max(1) as f64,
                duration(left),
                self.what
            );
        }
    }

    /// More samples are to be trained than was known.
    pub fn lengthen(&mut self, samples: u64) {
        self.total += samples;
        self.bar.set_length(self.total);
    }

    /// The current stage is over; it was `samples` long.
    pub fn finish_stage(&mut self, samples: u64) {
        self.done += samples;
        self.bar.set_position(self.done);
    }

    /// All is over.
    pub fn end(&self) {
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
