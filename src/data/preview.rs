//! A picture of a dataset.

use image::{Rgb, RgbImage};

use super::Dataset;

/// How many pixels of the sheet show one pixel of a sample, along each axis.
const ZOOM: usize = 2;
/// Pixels between samples.
const GAP: usize = 2;
/// The colour between samples, unlike anything grey.
const PAPER: Rgb<u8> = Rgb([38, 50, 56]);

/// The first `columns` training samples (at least 1) of every class, one class per row.
///
/// One channel is shown grey, three as colours; of any other number, the first is shown. A class with fewer samples
/// leaves its places empty.
pub fn contact_sheet(dataset: &Dataset, columns: usize) -> RgbImage {
    let columns = columns.max(1);
    let (height, width) = (dataset.height, dataset.width);
    let classes = dataset.class_names.len();
    let step = |size: usize| size * ZOOM + GAP;
    let mut sheet = RgbImage::from_pixel(
        (columns * step(width) + GAP) as u32,
        (classes * step(height) + GAP) as u32,
        PAPER,
    );
    let plane = height * width;
    let mut placed = vec![0; classes];
    for (sample, &label) in dataset.train.labels.iter().enumerate() {
        let row = usize::from(label);
        let Some(column) = placed.get_mut(row).filter(|count| **count < columns) else {
            continue;
        };
        let image = &dataset.train.images[sample * dataset.channels * plane..];
        let (left, top) = (GAP + *column * step(width), GAP + row * step(height));
        *column += 1;
        for y in 0..height * ZOOM {
            for x in 0..width * ZOOM {
                let at = y / ZOOM * width + x / ZOOM;
                let channel = |c: usize| image[c * plane + at];
                let colour = match dataset.channels {
                    3 => [channel(0), channel(1), channel(2)],
                    _ => [channel(0); 3],
                };
                sheet.put_pixel((left + x) as u32, (top + y) as u32, Rgb(colour));
            }
        }
    }
    sheet
}
