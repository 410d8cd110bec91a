//! CIFAR-10 and CIFAR-100 in their binary form: from the files, or straight from the published archive.
//!
//! A file is records: one byte per label (CIFAR-100: the coarse one, then the fine one), then 32x32 pixels of red, of
//! green and of blue. Source: Krizhevsky 2009, <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::dataset::{Content, Split};
use super::error::{CifarProblem, DataError};
use super::search::SearchPath;
use super::sources;
use crate::base::sha256;

/// Rows and columns of every image.
const SIDE: usize = 32;
/// Bytes of an image.
const PIXELS: usize = 3 * SIDE * SIDE;

/// One of the two datasets.
pub(super) struct Cifar {
    pub name: &'static str,
    /// The folder that the archive unpacks to.
    folder: &'static str,
    /// The published archive, its address, and its sha256.
    pub archive: &'static str,
    pub mirror: &'static str,
    sha256: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// Samples of the training split and of the test split as published.
    published: [usize; 2],
    /// How many values each label byte of a record can have; the last one is the class.
    labels: &'static [usize],
    pub classes: &'static [&'static str],
}

/// Both. The checksums are those of TensorFlow Datasets (url_checksums/cifar10.txt, cifar100.txt).
pub(super) const ALL: [Cifar; 2] = [
    Cifar {
        name: "cifar-10",
        folder: "cifar-10-batches-bin",
        archive: "cifar-10-binary.tar.gz",
        mirror: "https://www.cs.toronto.edu/~kriz/",
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        train: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: "test_batch.bin",
        published: [50_000, 10_000],
        labels: &[10],
        classes: &[
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ],
    },
    Cifar {
        name: "cifar-100",
        folder: "cifar-100-binary",
        archive: "cifar-100-binary.tar.gz",
        mirror: "https://www.cs.toronto.edu/~kriz/",
        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        train: &["train.bin"],
        test: "test.bin",
        published: [50_000, 10_000],
        labels: &[20, 100],
        classes: &FINE,
    },
];

/// The fine classes of CIFAR-100.
#[rustfmt::skip] // one to a line otherwise
const FINE: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
];

/// The dataset of this name.
pub(super) fn find(name: &str) -> Option<&'static Cifar> {
    ALL.iter().find(|cifar| cifar.name == name)
}

/// (channels, height, width) of every image.
pub(super) const SHAPE: [usize; 3] = [3, SIDE, SIDE];

/// Where a dataset was found.
pub(super) enum CifarFiles {
    /// The folder that holds its files.
    Files(PathBuf),
    /// The archive.
    Archive(PathBuf),
}

impl Cifar {
    /// Every file, training files first.
    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.train.iter().copied().chain([self.test])
    }

    /// Bytes of a record.
    fn record(&self) -> usize {
        self.labels.len() + PIXELS
    }

    fn damaged(&self, path: PathBuf, problem: CifarProblem) -> DataError {
        DataError::DamagedBatch {
            name: self.name.to_string(),
            path,
            problem,
        }
    }
}

/// The first place that holds all files, or the archive.
pub(super) fn locate(cifar: &Cifar, search: &SearchPath) -> Result<CifarFiles, DataError> {
    let mut looked = Vec::new();
    for place in search.places() {
        let own = place.join(cifar.name);
        for folder in [&own, &own.join(cifar.folder), &place.join(cifar.folder)] {
            let missing: Vec<&str> = cifar
                .files()
                .filter(|file| !folder.join(file).is_file())
                .collect();
            if missing.is_empty() {
                return Ok(CifarFiles::Files(folder.clone()));
            }
            let shown = folder.display();
            looked.push(if missing.len() < cifar.files().count() {
                format!("{shown}: lacks {}", missing.join(", "))
            } else if folder.is_dir() {
                format!("{shown}: holds none of the files")
            } else {
                format!("{shown}: no such folder")
            });
        }
        for folder in [&own, place] {
            let archive = folder.join(cifar.archive);
            if archive.is_file() {
                return Ok(CifarFiles::Archive(archive));
            }
            looked.push(format!("{}: no such file", archive.display()));
        }
    }
    Err(DataError::NotFound {
        name: cifar.name.to_string(),
        looked,
    })
}

/// Finds, reads and checks a dataset.
pub(super) fn read(cifar: &Cifar, search: &SearchPath) -> Result<Content, DataError> {
    match locate(cifar, search)? {
        CifarFiles::Files(folder) => {
            let contents: Result<Vec<(PathBuf, Vec<u8>)>, DataError> = cifar
                .files()
                .map(|file| {
                    let path = folder.join(file);
                    let bytes = sources::read_file(&path)?;
                    Ok((path, bytes))
                })
                .collect();
            content(cifar, contents?, folder.display().to_string())
        }
        CifarFiles::Archive(path) => {
            let packed = sources::read_file(&path)?;
            let published = is_published(cifar, &packed);
            let mut read = from_archive(cifar, &path, &packed)?;
            if !published {
                read.warnings.push(format!(
                    "{} is sound, but its sha256 is not that of the published archive: results will not compare with others'",
                    path.display()
                ));
            }
            Ok(read)
        }
    }
}

/// Whether these are the bytes of the published archive.
pub(super) fn is_published(cifar: &Cifar, packed: &[u8]) -> bool {
    sha256(packed) == cifar.sha256
}

/// Unpacks and checks an archive that lies at `path`.
pub(super) fn from_archive(
    cifar: &Cifar,
    path: &Path,
    packed: &[u8],
) -> Result<Content, DataError> {
    let broken = |error: std::io::Error| {
        cifar.damaged(path.to_path_buf(), CifarProblem::Archive(error.to_string()))
    };
    let mut found: Vec<Option<Vec<u8>>> = vec![None; cifar.files().count()];
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(packed));
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let named = entry.path().map_err(broken)?.into_owned();
        let Some(at) = cifar.files().position(|file| named.ends_with(file)) else {
            continue;
        };
        let mut bytes = Vec::new();
        // One record too many is enough to see that it is another file.
        let most = (cifar.published[0] + 1) * cifar.record();
        entry
            .take(most as u64)
            .read_to_end(&mut bytes)
            .map_err(broken)?;
        found[at] = Some(bytes);
    }
    let contents: Result<Vec<(PathBuf, Vec<u8>)>, DataError> = cifar
        .files()
        .zip(found)
        .map(|(file, bytes)| {
            let bytes = bytes
                .ok_or_else(|| cifar.damaged(path.to_path_buf(), CifarProblem::Missing(file)))?;
            Ok((path.join(file), bytes))
        })
        .collect();
    content(cifar, contents?, path.display().to_string())
}

/// Both splits from the contents of all files; the last file is the test split.
fn content(
    cifar: &Cifar,
    mut files: Vec<(PathBuf, Vec<u8>)>,
    source: String,
) -> Result<Content, DataError> {
    let test = files.split_off(cifar.train.len());
    let split = |files: Vec<(PathBuf, Vec<u8>)>| {
        let mut split = Split {
            images: Vec::new(),
            labels: Vec::new(),
        };
        for (path, bytes) in files {
            append(cifar, &bytes, &mut split).map_err(|problem| cifar.damaged(path, problem))?;
        }
        Ok(split)
    };
    let (train, test) = (split(files)?, split(test)?);
    let counts = [train.len(), test.len()];
    let mut warnings = Vec::new();
    if counts != cifar.published {
        warnings.push(format!(
            "{source} holds {} training and {} test samples, the published {} {} and {}: results will not compare with others'",
            counts[0], counts[1], cifar.name, cifar.published[0], cifar.published[1]
        ));
    }
    Ok(Content {
        shape: SHAPE,
        class_names: cifar.classes.iter().map(|name| name.to_string()).collect(),
        train,
        test,
        source,
        warnings,
    })
}

/// Adds the records of one file.
fn append(cifar: &Cifar, bytes: &[u8], split: &mut Split) -> Result<(), CifarProblem> {
    let record = cifar.record();
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        return Err(CifarProblem::Size {
            found: bytes.len(),
            record,
        });
    }
    for (index, record) in bytes.chunks_exact(record).enumerate() {
        let (labels, pixels) = record.split_at(cifar.labels.len());
        for (&value, &classes) in labels.iter().zip(cifar.labels) {
            if usize::from(value) >= classes {
                return Err(CifarProblem::Label {
                    index,
                    value,
                    classes,
                });
            }
        }
        split.labels.extend(labels.last());
        split.images.extend_from_slice(pixels);
    }
    Ok(())
}
