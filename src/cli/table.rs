//! `secateur table`, and the table that a run ends with.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::report::{ArmInfo, Reference, TableOptions, table, table_json};
use secateur::store::{
    DataRecord, RunRow, read_data, read_owner, read_planned, read_resolved, read_table,
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Print the table of a run folder, also while a run goes on in it
#[derive(Args)]
pub struct TableArgs {
    /// A run folder
    dir: PathBuf,
    /// Compare every arm with this one, instead of controls with their originals
    #[arg(long, value_name = "ARM")]
    reference: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `resolved.json` says that a table needs.
#[derive(Deserialize)]
pub struct Shown {
    pub title: String,
    arms: Vec<ShownArm>,
}

impl Shown {
    /// That of a run folder.
    pub fn read(dir: &Path) -> Result<Self, Failure> {
        read_resolved(dir)?.ok_or_else(|| {
            Failure::storage(format!(
                "{} has no resolved.json yet: its run has only just begun",
                dir.display()
            ))
        })
    }

    /// Its arms, for tables.
    pub fn arms(&self) -> Vec<ArmInfo> {
        let arm = |arm: &ShownArm| ArmInfo {
            name: arm.name.clone(),
            control_of: arm.control_of.clone(),
        };
        self.arms.iter().map(arm).collect()
    }
}

#[derive(Deserialize)]
struct ShownArm {
    name: String,
    control_of: Option<String>,
}

pub fn run(args: &TableArgs) -> Result<(), Failure> {
    let dir = &args.dir;
    read_owner(dir)?;
    let shown = Shown::read(dir)?;
    let rows: Vec<RunRow> = read_table(dir)?;
    let planned = read_planned(dir)?.map_or(rows.len(), |runs| runs.len());
    let arms = shown.arms();
    let results = Tabled {
        title: &shown.title,
        rows: &rows,
        arms: &arms,
        data: &read_data(dir)?,
        planned,
    };
    results.print(&reference(args.reference.as_deref(), &arms)?, args.json);
    Ok(())
}

/// What arms are compared with: the named one, if it is one of them.
pub fn reference(name: Option<&str>, arms: &[ArmInfo]) -> Result<Reference, Failure> {
    match name {
        None => Ok(Reference::Own),
        Some(name) if arms.iter().any(|arm| arm.name == name) => {
            Ok(Reference::Arm(name.to_owned()))
        }
        Some(name) => {
            let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
            Err(Failure::experiment(format!(
                "--reference {name:?} is no arm of this experiment; its arms are: {}",
                names.join(", ")
            )))
        }
    }
}

/// Results to be printed.
pub struct Tabled<'a> {
    pub title: &'a str,
    pub rows: &'a [RunRow],
    pub arms: &'a [ArmInfo],
    pub data: &'a [DataRecord],
    /// Runs that the experiment asks for.
    pub planned: usize,
}

impl Tabled<'_> {
    /// Prints the table, for people or for scripts.
    pub fn print(&self, reference: &Reference, json: bool) {
        let done = self.rows.len();
        if json {
            let mut json = table_json(self.title, self.rows, self.arms, reference);
            let skipped = self.data.iter();
            json["skipped_images"] = skipped
                .map(|data| (data.name.clone(), data.skipped_images.len().into()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            json["runs_done"] = done.into();
            json["runs_planned"] = self.planned.into();
            say(format_args!("{json:#}"));
            return;
        }
        if done < self.planned {
            say(format_args!(
                "{done} of {} runs, provisional: means and intervals are of the runs that have ended\n",
                self.planned
            ));
        }
        let options = TableOptions {
            reference: reference.clone(),
            ..TableOptions::default()
        };
        say(table(self.title, self.rows, self.arms, &options));
        for data in self.data.iter().filter(|d| !d.skipped_images.is_empty()) {
            let count = data.skipped_images.len();
            let images = if count == 1 { "image" } else { "images" };
            say(format_args!(
                "{}: {count} {images} left out as undecodable; data.json has the names",
                data.name
            ));
        }
    }
}
