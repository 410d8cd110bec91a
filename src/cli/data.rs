//! `secateur data list|fetch|preview`.

use super::args::{DataArgs, ExperimentArgs};
use super::failure::Failure;
use super::output::{say, tell};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use secateur::data::{self, SearchPath};
use secateur::run::load_dataset;
use std::path::PathBuf;

/// Fetch and look at datasets
#[derive(Subcommand)]
pub enum DataCommand {
    /// List the datasets and where they are
    List(DataArgs),
    /// Download a dataset and check it
    Fetch(Fetch),
    /// Write a PNG with some images of each class
    Preview(Preview),
}

#[derive(Args)]
pub struct Fetch {
    /// The dataset's name
    name: String,
    #[command(flatten)]
    data: DataArgs,
    /// Download from here instead of the known mirrors; may be repeated
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,
}

#[derive(Args)]
pub struct Preview {
    /// The dataset's name
    name: String,
    /// The experiment file that describes the dataset
    #[arg(long, value_name = "FILE")]
    experiment: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    /// The PNG to write; <name>.png if not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Images per class
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=200))]
    columns: u16,
}

pub fn run(command: DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::List(args) => {
            let search = SearchPath::new(args.data);
            for name in data::names() {
                match data::is_available(name, &search) {
                    Ok(()) => say(format_args!("{name}: ready")),
                    Err(_) => {
                        say(format_args!(
                            "{name}: not here; `secateur data fetch {name}` downloads it or says how to"
                        ));
                    }
                }
            }
            Ok(())
        }
        DataCommand::Fetch(args) => fetch(args),
        DataCommand::Preview(args) => preview(args),
    }
}

fn fetch(args: Fetch) -> Result<(), Failure> {
    let search = SearchPath::new(args.data.data);
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}")
    {
        bar.set_style(style);
    }
    let mirrors = (!args.mirror.is_empty()).then_some(args.mirror.as_slice());
    let report = data::fetch(
        &args.name,
        search.download_root()?,
        mirrors,
        &mut |progress| {
            bar.set_length(progress.total.unwrap_or(progress.received));
            bar.set_position(progress.received);
            bar.set_message(progress.file.to_owned());
        },
    );
    bar.finish_and_clear();
    let report = report?;
    for file in &report.files {
        let how = if file.url.is_some() {
            "fetched"
        } else {
            "kept"
        };
        say(format_args!(
            "{how} {} ({} bytes)",
            file.path.display(),
            file.bytes
        ));
    }
    for note in &report.notes {
        say(format_args!("note: {note}"));
    }
    Ok(())
}

fn preview(args: Preview) -> Result<(), Failure> {
    let search = SearchPath::new(args.data.data);
    let dataset = match args.experiment {
        None => data::load(&args.name, &search)?,
        Some(file) => {
            let file = ExperimentArgs {
                file,
                overrides: Vec::new(),
            };
            load_dataset(&file.read()?, &args.name, &search)?
        }
    };
    for warning in &dataset.warnings {
        tell(format_args!("warning: {warning}"));
    }
    let sheet = data::contact_sheet(&dataset, usize::from(args.columns));
    let path = args
        .out
        .unwrap_or_else(|| PathBuf::from(format!("{}.png", args.name)));
    sheet
        .save_with_format(&path, image::ImageFormat::Png)
        .map_err(|e| Failure::storage(format!("cannot write {}: {e}", path.display())))?;
    say(format_args!(
        "{}: {} training and {} test images, one class a row, from {}",
        path.display(),
        dataset.train.len(),
        dataset.test.len(),
        dataset.source
    ));
    Ok(())
}
