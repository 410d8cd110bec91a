//! Datasets: reading, checking, drawing, downloading.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use secateur::data::{
    DataError, Dataset, IdxProblem, Progress, SearchPath, contact_sheet, fetch, is_available, load,
    names, shape_of,
};

const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// A file of `count` 28x28 images.
fn images(count: u32) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for size in [count, 28, 28] {
        bytes.extend(size.to_be_bytes());
    }
    bytes.extend((0..count as usize * 784).map(|i| ((i * 31) >> 3) as u8));
    bytes
}

/// A file of these labels.
fn labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder with a small `mnist/`: 4 training and 2 test samples, one file replaced by `content`.
fn small_mnist(replaced: usize, content: Option<Vec<u8>>) -> (tempfile::TempDir, SearchPath) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("mnist");
    fs::create_dir(&folder).unwrap();
    let mut contents = [images(4), labels(&[0, 3, 9, 1]), images(2), labels(&[5, 6])];
    if let Some(content) = content {
        contents[replaced] = content;
    }
    for (file, content) in FILES.iter().zip(contents) {
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
        message.contains(FILES[replaced]),
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
    for (i, file) in FILES.iter().enumerate() {
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
    for (i, content) in [(2, pixels), (3, labels(&[6, 5]))] {
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
    let mut crc = packed.clone();
    let at = crc.len() - 8;
    crc[at] ^= 0xff;
    assert!(matches!(problem_with(0, crc), IdxProblem::GzipCorrupt(_)));
    assert!(matches!(
        problem_with(2, [images(2), vec![0]].concat()),
        IdxProblem::Trailing { extra: 1, .. }
    ));
    assert!(matches!(
        problem_with(0, labels(&[1; 4])),
        IdxProblem::Magic { .. }
    ));
    assert!(matches!(
        problem_with(1, images(4)),
        IdxProblem::Magic { .. }
    ));
    assert_eq!(problem_with(3, labels(&[])), IdxProblem::Empty);
    assert_eq!(
        problem_with(1, labels(&[0, 1, 77, 2])),
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
    let (_root, search) = small_mnist(3, Some(labels(&[1, 2, 3])));
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
        message.contains(FILES[2]) && message.contains(FILES[3]),
        "{message}"
    );
}

#[test]
fn missing_files_name_every_place_and_the_way_out() {
    let (root, complete) = small_mnist(0, None);
    let other = tempfile::tempdir().unwrap();
    let lacking = other.path().join("mnist");
    fs::create_dir(&lacking).unwrap();
    fs::write(lacking.join(FILES[0]), images(1)).unwrap();
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
            message.contains(FILES[3]) && message.contains("name the folder above it"),
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

/// The drawn datasets must never change: results recorded with one would no longer compare.
#[test]
fn the_drawn_datasets_are_the_same_bits_everywhere() {
    for (name, digest) in [
        (
            "drawn-digits",
            "4a38b49b96293684b915787d09826864e8769f7496ca77be16dd263fbe386c3b",
        ),
        (
            "drawn-garments",
            "c03c4eb676109eed64dfaae77cda256bf7037f686de5175a78d9600fc047516a",
        ),
    ] {
        let data = load(name, &SearchPath::of(vec![])).unwrap();
        assert_eq!(data.digest, digest, "{name}");
    }
}

#[test]
fn drawn_classes_are_balanced_and_no_sample_repeats() {
    for name in ["drawn-digits", "drawn-garments"] {
        let data = load(name, &SearchPath::of(vec![])).unwrap();
        assert_eq!(
            (data.train.len(), data.test.len(), data.class_names.len()),
            (12_000, 2_000, 10)
        );
        assert!(data.warnings.is_empty());
        for split in [&data.train, &data.test] {
            assert_eq!(split.images.len(), split.len() * 784);
            for class in 0..10 {
                let count = split.labels.iter().filter(|&&label| label == class).count();
                assert_eq!(count, split.len() / 10, "{name} class {class}");
            }
        }
        let both = [&data.train, &data.test];
        let mut all: Vec<&[u8]> = both
            .iter()
            .flat_map(|split| split.images.chunks(784))
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 14_000, "{name} repeats a sample");
    }
}

/// Share of test samples whose class mean (of the training images) is the nearest.
fn nearest_mean_accuracy(data: &Dataset) -> f64 {
    let mut means = vec![[0.0f64; 784]; 10];
    for (image, &label) in data.train.images.chunks(784).zip(&data.train.labels) {
        for (sum, &pixel) in means[usize::from(label)].iter_mut().zip(image) {
            *sum += f64::from(pixel) / (data.train.len() / 10) as f64;
        }
    }
    let distance = |image: &[u8], mean: &[f64; 784]| -> f64 {
        image
            .iter()
            .zip(mean)
            .map(|(&pixel, m)| (f64::from(pixel) - m).powi(2))
            .sum()
    };
    let right = data
        .test
        .images
        .chunks(784)
        .zip(&data.test.labels)
        .filter(|(image, label)| {
            let nearest = (0..10)
                .min_by(|&a, &b| distance(image, &means[a]).total_cmp(&distance(image, &means[b])));
            nearest == Some(usize::from(**label))
        });
    right.count() as f64 / data.test.len() as f64
}

/// The training split teaches something about the test split, but not everything to so simple a model.
#[test]
fn drawn_classes_can_be_told_apart_but_not_trivially() {
    for name in ["drawn-digits", "drawn-garments"] {
        let accuracy = nearest_mean_accuracy(&load(name, &SearchPath::of(vec![])).unwrap());
        assert!((0.3..0.85).contains(&accuracy), "{name}: {accuracy}");
    }
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

/// MNIST itself, where this machine has it.
#[test]
fn the_real_files_are_the_published_ones() {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let variable = std::env::var_os("SECATEUR_DATA").map(PathBuf::from);
    let search = SearchPath::of(variable.into_iter().chain([near]).collect());
    for name in ["mnist", "fashion-mnist"] {
        if let Err(missing) = is_available(name, &search) {
            eprintln!("skipped for {name}: {missing}");
            continue;
        }
        let data = load(name, &search).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
        assert_eq!(data.warnings, [""; 0], "{name} has the published checksums");
        assert_eq!(data.class_names.len(), 10);
    }
}

// ---- downloads, from a server inside the test ----

/// What the server does with a request for a path.
#[derive(Clone)]
enum Answer {
    Send(Vec<u8>),
    /// Announces all of it, sends half and hangs up.
    Half(Vec<u8>),
    NotFound,
}

/// Serves on a free port until the test process ends; returns its address and the paths asked for.
fn serve(answer: impl Fn(&str) -> Answer + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that hangs up early is part of the test.
            let _ = reply(stream, &answer, &log);
        }
    });
    (address, asked)
}

fn reply(
    stream: TcpStream,
    answer: &impl Fn(&str) -> Answer,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("").to_string();
    log.lock().unwrap().push(path.clone());
    let mut out = stream;
    let mut send = |status: &str, length: usize, body: &[u8]| {
        write!(
            out,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )?;
        out.write_all(body)
    };
    match answer(&path) {
        Answer::Send(body) => send("200 OK", body.len(), &body),
        Answer::Half(body) => send("200 OK", body.len(), &body[..body.len() / 2]),
        Answer::NotFound => send("404 Not Found", 0, b""),
    }
}

/// No made-up file has the published checksum, so a good download needs the real files; `None` without them.
fn real_mnist() -> Option<Vec<(String, Vec<u8>)>> {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let variable = std::env::var_os("SECATEUR_DATA").map(PathBuf::from);
    let place = variable
        .into_iter()
        .chain([near])
        .map(|root| root.join("mnist"));
    let folder = place
        .into_iter()
        .find(|folder| folder.join(format!("{}.gz", FILES[0])).is_file())?;
    FILES
        .iter()
        .map(|file| {
            let name = format!("{file}.gz");
            let bytes = fs::read(folder.join(&name)).ok()?;
            Some((name, bytes))
        })
        .collect()
}

fn answer_from(files: &[(String, Vec<u8>)], path: &str) -> Answer {
    let found = files.iter().find(|(name, _)| path.ends_with(name.as_str()));
    found.map_or(Answer::NotFound, |(_, bytes)| Answer::Send(bytes.clone()))
}

/// Everything under a folder.
fn everything_in(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|entry| {
            let path = entry.path();
            let below = everything_in(&path);
            [path].into_iter().chain(below)
        })
        .filter(|path| path.is_file())
        .collect()
}

/// The failures of a download that must leave nothing behind.
fn failures_of(mirrors: &[String]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let error = fetch("mnist", root.path(), Some(mirrors), &mut |_| {}).unwrap_err();
    assert!(
        everything_in(root.path()).is_empty(),
        "{:?}",
        everything_in(root.path())
    );
    let message = error.to_string();
    for mirror in mirrors {
        assert!(
            message.contains(mirror.as_str()),
            "names {mirror}: {message}"
        );
    }
    match error {
        DataError::Download { failures, .. } => failures,
        other => panic!("{other}"),
    }
}

#[test]
fn bad_downloads_leave_nothing_and_name_every_mirror() {
    let sound = |_: &str| Answer::Send(gzip(&images(3)));
    let garbage = |_: &str| Answer::Send(b"<html>Sorry!</html>".to_vec());
    let half = |_: &str| Answer::Half(gzip(&images(50)));
    let (sound, garbage, half) = (serve(sound).0, serve(garbage).0, serve(half).0);
    let (missing, asked) = serve(|_| Answer::NotFound);
    // A port that was free a moment ago: nobody answers.
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let failures = failures_of(&[sound, garbage, half, missing, closed]);
    assert_eq!(failures.len(), 5);
    let parts = [
        "sha256 is not the published one",
        "what was sent is wrong",
        "broke off",
        "404",
    ];
    for (failure, part) in failures.iter().zip(parts) {
        assert!(failure.contains(part), "{failure} / {part}");
    }
    assert_eq!(
        *asked.lock().unwrap(),
        ["/train-images-idx3-ubyte.gz"],
        "stops at the first file that fails"
    );
}

#[test]
fn a_second_mirror_helps_and_good_files_are_kept() {
    let Some(files) = real_mnist() else {
        eprintln!("skipped: the MNIST files are neither in SECATEUR_DATA nor in ../shared/data");
        return;
    };
    let (missing, _) = serve(|_| Answer::NotFound);
    let sent = files.clone();
    let (good, asked) = serve(move |path| answer_from(&sent, path));
    let mirrors = [missing, good.clone()];
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("mnist");

    let mut last = (String::new(), 0, None);
    let mut note =
        |progress: Progress| last = (progress.file.to_string(), progress.received, progress.total);
    let report = fetch("mnist", root.path(), Some(&mirrors), &mut note).unwrap();
    let size = files[3].1.len() as u64;
    assert_eq!(last, (files[3].0.clone(), size, Some(size)));
    assert!(
        report
            .files
            .iter()
            .all(|file| file.published && file.url.as_ref().unwrap().starts_with(&good))
    );
    assert_eq!(everything_in(root.path()).len(), 4);
    let search = SearchPath::of(vec![root.path().to_path_buf()]);
    assert!(load("mnist", &search).unwrap().warnings.is_empty());

    // One file is damaged: it alone is fetched again.
    fs::write(folder.join(&files[1].0), &files[1].1[..100]).unwrap();
    asked.lock().unwrap().clear();
    let report = fetch("mnist", root.path(), Some(&mirrors), &mut |_| {}).unwrap();
    assert_eq!(*asked.lock().unwrap(), [format!("/{}", files[1].0)]);
    assert_eq!(
        report
            .files
            .iter()
            .filter(|file| file.url.is_none())
            .count(),
        3
    );
    assert!(report.notes[0].contains("damaged"), "{:?}", report.notes);
    assert_eq!(fs::read(folder.join(&files[1].0)).unwrap(), files[1].1);
}

#[test]
fn a_failed_download_keeps_what_was_there() {
    let (root, _) = small_mnist(0, None);
    let own = root.path().join("mnist").join(FILES[0]);
    let (missing, _) = serve(|_| Answer::NotFound);
    let mirrors = [missing];
    // Sound, but not the published file: perhaps the user's own.
    let error = fetch("mnist", root.path(), Some(&mirrors), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&error, DataError::Occupied { path } if *path == own),
        "{error}"
    );
    fs::write(&own, b"damaged").unwrap();
    fetch("mnist", root.path(), Some(&mirrors), &mut |_| {}).unwrap_err();
    assert_eq!(fs::read(&own).unwrap(), b"damaged");
}

#[test]
fn fetching_what_needs_no_files_or_does_not_exist() {
    let root = tempfile::tempdir().unwrap();
    let report = fetch("drawn-digits", root.path(), None, &mut |_| {}).unwrap();
    assert!(report.files.is_empty() && report.notes[0].contains("nothing to download"));
    assert!(fetch("cifar", root.path(), None, &mut |_| {}).is_err());
    assert!(everything_in(root.path()).is_empty());
}
