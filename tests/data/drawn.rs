//! Datasets that are drawn.

use secateur::data::{Dataset, SearchPath, load};

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
