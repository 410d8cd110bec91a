//! `secateur init`.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::data::{SearchPath, is_available};
use secateur::experiment::{Experiment, suggest};
use secateur::run::datasets;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Write one of the experiments that come with Secateur to a file, to run and to change
#[derive(Args)]
pub struct InitArgs {
    /// The experiment's name; lists them if not given
    name: Option<String>,
    /// The file to write; NAME.toml if not given
    file: Option<PathBuf>,
}

/// An experiment that comes with the program: the name of its file without extension, and its text.
type Shipped = (&'static str, &'static str);

macro_rules! shipped {
    ($($name:literal)+) => {
        &[$(($name, include_str!(concat!("../../experiments/", $name, ".toml")))),+]
    };
}

/// The files of `experiments/`, the one to begin with first.
const SHIPPED: &[Shipped] = shipped![
    "quickstart"
    "mnist_dense"
    "mnist_cnn"
    "mlp_1000"
    "cifar_conv_2"
    "cifar_resnet_20"
    "lottery_ticket"
    "sparse_training"
    "mlp_1000_weight_vs_unit"
    "filter_pruning"
    "group_lasso"
    "mask_transfer_small"
    "mask_transfer_3ep"
    "mask_transfer"
];

pub fn run(args: &InitArgs) -> Result<(), Failure> {
    let Some(name) = &args.name else {
        return list();
    };
    let Some(shipped) = SHIPPED.iter().find(|(own, _)| own == name) else {
        let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        return Err(Failure::experiment(format!(
            "no experiment named {name:?} comes with secateur; {}",
            suggest::help(name, &names)
        )));
    };
    let file = match &args.file {
        Some(file) => file.clone(),
        None => PathBuf::from(format!("{name}.toml")),
    };
    write_new(&file, shipped.1)?;
    let experiment = read(shipped)?;
    say(format_args!("{}: {}", file.display(), experiment.title));
    say("next:");
    let here = SearchPath::new(None);
    for dataset in datasets(&experiment) {
        if is_available(&dataset, &here).is_err() {
            say(format_args!("  secateur data fetch {dataset}"));
        }
    }
    for command in ["plan", "run"] {
        say(format_args!("  secateur {command} {}", quoted(&file)));
    }
    Ok(())
}

fn list() -> Result<(), Failure> {
    let widest = SHIPPED.iter().map(|(name, _)| name.len()).max();
    let width = widest.unwrap_or_default();
    for shipped in SHIPPED {
        let title = read(shipped)?.title;
        say(format_args!("{:width$}  {title}", shipped.0));
    }
    say("`secateur init NAME` writes one to NAME.toml.");
    Ok(())
}

fn read((name, text): &Shipped) -> Result<Experiment, Failure> {
    Experiment::parse(&format!("{name}.toml"), text, Path::new(""), &[])
        .map_err(|errors| Failure::mistakes(&errors))
}

/// Writes a file that must not be there yet. What the disk refuses half-way leaves nothing.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = File::create_new(path).map_err(|error| refused(path, &error))?;
    let written = file.write_all(text.as_bytes());
    written.map_err(|error| {
        let _ = fs::remove_file(path);
        refused(path, &error)
    })
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    Failure::storage(match error.kind() {
        io::ErrorKind::AlreadyExists => format!(
            "{shown} is there already, and nothing was changed\n  move it away, or name another file: secateur init NAME FILE"
        ),
        _ => format!(
            "cannot write {shown}: {error}\n  name another file, in a folder that is there: secateur init NAME FILE"
        ),
    })
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\:._-+=@,".contains(c);
    if text.chars().all(plain) {
        text
    } else if cfg!(windows) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
