//! `secateur show`: everything behind one number.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::store::{
    Cells, PlannedRun, Row, RunRow, StageStore, read_data, read_owner, read_planned, read_resolved,
    read_table,
};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Show one run: its settings, result, data, stages, and the command that recomputes it alone
#[derive(Args)]
pub struct ShowArgs {
    /// A run folder
    dir: PathBuf,
    /// An arm of its experiment, or the name of a run (column `run` of results.csv)
    arm: String,
    /// The seed, where the arm has several
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// The sweep point, where the arm has several, e.g. --point lr=0.1; may be repeated
    #[arg(long, value_name = "AXIS=VALUE", value_parser = axis_value)]
    point: Vec<(String, String)>,
    /// Where its stages lie, if not in the run folder
    #[arg(long, value_name = "DIR", env = "SECATEUR_STORE")]
    store: Option<PathBuf>,
}

fn axis_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let pair = pair.ok_or_else(|| "expected AXIS=VALUE, e.g. lr=0.1".to_owned())?;
    Ok((pair.0.trim().to_owned(), pair.1.trim().to_owned()))
}

pub fn run(args: &ShowArgs) -> Result<(), Failure> {
    let dir = &args.dir;
    let owner = read_owner(dir)?;
    let planned = read_planned(dir)?.ok_or_else(|| {
        Failure::storage(format!(
            "{} has no runs.json\n  run its experiment again in this folder: what is missing is written anew",
            dir.display()
        ))
    })?;
    let run = choose(&planned, args)?;
    let rows: Vec<RunRow> = read_table(dir)?;
    let row = rows.iter().find(|row| row.run == run.run);
    let mut out = format!("{}\n", run.run);
    let point: Vec<String> = run
        .point
        .iter()
        .map(|(axis, value)| format!("{axis} = {value}"))
        .collect();
    let _ = writeln!(out, "  experiment  {}", owner.experiment);
    let _ = writeln!(out, "  arm         {}", run.arm);
    if !point.is_empty() {
        let _ = writeln!(out, "  point       {}", point.join(", "));
    }
    let _ = writeln!(out, "  seed        {}", run.seed);
    let _ = writeln!(
        out,
        "  adapter     {}, driver {}",
        owner.adapter, owner.driver
    );
    let _ = writeln!(out, "  numbers     version {}", owner.numerical_version);
    out.push_str("\nresult\n");
    match row {
        None => out.push_str("  not there yet\n"),
        Some(row) => result(row, &mut out),
    }
    out.push_str("\nsettings\n");
    settings(dir, run, &mut out)?;
    out.push_str("\ndata\n");
    for data in read_data(dir)? {
        let _ = writeln!(
            out,
            "  {}: {} training and {} test samples, SHA-256 {}",
            data.name, data.train, data.test, data.digest
        );
    }
    out.push_str("\nstages\n");
    let store = StageStore::at(args.store.as_ref().unwrap_or(dir));
    for (number, stage) in run.stages.iter().enumerate() {
        let state = match (stage.kept, store.has(&stage.digest)) {
            (false, _) => "recomputed in milliseconds",
            (true, true) => "here",
            (true, false) => "not here",
        };
        let _ = writeln!(
            out,
            "  {number}  {:12}  {}  {state}",
            stage.step, stage.digest
        );
    }
    let _ = write!(
        out,
        "\nto recompute this run alone\n  secateur run '{}' --only '{}' --out '{}'",
        dir.join("experiment.toml").display(),
        run.run,
        run.run
    );
    say(out);
    Ok(())
}

/// The one run that is meant.
fn choose<'p>(planned: &'p [PlannedRun], args: &ShowArgs) -> Result<&'p PlannedRun, Failure> {
    let named = |run: &&PlannedRun| run.run == args.arm;
    if let Some(run) = planned.iter().find(named) {
        return Ok(run);
    }
    let of_arm: Vec<&PlannedRun> = planned.iter().filter(|run| run.arm == args.arm).collect();
    if of_arm.is_empty() {
        let mut arms: Vec<&str> = planned.iter().map(|run| run.arm.as_str()).collect();
        arms.dedup();
        return Err(Failure::experiment(format!(
            "there is no arm or run {:?} here; its arms are: {}",
            args.arm,
            arms.join(", ")
        )));
    }
    let fits = |run: &&&PlannedRun| {
        let at = args.point.iter().all(|pair| run.point.contains(pair));
        at && args.seed.is_none_or(|seed| run.seed == seed)
    };
    let chosen: Vec<&&PlannedRun> = of_arm.iter().filter(fits).collect();
    let list = |runs: &[&PlannedRun]| {
        let names: Vec<&str> = runs.iter().take(20).map(|run| run.run.as_str()).collect();
        format!(
            "{}{}",
            names.join("\n  "),
            if runs.len() > 20 { "\n  ..." } else { "" }
        )
    };
    match chosen[..] {
        [run] => Ok(run),
        [] => Err(Failure::experiment(format!(
            "arm {:?} has no such run; it has\n  {}",
            args.arm,
            list(&of_arm)
        ))),
        _ => {
            let chosen: Vec<&PlannedRun> = chosen.into_iter().copied().collect();
            Err(Failure::experiment(format!(
                "{} runs are meant; choose one by its name, or with --seed and --point\n  {}",
                chosen.len(),
                list(&chosen)
            )))
        }
    }
}

/// Every column of the row that says something of the result.
fn result(row: &RunRow, out: &mut String) {
    const ELSEWHERE: [&str; 5] = ["run", "arm", "seed", "adapter", "driver"];
    for column in RunRow::COLUMNS {
        match column.cells {
            Cells::One { text, .. } if !ELSEWHERE.contains(&column.name) => {
                let text = text(row);
                if !text.is_empty() {
                    let unit = if column.unit == "0 to 1" {
                        ""
                    } else {
                        column.unit
                    };
                    let _ = writeln!(out, "  {:20} {text} {unit}", column.name);
                }
            }
            _ => {}
        }
    }
}

/// Every setting of the run, from the experiment with all defaults filled in.
fn settings(dir: &Path, run: &PlannedRun, out: &mut String) -> Result<(), Failure> {
    let resolved: Value = read_resolved(dir)?.unwrap_or_default();
    let arms = resolved["arms"].as_array();
    let arm = arms.and_then(|arms| arms.iter().find(|arm| arm["name"] == run.arm.as_str()));
    let variants = arm.and_then(|arm| arm["variants"].as_array());
    let point = serde_json::to_value(&run.point).unwrap_or_default();
    let variant = variants.and_then(|all| all.iter().find(|variant| variant["point"] == point));
    let Some(variant) = variant else {
        out.push_str("  resolved.json does not have this run\n");
        return Ok(());
    };
    leaves("model", &variant["model"], out);
    for (number, step) in variant["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        leaves(&format!("steps.{number}"), step, out);
    }
    Ok(())
}

/// A line for each value that is set.
fn leaves(path: &str, value: &Value, out: &mut String) {
    match value {
        Value::Object(table) if !table.is_empty() => {
            for (key, value) in table {
                leaves(&format!("{path}.{key}"), value, out);
            }
        }
        Value::Array(list)
            if list
                .iter()
                .any(|value| value.is_object() || value.is_array()) =>
        {
            for (at, value) in list.iter().enumerate() {
                leaves(&format!("{path}.{at}"), value, out);
            }
        }
        Value::Null => {}
        value => {
            let _ = writeln!(out, "  {path} = {value}");
        }
    }
}
