//! Datasets that an experiment describes: a folder of images, or some classes of another dataset.

use crate::config::words;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

words! {
    /// How an image of another size is brought to the dataset's. Where a size changes, each new pixel is the mean of the old
    /// ones under a triangle as wide as one new pixel on each side, and at least one old one (bilinear with anti-aliasing).
    pub enum Resize {
        /// rows and columns each by their own factor
        Stretch = "stretch";
        /// by one factor, the smallest that fills the shape; what then stands out is cut off alike on both sides
        Crop = "crop";
    }
}

/// The shape and rule that every image of a folder is brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRule {
    /// 1: grey (luma of BT.709); 3: red, green, blue.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// What happens to other sizes.
    pub resize: Resize,
    /// Red, green and blue under transparent pixels.
    pub background: [u8; 3],
}

words! {
    /// What happens at an image that cannot be decoded.
    pub enum OnBadImage {
        /// nothing is loaded
        Error = "error";
        /// the image is left out, counted and named
        Skip = "skip";
    }
}

/// How the images that are held out for the test are chosen, where no folder says which they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestShare {
    /// The share of each class that is held out.
    pub test_share: f64,
    /// Chooses which images those are.
    pub split_seed: u32,
}

/// Where the test images of a folder are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestImages {
    /// In a folder of this name.
    Folder(String),
    /// Among the training images.
    Share(TestShare),
}

/// A folder of images as a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FolderSpec {
    /// What holds the images.
    pub folder: PathBuf,
    /// The folder in it that holds the classes of the training images; empty where it holds them itself.
    pub train: String,
    /// Where the test images are.
    pub test: TestImages,
    /// The classes that are read, in the order in which they are numbered; see [`crate::data::ImageFolder`].
    pub classes: Vec<String>,
    /// What each image is brought to.
    pub rule: ImageRule,
    /// What happens at a bad one.
    pub on_bad_image: OnBadImage,
}

/// Where the samples of a described dataset come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatasetOrigin {
    /// A folder of images.
    Folder(FolderSpec),
    /// One of [`names`](crate::data::names).
    Of(String),
}

/// A dataset that an experiment describes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetSpec {
    /// Where its samples come from.
    pub origin: DatasetOrigin,
    /// Only these classes of another dataset, in this order; all if `None`.
    pub classes: Option<Vec<String>>,
}
