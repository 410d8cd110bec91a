//! Two reports side by side, row by row.

use super::blocks::Spread;
use super::numbers::{density, replicas};
use super::report::Report;
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of an earlier report's figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchComparison {
    /// Whether the reports are of two machines, or of two drivers of one.
    pub two_machines: bool,
    /// What the two reports do not share, one sentence each, without its end; empty where nothing but the program can have changed.
    pub differences: Vec<String>,
    /// Why whole steps and their kernels are not compared, if so: those of two models or batches do different work.
    pub steps_left_out: Option<String>,
    /// Which of the reports were measured while something else had part of the processor, and how that shows: no verdict then.
    pub disturbed: Vec<String>,
    /// Rows that both have.
    pub rows: Vec<RowPair>,
    /// Rows of the earlier report alone.
    pub then_alone: Vec<String>,
    /// Rows of the later report alone.
    pub now_alone: Vec<String>,
}

/// One row of both reports. Rates and ratios grow with speed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowPair {
    /// Which part of the report it is of.
    pub group: String,
    /// What was measured: a cohort and its density, a kernel and its place, a size.
    pub what: String,
    /// Of both rates.
    pub unit: &'static str,
    /// Rate of the fastest block, earlier.
    pub then: f64,
    /// The same, later.
    pub now: f64,
    /// Later by earlier: above 1 is faster now.
    pub ratio: f64,
    /// How much longer the slowest block took than the fastest, earlier, as a share; of what was measured in blocks.
    pub then_spread: Option<f64>,
    /// The same, later.
    pub now_spread: Option<f64>,
    /// Processor time of one repeat, earlier by later: above 1 is cheaper now; where both reports know it.
    pub cpu_ratio: Option<f64>,
    /// What is sure of the ratio.
    pub verdict: SpeedVerdict,
}

/// What a ratio says in the light of its spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeedVerdict {
    /// Every block was faster than any before, on a machine that nothing else kept busy, and took no more processor time.
    Faster,
    /// Every block was slower than any before, on such a machine, and took no less processor time.
    Slower,
    /// Neither: the ratio may be chance.
    Open,
}

/// Sets a later report beside an earlier one. Rows are matched by what they are.
pub fn compare_reports(then: &Report, now: &Report) -> BenchComparison {
    let steps_left_out = steps_left_out(then, now);
    let with_steps = steps_left_out.is_none();
    let (before, after) = (rows(then, with_steps), rows(now, with_steps));
    let disturbed = disturbed(then, now);
    let mut of_then: BTreeMap<(&str, &str), &RateRow> =
        before.iter().map(|row| (row.key(), row)).collect();
    let mut pairs = Vec::new();
    let mut now_alone = Vec::new();
    for row in &after {
        match of_then.remove(&row.key()) {
            Some(earlier) => pairs.push(earlier.beside(row, disturbed.is_empty())),
            None => now_alone.push(row.name()),
        }
    }
    let then_alone = before
        .iter()
        .filter(|row| of_then.contains_key(&row.key()))
        .map(RateRow::name)
        .collect();
    BenchComparison {
        two_machines: then.adapter != now.adapter || then.cores != now.cores,
        disturbed,
        differences: differences(then, now),
        steps_left_out,
        rows: pairs,
        then_alone,
        now_alone,
    }
}

/// What else than the program may have changed the figures.
fn differences(then: &Report, now: &Report) -> Vec<String> {
    let mut said = Vec::new();
    let mut differ = |what: &str, then: String, now: String| {
        if then != now {
            said.push(format!("{what}: {then} then, {now} now"));
        }
    };
    let adapter = |report: &Report| format!("{} ({})", report.adapter.name, report.adapter.backend);
    differ("adapter", adapter(then), adapter(now));
    differ(
        "driver",
        then.adapter.driver.clone(),
        now.adapter.driver.clone(),
    );
    // Counted on software adapters alone; where one of the two is none, the adapters differ already.
    if let (Some(before), Some(after)) = (then.cores, now.cores) {
        differ("cores", before.to_string(), after.to_string());
    }
    differ("version", then.version.clone(), now.version.clone());
    differ("model", model(then), model(now));
    differ("batch", then.batch.to_string(), now.batch.to_string());
    let seconds = |report: &Report| format!("{} s", report.seconds);
    differ("sparse kernels", then.sparse.clone(), now.sparse.clone());
    differ("length of a measurement", seconds(then), seconds(now));
    said
}

fn disturbed(then: &Report, now: &Report) -> Vec<String> {
    let both = [("then", &then.disturbed), ("now", &now.disturbed)];
    both.into_iter()
        .filter_map(|(which, why)| Some(format!("{which}: {}", why.as_ref()?)))
        .collect()
}

/// The model, told from another version of it.
fn model(report: &Report) -> String {
    let facts = &report.model;
    format!("{} of {} parameters", facts.name, facts.parameters)
}

fn steps_left_out(then: &Report, now: &Report) -> Option<String> {
    let work = |report: &Report| format!("{}, batch {}", model(report), report.batch);
    let (before, after) = (work(then), work(now));
    (before != after).then(|| format!("{before} then, {after} now"))
}

/// One measurement, whatever its kind.
struct RateRow {
    group: String,
    what: String,
    unit: &'static str,
    rate: f64,
    seconds: f64,
    spread: Option<Spread>,
}

impl RateRow {
    fn key(&self) -> (&str, &str) {
        (&self.group, &self.what)
    }

    fn name(&self) -> String {
        format!("{}: {}", self.group, self.what)
    }

    /// This one earlier, that one later; `quiet` is whether both had the machine for themselves.
    fn beside(&self, now: &Self, quiet: bool) -> RowPair {
        let slowest = |row: &Self| row.spread.as_ref().map(|spread| spread.slowest_seconds);
        let cpu = |row: &Self| row.spread.as_ref()?.cpu_seconds.filter(|cpu| *cpu > 0.0);
        let spread = |row: &Self| slowest(row).map(|slowest| slowest / row.seconds - 1.0);
        let cpu_ratio = cpu(self).zip(cpu(now)).map(|(then, now)| then / now);
        let verdict = match slowest(self).zip(slowest(now)).filter(|_| quiet) {
            Some((_, later)) if later < self.seconds && cpu_ratio.is_none_or(|r| r >= 1.0) => {
                SpeedVerdict::Faster
            }
            Some((then, _)) if then < now.seconds && cpu_ratio.is_none_or(|r| r <= 1.0) => {
                SpeedVerdict::Slower
            }
            _ => SpeedVerdict::Open,
        };
        RowPair {
            group: self.group.clone(),
            what: self.what.clone(),
            unit: self.unit,
            then: self.rate,
            now: now.rate,
            ratio: now.rate / self.rate,
            then_spread: spread(self),
            now_spread: spread(now),
            cpu_ratio,
            verdict,
        }
    }
}

/// All rows of a report.
fn rows(report: &Report, with_steps: bool) -> Vec<RateRow> {
    let mut rows = ceiling_rows(report);
    if with_steps {
        rows.extend(step_rows(report));
        rows.extend(kernel_rows(report));
    }
    rows.extend(report.product.iter().map(|row| RateRow {
        group: "matrix product".to_owned(),
        what: format!("{} x {}, {}", row.size, row.size, row.variant),
        unit: "GFLOP/s",
        rate: row.gflop_per_second,
        seconds: row.seconds,
        spread: Some(row.spread.clone()),
    }));
    rows.extend(report.selection.iter().map(|row| RateRow {
        group: "top-k".to_owned(),
        what: format!("{} of {} keys", row.keep, row.keys),
        unit: "million keys/s",
        rate: row.keys_per_second / 1e6,
        seconds: row.seconds,
        spread: Some(row.spread.clone()),
    }));
    rows
}

fn ceiling_rows(report: &Report) -> Vec<RateRow> {
    let ceilings = &report.ceilings;
    let row = |what: String, unit, rate: f64| RateRow {
        group: "ceilings".to_owned(),
        what,
        unit,
        rate,
        seconds: 1.0 / rate,
        spread: None,
    };
    let copy = format!("copying {} MiB", ceilings.copy_bytes >> 20);
    vec![
        row(
            "multiply-adds in registers".to_owned(),
            "GFLOP/s",
            ceilings.gflop_per_second,
        ),
        row(copy, "GB/s", ceilings.gb_per_second),
    ]
}

fn step_rows(report: &Report) -> impl Iterator<Item = RateRow> {
    report.steps.iter().flat_map(|cohort| {
        cohort.densities.iter().map(|row| RateRow {
            group: "whole steps".to_owned(),
            what: cohort_at(cohort.replicas, row.density),
            unit: "samples/s",
            rate: row.samples_per_second,
            seconds: row.step_seconds,
            spread: Some(row.spread.clone()),
        })
    })
}

fn kernel_rows(report: &Report) -> Vec<RateRow> {
    let mut rows = Vec::new();
    for breakdown in &report.breakdowns {
        let at = cohort_at(breakdown.replicas, breakdown.density);
        // A step may run a kernel at one place several times.
        let mut met: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for kernel in &breakdown.kernels {
            let times = met.entry((&kernel.kernel, &kernel.place)).or_default();
            *times += 1;
            let again = match *times {
                1 => String::new(),
                n => format!(", time {n}"),
            };
            let of = if kernel.place.is_empty() { "" } else { " of " };
            let (unit, rate) = match (kernel.gflop_per_second, kernel.gb_per_second) {
                (Some(rate), _) => ("GFLOP/s", rate),
                (None, Some(rate)) => ("GB/s", rate),
                (None, None) => ("runs/s", 1.0 / kernel.seconds),
            };
            rows.push(RateRow {
                group: format!("kernels of {at}"),
                what: format!("{}{of}{}{again}", kernel.kernel, kernel.place),
                unit,
                rate,
                seconds: kernel.seconds,
                spread: Some(kernel.spread.clone()),
            });
        }
    }
    rows
}

/// A cohort and its density, to four digits: what a mask comes to differs from what was asked by rounding.
fn cohort_at(count: u32, at: f64) -> String {
    format!("{}, density {}", replicas(count), density(at))
}
