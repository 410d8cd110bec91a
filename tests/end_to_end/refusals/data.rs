//! Damaged and missing data.

use super::EXPERIMENT;
use crate::common::{
    Done, Lab, MNIST_FILES, TEST, TRAIN, command, gzip, idx_images, idx_labels, no_gpu, secateur,
    spots,
};
use std::fs;

/// Reads the lab's data without an adapter.
fn preview(lab: &Lab) -> Done {
    secateur([
        "data".as_ref(),
        "preview".as_ref(),
        "mnist".as_ref(),
        "--data".as_ref(),
        lab.path("data").as_os_str(),
        "--out".as_ref(),
        lab.path("sheet.png").as_os_str(),
    ])
}

#[test]
fn damaged_data_names_the_file_and_the_damage() {
    let train = spots(TRAIN, 28, 1);
    let images = idx_images(TRAIN, 28, &train.images);
    let labels = idx_labels(&train.labels);
    let with = |at: usize, byte: u8, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes
    };
    let packed = gzip(&images);
    let middle = packed.len() / 2;
    let fewer = idx_labels(&train.labels[..TRAIN - 10]);
    let small = idx_images(TRAIN, 20, &train.images[..TRAIN * 400]);
    let empty = idx_images(0, 28, &[]);
    let huge = with(4, 0xff, &images);
    let longer = [&images[..], &[0; 5]].concat();
    // (which of the four files, its new contents, what must be said)
    let cases: Vec<(usize, Vec<u8>, &[&str])> = vec![
        (0, images[..images.len() - 1].to_vec(), &["truncated"]),
        (0, images[..900].to_vec(), &["truncated"]),
        (0, images[..7].to_vec(), &["truncated"]),
        (0, Vec::new(), &["truncated"]),
        (0, with(3, 1, &images), &["begins with"]),
        (0, b"<!DOCTYPE html><html>".to_vec(), &["begins with"]),
        (0, small, &["20x20", "28x28"]),
        (0, empty, &["no samples"]),
        (0, huge, &["truncated"]),
        (0, longer, &["5 bytes follow"]),
        (0, packed[..middle].to_vec(), &["gzip", "truncated"]),
        (0, packed[..packed.len() - 3].to_vec(), &["gzip"]),
        (0, with(middle, packed[middle] ^ 0x55, &packed), &["gzip"]),
        (1, with(8 + 17, 10, &labels), &["label 17 is 10", "0 to 9"]),
        (1, with(8, 255, &labels), &["label 0 is 255"]),
        (1, fewer, &["480 images", "470 labels"]),
        (3, idx_labels(&[0; TEST + 1]), &["96 images", "97 labels"]),
        (2, labels.clone(), &["begins with"]),
    ];
    for (file, bytes, words) in cases {
        let lab = Lab::new();
        let name = MNIST_FILES[file];
        println!("{name}: {words:?}");
        let path = lab.write(&format!("data/mnist/{name}"), &bytes);
        let done = preview(&lab).fails(4, words);
        let shown = path.display().to_string();
        assert!(
            done.stderr.contains(&shown),
            "the file is not named: {}",
            done.stderr
        );
        assert!(done.stderr.contains("data fetch mnist"), "{}", done.stderr);
        assert!(!lab.path("sheet.png").exists());
    }
    // The same lab, sound.
    preview(&Lab::new()).ok();
}

#[test]
fn a_run_stops_at_damaged_data_before_it_makes_a_folder() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    let path = lab.write(
        "data/mnist/t10k-labels-idx1-ubyte",
        idx_labels(&[3; TEST - 1]),
    );
    let shown = path.display().to_string();
    lab.run("e.toml", "out", &[])
        .fails(4, &[&shown, "95 labels"]);
    assert!(!lab.path("out").exists());
}

/// On Windows nothing leads away from the data that this user may have fetched.
#[cfg(not(windows))]
#[test]
fn missing_data_says_where_it_looked_and_how_to_fetch_it() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    let empty = lab.path("nothing");
    fs::create_dir(&empty).expect("a folder");
    let output = command::<&str>([])
        .arg("run")
        .arg(lab.path("e.toml"))
        .arg("--out")
        .arg(lab.path("out"))
        .arg("--data")
        .arg(lab.path("no such folder"))
        .env("SECATEUR_DATA", &empty)
        .env("XDG_DATA_HOME", lab.path("home"))
        .env("HOME", lab.path("home"))
        .output();
    let looked = [lab.path("no such folder"), empty];
    let looked = looked.map(|p| p.display().to_string());
    let words = [
        "`mnist`",
        "secateur data fetch mnist",
        "--data",
        &looked[0],
        &looked[1],
    ];
    Done::of(output.expect("it starts")).fails(4, &words);
    assert!(!lab.path("out").exists());
}

#[test]
fn more_samples_than_there_are_is_refused_with_the_numbers() {
    if no_gpu() {
        return;
    }
    for set in [
        "train.validation=480",
        "train.validation=5000",
        "train.samples=417",
    ] {
        let lab = Lab::with(EXPERIMENT);
        let done = lab.run("e.toml", "out", &["--set", set]);
        let done = done.fails(
            2,
            &["480 training samples", "train.validation", "train.samples"],
        );
        let as_rust = ["Some(", "None"];
        assert!(!as_rust.iter().any(|word| done.stderr.contains(word)));
        assert!(!lab.path("out").exists());
    }
    let lab = Lab::with(EXPERIMENT);
    lab.run("e.toml", "out", &["--set", "train.samples=416"])
        .ok();
}
