//! CIFAR and EMNIST: their files, their order of pixels, and their damages.

use crate::common::gzip;
use secateur::data::{CifarProblem, DataError, Dataset, SearchPath, fetch, load};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const PIXELS: usize = 3 * 32 * 32;

/// Records with these label bytes; pixel p of record i is (7 i + p) mod 256.
fn records(labels: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, label) in labels.iter().enumerate() {
        bytes.extend_from_slice(label);
        bytes.extend((0..PIXELS).map(|p| (7 * i + p) as u8));
    }
    bytes
}

/// The six files of a small CIFAR-10: two records each, file k with the classes k and k + 4.
fn cifar10() -> Vec<(String, Vec<u8>)> {
    let train = (1..=5).map(|k| format!("data_batch_{k}.bin"));
    let names = train.chain(["test_batch.bin".to_string()]);
    let file = |(k, name)| (name, records(&[&[k as u8], &[k as u8 + 4]]));
    names.enumerate().map(file).collect()
}

fn write_all(folder: &Path, files: &[(String, Vec<u8>)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn archive(folder: &str, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let path = format!("{folder}/{name}");
        builder.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

fn load_in(root: &TempDir, name: &str) -> Result<Dataset, DataError> {
    load(name, &SearchPath::of(vec![root.path().to_path_buf()]))
}

#[test]
fn cifar_is_the_same_from_files_and_from_the_archive() {
    let files = cifar10();
    let packed = archive("cifar-10-batches-bin", &files);
    let mut digests = Vec::new();
    for place in [
        "cifar-10",
        "cifar-10-batches-bin",
        "cifar-10/cifar-10-batches-bin",
    ] {
        let root = tempfile::tempdir().unwrap();
        write_all(&root.path().join(place), &files);
        digests.push(load_in(&root, "cifar-10").unwrap().digest);
    }
    for place in ["", "cifar-10"] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(place);
        write_all(
            &folder,
            &[("cifar-10-binary.tar.gz".into(), packed.clone())],
        );
        let data = load_in(&root, "cifar-10").unwrap();
        assert!(data.warnings[1].contains("sha256"), "{:?}", data.warnings);
        digests.push(data.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);

    let root = tempfile::tempdir().unwrap();
    write_all(&root.path().join("cifar-10"), &files);
    let data = load_in(&root, "cifar-10").unwrap();
    assert_eq!((data.channels, data.height, data.width), (3, 32, 32));
    assert_eq!(data.class_names[3], "cat");
    assert_eq!(data.train.labels, [0, 4, 1, 5, 2, 6, 3, 7, 4, 8]);
    assert_eq!(data.test.labels, [5, 9]);
    // Sample 3 is the second record of the second file; green begins after 1024 bytes of red.
    assert_eq!(
        data.train.images[3 * PIXELS + 1024 + 5],
        (7 + 1024 + 5) as u8
    );
    assert!(data.warnings[0].contains("10 training and 2 test"));
}

#[test]
fn cifar_100_takes_the_fine_label() {
    let root = tempfile::tempdir().unwrap();
    let files = [
        ("train.bin".to_string(), records(&[&[19, 99], &[0, 3]])),
        ("test.bin".to_string(), records(&[&[1, 0]])),
    ];
    write_all(&root.path().join("cifar-100-binary"), &files);
    let data = load_in(&root, "cifar-100").unwrap();
    assert_eq!(data.class_names.len(), 100);
    assert_eq!(data.train.labels, [99, 3]);
    assert_eq!(
        [data.class_names[99].as_str(), &data.class_names[3]],
        ["worm", "bear"]
    );
    assert_eq!(data.train.images[..PIXELS], records(&[&[]])[..]);
}

#[test]
fn damaged_cifar_is_refused_by_name() {
    let problem = |file: &str, bytes: Vec<u8>| {
        let root = tempfile::tempdir().unwrap();
        let mut files = cifar10();
        let at = files.iter().position(|(name, _)| name == file).unwrap();
        files[at].1 = bytes;
        write_all(&root.path().join("cifar-10"), &files);
        let error = load_in(&root, "cifar-10").unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(file) && message.contains("data fetch cifar-10"),
            "{message}"
        );
        match error {
            DataError::DamagedBatch { problem, .. } => problem,
            other => panic!("{other}"),
        }
    };
    let whole = records(&[&[1], &[2]]);
    for cut in [1, 3073 - 1] {
        assert_eq!(
            problem("data_batch_2.bin", whole[..whole.len() - cut].to_vec()),
            CifarProblem::Size {
                found: whole.len() - cut,
                record: 3073
            }
        );
    }
    assert!(matches!(
        problem("test_batch.bin", vec![]),
        CifarProblem::Size { found: 0, .. }
    ));
    assert_eq!(
        problem("test_batch.bin", records(&[&[1], &[10]])),
        CifarProblem::Label {
            index: 1,
            value: 10,
            classes: 10
        }
    );
}

#[test]
fn damaged_archives_are_refused_by_name() {
    let files = cifar10();
    let whole = archive("cifar-10-batches-bin", &files);
    let with = |bytes: &[u8]| {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cifar-10-binary.tar.gz"), bytes).unwrap();
        load_in(&root, "cifar-10")
            .map(drop)
            .unwrap_err()
            .to_string()
    };
    for cut in [whole.len() / 2, 20, 0] {
        let message = with(&whole[..cut]);
        assert!(message.contains("cifar-10-binary.tar.gz"), "{message}");
        assert!(message.contains("data fetch cifar-10"), "{message}");
    }
    let message = with(&archive("cifar-10-batches-bin", &files[..4]));
    assert!(message.contains("holds no data_batch_5.bin"), "{message}");
    let mut odd = files;
    odd[2].1.pop();
    let message = with(&archive("anywhere", &odd));
    assert!(message.contains("data_batch_3.bin"), "{message}");
}

#[test]
fn missing_cifar_names_every_place() {
    let root = tempfile::tempdir().unwrap();
    write_all(&root.path().join("cifar-10"), &cifar10()[..5]);
    let message = load_in(&root, "cifar-10")
        .map(drop)
        .unwrap_err()
        .to_string();
    for word in [
        "lacks test_batch.bin",
        "cifar-10-binary.tar.gz",
        "data fetch cifar-10",
    ] {
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn an_archive_that_is_not_the_published_one_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let own = archive("cifar-10-batches-bin", &cifar10());
    let name = "cifar-10-binary.tar.gz";
    write_all(&root.path().join("cifar-10"), &[(name.into(), own.clone())]);
    let error = fetch("cifar-10", root.path(), Some(&[]), &mut |_| {}).unwrap_err();
    assert!(matches!(error, DataError::Occupied { .. }), "{error}");
    assert_eq!(
        fs::read(root.path().join("cifar-10").join(name)).unwrap(),
        own
    );
}

/// The four files of a small split, its images as stored: column by column.
fn write_emnist(folder: &Path, split: &str, labels: &[u8], packed: bool) {
    fs::create_dir_all(folder).unwrap();
    for part in ["train", "test"] {
        let mut images = vec![0, 0, 8, 3];
        for size in [labels.len() as u32, 28, 28] {
            images.extend(size.to_be_bytes());
        }
        // Stored at [x][y]: 8 y + x.
        let pixel = |at: usize| (8 * (at % 28) + at / 28 % 28) as u8;
        images.extend((0..labels.len() * 784).map(pixel));
        let mut list = vec![0, 0, 8, 1];
        list.extend((labels.len() as u32).to_be_bytes());
        list.extend(labels);
        for (what, bytes) in [("images-idx3", images), ("labels-idx1", list)] {
            let name = format!("emnist-{split}-{part}-{what}-ubyte");
            let (name, bytes) = if packed {
                (format!("{name}.gz"), gzip(&bytes))
            } else {
                (name, bytes)
            };
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

#[test]
fn emnist_images_are_turned_and_letters_counted_from_0() {
    for (split, folder, labels, want) in [
        ("letters", "emnist/gzip", [1, 26, 4], [0, 25, 3]),
        ("balanced", "emnist", [0, 46, 36], [0, 46, 36]),
        ("byclass", "emnist-byclass", [61, 0, 10], [61, 0, 10]),
    ] {
        let root = tempfile::tempdir().unwrap();
        write_emnist(
            &root.path().join(folder),
            split,
            &labels,
            split != "balanced",
        );
        let data = load_in(&root, &format!("emnist-{split}")).unwrap();
        assert_eq!(data.train.labels, want, "{split}");
        for (y, x) in [(0, 0), (3, 20), (20, 3), (27, 27)] {
            let at = 2 * 784 + y * 28 + x;
            assert_eq!(data.train.images[at], (8 * y + x) as u8, "{split} {y} {x}");
        }
        let name = |class: usize| data.class_names[usize::from(want[class])].as_str();
        let names = match split {
            "letters" => ["A", "Z", "D"],
            "balanced" => ["0", "t", "a"],
            _ => ["z", "0", "A"],
        };
        assert_eq!([name(0), name(1), name(2)], names);
        assert!(data.warnings.is_empty(), "{:?}", data.warnings);
    }
    let root = tempfile::tempdir().unwrap();
    write_emnist(&root.path().join("emnist"), "letters", &[1, 0, 2], false);
    let message = load_in(&root, "emnist-letters")
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("label 1 is 0") && message.contains("1 to 26"),
        "{message}"
    );
}

#[test]
fn fetching_emnist_says_how_to_get_it() {
    let root = tempfile::tempdir().unwrap();
    let error = fetch("emnist-letters", root.path(), None, &mut |_| {}).unwrap_err();
    let message = error.to_string();
    let folder = root.path().join("emnist").display().to_string();
    assert!(
        message.contains("gzip.zip") && message.contains(&folder),
        "{message}"
    );
    // What lies there already is found and kept.
    for (split, folder) in [("letters", "emnist/gzip"), ("digits", "emnist-digits")] {
        write_emnist(&root.path().join(folder), split, &[1], true);
        let report = fetch(&format!("emnist-{split}"), root.path(), None, &mut |_| {}).unwrap();
        assert!(report.files.iter().all(|file| file.url.is_none()));
        assert_eq!(report.files.len(), 4);
    }
}
