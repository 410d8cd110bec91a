//! Datasets: reading, checking, drawing, downloading.

use crate::common::{MNIST_FILES, gzip, idx_images, idx_labels, published};
use std::fs;
use std::path::PathBuf;

use secateur::data::{
    DataError, IdxProblem, SearchPath, contact_sheet, is_available, load, names, shape_of,
};

/// A file of `count` 28x28 images.
pub fn images(count: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..count * 784).map(|i| ((i * 31) >> 3) as u8).collect();
    idx_images(count, 28, &pixels)
}

/// A folder with a small `mnist/`: 4 training and 2 test samples, one file replaced by `content`.
pub fn small_mnist(replaced: usize, content: Option<Vec<u8>>) -> (tempfile::TempDir, SearchPath) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("mnist");
    fs::create_dir(&folder).unwrap();
    let mut contents = [
        images(4),
        idx_labels(&[0, 3, 9, 1]),
        images(2),
        idx_labels(&[5, 6]),
    ];
    if let Some(content) = content {
        contents[replaced] = content;
    }
    for (file, content) in MNIST_FILES.iter().zip(contents) {
        fs::write(folder.join(file), content).unwrap();
    }
    let search = SearchPath::of(vec![root.path().to_path_buf()]);
    (root, search)
}

fn problem_with(replaced: usize, content: Vec<u8>) -> IdxProblem {
    let (_root, search) = small_mnist(replaced, Some(content));
    let error = load("mnist", &search).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(MNIST_FILES[replaced]),
        "names the file: {message}"
    );
    assert!(
        message.contains("secateur data fetch mnist"),
        "says what to do: {message}"
    );
    match error {
        DataError::Damaged { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn a_sound_copy_loads_and_its_odd_checksum_is_a_warning() {
    let (root, search) = small_mnist(0, None);
    is_available("mnist", &search).unwrap();
    let data = load("mnist", &search).unwrap();
    assert_eq!((data.channels, data.height, data.width), (1, 28, 28));
    assert_eq!(data.train.labels, [0, 3, 9, 1]);
    assert_eq!(data.train.images, images(4)[16..]);
    assert_eq!(data.test.len(), 2);
    assert_eq!(data.warnings.len(), 4, "{:?}", data.warnings);
    assert!(data.source.contains(root.path().to_str().unwrap()));
}

#[test]
fn every_form_of_the_names_gives_the_same_data() {
    let (root, search) = small_mnist(0, None);
    let plain = load("mnist", &search).unwrap();
    let folder = root.path().join("mnist");
    for (i, file) in MNIST_FILES.iter().enumerate() {
        let bytes = fs::read(folder.join(file)).unwrap();
        fs::remove_file(folder.join(file)).unwrap();
        let dotted = file.replace("-idx", ".idx");
        match i {
            0 => fs::write(folder.join(format!("{file}.gz")), gzip(&bytes)).unwrap(),
            1 => fs::write(folder.join(dotted), bytes).unwrap(),
            2 => fs::write(folder.join(format!("{dotted}.gz")), gzip(&bytes)).unwrap(),
            // A plain file under the name of a packed one, as some programs leave it.
            _ => fs::write(folder.join(format!("{file}.gz")), bytes).unwrap(),
        }
    }
    assert_eq!(load("mnist", &search).unwrap().digest, plain.digest);
}

#[test]
fn one_changed_byte_changes_the_digest() {
    let (_a, search) = small_mnist(0, None);
    let before = load("mnist", &search).unwrap().digest;
    let mut pixels = images(2);
    pixels[16] ^= 1;
    for (i, content) in [(2, pixels), (3, idx_labels(&[6, 5]))] {
        let (_b, search) = small_mnist(i, Some(content));
        assert_ne!(load("mnist", &search).unwrap().digest, before);
    }
}

#[test]
fn damaged_files_are_refused_by_name() {
    let whole = images(4);
    let packed = gzip(&whole);
    let cut = |bytes: &[u8], by: usize| bytes[..bytes.len() - by].to_vec();
    assert!(matches!(
        problem_with(0, cut(&whole, 1)),
        IdxProblem::Truncated { promised: 4, .. }
    ));
    assert!(matches!(
        problem_with(0, vec![]),
        IdxProblem::ShortHeader { .. }
    ));
    assert_eq!(problem_with(0, cut(&packed, 20)), IdxProblem::GzipTruncated);
    let mut crc = packed;
    let at = crc.len() - 8;
    crc[at] ^= 0xff;
    assert!(matches!(problem_with(0, crc), IdxProblem::GzipCorrupt(_)));
    assert!(matches!(
        problem_with(2, [images(2), vec![0]].concat()),
        IdxProblem::Trailing { extra: 1, .. }
    ));
    assert!(matches!(
        problem_with(0, idx_labels(&[1; 4])),
        IdxProblem::Magic { .. }
    ));
    assert!(matches!(
        problem_with(1, images(4)),
        IdxProblem::Magic { .. }
    ));
    assert_eq!(problem_with(3, idx_labels(&[])), IdxProblem::Empty);
    assert_eq!(
        problem_with(1, idx_labels(&[0, 1, 77, 2])),
        IdxProblem::Label {
            index: 2,
            value: 77,
            first: 0,
            classes: 10
        }
    );
    let mut turned = images(4);
    turned[8..16].copy_from_slice(&[0, 0, 0, 14, 0, 0, 0, 56]);
    assert!(matches!(
        problem_with(0, turned),
        IdxProblem::Size {
            found_height: 14,
            ..
        }
    ));
}

#[test]
fn images_and_labels_must_be_as_many() {
    let (_root, search) = small_mnist(3, Some(idx_labels(&[1, 2, 3])));
    let error = load("mnist", &search).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::CountMismatch {
                images_count: 2,
                labels_count: 3,
                ..
            }
        ),
        "{error}"
    );
    let message = error.to_string();
    assert!(
        message.contains(MNIST_FILES[2]) && message.contains(MNIST_FILES[3]),
        "{message}"
    );
}

#[test]
fn missing_files_name_every_place_and_the_way_out() {
    let (root, complete) = small_mnist(0, None);
    let other = tempfile::tempdir().unwrap();
    let lacking = other.path().join("mnist");
    fs::create_dir(&lacking).unwrap();
    fs::write(lacking.join(MNIST_FILES[0]), images(1)).unwrap();
    let nowhere = root.path().join("nowhere");
    let inside = root.path().join("mnist");
    let search = SearchPath::of(vec![nowhere.clone(), other.path().to_path_buf(), inside]);
    for error in [
        is_available("mnist", &search).unwrap_err(),
        load("mnist", &search).map(drop).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.contains(nowhere.to_str().unwrap()), "{message}");
        assert!(
            message.contains(MNIST_FILES[3]) && message.contains("name the folder above it"),
            "{message}"
        );
        assert!(
            message.contains("secateur data fetch mnist") && message.contains("--data DIR"),
            "{message}"
        );
    }
    // An incomplete folder in front of a complete one is passed over, and said.
    let both = SearchPath::of(
        [other.path().to_path_buf()]
            .into_iter()
            .chain(complete.places().to_vec())
            .collect(),
    );
    let data = load("mnist", &both).unwrap();
    assert!(
        data.warnings[0].contains("passed over"),
        "{:?}",
        data.warnings
    );
    // No place at all is still a sentence.
    assert!(
        is_available("mnist", &SearchPath::of(vec![]))
            .unwrap_err()
            .to_string()
            .contains("nowhere")
    );
}

#[test]
fn names_and_shapes_are_known_without_files() {
    let none = SearchPath::of(vec![]);
    let shapes = [
        ("mnist", (1, 28, 28, 10)),
        ("fashion-mnist", (1, 28, 28, 10)),
        ("kmnist", (1, 28, 28, 10)),
        ("emnist-balanced", (1, 28, 28, 47)),
        ("emnist-byclass", (1, 28, 28, 62)),
        ("emnist-bymerge", (1, 28, 28, 47)),
        ("emnist-digits", (1, 28, 28, 10)),
        ("emnist-letters", (1, 28, 28, 26)),
        ("emnist-mnist", (1, 28, 28, 10)),
        ("cifar-10", (3, 32, 32, 10)),
        ("cifar-100", (3, 32, 32, 100)),
        ("drawn-digits", (1, 28, 28, 10)),
        ("drawn-garments", (1, 28, 28, 10)),
    ];
    assert_eq!(names(), shapes.map(|(name, _)| name));
    for (name, shape) in shapes {
        assert_eq!(shape_of(name), Some(shape));
        assert_eq!(
            is_available(name, &none).is_ok(),
            name.starts_with("drawn-"),
            "{name}"
        );
    }
    assert_eq!(shape_of("mnits"), None);
    let message = load("mnits", &none).unwrap_err().to_string();
    assert!(
        message.contains("`mnits`") && message.contains("drawn-digits"),
        "{message}"
    );
}

#[test]
fn the_explicit_folder_is_looked_in_first() {
    let first = PathBuf::from("named-on-the-command-line");
    let search = SearchPath::new(Some(first.clone()));
    assert_eq!(search.places()[0], first);
    assert_eq!(search.download_root().unwrap(), first);
    assert!(SearchPath::of(vec![]).download_root().is_err());
}

#[test]
fn the_contact_sheet_has_one_row_per_class() {
    let (_root, search) = small_mnist(0, None);
    let data = load("mnist", &search).unwrap();
    let sheet = contact_sheet(&data, 3);
    assert_eq!(sheet.dimensions(), (3 * 58 + 2, 10 * 58 + 2));
    // Class 3 has one sample, the second of the split; class 4 has none.
    let place = |row: u32, column: u32| sheet.get_pixel(2 + column * 58 + 10, 2 + row * 58 + 4).0;
    let pixel = data.train.images[784 + 2 * 28 + 5];
    assert_eq!(place(3, 0), [pixel; 3]);
    let paper = sheet.get_pixel(0, 0).0;
    assert_eq!([place(3, 1), place(4, 0)], [paper; 2]);
    assert_eq!(contact_sheet(&data, 0).width(), 60);
}

/// MNIST itself, where there is a copy.
#[test]
fn the_real_files_are_the_published_ones() {
    for name in ["mnist", "fashion-mnist"] {
        let Some(folder) = published(name) else {
            continue;
        };
        let data = load(name, &SearchPath::of(vec![folder])).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
        assert_eq!(data.warnings, [""; 0], "{name} has the published checksums");
        assert_eq!(data.class_names.len(), 10);
    }
}

// ---- downloads, from a server inside the test ----
