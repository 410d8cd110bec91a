//! Random changes of training images, drawn anew for every sample of every step.

use bytemuck::{Pod, Zeroable};
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
    pub(super) fn bends(&self) -> bool {
        self.rotate != 0.0 || self.scale != [1.0, 1.0] || self.shear != 0.0
    }

    /// The uniform of `augment_draw`.
    pub(super) fn draw(&self, slots: u32, width: u32, height: u32) -> AugmentDraw {
        AugmentDraw {
            slots,
            width,
            height,
            shift: self.shift,
            flip: u32::from(self.flip),
            bend: u32::from(self.bends()),
            turn: (self.rotate / 360.0) as f32,
            low: self.scale[0] as f32,
            high: self.scale[1] as f32,
            shear: self.shear as f32,
        }
    }
}

/// How one sample is bent (`shaders/shared/warp.wgsl`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Warp {
    /// Source from place, about the centre: x from x.
    pub xx: f32,
    /// x from y.
    pub xy: f32,
    /// y from x.
    pub yx: f32,
    /// y from y.
    pub yy: f32,
    /// Pixels to the right.
    pub shift_x: f32,
    /// Pixels down.
    pub shift_y: f32,
    /// Middle of the cutout: column.
    pub cut_x: f32,
    /// Row.
    pub cut_y: f32,
}

/// Uniform of `augment_draw`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct AugmentDraw {
    /// Slots per replica.
    pub slots: u32,
    /// Columns of an image.
    pub width: u32,
    /// Rows of an image.
    pub height: u32,
    /// Largest shift in pixels.
    pub shift: u32,
    /// 1: half of the samples are mirrored.
    pub flip: u32,
    /// 0: neither turned, scaled nor sheared.
    pub bend: u32,
    /// Largest turn, 1 for all the way round.
    pub turn: f32,
    /// Smallest scale.
    pub low: f32,
    /// Largest scale.
    pub high: f32,
    /// Largest shear.
    pub shear: f32,
}

/// Uniform of `batch_gather_augmented`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct AugmentedGather {
    /// Features per sample.
    pub features: u32,
    /// Words of bytes per sample.
    pub words: u32,
    /// Columns of an image.
    pub width: u32,
    /// Rows of an image.
    pub height: u32,
    /// vec4s of samples.
    pub columns: u32,
    /// Which of the batch's the first is.
    pub first_column: u32,
    /// vec4s of samples in the whole batch.
    pub batch_columns: u32,
    /// First sample of the part that is read.
    pub first: u32,
    /// Samples in it.
    pub samples: u32,
    /// 1: the nearest edge fills.
    pub edge: u32,
    /// Side of the cutout in pixels.
    pub cutout: u32,
}
