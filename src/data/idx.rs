//! The IDX format of MNIST and its relatives, plain or gzip.
//!
//! A file of images: the bytes 0, 0, 8 (unsigned bytes), 3 (dimensions), then count, rows and columns as big-endian
//! u32, then the pixels. A file of labels: 0, 0, 8, 1, the count, then the labels.
//! Source: <http://yann.lecun.com/exdb/mnist/>, "The IDX file format".

use std::io::Read;

/// No dataset here comes near this size; it stops a small gzip that unpacks to fill the memory.
pub(super) const MOST_BYTES: u64 = 1 << 30;

/// What is wrong with the content of an IDX file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdxProblem {
    /// The gzip stream stops early.
    #[error("the gzip stream ends too early: the file is truncated")]
    GzipTruncated,
    /// The gzip stream is wrong.
    #[error("the gzip stream is damaged ({0})")]
    GzipCorrupt(String),
    /// Far larger than any known dataset.
    #[error("it holds more than {} MiB, which no dataset here does", MOST_BYTES >> 20)]
    TooLarge,
    /// Not even a header.
    #[error("it has {found} bytes, fewer than the {needed} of its header: the file is truncated")]
    ShortHeader {
        /// Bytes there are.
        found: usize,
        /// Bytes of the header.
        needed: usize,
    },
    /// Another kind of file.
    #[error(
        "it begins with the bytes {found:02x?}, but a file of {what} begins with {expected:02x?}"
    )]
    Magic {
        /// `images` or `labels`.
        what: &'static str,
        /// The first four bytes.
        found: [u8; 4],
        /// What they should be.
        expected: [u8; 4],
    },
    /// Images of another size.
    #[error("its images are {found_height}x{found_width}, but this dataset has {height}x{width}")]
    Size {
        /// Rows said by the header.
        found_height: usize,
        /// Columns said by the header.
        found_width: usize,
        /// Rows expected.
        height: usize,
        /// Columns expected.
        width: usize,
    },
    /// A header that promises no samples.
    #[error("it holds no samples")]
    Empty,
    /// Fewer bytes than the header promises.
    #[error(
        "its header promises {promised} {what} ({needed} bytes), but only {found} bytes follow: the file is truncated"
    )]
    Truncated {
        /// `images` or `labels`.
        what: &'static str,
        /// Samples promised.
        promised: usize,
        /// Bytes those need.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// More bytes than the header promises.
    #[error("{extra} bytes follow after the {promised} {what} that its header promises")]
    Trailing {
        /// `images` or `labels`.
        what: &'static str,
        /// Samples promised.
        promised: usize,
        /// Bytes too many.
        extra: u64,
    },
    /// A label that is no class.
    #[error("label {index} is {value}, but the classes are {first} to {}", usize::from(*.first) + .classes - 1)]
    Label {
        /// The sample, from 0.
        index: usize,
        /// Its label.
        value: u8,
        /// The label of the first class.
        first: u8,
        /// Number of classes.
        classes: usize,
    },
}

/// The content of a file, unpacked if it is gzip (told by its first bytes, not its name).
pub(super) fn unpack(bytes: Vec<u8>) -> Result<Vec<u8>, IdxProblem> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(IdxProblem::TooLarge);
    }
    if !is_gzip(&bytes) {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..])
        .take(MOST_BYTES + 1)
        .read_to_end(&mut out)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => IdxProblem::GzipTruncated,
            _ => IdxProblem::GzipCorrupt(error.to_string()),
        })?;
    if out.len() as u64 > MOST_BYTES {
        return Err(IdxProblem::TooLarge);
    }
    Ok(out)
}

/// Whether the bytes begin like gzip.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// The pixels `[sample][y][x]` of an unpacked file of images.
pub(super) fn images(bytes: Vec<u8>, height: usize, width: usize) -> Result<Vec<u8>, IdxProblem> {
    let [count, found_height, found_width] = header(&bytes, "images")?;
    if (found_height, found_width) != (height, width) {
        return Err(IdxProblem::Size {
            found_height,
            found_width,
            height,
            width,
        });
    }
    body(bytes, "images", 16, count, height * width)
}

/// The labels of an unpacked file of labels, counted from 0; in the file they are `first` to `first + classes - 1`.
pub(super) fn labels(bytes: Vec<u8>, first: u8, classes: usize) -> Result<Vec<u8>, IdxProblem> {
    let [count] = header(&bytes, "labels")?;
    let mut labels = body(bytes, "labels", 8, count, 1)?;
    for (index, label) in labels.iter_mut().enumerate() {
        let value = *label;
        *label = value
            .checked_sub(first)
            .filter(|&class| usize::from(class) < classes)
            .ok_or(IdxProblem::Label {
                index,
                value,
                first,
                classes,
            })?;
    }
    Ok(labels)
}

/// The sizes in the header of a file with `N` dimensions.
fn header<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[usize; N], IdxProblem> {
    let expected = [0, 0, 8, N as u8];
    // The magic first: it tells more about a wrong file than its length.
    if let Some(found) = bytes.first_chunk::<4>()
        && *found != expected
    {
        return Err(IdxProblem::Magic {
            what,
            found: *found,
            expected,
        });
    }
    let needed = 4 + 4 * N;
    if bytes.len() < needed {
        return Err(IdxProblem::ShortHeader {
            found: bytes.len(),
            needed,
        });
    }
    let (sizes, _) = bytes[4..needed].as_chunks::<4>();
    Ok(std::array::from_fn(|i| {
        u32::from_be_bytes(sizes[i]) as usize
    }))
}

/// What follows the header, if it is exactly `count` samples of `each` bytes.
fn body(
    mut bytes: Vec<u8>,
    what: &'static str,
    start: usize,
    count: usize,
    each: usize,
) -> Result<Vec<u8>, IdxProblem> {
    if count == 0 {
        return Err(IdxProblem::Empty);
    }
    let found = (bytes.len() - start) as u64;
    // Below 2^32 * 784: u64 holds it.
    let needed = count as u64 * each as u64;
    if found < needed {
        return Err(IdxProblem::Truncated {
            what,
            promised: count,
            needed,
            found,
        });
    }
    if found > needed {
        return Err(IdxProblem::Trailing {
            what,
            promised: count,
            extra: found - needed,
        });
    }
    bytes.drain(..start);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn images_file(count: u32, height: u32, width: u32, pixels: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3];
        for size in [count, height, width] {
            bytes.extend(size.to_be_bytes());
        }
        bytes.extend((0..pixels).map(|i| i as u8));
        bytes
    }

    fn labels_file(count: u32, labels: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 1];
        bytes.extend(count.to_be_bytes());
        bytes.extend(labels);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn sound_files_are_read_plain_and_gzip() {
        let file = images_file(2, 2, 3, 12);
        let pixels: Vec<u8> = (0..12).collect();
        for packed in [file.clone(), gzip(&file)] {
            let unpacked = unpack(packed).unwrap();
            assert_eq!(images(unpacked, 2, 3).unwrap(), pixels);
        }
        assert_eq!(
            labels(labels_file(3, &[9, 0, 4]), 0, 10).unwrap(),
            [9, 0, 4]
        );
        assert_eq!(labels(labels_file(2, &[26, 1]), 1, 26).unwrap(), [25, 0]);
    }

    #[test]
    fn each_damage_of_images_is_named() {
        let problem = |bytes| images(bytes, 2, 3).unwrap_err();
        assert!(matches!(
            problem(vec![]),
            IdxProblem::ShortHeader {
                found: 0,
                needed: 16
            }
        ));
        assert!(matches!(
            problem(images_file(2, 2, 3, 12)[..10].to_vec()),
            IdxProblem::ShortHeader { found: 10, .. }
        ));
        assert!(matches!(
            problem(labels_file(2, &[1, 2])),
            IdxProblem::Magic {
                found: [0, 0, 8, 1],
                ..
            }
        ));
        assert!(matches!(
            problem(images_file(2, 3, 2, 12)),
            IdxProblem::Size {
                found_height: 3,
                found_width: 2,
                ..
            }
        ));
        assert!(matches!(
            problem(images_file(0, 2, 3, 0)),
            IdxProblem::Empty
        ));
        assert!(matches!(
            problem(images_file(2, 2, 3, 13)),
            IdxProblem::Trailing { extra: 1, .. }
        ));
        assert!(matches!(
            problem(images_file(2, 2, 3, 11)),
            IdxProblem::Truncated {
                needed: 12,
                found: 11,
                ..
            }
        ));
        // A header that promises 24 GB: an error, not an allocation.
        assert!(matches!(
            problem(images_file(u32::MAX, 2, 3, 12)),
            IdxProblem::Truncated { found: 12, .. }
        ));
    }

    #[test]
    fn a_label_out_of_range_is_named_with_its_place() {
        let problem = labels(labels_file(3, &[1, 2, 10]), 0, 10).unwrap_err();
        assert_eq!(
            problem,
            IdxProblem::Label {
                index: 2,
                value: 10,
                first: 0,
                classes: 10
            }
        );
        let problem = labels(labels_file(3, &[1, 0, 27]), 1, 26).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "label 1 is 0, but the classes are 1 to 26"
        );
    }

    #[test]
    fn a_damaged_gzip_is_told_from_a_truncated_one() {
        let whole = gzip(&images_file(2, 2, 3, 12));
        for end in 2..whole.len() {
            let cut = unpack(whole[..end].to_vec());
            assert!(cut.is_err(), "cut at {end}");
        }
        assert_eq!(
            unpack(whole[..whole.len() - 1].to_vec()),
            Err(IdxProblem::GzipTruncated)
        );
        // The checksum is the first half of the last eight bytes.
        let mut flipped = whole.clone();
        let crc = flipped.len() - 8;
        flipped[crc] ^= 1;
        assert!(matches!(unpack(flipped), Err(IdxProblem::GzipCorrupt(_))));
        let mut longer = whole;
        longer.extend(b"tail");
        assert!(unpack(longer).is_err());
    }
}
