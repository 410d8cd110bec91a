//! The whole file: TOML text to a checked experiment.

use super::arms;
use super::best_by;
use super::expand::{Shared, expand};
use super::fields::Fields;
use super::files::MaskFiles;
use super::header::{check_version, read_seeds};
use super::read_amount::ALL_AMOUNTS;
use super::read_dataset::{known_names, read_datasets};
use super::read_model::read_model;
use super::read_train::check_defaults;
use super::scalars::{choice, line};
use super::sweep::{Point, Sweep};
use super::types::{Axis, Experiment, OnCollapse};
use super::write::{self, written};
use super::{ExperimentErrors, files};
use crate::config::{self, Source};
use crate::config::{Node, Value};
use crate::config::{Problem, Problems};
use std::collections::BTreeSet;
use std::path::Path;

/// Plans are held in memory and shown in tables.
const MOST_RUNS: usize = 200_000;
/// Points of the sweep of one arm.
const MOST_POINTS: usize = 10_000;
/// What `on_collapse` may be.
const COLLAPSE: [(&str, OnCollapse); 2] = [("warn", OnCollapse::Warn), ("stop", OnCollapse::Stop)];
/// Keys of which a table takes one: setting one takes the place of the others.
const EXCLUSIVE: [&[&str]; 4] = [
    &ALL_AMOUNTS,
    &["preset", "layers"],
    &["steps", "control"],
    &["folder", "of"],
];

impl Experiment {
    /// Reads and checks a file. `overrides` are `PATH=VALUE`, applied in order.
    ///
    /// # Errors
    /// All mistakes in the file and the overrides, or that the file cannot be read.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Experiment, ExperimentErrors> {
        let file_name = path.display().to_string();
        let unreadable =
            |message, help| Err(ExperimentErrors::unreadable(&file_name, message, help));
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let near = files::nearest_file(path, "toml");
                let help = match near {
                    Some(near) => format!("did you mean {near}?"),
                    None => "give the path of an experiment's TOML file".to_string(),
                };
                return unreadable(format!("cannot read {file_name}: {error}"), help);
            }
        };
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let newlines = error.as_bytes()[..good]
                    .iter()
                    .filter(|byte| **byte == b'\n');
                let line = newlines.count() + 1;
                let message = format!("{file_name} is not UTF-8: line {line}, byte {good}");
                return unreadable(message, "save it as UTF-8 text".to_string());
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        Experiment::parse(&file_name, &text, folder, overrides)
    }

    /// Checks a text. `file_name` stands in errors, and its stem names the experiment; paths of mask files are relative
    /// to `folder`.
    ///
    /// # Errors
    /// All mistakes in the text and the overrides.
    pub fn parse(
        file_name: &str,
        text: &str,
        folder: &Path,
        overrides: &[String],
    ) -> Result<Experiment, ExperimentErrors> {
        let sources = config::sources(file_name, text, overrides);
        let mut problems = Problems::default();
        let tree = config::parse(text, overrides, &EXCLUSIVE, &mut problems);
        let experiment = tree.and_then(|root| {
            let name = Path::new(file_name)
                .file_stem()
                .map_or("experiment".into(), |stem| {
                    stem.to_string_lossy().into_owned()
                });
            let mut experiment = read_root(&root, name, folder, &sources, &mut problems)?;
            experiment.text = if overrides.is_empty() {
                text.to_string()
            } else {
                write::document(&root)
            };
            Some(experiment)
        });
        match experiment {
            Some(experiment) if problems.is_empty() => Ok(experiment),
            _ => Err(ExperimentErrors::new(&sources, problems.into_sorted())),
        }
    }
}

fn read_root(
    root: &Node,
    name: String,
    folder: &Path,
    sources: &[Source],
    problems: &mut Problems,
) -> Option<Experiment> {
    if !check_version(root, problems) {
        return None;
    }
    let keys = [
        "secateur",
        "title",
        "seeds",
        "on_collapse",
        "model",
        "datasets",
        "train",
        "sweep",
        "arm",
    ];
    let fields = Fields::open(root, "the experiment", &keys, problems)?;
    let title = match fields.get("title") {
        Some(node) => line(node, "title", problems).map(str::to_string),
        None => Some(name.clone()),
    };
    let on_collapse = match fields.get("on_collapse") {
        Some(node) => choice(node, "on_collapse", &COLLAPSE, problems),
        None => Some(OnCollapse::default()),
    };
    let seeds = fields
        .need("seeds", "seeds = 10", problems)
        .and_then(|node| read_seeds(node, problems));
    let model = fields.need("model", "[model] preset = \"lenet-300-100\"", problems);
    let datasets = read_datasets(fields.get("datasets"), folder, problems);
    let names = known_names(fields.get("datasets"));
    let train = fields.get("train");
    let sweep = Sweep::read(fields.get("sweep"), problems);

    let no_arms = Vec::new();
    let arm_nodes = match fields.need("arm", "[[arm]] name = \"dense\"", problems) {
        None => &no_arms,
        Some(node) => match &node.value {
            Value::Array(items) if !items.is_empty() => items,
            _ => {
                let help = "each arm is its own [[arm]] table";
                problems.at(node, "`arm` must be a list of tables", help);
                &no_arms
            }
        },
    };
    for node in [model, train].into_iter().flatten().chain(arm_nodes) {
        sweep.check_references(node, problems);
    }

    // With the first value of every axis: what no arm uses is checked too.
    let first: Point = (0..sweep.axes.len()).map(|axis| (axis, 0)).collect();
    if let Some(model) = model {
        read_model(&sweep.substitute(model, &first), problems);
    }
    if let Some(train) = train {
        check_defaults(&sweep.substitute(train, &first), &names, problems);
    }

    let files = MaskFiles::new(folder);
    let raw = arms::read_arms(arm_nodes, problems);
    let shared = Shared {
        model,
        train,
        sweep: &sweep,
        files: &files,
        datasets: &names,
        sources,
        most: MOST_POINTS,
    };
    let (arms, used) = expand(&raw, &shared, problems);
    if let Some(used) = used.filter(|_| !arm_nodes.is_empty()) {
        check_used(&sweep, &used, problems);
    }
    best_by::check_default(train, &arms, problems);
    let seeds = seeds?;
    let variants: usize = arms.iter().map(|arm| arm.variants.len()).sum();
    if variants.saturating_mul(seeds.len()) > MOST_RUNS {
        let message = format!("{variants} points x {} seeds", seeds.len());
        let help = format!("at most {MOST_RUNS} runs in one experiment: split it");
        problems.at(fields.get("seeds")?, message, help);
    }
    Some(Experiment {
        name,
        title: title?,
        seeds,
        on_collapse: on_collapse?,
        axes: sweep
            .axes
            .iter()
            .map(|axis| Axis {
                name: axis.name.to_string(),
                values: axis
                    .values
                    .iter()
                    .map(|value| written(value, sources))
                    .collect(),
            })
            .collect(),
        arms,
        datasets,
        text: String::new(),
        mask_files: files.into_digests(),
    })
}

fn check_used(sweep: &Sweep<'_>, used: &BTreeSet<usize>, problems: &mut Problems) {
    for (index, axis) in sweep.axes.iter().enumerate() {
        if used.contains(&index) {
            continue;
        }
        let name = axis.name;
        problems.add(Problem {
            message: format!("no arm depends on the axis `{name}`"),
            place: axis.entry.key_place.clone(),
            path: axis.entry.node.path.clone(),
            used_at: None,
            help: Some(format!(
                "write \"${name}\" where its values belong, or remove it; to hold an axis at one \
                 value: --set sweep.{name}=[VALUE]"
            )),
        });
    }
}
