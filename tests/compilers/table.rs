//! What a compiler makes of all kernels, as a table in Markdown.

use super::assembly::InnerLoop;
use super::measure::{Measured, Report};

type Column = (&'static str, fn(&Measured) -> String);

fn inner(measured: &Measured, number: impl Fn(&InnerLoop) -> String) -> String {
    measured.inner.as_ref().map(number).unwrap_or_default()
}

fn per_64(measured: &Measured, count: impl Fn(&InnerLoop) -> u32) -> String {
    inner(measured, |i| {
        let each = format!("{:.1}", i.per_64(count(i)));
        each.strip_suffix(".0").map_or(each.clone(), str::to_owned)
    })
}

/// Of RADV's compiler. What follows `multiply-adds`, which are those of one lane in one pass of the inner loop, is for 64 of them; but
/// for `latency`, the compiler's own estimate of the whole kernel in cycles.
const COLUMNS: [Column; 14] = [
    ("VGPRs", |m| m.number("VGPRs").to_string()),
    // RDNA gives every wave 128; how many are needed shows before instructions are put in order.
    ("SGPRs", |m| m.number("Pre-Sched SGPRs").to_string()),
    ("spills", |m| m.spills().to_string()),
    ("lanes", |m| m.number("Subgroup size").to_string()),
    ("waves", |m| m.waves().to_string()),
    ("LDS bytes", |m| m.number("LDS size").to_string()),
    ("instructions", |m| m.number("Instructions").to_string()),
    ("multiply-adds", |m| {
        inner(m, |i| i.multiply_adds.to_string())
    }),
    ("vector instructions", |m| per_64(m, |i| i.vector)),
    ("vector loads", |m| per_64(m, |i| i.vector_loads)),
    ("scalar loads", |m| per_64(m, |i| i.scalar_loads)),
    ("LDS loads", |m| per_64(m, |i| i.workgroup_loads)),
    ("waits", |m| per_64(m, |i| i.waits)),
    ("latency", |m| m.number("Latency").to_string()),
];

/// The table.
pub fn table(report: &Report) -> String {
    let head = format!("{}, {}\n\n", report.device, report.driver);
    let rows = if report.driver.starts_with("radv") {
        of_radv(report)
    } else {
        of_another(report)
    };
    head + &aligned(&rows)
}

fn of_radv(report: &Report) -> Vec<Vec<String>> {
    let names = COLUMNS.iter().map(|(name, _)| (*name).to_owned());
    let mut rows = vec![std::iter::once("kernel".to_owned()).chain(names).collect()];
    for (kernel, measured) in &report.kernels {
        let cells = COLUMNS.iter().map(|(_, cell)| cell(measured));
        rows.push(std::iter::once(kernel.clone()).chain(cells).collect());
    }
    rows
}

/// All numbers that the driver gives, by its own names.
fn of_another(report: &Report) -> Vec<Vec<String>> {
    let first = report.kernels.values().next();
    let names: Vec<String> = first
        .into_iter()
        .flat_map(|m| m.statistics.keys().cloned())
        .collect();
    let mut rows = vec![[vec!["kernel".to_owned()], names.clone()].concat()];
    for (kernel, measured) in &report.kernels {
        let cells = names.iter().map(|name| {
            measured
                .statistics
                .get(name)
                .map_or(String::new(), f64::to_string)
        });
        rows.push(std::iter::once(kernel.clone()).chain(cells).collect());
    }
    rows
}

/// Columns as wide as what stands in them; a line under the first row.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |c: usize| rows.iter().map(|row| row[c].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            out += &format!("| {cell:width$} ");
        }
        out += "|\n";
        if number == 0 {
            for width in &widths {
                out += &format!("|{}", "-".repeat(width + 2));
            }
            out += "|\n";
        }
    }
    out
}
