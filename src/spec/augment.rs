//! Random changes of training images, drawn anew for every sample of every step.

use serde::{Deserialize, Serialize};

/// What stands where a bent image has no pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// Byte 0, before normalising.
    Zero,
    /// The nearest pixel of the edge.
    Edge,
}

/// How training images are changed; evaluation never changes any. Each number is the largest change, drawn evenly on both
/// sides of none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Whole pixels along each axis.
    pub shift: u32,
    /// Mirror left and right, half of the time.
    pub flip: bool,
    /// Degrees.
    pub rotate: f64,
    /// Smallest and largest scale; `[1, 1]` for none.
    pub scale: [f64; 2],
    /// x per y.
    pub shear: f64,
    /// Side of a square of zeros about any pixel (DeVries and Taylor 2017, arXiv:1708.04552), in pixels; 0 for none.
    pub cutout: u32,
    /// What comes in from outside.
    pub fill: Fill,
}

impl Augment {
    /// Whether places fall between pixels.
    pub fn bends(&self) -> bool {
        self.rotate != 0.0 || self.scale != [1.0, 1.0] || self.shear != 0.0
    }
}
