//! Run folders side by side.

use super::text_table::{Align, TextColumn, draw};
use crate::base::utc;
use crate::store::FolderSummary;
use serde_json::{Value, json};

/// Plain-text table, one line per folder, and below it what is wrong with some. A long title runs on to the right: lines stay lines,
/// for a reader and for `grep`.
pub fn run_list(folders: &[FolderSummary]) -> String {
    let adapters = adapters(folders);
    let column = |heading: &str, align, cell: &dyn Fn(&FolderSummary) -> String| TextColumn {
        heading: heading.to_owned(),
        align,
        cells: folders.iter().map(cell).collect(),
    };
    let known = |text: Option<&str>| text.unwrap_or(UNKNOWN).to_owned();
    let mut columns = vec![
        column("folder", Align::Left, &|f| f.dir.display().to_string()),
        column("experiment", Align::Left, &|f| {
            known(f.owner.as_ref().map(|owner| owner.experiment.as_str()))
        }),
        column("runs", Align::Right, &|f| {
            let failed = match f.failed {
                0 => String::new(),
                failed => format!(" ({failed} failed)"),
            };
            format!("{}/{}{failed}", count(f.done), count(f.planned))
        }),
        column("size\nMiB", Align::Right, &|f| {
            format!("{:.1}", f.bytes as f64 / f64::from(1 << 20))
        }),
        column("last write\nUTC", Align::Left, &|f| {
            let time = f.last_write.map(|time| utc(time).replace('T', " "));
            known(time.as_deref().and_then(|time| time.get(..16)))
        }),
    ];
    if adapters.len() > 1 {
        columns.push(column("adapter", Align::Left, &|f| {
            let at = adapters.iter().position(|name| Some(*name) == adapter(f));
            at.map_or_else(|| UNKNOWN.to_owned(), |at| (at + 1).to_string())
        }));
    }
    columns.push(column("title", Align::Left, &|f| known(f.title.as_deref())));

    let mut out = draw(&columns, usize::MAX);
    out.push('\n');
    match adapters[..] {
        [] => {}
        [one] => out.push_str(&format!("adapter: {one}\n")),
        ref several => {
            for (at, name) in several.iter().enumerate() {
                out.push_str(&format!("adapter {}: {name}\n", at + 1));
            }
        }
    }
    for problem in folders.iter().filter_map(|f| f.problem.as_deref()) {
        out.push_str(problem);
        out.push('\n');
    }
    out
}

/// The same for scripts: `[{"folder", "experiment", "title", "runs_done", "runs_failed", "runs_planned", "bytes", "last_write", "adapter", "driver",
/// "numerical_version", "experiment_digest", "problem"}]`; what is not known is null, and moments are as RFC 3339 has them, in UTC.
pub fn run_list_json(folders: &[FolderSummary]) -> Value {
    let each = folders.iter().map(|f| {
        let owner = f.owner.as_ref();
        json!({
            "folder": f.dir.display().to_string(),
            "experiment": owner.map(|owner| &owner.experiment),
            "title": f.title,
            "runs_done": f.done,
            "runs_failed": f.failed,
            "runs_planned": f.planned,
            "bytes": f.bytes,
            "last_write": f.last_write.map(utc),
            "adapter": adapter(f),
            "driver": owner.map(|owner| &owner.driver).filter(|name| !name.is_empty()),
            "numerical_version": owner.map(|owner| owner.numerical_version),
            "experiment_digest": owner.map(|owner| &owner.experiment_digest),
            "problem": f.problem,
        })
    });
    each.collect()
}

const UNKNOWN: &str = "?";

fn count(count: Option<usize>) -> String {
    count.map_or_else(|| UNKNOWN.to_owned(), |count| count.to_string())
}

/// Folders of an early version name none.
fn adapter(folder: &FolderSummary) -> Option<&str> {
    let name = folder.owner.as_ref()?.adapter.as_str();
    (!name.is_empty()).then_some(name)
}

/// Each adapter once, in order of first appearance.
fn adapters(folders: &[FolderSummary]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in folders.iter().filter_map(adapter) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
