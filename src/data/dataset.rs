//! Samples in memory, and the digest that names them.

use sha2::{Digest, Sha256};

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
    /// One of [`names`](super::names), or what an experiment calls it.
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
pub(super) struct Content {
    /// Channels, height, width.
    pub shape: [usize; 3],
    pub class_names: Vec<String>,
    pub train: Split,
    pub test: Split,
    pub source: String,
    pub warnings: Vec<String>,
}

impl Content {
    pub fn into_dataset(self, name: &str) -> Dataset {
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
pub(super) fn digest(shape: [usize; 3], splits: [&Split; 2]) -> String {
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
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// sha256 of `bytes`, in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
