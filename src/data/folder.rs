//! Datasets that are folders of images: `train/CLASS/*.png` and `test/CLASS/*.png`, or `.jpg`, `.jpeg`.
//!
//! Classes are the names of the folders, in the order of their bytes; so are the files of a class. Each image is decoded by
//! itself and lands where its place in that order says, so the number of threads changes nothing.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use super::cache::{self, Decoded};
use super::dataset::{Dataset, Split, digest};
use super::decode::decode;
use super::error::DataError;
use crate::base::sha256;
use crate::spec::{FolderSpec, OnBadImage};

/// Labels are bytes.
const MOST_CLASSES: usize = 256;
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];
const SPLITS: [&str; 2] = ["train", "test"];

/// An image file: its path in the folder, and its class.
struct ImageFile {
    path: String,
    class: u8,
}

/// The classes of a folder: the names of the folders in `train/`, which must be those in `test/`. Folders and files whose
/// names begin with a dot are not seen.
///
/// # Errors
/// What is wrong with the folder, in words.
pub fn classes_of(folder: &Path) -> Result<Vec<String>, String> {
    let [train, test] = SPLITS.map(|split| folder_names(&folder.join(split)));
    let (train, test) = (train?, test?);
    let lacks = |these: &[String], those: &[String]| {
        let missing = these.iter().find(|name| !those.contains(name));
        missing.cloned()
    };
    if let Some(class) = lacks(&train, &test) {
        return Err(format!("the class {class:?} is in train/ but not in test/"));
    }
    if let Some(class) = lacks(&test, &train) {
        return Err(format!("the class {class:?} is in test/ but not in train/"));
    }
    if train.is_empty() {
        return Err("train/ holds no folders: each class is one".to_string());
    }
    if train.len() > MOST_CLASSES {
        return Err(format!(
            "it has {} classes, at most {MOST_CLASSES} are possible",
            train.len()
        ));
    }
    Ok(train)
}

/// The folders in a folder, in order. What cannot be looked at may be a class, so it is an error and not left out.
fn folder_names(folder: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for (name, path) in entries(folder)? {
        let failed = |error: std::io::Error| {
            format!(
                "cannot tell whether {} is a class: {error}; mend it, or remove it if it is none",
                path.display()
            )
        };
        if std::fs::metadata(&path).map_err(failed)?.is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Names and paths in a folder, but for those that begin with a dot; in no order.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut list = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(format!("{} is not valid Unicode", path.display()));
        };
        if !name.starts_with('.') {
            list.push((name.to_string(), path));
        }
    }
    Ok(list)
}

impl FolderSpec {
    /// Channels, height, width.
    fn shape(&self) -> [usize; 3] {
        [self.rule.channels, self.rule.height, self.rule.width]
    }

    fn wrong(&self, problem: String) -> DataError {
        DataError::Folder {
            path: self.folder.clone(),
            problem,
        }
    }

    /// The files of a split by class, then by name.
    fn files(&self, split: &str) -> Result<Vec<ImageFile>, DataError> {
        let mut files = Vec::new();
        for (class, class_name) in self.classes.iter().enumerate() {
            let folder = self.folder.join(split).join(class_name);
            let mut names: Vec<String> = entries(&folder)
                .map_err(|problem| self.wrong(problem))?
                .into_iter()
                .filter(|(_, path)| is_image(path) && may_be_file(path))
                .map(|(name, _)| name)
                .collect();
            if names.is_empty() {
                let problem = format!("{split}/{class_name} holds no .png, .jpg or .jpeg file");
                return Err(self.wrong(problem));
            }
            names.sort();
            files.extend(names.into_iter().map(|name| ImageFile {
                path: format!("{split}/{class_name}/{name}"),
                class: class as u8,
            }));
        }
        Ok(files)
    }

    /// What decoding depends on: the version, the rule, and every file's path, size and time of change, or why these cannot
    /// be had: a link that is mended is then decoded anew.
    fn key(&self, splits: &[Vec<ImageFile>]) -> Result<String, DataError> {
        let mut text = format!(
            "{} {:?} {:?}\n",
            env!("CARGO_PKG_VERSION"),
            self.rule,
            self.on_bad_image
        );
        for file in splits.iter().flatten() {
            let failed = |source| DataError::Io {
                path: self.folder.join(&file.path),
                action: "look at it",
                source,
            };
            let meta = match std::fs::metadata(self.folder.join(&file.path)) {
                Ok(meta) => meta,
                Err(error) => {
                    text += &format!("{} {error}\n", file.path);
                    continue;
                }
            };
            let changed = meta.modified().map_err(failed)?;
            let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            text += &format!("{} {} {}\n", file.path, meta.len(), since.as_nanos());
        }
        Ok(sha256(text.as_bytes()))
    }

    /// One cache file for each folder and rule: decoding anew takes the place of what was there.
    fn cache_file(&self, cache: &Path) -> PathBuf {
        let folder = self.folder.canonicalize();
        let folder = folder.as_ref().unwrap_or(&self.folder);
        let what = format!(
            "{} {:?} {:?}",
            folder.display(),
            self.rule,
            self.on_bad_image
        );
        cache.join(format!("{}.images", &sha256(what.as_bytes())[..16]))
    }

    fn decode_split(
        &self,
        files: &[ImageFile],
        skipped: &mut Vec<String>,
    ) -> Result<Split, DataError> {
        let each: usize = self.shape().iter().product();
        let mut images = Vec::new();
        let bytes = files.len().saturating_mul(each);
        images.try_reserve_exact(bytes).map_err(|_| {
            self.wrong(format!(
                "its {} images of {each} bytes do not fit into memory: choose a smaller `size`",
                files.len()
            ))
        })?;
        images.resize(bytes, 0);
        let faults: Vec<Option<String>> = images
            .par_chunks_mut(each)
            .zip(files)
            .map(|(image, file)| decode(&self.folder.join(&file.path), &self.rule, image).err())
            .collect();
        let bad = faults.iter().flatten().count();
        if let (OnBadImage::Error, Some(at)) =
            (self.on_bad_image, faults.iter().position(Option::is_some))
        {
            return Err(DataError::BadImage {
                path: self.folder.join(&files[at].path),
                reason: faults[at].clone().unwrap_or_default(),
                others: bad - 1,
            });
        }
        let mut labels = Vec::with_capacity(files.len());
        for (at, (file, fault)) in files.iter().zip(&faults).enumerate() {
            if fault.is_some() {
                skipped.push(file.path.clone());
            } else {
                images.copy_within(at * each..(at + 1) * each, labels.len() * each);
                labels.push(file.class);
            }
        }
        images.truncate(labels.len() * each);
        if labels.is_empty() {
            return Err(self.wrong("not one image of a split can be decoded".to_string()));
        }
        Ok(Split { images, labels })
    }

    fn decode(&self, splits: &[Vec<ImageFile>]) -> Result<Decoded, DataError> {
        let mut skipped = Vec::new();
        let train = self.decode_split(&splits[0], &mut skipped)?;
        let test = self.decode_split(&splits[1], &mut skipped)?;
        Ok(Decoded {
            digest: digest(self.shape(), [&train, &test]),
            train,
            test,
            skipped,
        })
    }
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|own| {
        EXTENSIONS
            .iter()
            .any(|known| own.eq_ignore_ascii_case(known))
    })
}

/// Whether this is a file, or something that cannot be looked at, such as a link that leads nowhere. The latter stays in the
/// list, so that decoding it fails and it counts as a bad image.
fn may_be_file(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |meta| meta.is_file())
}

/// Decodes a folder of images, or takes what an earlier call left in `cache`.
///
/// # Errors
/// [`DataError::Folder`] where the folder is not as it must be, [`DataError::BadImage`], [`DataError::Io`].
pub fn load_folder(
    name: &str,
    spec: &FolderSpec,
    cache: Option<&Path>,
) -> Result<Dataset, DataError> {
    let splits = [spec.files(SPLITS[0])?, spec.files(SPLITS[1])?];
    let key = spec.key(&splits)?;
    let file = cache.map(|cache| spec.cache_file(cache));
    let kept = file
        .as_deref()
        .and_then(|file| cache::read(file, &key, spec.shape()));
    let decoded = match kept {
        Some(kept) => kept,
        None => {
            let decoded = spec.decode(&splits)?;
            if let Some(file) = &file {
                cache::write(file, &key, &decoded);
            }
            decoded
        }
    };
    let mut warnings = Vec::new();
    if let Some(first) = decoded.skipped.first() {
        warnings.push(format!(
            "{name}: left out {} of {} images, which cannot be decoded; the first is {first}",
            decoded.skipped.len(),
            splits.iter().map(Vec::len).sum::<usize>(),
        ));
    }
    let splits = [decoded.train, decoded.test];
    Ok(Dataset {
        source: spec.folder.display().to_string(),
        warnings,
        skipped: decoded.skipped,
        ..Dataset::with_digest(
            name,
            spec.classes.clone(),
            spec.shape(),
            splits,
            decoded.digest,
        )
    })
}
