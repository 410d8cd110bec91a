//! The datasets that are IDX files: where they come from, what their files are called, and how to know them.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::dataset::{Content, Split};
use super::error::DataError;
use super::idx::IdxProblem;
use super::search::SearchPath;
use super::source::{Checksum, ChecksumVerdict, PublishedFile, PublishedSource};
use super::{emnist, idx};
use crate::base::sha256;

/// Rows and columns of every image here.
pub(super) const SIDE: usize = 28;

/// The four files under the names of MNIST: training images, training labels, test images, test labels. That is the order
/// of every list of four here.
const FILES: [PublishedFile; 4] = [
    PublishedFile {
        name: "train-images-idx3-ubyte",
        dotted: "train-images.idx3-ubyte",
    },
    PublishedFile {
        name: "train-labels-idx1-ubyte",
        dotted: "train-labels.idx1-ubyte",
    },
    PublishedFile {
        name: "t10k-images-idx3-ubyte",
        dotted: "t10k-images.idx3-ubyte",
    },
    PublishedFile {
        name: "t10k-labels-idx1-ubyte",
        dotted: "t10k-labels.idx1-ubyte",
    },
];

/// MNIST and the datasets that took its form.
pub(super) const ALL: [PublishedSource; 3] = [
    // LeCun, Cortes, Burges: the MNIST database of handwritten digits.
    PublishedSource {
        name: "mnist",
        folders: &["mnist", "MNIST/raw"],
        files: FILES,
        first_label: 0,
        transposed: false,
        by_hand: "",
        classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        checks: [
            Checksum::Unpacked("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            Checksum::Unpacked("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            Checksum::Unpacked("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            Checksum::Unpacked("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ],
    },
    // Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747.
    PublishedSource {
        name: "fashion-mnist",
        folders: &["fashion-mnist", "FashionMNIST/raw"],
        files: FILES,
        first_label: 0,
        transposed: false,
        by_hand: "",
        classes: &[
            "t-shirt",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle-boot",
        ],
        mirrors: &[
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ],
        checks: [
            Checksum::Unpacked("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            Checksum::Unpacked("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            Checksum::Unpacked("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            Checksum::Unpacked("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ],
    },
    // Clanuwat et al.: Deep Learning for Classical Japanese Literature, arXiv:1812.01718. The checksums are those of
    // TensorFlow Datasets (url_checksums/kmnist.txt).
    PublishedSource {
        name: "kmnist",
        folders: &["kmnist", "KMNIST/raw"],
        files: FILES,
        first_label: 0,
        transposed: false,
        by_hand: "",
        classes: &["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
        mirrors: &[
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ],
        checks: [
            Checksum::Archive("51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            Checksum::Archive("e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            Checksum::Archive("edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            Checksum::Archive("20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ],
    },
];

/// The source of this name.
pub(super) fn find(name: &str) -> Option<&'static PublishedSource> {
    ALL.iter()
        .chain(&emnist::ALL)
        .find(|source| source.name == name)
}

/// Where a file lies in `folder`, under any of its names.
pub(super) fn find_file(folder: &Path, file: &PublishedFile) -> Option<PathBuf> {
    let gz = |name: &str| format!("{name}.gz");
    // .gz first: that is what a download writes, and it must win over an older copy.
    [
        gz(file.name),
        file.name.to_string(),
        gz(file.dotted),
        file.dotted.to_string(),
    ]
    .into_iter()
    .map(|name| folder.join(name))
    .find(|path| path.is_file())
}

/// A dataset's files, found together in one folder.
pub(super) struct LocatedFiles {
    pub folder: PathBuf,
    pub paths: [PathBuf; 4],
    pub warnings: Vec<String>,
}

/// The first place that holds all four files.
pub(super) fn locate(
    source: &PublishedSource,
    search: &SearchPath,
) -> Result<LocatedFiles, DataError> {
    let mut looked = Vec::new();
    let mut incomplete = Vec::new();
    for (place, folder) in search.places().iter().flat_map(|place| {
        let folders = source.folders.iter();
        folders.map(move |folder| (place, place.join(folder)))
    }) {
        let found = source.files.each_ref().map(|file| find_file(&folder, file));
        if let [Some(a), Some(b), Some(c), Some(d)] = found {
            return Ok(LocatedFiles {
                folder,
                paths: [a, b, c, d],
                warnings: incomplete,
            });
        }
        let missing: Vec<&str> = source
            .files
            .iter()
            .zip(&found)
            .filter(|(_, path)| path.is_none())
            .map(|(file, _)| file.name)
            .collect();
        let (shown, lacks) = (folder.display(), missing.join(", "));
        if missing.len() < source.files.len() {
            incomplete.push(format!("{shown} was passed over: it lacks {lacks}"));
            looked.push(format!("{shown}: lacks {lacks} (with or without .gz)"));
        } else if source
            .files
            .iter()
            .all(|file| find_file(place, file).is_some())
        {
            // A common slip, and the folder alone does not say which dataset these files are.
            let place = place.display();
            looked.push(format!(
                "{shown}: no such files, but {place} itself holds some; name the folder above it"
            ));
        } else if folder.is_dir() {
            looked.push(format!("{shown}: holds none of the files"));
        } else {
            looked.push(format!("{shown}: no such folder"));
        }
    }
    Err(DataError::NotFound {
        name: source.name.to_string(),
        looked,
    })
}

/// Finds, reads and checks the four files of a dataset.
pub(super) fn read(source: &PublishedSource, search: &SearchPath) -> Result<Content, DataError> {
    let LocatedFiles {
        folder,
        paths,
        mut warnings,
    } = locate(source, search)?;
    let mut contents = Vec::with_capacity(paths.len());
    for (i, path) in paths.iter().enumerate() {
        let packed = read_file(path)?;
        let checked = check(source, i, packed).map_err(|problem| damaged(source, path, problem))?;
        let shown = path.display();
        match checked.verdict {
            ChecksumVerdict::Published | ChecksumVerdict::Unlisted => {}
            ChecksumVerdict::Different => warnings.push(format!(
                "{shown} is sound, but its sha256 is not that of the published file: results will not compare with others'"
            )),
            ChecksumVerdict::Unknown => warnings.push(format!(
                "{shown} is sound, but packed otherwise than the published file, so its checksum cannot be compared"
            )),
        }
        contents.push(checked.body);
    }
    let mut bodies = contents.into_iter();
    let mut split = |images_path: &Path, labels_path: &Path| {
        let images = bodies.next().unwrap_or_default();
        let labels = bodies.next().unwrap_or_default();
        let images_count = images.len() / (SIDE * SIDE);
        if images_count != labels.len() {
            return Err(DataError::CountMismatch {
                name: source.name.to_string(),
                images: images_path.to_path_buf(),
                images_count,
                labels: labels_path.to_path_buf(),
                labels_count: labels.len(),
            });
        }
        Ok(Split { images, labels })
    };
    Ok(Content {
        shape: [1, SIDE, SIDE],
        class_names: source.classes.iter().map(|name| name.to_string()).collect(),
        train: split(&paths[0], &paths[1])?,
        test: split(&paths[2], &paths[3])?,
        source: folder.display().to_string(),
        warnings,
    })
}

/// A file whose structure is sound.
pub(super) struct Checked {
    /// Pixels or labels, without the header.
    pub body: Vec<u8>,
    pub verdict: ChecksumVerdict,
}

/// Unpacks and checks the bytes of file `i` of a dataset.
pub(super) fn check(
    source: &PublishedSource,
    i: usize,
    packed: Vec<u8>,
) -> Result<Checked, IdxProblem> {
    let packed_sha256 = match source.checks[i] {
        Checksum::Archive(_) => sha256(&packed),
        Checksum::Unpacked(_) | Checksum::Unlisted => String::new(),
    };
    let unpacked = idx::unpack(packed)?;
    let verdict = source.checks[i].verdict(&packed_sha256, &unpacked);
    let body = if i.is_multiple_of(2) {
        let mut images = idx::images(unpacked, SIDE, SIDE)?;
        if source.transposed {
            images.chunks_exact_mut(SIDE * SIDE).for_each(transpose);
        }
        images
    } else {
        idx::labels(unpacked, source.first_label, source.classes.len())?
    };
    Ok(Checked { body, verdict })
}

/// Makes rows of the columns of an image.
fn transpose(image: &mut [u8]) {
    for y in 0..SIDE {
        for x in 0..y {
            image.swap(y * SIDE + x, x * SIDE + y);
        }
    }
}

/// All bytes of a file; of one far too large, only enough for [`idx::unpack`] to say so.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(idx::MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| DataError::Io {
            path: path.to_path_buf(),
            action: "read it",
            source,
        })?;
    Ok(bytes)
}

fn damaged(source: &PublishedSource, path: &Path, problem: IdxProblem) -> DataError {
    DataError::Damaged {
        name: source.name.to_string(),
        path: path.to_path_buf(),
        problem,
    }
}
