//! Small datasets, in memory and as files.

use super::Dice;
use image::{ImageFormat, Rgb, RgbImage};
use secateur::data::{Dataset, Split};
use secateur::spec::Shape;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Samples of the stand-in for MNIST.
pub const TRAIN: usize = 480;

/// See [`TRAIN`].
pub const TEST: usize = 96;

/// Square images whose class is where the bright spot lies, under noise: sample i has label i % 10.
pub fn spots(count: usize, side: usize, seed: u64) -> Split {
    let mut dice = Dice(seed);
    let mut images = Vec::with_capacity(count * side * side);
    let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
    let step = side / 5;
    for &label in &labels {
        let (top, left) = (
            usize::from(label) / 5 * (side / 2),
            usize::from(label) % 5 * step,
        );
        for y in 0..side {
            for x in 0..side {
                let bright = (top..top + side / 2).contains(&y) && (left..left + step).contains(&x);
                let noise = (dice.next() % 120) as u8;
                images.push(if bright { 120 + noise } else { noise });
            }
        }
    }
    Split { images, labels }
}

/// The same as a dataset in memory.
pub fn dataset(train: usize, test: usize, side: usize) -> Dataset {
    let shape = Shape::new(1, side, side);
    images(shape, spots(train, side, 1), spots(test, side, 2))
}

/// Images without a pattern, as many for training as for testing.
pub fn noise(count: usize, shape: Shape, seed: u64) -> Dataset {
    let mut dice = Dice(seed);
    let mut split = || Split {
        images: (0..count * shape.features())
            .map(|_| dice.below(256) as u8)
            .collect(),
        labels: (0..count).map(|_| dice.below(10) as u8).collect(),
    };
    let (train, test) = (split(), split());
    images(shape, train, test)
}

/// A dataset of ten classes.
pub fn images(shape: Shape, train: Split, test: Split) -> Dataset {
    Dataset::new(
        "images",
        (0..10).map(|c| c.to_string()).collect(),
        [shape.channels, shape.height, shape.width],
        [train, test],
    )
}

/// As `gzip` packs it.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// An IDX file of images.
pub fn idx_images(count: usize, side: usize, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for size in [count, side, side] {
        bytes.extend((size as u32).to_be_bytes());
    }
    bytes.extend(pixels);
    bytes
}

/// An IDX file of labels.
pub fn idx_labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

/// The four files of MNIST, in the order images, labels; training, test.
pub const MNIST_FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Writes sound files that are not MNIST's.
pub fn write_mnist(folder: &Path, train: usize, test: usize) {
    fs::create_dir_all(folder).expect("a folder");
    for (split, names) in [
        (spots(train, 28, 1), &MNIST_FILES[..2]),
        (spots(test, 28, 2), &MNIST_FILES[2..]),
    ] {
        let images = idx_images(split.len(), 28, &split.images);
        fs::write(folder.join(names[0]), images).expect("a file");
        fs::write(folder.join(names[1]), idx_labels(&split.labels)).expect("a file");
    }
}

/// An image: red says the place, green the class, blue the number.
pub fn picture(width: u32, height: u32, class: u8, number: u8) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(16 * y + x) as u8, 100 * class, 40u8.wrapping_mul(number)])
    })
}

/// Writes an image, and the folders it lies in.
pub fn save_image(path: &Path, image: &RgbImage, format: ImageFormat) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save_with_format(path, format).unwrap();
}
