//! What the kernels read that change training images: see [`Augment`].

use crate::gpu::shader_struct;
use crate::spec::Augment;

shader_struct! {
    /// How one sample is warped (`shaders/shared/warp.wgsl`).
    #[derive(Default, PartialEq)]
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
}

shader_struct! {
    /// Uniform of `augment_draw`.
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
        pub resample: u32,
        /// Largest turn, 1 for all the way round.
        pub turn: f32,
        /// Smallest scale.
        pub low: f32,
        /// Largest scale.
        pub high: f32,
        /// Largest shear.
        pub shear: f32,
    }
}

impl AugmentDraw {
    /// For `slots` images per replica, each of `width` by `height` pixels.
    pub(super) fn new(augment: &Augment, slots: u32, width: u32, height: u32) -> Self {
        Self {
            slots,
            width,
            height,
            shift: augment.shift,
            flip: u32::from(augment.flip),
            resample: u32::from(augment.resamples()),
            turn: (augment.rotate / 360.0) as f32,
            low: augment.scale[0] as f32,
            high: augment.scale[1] as f32,
            shear: augment.shear as f32,
        }
    }
}

shader_struct! {
    /// Uniform of `batch_gather_augmented`.
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
}
