//! `secateur watch`.

use super::failure::Failure;
use super::output::say;
use super::progress::duration;
use super::table::Shown;
use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::widgets::Paragraph;
use secateur::report::{Processes, ProgressView};
use secateur::run::EVENTS;
use secateur::store::{RunRow, read_owner, read_planned, read_table};
use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

/// How often the folder is looked at.
const REFRESH: Duration = Duration::from_secs(1);

/// Watch a run from another terminal: what it does, each arm's mean so far, time left, failures
#[derive(Args)]
pub struct WatchArgs {
    /// A run folder
    dir: PathBuf,
    /// Print what there is to see now, and end
    #[arg(long)]
    once: bool,
}

pub fn run(args: &WatchArgs) -> Result<(), Failure> {
    let mut watcher = FolderWatcher {
        dir: args.dir.clone(),
        read: 0,
        processes: Processes::default(),
    };
    if args.once || !std::io::stdout().is_terminal() {
        say(watcher.look()?.trim_end());
        return Ok(());
    }
    let mut text = watcher.look()?;
    let failed = |error: std::io::Error| {
        Failure::storage(format!(
            "cannot draw on this terminal: {error}\n  `secateur watch --once` prints what there is to see"
        ))
    };
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let watched = loop {
        let shown = format!("{text}\nq leaves; the run goes on without it");
        if let Err(error) = terminal.draw(|frame| {
            frame.render_widget(Paragraph::new(shown), frame.area());
        }) {
            break Err(failed(error));
        }
        match quits() {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(failed(error)),
        }
        match watcher.look() {
            Ok(now) => text = now,
            Err(error) => break Err(error),
        }
    };
    ratatui::restore();
    watched
}

/// Waits for the next look; true if somebody wants to leave.
fn quits() -> std::io::Result<bool> {
    if !event::poll(REFRESH)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else {
        return Ok(false);
    };
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let leaves = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
    Ok(key.kind == KeyEventKind::Press && (interrupt || leaves))
}

/// Reads a run folder again and again. It takes no lock and writes nothing.
struct FolderWatcher {
    dir: PathBuf,
    /// Bytes of the log that were read.
    read: u64,
    processes: Processes,
}

impl FolderWatcher {
    fn look(&mut self) -> Result<String, Failure> {
        let owner = read_owner(&self.dir)?;
        self.read_log();
        let shown = Shown::read(&self.dir)?;
        let rows: Vec<RunRow> = read_table(&self.dir)?;
        let view = ProgressView {
            title: &shown.title,
            adapter: &owner.adapter,
            arms: &shown.arms(),
            planned: &read_planned(&self.dir)?.unwrap_or_default(),
            rows: &rows,
            processes: &self.processes,
        };
        Ok(view.text(duration))
    }

    /// Takes in the whole lines that the log has grown by.
    fn read_log(&mut self) {
        let mut new = String::new();
        let mut read = || -> std::io::Result<()> {
            let mut file = File::open(self.dir.join(EVENTS))?;
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_string(&mut new)?;
            Ok(())
        };
        // There is none before the run begins.
        if read().is_err() {
            return;
        }
        let whole = new.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        new[..whole]
            .lines()
            .for_each(|line| self.processes.take(line));
    }
}
