//! How training images are changed.

use crate::config::{
    Form, Interval, NOT_NEGATIVE, Node, Reader, Real, ValueShape, Whole, table, words,
};
use serde::{Deserialize, Serialize};

/// The largest side of an image.
const PIXELS: Whole = Whole(0, 4096);
static DEGREES: Interval = Interval::up_to(180.0, "in [0, 180] degrees, drawn to either side");
static SHEARS: Interval = Interval::up_to(
    2.0,
    "in [0, 2] pixels along x per pixel of y, drawn to either side",
);
/// The smallest and the largest scale.
const SCALES: [f64; 2] = [0.1, 10.0];

words! {
    /// What stands where a warped image has no pixel.
    pub enum Fill {
        /// byte 0, before normalising
        Zero = "zero";
        /// the nearest pixel of the edge
        Edge = "edge";
    }
}

table! {
    /// How training images are changed; evaluation never changes any. Each number is the largest change, drawn evenly on both
    /// sides of none.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Augment as "`augment`" like "{ shift = 4, flip = true }" {
        /// is moved by up to so many whole pixels along each axis; `shift = 4` is PyTorch's `RandomCrop` with `padding=4`
        pub shift: u32 = 0 => PIXELS;
        /// is mirrored, left and right, half of the time
        pub flip: bool = false;
        /// is turned by up to so many degrees, either way
        pub rotate: f64 = 0.0 => Real(&DEGREES);
        /// `[smallest, largest]`: is scaled, 0.1 to 10
        pub scale: [f64; 2] = [1.0, 1.0] => Scale;
        /// is sheared by up to so many pixels of x per pixel of y, either way
        pub shear: f64 = 0.0 => Real(&SHEARS);
        /// loses a square of so many pixels about any of its pixels (DeVries and Taylor 2017, arXiv:1708.04552): 0 after normalising,
        /// which is the mean
        pub cutout: u32 = 0 => PIXELS;
        /// what comes in from outside
        pub fill: Fill = Fill::Zero;
    }
    then |augment, table| {
        if table.node.entries().is_empty() {
            let help = "write augment = \"none\", or for example { shift = 4, flip = true }";
            table.at(table.node, "`augment` is empty", help);
            return None;
        }
        Some(augment)
    };
}

/// `[smallest, largest]`.
struct Scale;

impl Form<[f64; 2]> for Scale {
    fn shape(&self) -> ValueShape {
        ValueShape::List(Box::new(Form::<f64>::shape(&Real(&NOT_NEGATIVE))), 2)
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<[f64; 2]> {
        let [low, high] = node.items() else {
            reader.wrong_type(node, key, "[smallest, largest], such as [0.9, 1.1]");
            return None;
        };
        let (low, high) = (
            Real(&NOT_NEGATIVE).read(low, key, reader),
            Real(&NOT_NEGATIVE).read(high, key, reader),
        );
        let (low, high) = (low?, high?);
        let [least, most] = SCALES;
        if !(least <= low && low <= high && high <= most) {
            let help = format!("the smallest scale first, both in [{least}, {most}]");
            let message = format!("`{key}` is [{low}, {high}]: out of range");
            reader.at(node, message, help);
            return None;
        }
        Some([low, high])
    }
    fn show(&self, [low, high]: &[f64; 2]) -> String {
        format!("[{low}, {high}]")
    }
}

impl Augment {
    /// Whether places fall between pixels.
    pub fn resamples(&self) -> bool {
        self.rotate != 0.0 || self.scale != [1.0, 1.0] || self.shear != 0.0
    }
}
