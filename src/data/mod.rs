//! Datasets: where they are found, how they are read and checked, and two that the program draws itself.
//!
//! A dataset is bytes: `images[sample][channel][y][x]` and one label per sample. Normalising, shuffling and padding are
//! done later, on the GPU.

mod canvas;
mod drawn;
mod error;
mod fetch;
mod idx;
mod preview;
mod rng;
mod search;
mod sources;
mod strokes;

use sha2::{Digest, Sha256};

pub use error::DataError;
pub use fetch::{FetchReport, FetchedFile, Progress, fetch};
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
    /// One of [`names`].
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
}

/// Every dataset the program knows, in the order to list them.
pub fn names() -> Vec<&'static str> {
    let files = sources::ALL.iter().map(|source| source.name);
    files
        .chain(drawn::ALL.iter().map(|drawn| drawn.name))
        .collect()
}

/// (channels, height, width, classes) of a dataset, known without reading it; `None` if the name is unknown.
pub fn shape_of(name: &str) -> Option<(usize, usize, usize, usize)> {
    // Every dataset so far has the shape of MNIST.
    names()
        .contains(&name)
        .then_some((1, sources::SIDE, sources::SIDE, sources::CLASSES))
}

/// Whether the files of a dataset lie where [`load`] will look; reads none of them.
///
/// # Errors
/// [`DataError::UnknownDataset`], or [`DataError::NotFound`] with every place looked in.
pub fn is_available(name: &str, search: &SearchPath) -> Result<(), DataError> {
    if drawn::find(name).is_some() {
        return Ok(());
    }
    sources::locate(known_source(name)?, search).map(|_| ())
}

/// Reads (or draws) a dataset and checks every part of it.
///
/// # Errors
/// An unknown name, missing files, or files that are damaged or do not fit together.
pub fn load(name: &str, search: &SearchPath) -> Result<Dataset, DataError> {
    let (class_names, train, test, source, warnings) = match drawn::find(name) {
        Some(drawn) => {
            let (class_names, train, test) = drawn::draw(drawn)?;
            let source = "drawn by the program".to_string();
            (class_names, train, test, source, Vec::new())
        }
        None => {
            let source = known_source(name)?;
            let read = sources::read(source, search)?;
            let class_names = source
                .classes
                .iter()
                .map(|class| class.to_string())
                .collect();
            (
                class_names,
                read.train,
                read.test,
                read.folder,
                read.warnings,
            )
        }
    };
    let (height, width) = (sources::SIDE, sources::SIDE);
    Ok(Dataset {
        name: name.to_string(),
        class_names,
        channels: 1,
        height,
        width,
        digest: digest([1, height, width], [&train, &test]),
        train,
        test,
        source,
        warnings,
    })
}

fn known_source(name: &str) -> Result<&'static sources::Source, DataError> {
    sources::find(name).ok_or_else(|| DataError::UnknownDataset {
        name: name.to_string(),
        known: names().join(", "),
    })
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
    hex(&hash.finalize())
}

/// Bytes as lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// sha256 of `bytes`, in hex.
fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
