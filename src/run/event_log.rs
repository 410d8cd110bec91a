//! `events.jsonl`: what happened in a run folder, one line each, for whoever watches it.

use crate::base::{process_name, utc};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Instant, SystemTime};

/// The file in a run folder.
pub const EVENTS: &str = "events.jsonl";

/// The log of one execution. A line is one append, so it is never torn by the end of the process, and those of several processes do not
/// mix.
pub(super) struct EventLog {
    file: File,
    begun: Instant,
}

impl EventLog {
    /// Goes on with the log of a folder; `None` where it cannot be written: a run does not depend on it.
    pub fn open(dir: &Path) -> Option<Self> {
        let path = dir.join(EVENTS);
        let mut options = File::options();
        let mut file = options.create(true).append(true).open(&path).ok()?;
        // On a disk that was full, the last line may be half a line.
        if !ends_with_a_line(&path) {
            let _ = file.write_all(b"\n");
        }
        Some(Self {
            file,
            begun: Instant::now(),
        })
    }

    /// Writes a line: what happened, wall-clock time (UTC), seconds since this process began its run, its name, and `fields`.
    pub fn write(&mut self, event: &str, fields: Value) {
        let mut line = Map::new();
        line.insert("event".into(), event.into());
        line.insert("time".into(), utc(SystemTime::now()).into());
        line.insert(
            "monotonic".into(),
            self.begun.elapsed().as_secs_f64().into(),
        );
        line.insert("process".into(), process_name().into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let text = Value::Object(line).to_string() + "\n";
        let _ = self.file.write_all(text.as_bytes());
    }
}

/// Whether a file is empty or ends with a line break.
fn ends_with_a_line(path: &Path) -> bool {
    let last = || -> std::io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    last().map_or(true, |last| last == b'\n')
}
