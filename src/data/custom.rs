//! Datasets that an experiment describes: a folder of images, or some classes of another dataset.

use std::path::Path;

use super::dataset::{Dataset, Split, digest};
use super::error::DataError;
use super::folder::load_folder;
use super::known::{load, shape_of};
use super::search::SearchPath;
use crate::spec::{DatasetSpec, Origin};

/// (channels, height, width, classes) of a described dataset, known without reading a sample; `None` if it is made of an unknown
/// one.
pub fn shape_of_described(spec: &DatasetSpec) -> Option<(usize, usize, usize, usize)> {
    let (channels, height, width, all) = match &spec.origin {
        Origin::Folder(folder) => {
            let rule = &folder.rule;
            (rule.channels, rule.height, rule.width, folder.classes.len())
        }
        Origin::Of(name) => shape_of(name)?,
    };
    let classes = spec.classes.as_ref().map_or(all, Vec::len);
    Some((channels, height, width, classes))
}

/// Reads a described dataset. Decoded images are kept in the folder `cache`, where there is one.
///
/// # Errors
/// See [`load`] and [`load_folder`]; [`DataError::NoSamples`] if a split has none of the classes.
pub fn load_described(
    name: &str,
    spec: &DatasetSpec,
    search: &SearchPath,
    cache: Option<&Path>,
) -> Result<Dataset, DataError> {
    let mut data = match &spec.origin {
        Origin::Folder(folder) => load_folder(name, folder, cache)?,
        Origin::Of(of) => load(of, search)?,
    };
    data.name = name.to_string();
    if let Some(classes) = &spec.classes {
        select(&mut data, classes)?;
    }
    Ok(data)
}

/// Keeps the samples of `classes`, in their order, and numbers the classes anew.
fn select(data: &mut Dataset, classes: &[String]) -> Result<(), DataError> {
    let new_label: Vec<Option<u8>> = data
        .class_names
        .iter()
        .map(|name| classes.iter().position(|class| class == name))
        .map(|place| place.and_then(|place| u8::try_from(place).ok()))
        .collect();
    let each = data.channels * data.height * data.width;
    for split in [&mut data.train, &mut data.test] {
        let mut chosen = Split {
            images: Vec::new(),
            labels: Vec::new(),
        };
        for (&label, image) in split.labels.iter().zip(split.images.chunks_exact(each)) {
            if let Some(label) = new_label[usize::from(label)] {
                chosen.labels.push(label);
                chosen.images.extend_from_slice(image);
            }
        }
        if chosen.is_empty() {
            return Err(DataError::NoSamples {
                name: data.name.clone(),
                classes: classes.join(", "),
            });
        }
        *split = chosen;
    }
    // `train/CLASS/FILE`.
    data.skipped.retain(|path| {
        let class = path.split('/').nth(1);
        classes.iter().any(|name| Some(name.as_str()) == class)
    });
    data.class_names = classes.to_vec();
    let shape = [data.channels, data.height, data.width];
    data.digest = digest(shape, [&data.train, &data.test]);
    Ok(())
}
