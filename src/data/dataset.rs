//! Samples in memory, and the digest that names them.

use crate::base::hex;
use crate::spec::TestShare;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

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
    /// What the pixels of each channel are like.
    pub statistics: Vec<ChannelStatistics>,
    /// sha256, in hex, over the shape, labels and images of both splits: equal digests, equal data.
    pub digest: String,
    /// Where it was read from, for people.
    pub source: String,
    /// What is unusual about it though it can be used, to be printed.
    pub warnings: Vec<String>,
    /// Image files that were left out since they cannot be decoded.
    pub skipped: Vec<String>,
    /// How many other files of a folder were left out, by the reason.
    pub left_out: BTreeMap<String, usize>,
    /// How the test images were chosen, where no folder says which they are.
    pub test_share: Option<TestShare>,
}

/// What the pixels of one channel are like, over the training images: those of the test set are never looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelStatistics {
    /// Mean of byte / 255.
    pub mean: f64,
    /// Its standard deviation.
    pub std: f64,
}

impl Dataset {
    /// A dataset of images of this shape (channels, height, width): training samples, then test samples.
    pub fn new(
        name: &str,
        class_names: Vec<String>,
        shape: [usize; 3],
        splits: [Split; 2],
    ) -> Self {
        let digest = digest(shape, splits.each_ref());
        Self::with_digest(name, class_names, shape, splits, digest)
    }

    /// The same where the digest is known.
    pub(super) fn with_digest(
        name: &str,
        class_names: Vec<String>,
        [channels, height, width]: [usize; 3],
        [train, test]: [Split; 2],
        digest: String,
    ) -> Self {
        Self {
            name: name.to_owned(),
            class_names,
            channels,
            height,
            width,
            statistics: measure(&train.images, channels, height * width),
            train,
            test,
            digest,
            source: String::new(),
            warnings: Vec::new(),
            skipped: Vec::new(),
            left_out: BTreeMap::new(),
            test_share: None,
        }
    }
}

/// The statistics of images with planes of so many pixels: exact integer sums first.
fn measure(images: &[u8], channels: usize, plane: usize) -> Vec<ChannelStatistics> {
    let mut sums = vec![(0u64, 0u64); channels];
    for image in images.chunks_exact(plane * channels) {
        for (sum, pixels) in sums.iter_mut().zip(image.chunks_exact(plane)) {
            for &pixel in pixels {
                let value = u64::from(pixel);
                sum.0 += value;
                sum.1 += value * value;
            }
        }
    }
    let count = (images.len() / channels).max(1) as f64;
    sums.into_iter()
        .map(|(sum, squares)| {
            let mean = sum as f64 / count;
            let variance = (squares as f64 / count - mean * mean).max(0.0);
            ChannelStatistics {
                mean: mean / 255.0,
                std: variance.sqrt() / 255.0,
            }
        })
        .collect()
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
        let splits = [self.train, self.test];
        Dataset {
            source: self.source,
            warnings: self.warnings,
            ..Dataset::new(name, self.class_names, self.shape, splits)
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
    hex(hash)
}
