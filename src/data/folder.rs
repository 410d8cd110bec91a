//! Datasets that are folders of images: `train/CLASS/FILE` and `test/CLASS/FILE`, or without a folder of test images.
//!
//! Files are in the order of their classes' names, then of their own, by bytes. Each image is decoded by itself and lands where
//! its place in that order says, so the number of threads changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use super::cache::{self, Decoded};
use super::dataset::{Dataset, Split, digest};
use super::decode::{ENDINGS, decode};
use super::error::DataError;
use super::image_folder::entries;
use crate::base::sha256;
use crate::spec::{FolderSpec, OnBadImage, TestImages, TestShare};

/// An image file: its path in the folder, and its class.
struct ImageFile {
    path: String,
    class: u8,
}

/// What lies in a folder of images.
struct Listing {
    /// Training images and test images.
    splits: [Vec<ImageFile>; 2],
    /// How many other entries there are, by the reason why they are left out.
    left_out: BTreeMap<String, usize>,
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

    /// What there is of the classes.
    fn list(&self) -> Result<Listing, DataError> {
        let mut left_out = BTreeMap::new();
        let mut splits = [Vec::new(), Vec::new()];
        let mut order: Vec<(usize, &String)> = self.classes.iter().enumerate().collect();
        order.sort_by_key(|&(_, name)| name);
        for (number, class) in order {
            let named = |path| ImageFile {
                path,
                class: number as u8,
            };
            let train = self.files(&self.train, class, &mut left_out)?;
            let (train, test) = match &self.test {
                TestImages::Folder(test) => (train, self.files(test, class, &mut left_out)?),
                TestImages::Share(share) => apart(share, train),
            };
            splits[0].extend(train.into_iter().map(named));
            splits[1].extend(test.into_iter().map(named));
        }
        Ok(Listing { splits, left_out })
    }

    /// How many training images there are, by the names of files alone; `None` where some may be left out, or that cannot be told.
    pub(super) fn training_images(&self) -> Option<u32> {
        match self.on_bad_image {
            OnBadImage::Skip => None,
            OnBadImage::Error => u32::try_from(self.list().ok()?.splits[0].len()).ok(),
        }
    }

    /// The paths in the folder of a class's images, in the order of their names.
    fn files(
        &self,
        split: &str,
        class: &str,
        left_out: &mut BTreeMap<String, usize>,
    ) -> Result<Vec<String>, DataError> {
        let place = if split.is_empty() {
            class.to_string()
        } else {
            format!("{split}/{class}")
        };
        let mut paths = Vec::new();
        let listed = entries(&self.folder.join(&place)).map_err(|problem| self.wrong(problem))?;
        for (name, path) in listed {
            match why_left_out(&name, &path) {
                Some(why) => *left_out.entry(why).or_default() += 1,
                None => paths.push(format!("{place}/{name}")),
            }
        }
        if paths.is_empty() {
            let endings = ENDINGS.join(", .");
            return Err(self.wrong(format!("{place} holds no image (.{endings})")));
        }
        paths.sort();
        Ok(paths)
    }

    /// What decoding depends on: the version, the rule, and every file's path, size and time of change, or why these cannot
    /// be had: a link that is mended is then decoded anew.
    fn key(&self, splits: &[Vec<ImageFile>]) -> Result<String, DataError> {
        let mut text = format!(
            "{} {:?} {:?} {}\n",
            env!("CARGO_PKG_VERSION"),
            self.rule,
            self.on_bad_image,
            splits[0].len()
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
                    text += &format!("{} {} {error}\n", file.path, file.class);
                    continue;
                }
            };
            let changed = meta.modified().map_err(failed)?;
            let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            let (size, changed) = (meta.len(), since.as_nanos());
            text += &format!("{} {} {size} {changed}\n", file.path, file.class);
        }
        Ok(sha256(text.as_bytes()))
    }

    /// One cache file for each folder and rule: decoding anew takes the place of what was there.
    fn cache_file(&self, cache: &Path) -> PathBuf {
        let folder = self.folder.canonicalize();
        let folder = folder.as_ref().unwrap_or(&self.folder);
        let what = format!(
            "{} {:?} {:?} {:?} {:?}",
            folder.display(),
            self.rule,
            self.on_bad_image,
            self.classes,
            self.test
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

/// Why an entry of a class's folder is no image of it; `None` if it is one.
fn why_left_out(name: &str, path: &Path) -> Option<String> {
    if name.starts_with('.') {
        return Some("hidden".to_string());
    }
    if !may_be_file(path) {
        return Some("folder".to_string());
    }
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending.map(str::to_lowercase) {
        None => Some("without an ending".to_string()),
        Some(ending) if ENDINGS.contains(&ending.as_str()) => None,
        Some(ending) => Some(format!(".{ending}")),
    }
}

/// The images of one class that stay, and those that are held out: as many as the share says, at least one and not all, those whose
/// digests with the seed are the smallest. So a new file moves few others.
fn apart(share: &TestShare, mut paths: Vec<String>) -> (Vec<String>, Vec<String>) {
    let most = paths.len().saturating_sub(1);
    let count = (share.test_share * paths.len() as f64).round() as usize;
    let count = count.max(1).min(most);
    paths.sort_by_cached_key(|path| sha256(format!("{}\n{path}", share.split_seed).as_bytes()));
    let mut stay = paths.split_off(count);
    stay.sort();
    paths.sort();
    (stay, paths)
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
    let Listing { splits, left_out } = spec.list()?;
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
    warnings.extend(sentence_on(&left_out).map(|what| format!("{name}: left out {what}")));
    let test_share = match &spec.test {
        TestImages::Folder(_) => None,
        TestImages::Share(share) => Some(*share),
    };
    if let Some(share) = test_share {
        warnings.push(format!(
            "{name}: {} has no folder of test images, so {} of each class are the test set, {} of {} (test_share = {}, split_seed = {})",
            spec.folder.display(),
            percent(share.test_share),
            decoded.test.len(),
            decoded.train.len() + decoded.test.len(),
            share.test_share,
            share.split_seed,
        ));
    }
    let sides = [("training", &decoded.train), ("test", &decoded.test)];
    for (number, class) in spec.classes.iter().enumerate() {
        for (side, split) in sides {
            if !split.labels.contains(&(number as u8)) {
                warnings.push(format!(
                    "{name}: no {side} image of the class {class:?} is left"
                ));
            }
        }
    }
    if let [class] = &spec.classes[..] {
        warnings.push(format!(
            "{name}: {class:?} is its only class, so every model is always right"
        ));
    }
    let splits = [decoded.train, decoded.test];
    Ok(Dataset {
        left_out,
        test_share,
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

/// `3 files that are no images: 2 .txt, 1 hidden`.
fn sentence_on(left_out: &BTreeMap<String, usize>) -> Option<String> {
    let all: usize = left_out.values().sum();
    let files = if all == 1 {
        "entry that is no image"
    } else {
        "entries that are no images"
    };
    let each: Vec<String> = left_out
        .iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    (all > 0).then(|| format!("{all} {files}: {}", each.join(", ")))
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}
