//! The datasets that the program knows by name.

use super::dataset::Dataset;
use super::error::DataError;
use super::search::SearchPath;
use super::{cifar, drawn, emnist, source, sources};

/// A dataset by its kind.
pub(super) enum PublishedDataset {
    Idx(&'static source::PublishedSource),
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
        PublishedDataset::Idx(source) => ([1, sources::SIDE, sources::SIDE], source.classes.len()),
        PublishedDataset::Cifar(cifar) => (cifar::SHAPE, cifar.classes.len()),
        PublishedDataset::Drawn(_) => (drawn::SHAPE, drawn::CLASSES),
    };
    Some((channels, height, width, classes))
}

/// Training samples of a dataset that the program draws; `None` of the others, of which only their files tell.
pub fn training_size_of(name: &str) -> Option<u32> {
    match known(name).ok()? {
        PublishedDataset::Drawn(_) => Some(drawn::TRAIN as u32),
        PublishedDataset::Idx(_) | PublishedDataset::Cifar(_) => None,
    }
}

/// The name of each label of a dataset, known without reading it; `None` if the name is unknown.
pub fn class_names(name: &str) -> Option<Vec<String>> {
    let names = |list: &[&str]| list.iter().map(|class| class.to_string()).collect();
    match known(name).ok()? {
        PublishedDataset::Idx(source) => Some(names(source.classes)),
        PublishedDataset::Cifar(cifar) => Some(names(cifar.classes)),
        PublishedDataset::Drawn(drawn) => drawn::class_names(drawn).ok(),
    }
}

/// Whether the files of a dataset lie where [`load`] will look; reads none of them.
///
/// # Errors
/// [`DataError::UnknownDataset`], or [`DataError::NotFound`] with every place looked in.
pub fn is_available(name: &str, search: &SearchPath) -> Result<(), DataError> {
    match known(name)? {
        PublishedDataset::Idx(source) => sources::locate(source, search).map(drop),
        PublishedDataset::Cifar(cifar) => cifar::locate(cifar, search).map(drop),
        PublishedDataset::Drawn(_) => Ok(()),
    }
}

/// Reads (or draws) a dataset and checks every part of it.
///
/// # Errors
/// An unknown name, missing files, or files that are damaged or do not fit together.
pub fn load(name: &str, search: &SearchPath) -> Result<Dataset, DataError> {
    let content = match known(name)? {
        PublishedDataset::Idx(source) => sources::read(source, search)?,
        PublishedDataset::Cifar(cifar) => cifar::read(cifar, search)?,
        PublishedDataset::Drawn(drawn) => drawn::draw(drawn)?,
    };
    Ok(content.into_dataset(name))
}

pub(super) fn known(name: &str) -> Result<PublishedDataset, DataError> {
    let idx = sources::find(name).map(PublishedDataset::Idx);
    idx.or_else(|| cifar::find(name).map(PublishedDataset::Cifar))
        .or_else(|| drawn::find(name).map(PublishedDataset::Drawn))
        .ok_or_else(|| DataError::UnknownDataset {
            name: name.to_string(),
            known: names().join(", "),
        })
}
