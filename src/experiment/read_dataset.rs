//! `[datasets.NAME]`: folders of images, and some classes of another dataset.

use super::fields::Fields;
use super::scalars::{choice, integer, line, wrong_type};
use crate::config::{Node, Value};
use crate::config::{Problem, Problems};
use crate::data;
use crate::spec::{DatasetSpec, FolderSpec, ImageRule, OnBadImage, Origin, Resize};
use std::collections::BTreeMap;
use std::path::Path;

/// Keys that only a folder of images has.
const FOLDER_KEYS: [&str; 4] = ["size", "channels", "resize", "on_bad_image"];
const RESIZES: [(&str, Resize); 2] = [("stretch", Resize::Stretch), ("crop", Resize::Crop)];
const BAD_IMAGES: [(&str, OnBadImage); 2] =
    [("error", OnBadImage::Error), ("skip", OnBadImage::Skip)];
/// Images are resident on the GPU, so they are small.
const MOST_PIXELS: u64 = 4096;

/// What a train step's `dataset` may be called: every dataset there is, and those the file describes, sound or not.
pub(super) fn known_names(datasets: Option<&Node>) -> Vec<String> {
    let described = datasets.map_or(&[][..], Node::entries).iter();
    data::names()
        .into_iter()
        .map(str::to_string)
        .chain(described.map(|entry| entry.key.clone()))
        .collect()
}

/// Reads every described dataset; paths are relative to `folder`, the experiment's.
pub(super) fn read_datasets(
    node: Option<&Node>,
    folder: &Path,
    problems: &mut Problems,
) -> BTreeMap<String, DatasetSpec> {
    let Some(node) = node else {
        return BTreeMap::new();
    };
    if !matches!(node.value, Value::Table(_)) {
        let message = format!("`datasets` must be a table, not {}", node.describe());
        problems.at(node, message, "describe each dataset under [datasets.NAME]");
    }
    let mut described = BTreeMap::new();
    for entry in node.entries() {
        let mut misnamed = |message: String, help: &str| {
            problems.add(Problem {
                message,
                place: entry.key_place.clone(),
                path: entry.node.path.clone(),
                used_at: None,
                help: Some(help.to_string()),
            });
        };
        let plain = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
        if entry.key.is_empty() || !entry.key.chars().all(plain) {
            let message = format!("{:?} cannot be the name of a dataset", entry.key);
            misnamed(message, "use letters, digits, `-` and `_`");
        } else if data::names().contains(&entry.key.as_str()) {
            let message = format!("there is a dataset called `{}` already", entry.key);
            misnamed(message, "choose another name");
        }
        if let Some(spec) = read_dataset(&entry.node, folder, problems) {
            described.insert(entry.key.clone(), spec);
        }
    }
    described
}

fn read_dataset(node: &Node, folder: &Path, problems: &mut Problems) -> Option<DatasetSpec> {
    let keys = [&["folder", "of", "classes"][..], &FOLDER_KEYS].concat();
    let fields = Fields::open(node, "this dataset", &keys, problems)?;
    let from = fields.one_of(&["folder", "of"], "where its samples come from", problems)?;
    let (origin, all) = match from {
        ("folder", path) => {
            let spec = read_folder(&fields, path, folder, problems)?;
            let classes = spec.classes.clone();
            (Origin::Folder(spec), classes)
        }
        (_, of) => {
            for key in FOLDER_KEYS {
                if let Some(node) = fields.get(key) {
                    let help = "with `of`, samples are taken as they are";
                    problems.at(node, format!("`{key}` needs `folder`"), help);
                }
            }
            let options: Vec<(&str, &str)> =
                data::names().into_iter().map(|name| (name, name)).collect();
            let name = choice(of, "dataset", &options, problems)?;
            (Origin::Of(name.to_string()), data::class_names(name)?)
        }
    };
    let classes = match fields.get("classes") {
        Some(node) => Some(read_classes(node, &all, problems)?),
        None => None,
    };
    Some(DatasetSpec { origin, classes })
}

fn read_folder(
    fields: &Fields<'_>,
    node: &Node,
    base: &Path,
    problems: &mut Problems,
) -> Option<FolderSpec> {
    let size = fields
        .need(
            "size",
            "size = 32, or size = [24, 32] for 24 rows of 32",
            problems,
        )
        .and_then(|node| read_size(node, problems));
    let channels = match fields.get("channels") {
        Some(node) => match integer(node, "channels", 1, 3, problems) {
            Some(2) => {
                problems.at(node, "`channels` is 2", "1 for grey, 3 for colours");
                None
            }
            channels => channels,
        },
        None => Some(3),
    };
    let resize = match fields.get("resize") {
        Some(node) => choice(node, "resize", &RESIZES, problems),
        None => Some(Resize::Stretch),
    };
    let on_bad_image = match fields.get("on_bad_image") {
        Some(node) => choice(node, "on_bad_image", &BAD_IMAGES, problems),
        None => Some(OnBadImage::Error),
    };
    let folder = base.join(line(node, "folder", problems)?);
    if folder.to_str().is_none() {
        let help = "move the experiment to a folder whose path is valid Unicode";
        problems.at(node, "the path of this folder is not valid Unicode", help);
        return None;
    }
    let classes = match data::classes_of(&folder) {
        Ok(classes) => classes,
        Err(problem) => {
            let help = "the path is relative to the experiment file's folder; it must hold train/CLASS/ and test/CLASS/ with .png, .jpg or .jpeg files, the same classes in both";
            problems.at(node, problem, help);
            return None;
        }
    };
    let (height, width) = size?;
    Some(FolderSpec {
        folder,
        classes,
        rule: ImageRule {
            channels: channels? as usize,
            height,
            width,
            resize: resize?,
        },
        on_bad_image: on_bad_image?,
    })
}

/// `32`, or `[rows, columns]`.
fn read_size(node: &Node, problems: &mut Problems) -> Option<(usize, usize)> {
    let mut side = |node: &Node| {
        let side = integer(node, "size", 1, MOST_PIXELS, problems)?;
        usize::try_from(side).ok()
    };
    match &node.value {
        Value::Array(items) => match items.as_slice() {
            [height, width] => {
                let (height, width) = (side(height), side(width));
                Some((height?, width?))
            }
            _ => {
                let help = "write size = [rows, columns], or one number for both";
                problems.at(node, format!("`size` has {} numbers", items.len()), help);
                None
            }
        },
        Value::Integer(_) => {
            let side = side(node)?;
            Some((side, side))
        }
        _ => wrong_type(node, "size", "a whole number or [rows, columns]", problems),
    }
}

/// Classes by name or number, each once.
fn read_classes(node: &Node, all: &[String], problems: &mut Problems) -> Option<Vec<String>> {
    let Value::Array(items) = &node.value else {
        let expected = "a list of class names or numbers";
        return wrong_type(node, "classes", expected, problems);
    };
    if items.is_empty() {
        problems.at(node, "`classes` is empty", "leave it out to take them all");
        return None;
    }
    let options: Vec<(&str, &str)> = all
        .iter()
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    let mut names: Vec<String> = Vec::new();
    let mut good = true;
    for item in items {
        let name = match item.value {
            Value::Integer(_) => integer(item, "classes", 0, all.len() as u64 - 1, problems)
                .and_then(|number| all.get(number as usize))
                .map(String::as_str),
            _ => choice(item, "class", &options, problems),
        };
        match name {
            Some(name) if names.iter().any(|other| other == name) => {
                let message = format!("the class `{name}` is listed twice");
                problems.at(item, message, "name each class once");
                good = false;
            }
            Some(name) => names.push(name.to_string()),
            None => good = false,
        }
    }
    good.then_some(names)
}
