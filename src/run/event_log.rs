//! `events.jsonl`: what happened in a run folder, one line each, for whoever watches it.

use crate::base::{process_name, utc};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Write;
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
        let file = File::options()
            .create(true)
            .append(true)
            .open(dir.join(EVENTS));
        Some(Self {
            file: file.ok()?,
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
