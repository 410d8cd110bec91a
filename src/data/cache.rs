//! Decoded images, kept in the user's cache folder so that a folder of images is decoded once.
//!
//! A file is one line of JSON, then labels and images of the training split, then of the test split. A checksum covers all
//! of it together with the key: what is stale or damaged is decoded again, never trusted.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::dataset::{Split, digest};
use crate::base::{self, sha256, write_with_folder};

/// What decoding a folder gives.
pub(super) struct Decoded {
    pub train: Split,
    pub test: Split,
    /// Files left out since they could not be decoded, by their path in the folder.
    pub skipped: Vec<String>,
    /// The dataset's digest.
    pub digest: String,
}

#[derive(Serialize, Deserialize)]
struct CacheHeader {
    /// sha256 of the key, the dataset's digest and the skipped files.
    check: String,
    train: usize,
    test: usize,
    skipped: Vec<String>,
}

/// Where decoded datasets are kept, if this user has a cache folder.
pub fn cache_folder() -> Option<PathBuf> {
    Some(base::cache_folder()?.join("datasets"))
}

/// What is in `file` under `key`, if it is sound.
pub(super) fn read(file: &Path, key: &str, shape: [usize; 3]) -> Option<Decoded> {
    let file = std::fs::File::open(file).ok()?;
    let length = file.metadata().ok()?.len();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    let header: CacheHeader = serde_json::from_slice(&line).ok()?;
    let each = shape.iter().product::<usize>();
    let samples = header.train.checked_add(header.test)?;
    let needed = samples.checked_mul(each + 1)?.checked_add(line.len())?;
    // Before anything of a size that the header says is allocated.
    if length != needed as u64 {
        return None;
    }
    let mut take = |bytes: usize| {
        let mut list = Vec::with_capacity(bytes);
        let read = reader.by_ref().take(bytes as u64).read_to_end(&mut list);
        read.ok().filter(|&count| count == bytes).map(|_| list)
    };
    let mut split = |count: usize| {
        let labels = take(count)?;
        let images = take(count * each)?;
        Some(Split { images, labels })
    };
    let (train, test) = (split(header.train)?, split(header.test)?);
    let digest = digest(shape, [&train, &test]);
    (header.check == check(key, &digest, &header.skipped)).then_some(Decoded {
        train,
        test,
        skipped: header.skipped,
        digest,
    })
}

/// Keeps `decoded`; a cache that cannot be written costs time, no more.
pub(super) fn write(file: &Path, key: &str, decoded: &Decoded) {
    let header = CacheHeader {
        check: check(key, &decoded.digest, &decoded.skipped),
        train: decoded.train.len(),
        test: decoded.test.len(),
        skipped: decoded.skipped.clone(),
    };
    let _ = write_with_folder(file, |out| {
        serde_json::to_writer(&mut *out, &header)?;
        out.write_all(b"\n")?;
        for split in [&decoded.train, &decoded.test] {
            out.write_all(&split.labels)?;
            out.write_all(&split.images)?;
        }
        Ok(())
    });
}

fn check(key: &str, digest: &str, skipped: &[String]) -> String {
    sha256(format!("{key}\n{digest}\n{}", skipped.join("\n")).as_bytes())
}
