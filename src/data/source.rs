//! What is known of a dataset that is IDX files before any is read.

use crate::base::sha256;

/// A checksum known for a file.
pub(super) enum Checksum {
    /// sha256 of the unpacked bytes: holds however the file is compressed.
    Unpacked(&'static str),
    /// sha256 of the published .gz: only a copy compressed anew cannot be told from another file.
    Archive(&'static str),
    /// None is published.
    Unlisted,
}

/// Whether a file's bytes are the published ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChecksumVerdict {
    /// They are.
    Published,
    /// They are not.
    Different,
    /// The published checksum does not apply to a copy packed in this way.
    Unknown,
    /// There is no published checksum.
    Unlisted,
}

impl Checksum {
    /// Compares a file (`packed` as it lies on disk or was sent, `unpacked` its content) with the checksum.
    pub(super) fn verdict(&self, packed_sha256: &str, unpacked: &[u8]) -> ChecksumVerdict {
        match self {
            Checksum::Unpacked(known) if sha256(unpacked) == *known => ChecksumVerdict::Published,
            Checksum::Unpacked(_) => ChecksumVerdict::Different,
            Checksum::Archive(known) if packed_sha256 == *known => ChecksumVerdict::Published,
            Checksum::Archive(_) => ChecksumVerdict::Unknown,
            Checksum::Unlisted => ChecksumVerdict::Unlisted,
        }
    }
}

/// One of the four files of a dataset.
pub(super) struct PublishedFile {
    /// Its published name, without `.gz`.
    pub name: &'static str,
    /// The same with a dot, as some archives unpack it.
    pub dotted: &'static str,
}

/// A dataset that is IDX files of 28x28 images.
pub(super) struct PublishedSource {
    pub name: &'static str,
    /// Folders its files may lie in, within a place of the search path.
    pub folders: &'static [&'static str],
    pub files: [PublishedFile; 4],
    pub classes: &'static [&'static str],
    /// What the files call the first class.
    pub first_label: u8,
    /// Whether images are stored column by column.
    pub transposed: bool,
    /// Addresses that end before the file's name, tried in order. Plain HTTP only last: the checksum guards the bytes.
    /// None where the files are not published one by one; `by_hand` says how to get them then.
    pub mirrors: &'static [&'static str],
    pub by_hand: &'static str,
    pub checks: [Checksum; 4],
}
