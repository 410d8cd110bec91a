//! What can go wrong with data, and what to do about it.

use std::path::PathBuf;

use super::idx::IdxProblem;

/// A dataset could not be read, drawn or downloaded. Each message says what is wrong, where, and the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No dataset has this name.
    #[error("no dataset is called `{name}`; the datasets are {known}")]
    UnknownDataset {
        /// The name asked for.
        name: String,
        /// All names, separated by commas.
        known: String,
    },
    /// The files lie in none of the places.
    #[error(
        "the files of `{name}` were not found; looked in:{}\nrun `secateur data fetch {name}`, or name the folder that holds `{name}/` with --data DIR",
        list(.looked)
    )]
    NotFound {
        /// The dataset.
        name: String,
        /// Every place looked in, with what is missing there.
        looked: Vec<String>,
    },
    /// A file was read, but its content is wrong.
    #[error(
        "{}: {problem}\ndelete the file and run `secateur data fetch {name}`, or name another folder with --data DIR",
        .path.display()
    )]
    Damaged {
        /// The dataset.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: IdxProblem,
    },
    /// The same of a file of records, or of an archive of them.
    #[error(
        "{}: {problem}\ndelete the file and run `secateur data fetch {name}`, or name another folder with --data DIR",
        .path.display()
    )]
    DamagedBatch {
        /// The dataset.
        name: String,
        /// The file; below the archive if it lies in one.
        path: PathBuf,
        /// What is wrong with it.
        problem: CifarProblem,
    },
    /// Images and labels do not belong together.
    #[error(
        "{} holds {images_count} images, but {} holds {labels_count} labels\ndelete both files and run `secateur data fetch {name}`, or name another folder with --data DIR",
        .images.display(), .labels.display()
    )]
    CountMismatch {
        /// The dataset.
        name: String,
        /// The file of images.
        images: PathBuf,
        /// Images in it.
        images_count: usize,
        /// The file of labels.
        labels: PathBuf,
        /// Labels in it.
        labels_count: usize,
    },
    /// The file system refused.
    #[error(
        "{}: cannot {action}: {source}\ncheck the permissions and the free space there, or name another folder with --data DIR",
        .path.display()
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A folder of images is not as it must be.
    #[error("{}: {problem}\n{}", .path.display(), super::image_folder::LAYOUT)]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An image cannot be decoded.
    #[error(
        "{}: this image cannot be decoded: {reason}{}\nreplace or remove it, or write on_bad_image = \"skip\" to leave such images out and count them",
        .path.display(), and_others(*.others)
    )]
    BadImage {
        /// The first such file.
        path: PathBuf,
        /// Why.
        reason: String,
        /// Others in the same split.
        others: usize,
    },
    /// A choice of classes leaves nothing.
    #[error("`{name}` has a split without a sample of {classes}\nchoose other `classes`")]
    NoSamples {
        /// The dataset.
        name: String,
        /// The classes, separated by commas.
        classes: String,
    },
    /// No mirror delivered a good copy of a file.
    #[error(
        "{file} of `{name}` could not be downloaded:{}\nnothing was written; try again later, or put the file into {} yourself",
        list(.failures), .folder.display()
    )]
    Download {
        /// The dataset.
        name: String,
        /// The file's name.
        file: String,
        /// Where it would have been written.
        folder: PathBuf,
        /// Each address tried, with its failure.
        failures: Vec<String>,
    },
    /// The files are not published one by one.
    #[error("`{name}` cannot be downloaded file by file: {how} {}", .folder.display())]
    ByHand {
        /// The dataset.
        name: String,
        /// How to get them, up to the folder's name.
        how: &'static str,
        /// Where to put them.
        folder: PathBuf,
    },
    /// A download would overwrite a sound file that is not the published one.
    #[error(
        "{} is a sound file, but not the published one; it was left alone\nmove it away, or download into another folder with --data DIR",
        .path.display()
    )]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// There is no folder to download into.
    #[error(
        "no folder for data is known on this system; name one with --data DIR or SECATEUR_DATA"
    )]
    NoFolder,
    /// A stroke file compiled into the program has a mistake.
    #[error("{file}, line {line}: {problem}\nthis is a bug in the program: please report it")]
    Strokes {
        /// The stroke file.
        file: &'static str,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// What is wrong with a file of records or an archive of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CifarProblem {
    /// Not a whole number of records, or none.
    #[error(
        "it has {found} bytes, which is no whole number of records of {record} bytes: the file is truncated or of another kind"
    )]
    Size {
        /// Bytes there are.
        found: usize,
        /// Bytes of a record.
        record: usize,
    },
    /// A label that is no class.
    #[error("label {index} is {value}, but the classes are 0 to {}", .classes - 1)]
    Label {
        /// The sample, from 0.
        index: usize,
        /// Its label.
        value: u8,
        /// Number of classes.
        classes: usize,
    },
    /// The archive cannot be unpacked.
    #[error("the archive is damaged or truncated ({0})")]
    Archive(String),
    /// The archive lacks a file.
    #[error("the archive holds no {0}")]
    Missing(&'static str),
}

fn and_others(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => " (and 1 other image)".to_string(),
        others => format!(" (and {others} other images)"),
    }
}

/// Each entry on a line of its own.
fn list(entries: &[String]) -> String {
    if entries.is_empty() {
        return "\n  nowhere: no folder for data is known".to_string();
    }
    entries.iter().map(|entry| format!("\n  {entry}")).collect()
}
