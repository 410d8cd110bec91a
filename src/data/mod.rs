//! Datasets: where they are found, how they are read and checked, folders of images, and two that the program draws itself.
//!
//! A dataset is bytes: `images[sample][channel][y][x]` and one label per sample. Normalising, shuffling and padding are
//! done later, on the GPU.

mod cache;
mod canvas;
mod cifar;
mod custom;
mod decode;
mod drawn;
mod emnist;
mod error;
mod fetch;
mod folder;
mod idx;
mod preview;
mod rng;
mod search;
mod sources;
mod strokes;

use crate::base::hex;
use sha2::{Digest, Sha256};

pub use cache::cache_folder;
pub use cifar::CifarProblem;
pub use custom::{DatasetSpec, Origin, load_described};
pub use decode::{ImageRule, Resize};
pub use error::DataError;
pub use fetch::{FetchReport, FetchedFile, Progress, fetch};
pub use folder::{FolderSpec, OnBadImage, classes_of, load_folder};
pub use idx::IdxProblem;
pub use preview::contact_sheet;
pub use search::SearchPath;

/// Samples and their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// `[sample][channel][y][x]`, one byte each.
    pub images: Vec<u8>,
    /// The class of each sample.
    pub labels: Vec<u8>,
}

impl Split {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples; never true of a loaded dataset.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// A dataset in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// One of [`names`], or what an experiment calls it.
    pub name: String,
    /// The name of each label, from 0.
    pub class_names: Vec<String>,
    /// Channels of an image: 1 is grey.
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Samples to train and validate on.
    pub train: Split,
    /// Samples to test on, once.
    pub test: Split,
    /// sha256, in hex, over the shape, labels and images of both splits: equal digests, equal data.
    pub digest: String,
    /// Where it was read from, for people.
    pub source: String,
    /// What is unusual about it though it can be used, to be printed.
    pub warnings: Vec<String>,
    /// Image files that were left out since they cannot be decoded.
    pub skipped: Vec<String>,
}

/// What a source of data delivers, before it is a [`Dataset`].
struct Content {
    /// Channels, height, width.
    shape: [usize; 3],
    class_names: Vec<String>,
    train: Split,
    test: Split,
    source: String,
    warnings: Vec<String>,
}

/// A dataset by its kind.
enum Known {
    Idx(&'static sources::Source),
    Cifar(&'static cifar::Cifar),
    Drawn(&'static drawn::Drawn),
}

/// Every dataset the program knows, in the order to list them.
pub fn names() -> Vec<&'static str> {
    let idx = sources::ALL.iter().chain(&emnist::ALL).map(|s| s.name);
    let cifar = cifar::ALL.iter().map(|cifar| cifar.name);
    let drawn = drawn::ALL.iter().map(|drawn| drawn.name);
    idx.chain(cifar).chain(drawn).collect()
}

/// (channels, height, width, classes) of a dataset, known without reading it; `None` if the name is unknown.
pub fn shape_of(name: &str) -> Option<(usize, usize, usize, usize)> {
    let ([channels, height, width], classes) = match known(name).ok()? {
        Known::Idx(source) => ([1, sources::SIDE, sources::SIDE], source.classes.len()),
        Known::Cifar(cifar) => (cifar::SHAPE, cifar.classes.len()),
        Known::Drawn(_) => (drawn::SHAPE, drawn::CLASSES),
    };
    Some((channels, height, width, classes))
}

/// The name of each label of a dataset, known without reading it; `None` if the name is unknown.
pub fn class_names(name: &str) -> Option<Vec<String>> {
    let names = |list: &[&str]| list.iter().map(|class| class.to_string()).collect();
    match known(name).ok()? {
        Known::Idx(source) => Some(names(source.classes)),
        Known::Cifar(cifar) => Some(names(cifar.classes)),
        Known::Drawn(drawn) => drawn::class_names(drawn).ok(),
    }
}

/// Whether the files of a dataset lie where [`load`] will look; reads none of them.
///
/// # Errors
/// [`DataError::UnknownDataset`], or [`DataError::NotFound`] with every place looked in.
pub fn is_available(name: &str, search: &SearchPath) -> Result<(), DataError> {
    match known(name)? {
        Known::Idx(source) => sources::locate(source, search).map(drop),
        Known::Cifar(cifar) => cifar::locate(cifar, search).map(drop),
        Known::Drawn(_) => Ok(()),
    }
}

/// Reads (or draws) a dataset and checks every part of it.
///
/// # Errors
/// An unknown name, missing files, or files that are damaged or do not fit together.
pub fn load(name: &str, search: &SearchPath) -> Result<Dataset, DataError> {
    let content = match known(name)? {
        Known::Idx(source) => sources::read(source, search)?,
        Known::Cifar(cifar) => cifar::read(cifar, search)?,
        Known::Drawn(drawn) => drawn::draw(drawn)?,
    };
    Ok(content.into_dataset(name))
}

fn known(name: &str) -> Result<Known, DataError> {
    let idx = sources::find(name).map(Known::Idx);
    idx.or_else(|| cifar::find(name).map(Known::Cifar))
        .or_else(|| drawn::find(name).map(Known::Drawn))
        .ok_or_else(|| DataError::UnknownDataset {
            name: name.to_string(),
            known: names().join(", "),
        })
}

impl Content {
    fn into_dataset(self, name: &str) -> Dataset {
        let [channels, height, width] = self.shape;
        Dataset {
            name: name.to_string(),
            class_names: self.class_names,
            channels,
            height,
            width,
            digest: digest(self.shape, [&self.train, &self.test]),
            train: self.train,
            test: self.test,
            source: self.source,
            warnings: self.warnings,
            skipped: Vec::new(),
        }
    }
}

/// sha256 over the shape and, per split, the number of samples, labels and images; integers as u64, little end first.
fn digest(shape: [usize; 3], splits: [&Split; 2]) -> String {
    let mut hash = Sha256::new();
    for size in shape {
        hash.update((size as u64).to_le_bytes());
    }
    for split in splits {
        hash.update((split.len() as u64).to_le_bytes());
        hash.update(&split.labels);
        hash.update(&split.images);
    }
    hex(hash)
}
