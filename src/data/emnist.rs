//! EMNIST: handwritten digits and letters in six splits, as IDX files (Cohen, Afshar, Tapson, van Schaik 2017,
//! arXiv:1702.05373). Its images are stored column by column, and its letters are labelled from 1.

use super::source::{Checksum, PublishedFile, PublishedSource};

macro_rules! file {
    ($split:literal, $part:literal, $what:literal, $dimensions:literal) => {
        PublishedFile {
            name: concat!(
                "emnist-",
                $split,
                "-",
                $part,
                "-",
                $what,
                "-idx",
                $dimensions,
                "-ubyte"
            ),
            dotted: concat!(
                "emnist-",
                $split,
                "-",
                $part,
                "-",
                $what,
                ".idx",
                $dimensions,
                "-ubyte"
            ),
        }
    };
}
macro_rules! split {
    ($split:literal, $first_label:literal, $classes:expr) => {
        PublishedSource {
            name: concat!("emnist-", $split),
            // Beside a folder of its own: where the published gzip.zip unpacks to, with all six splits.
            folders: &[concat!("emnist-", $split), "emnist", "emnist/gzip"],
            files: [
                file!($split, "train", "images", "3"),
                file!($split, "train", "labels", "1"),
                file!($split, "test", "images", "3"),
                file!($split, "test", "labels", "1"),
            ],
            classes: $classes,
            first_label: $first_label,
            transposed: true,
            mirrors: &[],
            by_hand: "download https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip (all six splits, 560 MB) and unpack it into",
            checks: [const { Checksum::Unlisted }; 4],
        }
    };
}

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
/// Upper and lower case together.
const LETTERS: [&str; 26] = [
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S",
    "T", "U", "V", "W", "X", "Y", "Z",
];
/// Lower-case letters that look like their upper case are merged with it.
const MERGED: [&str; 47] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I",
    "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b",
    "d", "e", "f", "g", "h", "n", "q", "r", "t",
];
const ALL_CLASSES: [&str; 62] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I",
    "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b",
    "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u",
    "v", "w", "x", "y", "z",
];

/// The six splits.
pub(super) const ALL: [PublishedSource; 6] = [
    split!("balanced", 0, &MERGED),
    split!("byclass", 0, &ALL_CLASSES),
    split!("bymerge", 0, &MERGED),
    split!("digits", 0, &DIGITS),
    split!("letters", 1, &LETTERS),
    split!("mnist", 0, &DIGITS),
];
