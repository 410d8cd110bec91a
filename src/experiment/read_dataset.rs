//! `[datasets.NAME]`: folders of images, and some classes of another dataset.

use crate::config::{
    AnyText, At, Context, Fields, Fits, Form, Key, Kinds, Later, Line, Maybe, Name, Node, PART,
    Part, Problem, Problems, Reader, Real, Value, ValueShape, Whole, described, kinds, one_of,
    table,
};
use crate::data::{self, ImageFolder};
use crate::spec::{
    DATASET, DatasetOrigin, DatasetSpec, FolderSpec, ImageRule, OnBadImage, Resize, TestImages,
    TestShare,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Images are resident on the GPU, so they are small.
const SIDE: Whole = Whole(1, 4096);

kinds! {
    /// Where samples come from.
    #[derive(Clone)]
    enum SampleSource {
        /// A folder of images.
        Folder = "folder" {
            /// a folder, relative to the experiment's, with `train/CLASS/` and `test/CLASS/`, with `train/` alone, or with classes alone
            path: String => Line, name "folder", like "\"birds\"";
            /// rows and columns of every image: one number, or `[rows, columns]`
            size: (usize, usize) => Size, like "32, or size = [24, 32] for 24 rows of 32";
            /// 3 for red, green, blue; 1 for grey (BT.709 luma)
            channels: usize = 3 => Fits(Whole(1, 3), grey_or_coloured);
            /// how an image of another size is brought to it
            resize: Resize = Resize::Stretch;
            /// what happens at an image that cannot be decoded
            on_bad_image: OnBadImage = OnBadImage::Error;
            /// what transparent pixels lie on: `[red, green, blue]`, 0 to 255
            background: [u8; 3] = [255; 3] => Colour;
            /// where there is no folder of test images: the share of each class that is held out as the test set
            test_share: f64 = 0.2 => Real(&PART);
            /// chooses which images those are
            split_seed: u32 = 0 => Whole(0, u32::MAX as u64);
        }
        /// Some classes of another dataset.
        Of = "of" {
            /// the name of a [dataset](#datasets)
            name: String => Name(DATASET), name "of", like "\"cifar-10\"";
        }
    }
}

table! {
    /// What a dataset takes wherever it comes from.
    struct KeptClasses as "this dataset" {
        /// keep only these, by name or number; they are numbered anew, in the order given
        classes: Option<Node> = None => Maybe(Later(classes)), usual "all";
    }
}

fn classes() -> ValueShape {
    let one = ValueShape::Either(vec![AnyText.shape(), ValueShape::Whole(0, 999)]);
    ValueShape::List(Box::new(one), 1)
}

/// The datasets that there are without the file.
struct BuiltInName;

impl Context for BuiltInName {
    fn names(&self, kind: &str) -> Option<Vec<&str>> {
        (kind == DATASET).then(data::names)
    }
    fn file(&self, _: &Node, _: &mut Problems) -> Option<PathBuf> {
        None
    }
}

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
    reader: &mut Reader<'_>,
) -> BTreeMap<String, DatasetSpec> {
    let Some(node) = node else {
        return BTreeMap::new();
    };
    if !matches!(node.value, Value::Table(_)) {
        let message = format!("`datasets` must be a table, not {}", node.describe());
        reader.at(node, message, "describe each dataset under [datasets.NAME]");
    }
    let mut described = BTreeMap::new();
    for entry in node.entries() {
        let mut misnamed = |message: String, help: &str| {
            reader.problems.add(Problem {
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
        if let Some(spec) = read_dataset(&entry.node, folder, reader) {
            described.insert(entry.key.clone(), spec);
        }
    }
    described
}

fn read_dataset(node: &Node, base: &Path, reader: &mut Reader<'_>) -> Option<DatasetSpec> {
    let reader = &mut Reader {
        problems: reader.problems,
        context: &BuiltInName,
    };
    let words = SampleSource::kinds().iter().map(|kind| kind.word);
    let words: Vec<&str> = words.collect();
    let mut keys: Vec<&str> = words.iter().flat_map(|word| keys_of(word)).collect();
    keys.push("classes");
    let mut table = Fields::open(node, "this dataset", &keys, reader)?;
    let (word, from) = table.one_of(&words, "where its samples come from")?;
    if word == "of" {
        for key in keys_of("folder") {
            if let Some(node) = table.get(key) {
                let help = "with `of`, samples are taken as they are";
                table.at(node, format!("`{key}` needs `folder`"), help);
            }
        }
    }
    let found = (word == "folder").then(|| find_classes(from, base, &mut table.reader));
    match SampleSource::of(word, &mut table)? {
        SampleSource::Of { name } => {
            let all = data::class_names(&name)?;
            let classes = chosen_classes(&all, &mut table)?;
            Some(DatasetSpec {
                origin: DatasetOrigin::Of(name),
                classes,
            })
        }
        SampleSource::Folder {
            size: (height, width),
            channels,
            resize,
            on_bad_image,
            background,
            test_share,
            split_seed,
            path,
        } => {
            let found = found??;
            let all = found.classes();
            let chosen = chosen_classes(&all, &mut table)?;
            let classes = chosen.unwrap_or(all);
            if let Err(problem) = found.check(&classes) {
                let help = format!("{}; `classes` names those to read", data::LAYOUT);
                table.at(from, problem, help);
                return None;
            }
            let test = match found.test {
                None => TestImages::Share(TestShare {
                    test_share,
                    split_seed,
                }),
                Some(test) => {
                    for key in ["test_share", "split_seed"] {
                        if let Some(node) = table.get(key) {
                            let message = format!(
                                "`{key}` has no use here: the folder has {test}/, which is the test set"
                            );
                            table.at(node, message, "leave it out");
                            return None;
                        }
                    }
                    TestImages::Folder(test)
                }
            };
            let spec = FolderSpec {
                folder: base.join(path),
                train: found.train,
                test,
                classes,
                rule: ImageRule {
                    channels,
                    height,
                    width,
                    resize,
                    background,
                },
                on_bad_image,
            };
            Some(DatasetSpec {
                origin: DatasetOrigin::Folder(spec),
                classes: None,
            })
        }
    }
}

/// The classes that the table chooses of `all`; the outer `None` is a mistake, the inner one all of them.
fn chosen_classes(all: &[String], table: &mut Fields<'_>) -> Option<Option<Vec<String>>> {
    match table.get("classes") {
        Some(node) => Some(Some(read_classes(node, all, &mut table.reader)?)),
        None => Some(None),
    }
}

fn keys_of(kind: &str) -> Vec<&'static str> {
    let kind = SampleSource::kinds().iter().find(|own| own.word == kind);
    kind.map(|kind| (kind.table)().keys(None))
        .unwrap_or_default()
}

/// What a dataset may be.
pub(super) fn shape() -> ValueShape {
    ValueShape::Map(Box::new(ValueShape::Table(|| {
        described!(
            "Dataset",
            "A dataset of your own: a folder of images, or some classes of another dataset.",
            |into| {
                into.kinds = Some((Key::named(""), SampleSource::kinds()));
                KeptClasses::describe(into);
            }
        )
    })))
}

/// What lies in the folder that a text names.
fn find_classes(node: &Node, base: &Path, reader: &mut Reader<'_>) -> Option<ImageFolder> {
    let folder = base.join(node.text()?);
    if folder.to_str().is_none() {
        let help = "move the experiment to a folder whose path is valid Unicode";
        reader.at(node, "the path of this folder is not valid Unicode", help);
        return None;
    }
    match ImageFolder::look(&folder) {
        Ok(found) => Some(found),
        Err(problem) => {
            let help = format!(
                "the path is relative to the experiment file's folder; {}",
                data::LAYOUT
            );
            reader.at(node, problem, help);
            None
        }
    }
}

fn grey_or_coloured(channels: usize, at: At<'_>, table: &mut Fields<'_>) -> Option<usize> {
    if channels == 2 {
        table.at(at.node, "`channels` is 2", "1 for grey, 3 for colours");
        return None;
    }
    Some(channels)
}

/// `32`, or `[rows, columns]`.
struct Size;

impl Form<(usize, usize)> for Size {
    fn shape(&self) -> ValueShape {
        let side = || ValueShape::Whole(SIDE.0, SIDE.1);
        ValueShape::Either(vec![side(), ValueShape::List(Box::new(side()), 2)])
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<(usize, usize)> {
        match &node.value {
            Value::Array(items) => match items.as_slice() {
                [height, width] => {
                    let height = SIDE.read(height, key, reader);
                    let width = SIDE.read(width, key, reader);
                    Some((height?, width?))
                }
                _ => {
                    let help = "write size = [rows, columns], or one number for both";
                    reader.at(node, format!("`size` has {} numbers", items.len()), help);
                    None
                }
            },
            Value::Integer(_) => {
                let side = SIDE.read(node, key, reader)?;
                Some((side, side))
            }
            _ => {
                reader.wrong_type(node, key, "a whole number or [rows, columns]");
                None
            }
        }
    }
}

/// `[red, green, blue]`.
struct Colour;

impl Form<[u8; 3]> for Colour {
    fn shape(&self) -> ValueShape {
        ValueShape::List(Box::new(ValueShape::Whole(0, 255)), 3)
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<[u8; 3]> {
        let Value::Array(items) = &node.value else {
            reader.wrong_type(node, key, "[red, green, blue], each 0 to 255");
            return None;
        };
        let items: &[Node; 3] = match items.as_slice().try_into() {
            Ok(three) => three,
            Err(_) => {
                let message = format!("`{key}` has {} numbers", items.len());
                reader.at(node, message, "write [red, green, blue], each 0 to 255");
                return None;
            }
        };
        let [red, green, blue] = items
            .each_ref()
            .map(|item| Whole(0, 255).read(item, key, reader));
        Some([red?, green?, blue?])
    }

    fn show(&self, colour: &[u8; 3]) -> String {
        format!("{colour:?}")
    }
}

/// Classes by name or number, each once. Where classes are named by numbers, a number is a name; else it is a place.
fn read_classes(node: &Node, all: &[String], reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let Value::Array(items) = &node.value else {
        reader.wrong_type(node, "classes", "a list of class names or numbers");
        return None;
    };
    if items.is_empty() {
        reader.at(node, "`classes` is empty", "leave it out to take them all");
        return None;
    }
    let options: Vec<&str> = all.iter().map(String::as_str).collect();
    let numbered = options.iter().any(|name| name.parse::<i64>().is_ok());
    let mut names: Vec<String> = Vec::new();
    let mut good = true;
    for item in items {
        let name = match item.value {
            Value::Integer(number) if numbered => {
                let own = options.iter().find(|name| name.parse() == Ok(number));
                if own.is_none() {
                    let message = format!("no class is called {number}");
                    let help = "the classes here are named by numbers, so a number is a name and not a place";
                    reader.at(item, message, help);
                }
                own.copied()
            }
            Value::Integer(_) => Whole(0, all.len() as u64 - 1)
                .read(item, "classes", reader)
                .and_then(|number: usize| options.get(number).copied()),
            _ => one_of(item, "class", &options, reader),
        };
        match name {
            Some(name) if names.iter().any(|other| other == name) => {
                let message = format!("the class `{name}` is listed twice");
                reader.at(item, message, "name each class once");
                good = false;
            }
            Some(name) => names.push(name.to_string()),
            None => good = false,
        }
    }
    good.then_some(names)
}
