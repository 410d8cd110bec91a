//! The whole file: TOML text to a checked experiment.

use super::expand::{Roots, Shared, expand};
use super::files::{self, MaskFiles};
use super::header::{Seeds, Version, check_version};
use super::read_dataset::{self, known_names, read_datasets};
use super::read_model::{ModelTable, read_model};
use super::surroundings::{Alone, Surroundings};
use super::sweep::{self, Point, Sweep};
use super::types::{Axis, Experiment, OnCollapse, SourceDocument};
use super::write::{self, written};
use super::{ExperimentErrors, arms, best_by};
use crate::config::{
    self, Choice, Description, Fields, Form, FromNode, Later, Line, Maybe, Node, Part, Problem,
    Problems, Reader, SourceText, Table, Value, ValueShape, table,
};
use crate::spec::{Amount, TrainSpec};
use std::collections::BTreeSet;
use std::path::Path;

/// Plans are held in memory and shown in tables.
const MOST_RUNS: usize = 200_000;
/// Points of the sweep of one arm.
const MOST_POINTS: usize = 10_000;

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
        // Keys of which a table takes one: setting one takes the place of the others.
        let mut amounts = Amount::keys();
        amounts.push("threshold");
        let exclusive = [
            &amounts[..],
            &["preset", "layers"],
            &["steps", "control"],
            &["folder", "of"],
        ];
        let tree = config::parse(text, overrides, &exclusive, &mut problems);
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

table! {
    /// An experiment: a model, training defaults, a sweep, arms to compare, and seeds.
    struct ExperimentFile as "the experiment" {
        /// `1`, the version of this format
        secateur: u64 => Version, like "1";
        /// one line of text
        title: Option<String> = None => Maybe(Line), usual "the file's name";
        /// how many (`10` means 0 to 9), or a list such as `[7, 8, 9]`
        seeds: Vec<u32> => Seeds, like "10";
        /// what happens when a mask leaves no path from the input to the output
        on_collapse: OnCollapse = OnCollapse::Warn;
        /// [the network](#model)
        model: Node => Later(|| ValueShape::swept(ModelTable::shape())), like "{ preset = \"lenet-300-100\" }";
        /// [datasets of your own](#datasetsname), by name
        datasets: Option<Node> = None => Maybe(Later(read_dataset::shape)), usual "none";
        /// [defaults of every train step](#train)
        train: Option<Node> = None => Maybe(Later(|| ValueShape::swept(TrainSpec::shape()))), usual "none";
        /// [values to try](#sweep), by the name of their axis
        sweep: Option<Node> = None => Maybe(Later(sweep::shape)), usual "none";
        /// [the methods under comparison](#arm), each a table
        arm: Vec<Node> => Arms, like "[{ name = \"dense\", steps = [{ train = {} }] }]";
    }
}

/// What a whole file may say.
pub(super) fn file() -> &'static Description {
    ExperimentFile::description()
}

/// A list of tables.
struct Arms;

impl Form<Vec<Node>> for Arms {
    fn shape(&self) -> ValueShape {
        ValueShape::List(Box::new(ValueShape::Table(arms::ArmTable::description)), 1)
    }
    fn read(&self, node: &Node, _: &str, reader: &mut Reader<'_>) -> Option<Vec<Node>> {
        match &node.value {
            Value::Array(items) if !items.is_empty() => Some(items.clone()),
            _ => {
                let help = "each arm is its own [[arm]] table";
                reader.at(node, "`arm` must be a list of tables", help);
                None
            }
        }
    }
}

fn read_root(
    root: &Node,
    name: String,
    folder: &Path,
    sources: &[SourceText],
    problems: &mut Problems,
) -> Option<Experiment> {
    if !check_version(root, problems) {
        return None;
    }
    let mut reader = Reader {
        problems,
        context: &Alone,
    };
    let reader = &mut reader;
    let keys = ExperimentFile::description().keys(None);
    let file = ExperimentFile::take(
        &mut Fields::open(root, ExperimentFile::WHAT, &keys, reader)?,
        None,
    );
    let datasets = read_datasets(root.get("datasets"), folder, reader);
    let names = known_names(root.get("datasets"));
    let train = root.get("train");
    let arm_nodes = root.get("arm").map_or(&[][..], Node::items);
    let roots = Roots::of(root, reader.problems);
    let sweep = &roots.sweep;
    for node in roots.model.into_iter().chain(train).chain(arm_nodes) {
        sweep.check_references(node, reader.problems);
    }

    // With the first value of every axis: what no arm uses is checked too.
    let first: Point = (0..sweep.axes.len()).map(|axis| (axis, 0)).collect();
    if let Some(model) = roots.model {
        read_model(&sweep.substitute(model, &first), reader);
    }
    let files = MaskFiles::new(folder);
    if let Some(train) = train {
        let around = Surroundings {
            model: None,
            files: &files,
            datasets: &names,
        };
        check_defaults(&sweep.substitute(train, &first), &around, reader.problems);
    }

    let raw = arms::read_arms(arm_nodes, reader);
    let shared = Shared {
        roots: &roots,
        files: &files,
        datasets: &names,
        sources,
        most: MOST_POINTS,
    };
    let (arms, used) = expand(&raw, &shared, reader.problems);
    if let Some(used) = used.filter(|_| !arm_nodes.is_empty()) {
        check_used(sweep, &used, reader.problems);
    }
    best_by::check_default(train, &arms, reader.problems);
    let file = file?;
    let seeds = file.seeds;
    let variants: usize = arms.iter().map(|arm| arm.variants.len()).sum();
    if variants.saturating_mul(seeds.len()) > MOST_RUNS {
        let message = format!("{variants} points x {} seeds", seeds.len());
        let help = format!("at most {MOST_RUNS} runs in one experiment: split it");
        reader.at(root.get("seeds")?, message, help);
    }
    Some(Experiment {
        title: file.title.unwrap_or_else(|| name.clone()),
        name,
        seeds,
        on_collapse: file.on_collapse,
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
        written: SourceDocument {
            root: root.clone(),
            sources: sources.to_vec(),
        },
        text: String::new(),
        mask_files: files.into_digests(),
    })
}

/// Checks `[train]` by itself, so that a default no step uses is still read.
fn check_defaults(node: &Node, around: &Surroundings<'_>, problems: &mut Problems) {
    let reader = &mut Reader {
        problems,
        context: around,
    };
    let keys = TrainSpec::description().keys(None);
    if let Some(table) = Fields::open(node, "[train]", &keys, reader) {
        TrainSpec::take(&mut table.partial(), None);
    }
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
