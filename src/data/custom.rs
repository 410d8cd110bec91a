//! Datasets that an experiment describes: a folder of images, or some classes of another dataset.

use std::path::Path;

use super::dataset::{Dataset, Split};
use super::error::DataError;
use super::folder::load_folder;
use super::known::{class_names, load, shape_of, training_size_of};
use super::search::SearchPath;
use crate::spec::{DatasetOrigin, DatasetSpec};

/// (channels, height, width, classes) of a described dataset, known without reading a sample; `None` if it is made of an unknown
/// one.
pub fn shape_of_described(spec: &DatasetSpec) -> Option<(usize, usize, usize, usize)> {
    let (channels, height, width, all) = match &spec.origin {
        DatasetOrigin::Folder(folder) => {
            let rule = &folder.rule;
            (rule.channels, rule.height, rule.width, folder.classes.len())
        }
        DatasetOrigin::Of(name) => shape_of(name)?,
    };
    let classes = spec.classes.as_ref().map_or(all, Vec::len);
    Some((channels, height, width, classes))
}

/// Training samples of a described dataset; `None` where only the files' contents tell.
pub fn training_size_of_described(spec: &DatasetSpec) -> Option<u32> {
    let name = match &spec.origin {
        DatasetOrigin::Folder(folder) => return folder.training_images(),
        DatasetOrigin::Of(name) => name,
    };
    let all = training_size_of(name)?;
    match &spec.classes {
        None => Some(all),
        // What is drawn has as many samples of each class.
        Some(some) => Some(all / class_names(name)?.len() as u32 * some.len() as u32),
    }
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
        DatasetOrigin::Folder(folder) => load_folder(name, folder, cache)?,
        DatasetOrigin::Of(of) => load(of, search)?,
    };
    data.name = name.to_string();
    if let Some(classes) = &spec.classes {
        data = select(data, classes)?;
    }
    Ok(data)
}

/// Keeps the samples of `classes`, in their order, and numbers the classes anew.
fn select(data: Dataset, classes: &[String]) -> Result<Dataset, DataError> {
    let new_label: Vec<Option<u8>> = data
        .class_names
        .iter()
        .map(|name| classes.iter().position(|class| class == name))
        .map(|place| place.and_then(|place| u8::try_from(place).ok()))
        .collect();
    let each = data.channels * data.height * data.width;
    let choose = |split: &Split| {
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
        Ok(chosen)
    };
    let splits = [choose(&data.train)?, choose(&data.test)?];
    let shape = [data.channels, data.height, data.width];
    Ok(Dataset {
        source: data.source,
        warnings: data.warnings,
        ..Dataset::new(&data.name, classes.to_vec(), shape, splits)
    })
}
