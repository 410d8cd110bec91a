//! One image file to bytes of a fixed shape.

use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader};

use crate::spec::{ImageRule, Resize};

/// Endings of the files that are decoded, in small letters.
pub(super) const ENDINGS: [&str; 10] = [
    "png", "jpg", "jpeg", "jfif", "jpe", "webp", "bmp", "gif", "tif", "tiff",
];

/// Decodes an image file into `out`, `[channel][y][x]`: turned as its EXIF data asks, transparent pixels laid on the background. Of
/// a file with several images it is the first. The error is the reason in words.
pub(super) fn decode(path: &Path, rule: &ImageRule, out: &mut [u8]) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if bytes.starts_with(&[0xff, 0xd8]) && !has_end(&bytes) {
        return Err("the JPEG has no end: the file is truncated".to_string());
    }
    let mut decoder = ImageReader::new(std::io::Cursor::new(&bytes))
        .with_guessed_format()
        .map_err(|error| error.to_string())?
        .into_decoder()
        .map_err(|error| error.to_string())?;
    // Damaged metadata does not spoil an image.
    let turn = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    image.apply_orientation(turn);
    let image = fit(laid_on(rule.background, image), rule)?;
    let pixels = match rule.channels {
        1 => image.into_luma8().into_raw(),
        _ => image.into_rgb8().into_raw(),
    };
    let plane = rule.height * rule.width;
    for (at, pixel) in pixels.chunks_exact(rule.channels).enumerate() {
        for (channel, &value) in pixel.iter().enumerate() {
            out[channel * plane + at] = value;
        }
    }
    Ok(())
}

/// `image` without transparency: each pixel mixed with the background by its alpha, rounded to nearest.
fn laid_on(background: [u8; 3], image: DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return image;
    }
    let mut pixels = image.into_rgba8();
    for pixel in pixels.pixels_mut() {
        let [colour @ .., alpha] = &mut pixel.0;
        let alpha = u32::from(*alpha);
        for (own, under) in colour.iter_mut().zip(background) {
            let mixed = u32::from(*own) * alpha + u32::from(under) * (255 - alpha);
            *own = ((mixed + 127) / 255) as u8;
        }
    }
    DynamicImage::ImageRgba8(pixels).into_rgb8().into()
}

/// Pixels that scaling may pass through: a long thin image fills a square only when it is very long.
const MOST_PIXELS: u64 = 1 << 27;

fn fit(image: DynamicImage, rule: &ImageRule) -> Result<DynamicImage, String> {
    let (from_width, from_height) = (u64::from(image.width()), u64::from(image.height()));
    let (width, height) = (rule.width as u64, rule.height as u64);
    let (wide, tall) = match rule.resize {
        Resize::Stretch => (width, height),
        // Whole numbers only, rounded to nearest.
        Resize::Crop if width * from_height >= height * from_width => {
            let tall = (from_height * width + from_width / 2) / from_width;
            (width, tall.max(height))
        }
        Resize::Crop => {
            let wide = (from_width * height + from_height / 2) / from_height;
            (wide.max(width), height)
        }
    };
    if from_width.max(wide) * tall > MOST_PIXELS {
        return Err(format!(
            "its {from_width}x{from_height} pixels are too many, or too long and thin, to become {width}x{height}"
        ));
    }
    let scaled = if (wide, tall) == (from_width, from_height) {
        image
    } else {
        image.resize_exact(wide as u32, tall as u32, FilterType::Triangle)
    };
    let (left, top) = ((wide - width) / 2, (tall - height) / 2);
    Ok(scaled.crop_imm(
        left as u32,
        top as u32,
        rule.width as u32,
        rule.height as u32,
    ))
}

/// Whether a JPEG's scan is followed by an end marker; decoders fill what is missing with grey and say nothing.
fn has_end(bytes: &[u8]) -> bool {
    // Segments: 0xff, the kind, then a length that counts itself. Kind 0xda starts the scan, in which no 0xff 0xd9 occurs.
    let mut at = 2;
    while let Some(&[0xff, kind, high, low]) = bytes.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if kind == 0xda {
            return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        // A fill byte is no segment.
        at += if kind == 0xff { 1 } else { 2 + length };
    }
    false
}
