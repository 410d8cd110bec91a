//! Datasets that an experiment describes: a folder of images, or some classes of another dataset.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::folder::{FolderSpec, load_folder};
use super::{DataError, Dataset, SearchPath, Split, digest, load, shape_of};

/// Where the samples of a described dataset come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A folder of images.
    Folder(FolderSpec),
    /// One of [`names`](super::names).
    Of(String),
}

/// A dataset that an experiment describes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetSpec {
    /// Where its samples come from.
    pub origin: Origin,
    /// Only these classes, in this order; all if `None`.
    pub classes: Option<Vec<String>>,
}

impl DatasetSpec {
    /// (channels, height, width, classes), known without reading a sample; `None` if it is made of an unknown dataset.
    pub fn shape(&self) -> Option<(usize, usize, usize, usize)> {
        let (channels, height, width, all) = match &self.origin {
            Origin::Folder(spec) => {
                let rule = &spec.rule;
                (rule.channels, rule.height, rule.width, spec.classes.len())
            }
            Origin::Of(name) => shape_of(name)?,
        };
        let classes = self.classes.as_ref().map_or(all, Vec::len);
        Some((channels, height, width, classes))
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
