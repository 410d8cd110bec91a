//! Datasets: where they are found, how they are read and checked, folders of images, and two that the program draws itself.
//!
//! A dataset is bytes: `images[sample][channel][y][x]` and one label per sample. Normalising, shuffling and padding are
//! done later, on the GPU.

mod cache;
mod canvas;
mod cifar;
mod custom;
mod dataset;
mod decode;
mod drawn;
mod emnist;
mod error;
mod fetch;
mod folder;
mod idx;
mod image_folder;
mod known;
mod preview;
mod rng;
mod search;
mod source;
mod sources;
mod strokes;

pub use cache::cache_folder;
pub use custom::{load_described, shape_of_described, training_size_of_described};
pub use dataset::{ChannelStatistics, Dataset, Split};
pub use error::{CifarProblem, DataError};
pub use fetch::{DownloadProgress, FetchReport, FetchedFile, fetch};
pub use folder::load_folder;
pub use idx::IdxProblem;
pub use image_folder::{ImageFolder, LAYOUT};
pub use known::{class_names, is_available, load, names, shape_of, training_size_of};
pub use preview::contact_sheet;
pub use search::SearchPath;
