//! `augment` of a train step.

use super::fields::Fields;
use super::scalars::{NOT_NEGATIVE, boolean, choice, integer, number, wrong_type};
use crate::config::Problems;
use crate::config::{Node, Value};
use crate::spec::{Augment, Fill};

const KEYS: [&str; 7] = [
    "shift", "flip", "rotate", "scale", "shear", "cutout", "fill",
];
const FILLS: [(&str, Fill); 2] = [("zero", Fill::Zero), ("edge", Fill::Edge)];
/// The largest side of an image.
const MOST_PIXELS: u64 = 4096;

pub(super) fn read_augment(node: &Node, problems: &mut Problems) -> Option<Augment> {
    if !matches!(node.value, Value::Table(_)) {
        let expected = "\"none\" or a table such as { shift = 4, flip = true }";
        return wrong_type(node, "augment", expected, problems);
    }
    let fields = Fields::open(node, "`augment`", &KEYS, problems)?;
    if node.entries().is_empty() {
        let help = "write augment = \"none\", or for example { shift = 4, flip = true }";
        problems.at(node, "`augment` is empty", help);
        return None;
    }
    let mut pixels = |key: &'static str| match fields.get(key) {
        Some(node) => {
            let pixels = integer(node, key, 0, MOST_PIXELS, problems)?;
            u32::try_from(pixels).ok()
        }
        None => Some(0),
    };
    let (shift, cutout) = (pixels("shift"), pixels("cutout"));
    let flip = match fields.get("flip") {
        Some(node) => boolean(node, "flip", problems),
        None => Some(false),
    };
    let rotate = match fields.get("rotate") {
        Some(node) => at_most(node, "rotate", 180.0, "degrees", problems),
        None => Some(0.0),
    };
    let shear = match fields.get("shear") {
        Some(node) => at_most(
            node,
            "shear",
            2.0,
            "pixels along x per pixel of y",
            problems,
        ),
        None => Some(0.0),
    };
    let scale = match fields.get("scale") {
        Some(node) => read_scale(node, problems),
        None => Some([1.0, 1.0]),
    };
    let fill = match fields.get("fill") {
        Some(node) => choice(node, "fill", &FILLS, problems),
        None => Some(Fill::Zero),
    };
    Some(Augment {
        shift: shift?,
        flip: flip?,
        rotate: rotate?,
        scale: scale?,
        shear: shear?,
        cutout: cutout?,
        fill: fill?,
    })
}

fn at_most(node: &Node, key: &str, most: f64, unit: &str, problems: &mut Problems) -> Option<f64> {
    let value = number(node, key, &NOT_NEGATIVE, problems)?;
    if value > most {
        let help = format!("`{key}` must be in [0, {most}] {unit}, drawn to either side");
        problems.at(node, format!("`{key}` is {value}: out of range"), help);
        return None;
    }
    Some(value)
}

/// `[smallest, largest]`.
fn read_scale(node: &Node, problems: &mut Problems) -> Option<[f64; 2]> {
    let [low, high] = node.items() else {
        let expected = "[smallest, largest], such as [0.9, 1.1]";
        return wrong_type(node, "scale", expected, problems);
    };
    let (low, high) = (
        number(low, "scale", &NOT_NEGATIVE, problems),
        number(high, "scale", &NOT_NEGATIVE, problems),
    );
    let (low, high) = (low?, high?);
    if !(0.1 <= low && low <= high && high <= 10.0) {
        let help = "the smallest scale first, both in [0.1, 10]";
        let message = format!("`scale` is [{low}, {high}]: out of range");
        problems.at(node, message, help);
        return None;
    }
    Some([low, high])
}
