//! A run that goes on, seen from outside: what its events and tables say so far.

use super::cells::mean_and_sd;
use super::groups::{ArmInfo, group_runs};
use super::text_table::{Align, TextColumn, draw};
use crate::base::is_dead;
use crate::store::{PlannedRun, RunRow};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The processes that work in a run folder, from the lines of `events.jsonl`.
#[derive(Debug, Default)]
pub struct Processes(BTreeMap<String, ProcessView>);

/// What one process does.
#[derive(Clone, Debug, Default)]
pub struct ProcessView {
    /// How many had begun before.
    began: usize,
    /// Seconds that it would take for the rest alone.
    left: Option<f64>,
    /// Samples of the cohorts that it has finished.
    finished: u64,
    /// The cohort that it trains: what it does, its samples, and how many of them are done.
    work: String,
    cohort: u64,
    done: u64,
    steps: (u64, u64),
    /// Seconds since it began, by its own clock.
    seconds: f64,
    /// How it ended.
    outcome: Option<String>,
}

/// A line of the log. Fields that an event does not have are absent.
#[derive(Deserialize)]
struct LogLine {
    event: String,
    process: String,
    monotonic: f64,
    #[serde(flatten)]
    fields: Value,
}

impl Processes {
    /// Takes a line into account; one that cannot be read is passed over.
    pub fn take(&mut self, line: &str) {
        let Ok(line) = serde_json::from_str::<LogLine>(line) else {
            return;
        };
        let number = |name: &str| line.fields[name].as_u64().unwrap_or(0);
        if line.event == "start" {
            let began = self
                .0
                .values()
                .map(|process| process.began + 1)
                .max()
                .unwrap_or(0);
            let process = ProcessView {
                began,
                ..ProcessView::default()
            };
            self.0.insert(line.process.clone(), process);
        }
        let process = self.0.entry(line.process).or_default();
        process.seconds = line.monotonic;
        match line.event.as_str() {
            "cohort" => {
                process.finished += std::mem::take(&mut process.cohort);
                process.cohort = number("samples");
                (process.done, process.steps) = (0, (0, 0));
                process.work = line.fields["work"].as_str().unwrap_or("").to_owned();
            }
            "epoch" => {
                process.left = line.fields["seconds_left"].as_f64();
                process.steps = (number("steps"), number("of"));
                process.done = number("steps") * number("samples_per_step");
            }
            "end" => {
                let outcome = line.fields["outcome"].as_str();
                process.outcome = Some(outcome.unwrap_or("ended").to_owned());
            }
            _ => {}
        }
    }

    /// Those that have not ended, as far as is known.
    pub fn working(&self) -> impl Iterator<Item = (&str, &ProcessView)> {
        let all = self
            .0
            .iter()
            .map(|(name, process)| (name.as_str(), process));
        all.filter(|(name, process)| process.outcome.is_none() && !is_dead(name))
    }

    /// How the last one that began has ended, once none is working.
    pub fn outcome(&self) -> Option<&str> {
        let last = self.0.values().max_by_key(|process| process.began)?;
        match self.working().next() {
            Some(_) => None,
            None => Some(last.outcome.as_deref().unwrap_or("killed")),
        }
    }

    /// Seconds until all is done: each process says how long it would take alone.
    fn left(&self) -> Option<f64> {
        let each = self.working().filter_map(|(_, process)| process.left);
        let together: f64 = each.map(|left| 1.0 / left.max(1e-3)).sum();
        (together > 0.0).then(|| 1.0 / together)
    }
}

impl ProcessView {
    fn trained(&self) -> u64 {
        self.finished + self.done.min(self.cohort)
    }

    /// Samples per second since it began.
    fn rate(&self) -> f64 {
        self.trained() as f64 / self.seconds.max(1e-9)
    }
}

/// What is shown of a run folder.
pub struct ProgressView<'a> {
    /// The experiment's title.
    pub title: &'a str,
    /// Where it is computed.
    pub adapter: &'a str,
    /// Its arms.
    pub arms: &'a [ArmInfo],
    /// The runs that it asks for.
    pub planned: &'a [PlannedRun],
    /// Those that have ended.
    pub rows: &'a [RunRow],
    /// Who works on it.
    pub processes: &'a Processes,
}

/// At most so many failed runs are shown, the last ones.
const FAILURES: usize = 5;

impl ProgressView<'_> {
    /// Plain text: how far it is, who does what, each arm's mean so far, and failures.
    pub fn text(&self, duration: impl Fn(f64) -> String) -> String {
        let failed = self.rows.iter().filter(|row| row.failed());
        let failed: Vec<&RunRow> = failed.collect();
        let mut out = format!("{}\n{}\n\n", self.title, self.adapter);
        out.push_str(&format!(
            "{} of {} runs",
            self.rows.len(),
            self.planned.len()
        ));
        if !failed.is_empty() {
            out.push_str(&format!(", {} failed", failed.len()));
        }
        match (self.processes.outcome(), self.processes.left()) {
            (Some(outcome), _) => out.push_str(&format!("; {outcome}")),
            (None, Some(left)) => out.push_str(&format!("; about {} left", duration(left))),
            (None, None) => {}
        }
        out.push('\n');
        for (_, process) in self.processes.working() {
            let (steps, of) = process.steps;
            out.push_str(&process.work);
            if of > 0 {
                out.push_str(&format!(", step {steps} of {of}"));
            }
            out.push_str(&format!(", {:.0} samples/s\n", process.rate()));
        }
        out.push('\n');
        out.push_str(&draw(&self.columns(), usize::MAX));
        if !failed.is_empty() {
            out.push_str("\nfailed\n");
            for row in failed.iter().rev().take(FAILURES) {
                out.push_str(&format!("  {}: {}\n", row.run, row.failure));
            }
        }
        out
    }

    /// Each arm at each point that has a run by now: runs of planned ones, and test accuracy so far.
    fn columns(&self) -> Vec<TextColumn> {
        let groups = group_runs(self.rows, self.arms);
        let column = |heading: &str, align, cells: Vec<String>| TextColumn {
            heading: heading.to_owned(),
            align,
            cells,
        };
        let point = |point: &[(String, String)]| {
            let pairs: Vec<String> = point.iter().map(|(a, v)| format!("{a} = {v}")).collect();
            pairs.join(", ")
        };
        let of = |arm: &str, point: &[(String, String)]| {
            let same = |run: &&PlannedRun| run.arm == arm && run.point == point;
            self.planned.iter().filter(same).count()
        };
        let cells = |cell: &dyn Fn(&super::groups::RowGroup<'_>) -> String| {
            groups.iter().map(cell).collect::<Vec<String>>()
        };
        vec![
            column("arm", Align::Left, cells(&|g| g.arm.to_owned())),
            column("point", Align::Left, cells(&|g| point(g.point))),
            column(
                "runs",
                Align::Right,
                cells(&|g| format!("{}/{}", g.rows.len(), of(g.arm, g.point))),
            ),
            column(
                "test accuracy\n%",
                Align::Right,
                cells(&|g| {
                    let accuracy = g.summary(|row| Some(row.test_accuracy));
                    accuracy.map_or_else(String::new, mean_and_sd)
                }),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_share_what_each_would_take_alone() {
        let mut processes = Processes::default();
        for line in [
            r#"{"event":"start","process":"7","monotonic":0.0}"#,
            r#"{"event":"cohort","process":"7","monotonic":0.0,"work":"training","samples":400}"#,
            r#"{"event":"epoch","process":"7","monotonic":2.0,"steps":10,"of":20,"samples_per_step":20,"seconds_left":8.0}"#,
            "torn",
        ] {
            processes.take(line);
        }
        assert_eq!(processes.left(), Some(8.0));
        for line in [
            r#"{"event":"start","process":"8","monotonic":0.0}"#,
            r#"{"event":"epoch","process":"8","monotonic":1.0,"steps":1,"of":2,"samples_per_step":1,"seconds_left":8.0}"#,
        ] {
            processes.take(line);
        }
        assert_eq!(processes.left(), Some(4.0));
        processes.take(r#"{"event":"end","process":"8","monotonic":9.0,"outcome":"interrupted"}"#);
        assert_eq!((processes.left(), processes.outcome()), (Some(8.0), None));
        processes.take(r#"{"event":"end","process":"7","monotonic":9.0,"outcome":"done"}"#);
        assert_eq!(
            processes.outcome(),
            Some("interrupted"),
            "of the last that began"
        );
        // The same program, once more.
        processes.take(r#"{"event":"start","process":"7","monotonic":0.0,"samples":0}"#);
        assert_eq!(processes.outcome(), None);
    }
}
