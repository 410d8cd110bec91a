//! The structs that the training kernels share with the host.

use crate::gpu::shader_struct;
use bytemuck::{Pod, Zeroable};

shader_struct! {
    /// Where a replica stands in its training (`shaders/shared/state.wgsl`).
    #[derive(Default, PartialEq)]
    pub struct State {
        /// Optimizer steps done.
        pub step: u32,
        /// Passes finished.
        pub epoch: u32,
        /// Samples of this pass already used.
        pub position: u32,
        /// Samples in the current batch.
        pub count: u32,
        /// Learning rate of the current step.
        pub lr: f32,
        /// Factor that clips the current gradient.
        pub clip: f32,
        /// 1 - beta1 ^ (step + 1).
        pub correction1: f32,
        /// 1 - beta2 ^ (step + 1).
        pub correction2: f32,
        /// Sum of sample losses since the host last cleared it.
        pub loss_sum: f32,
        /// Samples classified right, likewise.
        pub correct: u32,
        /// Samples counted, likewise.
        pub seen: u32,
        /// Steps whose loss was not finite.
        pub broken: u32,
    }
}

shader_struct! {
    /// A replica's hyper-parameters (`shaders/shared/hyper.wgsl`).
    #[derive(Default, PartialEq)]
    pub struct Hyper {
        /// Base learning rate.
        pub lr: f32,
        /// SGD: momentum; Adam: beta1; Adadelta: rho.
        pub momentum: f32,
        /// Adam's beta2.
        pub beta2: f32,
        /// Adam's and Adadelta's eps.
        pub eps: f32,
        /// Weight decay.
        pub weight_decay: f32,
        /// Largest global gradient norm; 0 for no clipping.
        pub clip_norm: f32,
        /// SGD: 1 looks ahead.
        pub nesterov: u32,
        /// Adam: 1 makes it AdamW.
        pub decoupled: u32,
        /// 1 - momentum, of the numbers before they were rounded to f32.
        pub rest1: f32,
        /// 1 - beta2, likewise.
        pub rest2: f32,
        /// Where Adam's bias corrections start among the factors, in pairs.
        pub first_correction: u32,
        /// How many pairs; the last holds from there on. 0: none.
        pub corrections: u32,
    }
}

shader_struct! {
    /// Uniform of the kernels that walk all parameters (`shaders/shared/params.wgsl`).
    pub struct ParamsShape {
        /// vec4s per replica.
        pub quads: u32,
        /// Mask words per replica.
        pub mask_words: u32,
        /// Room for kept indices per replica, where they are listed.
        pub kept_stride: u32,
        /// Where the flags of parameters start in the buffer that an optimizer binds as masks, behind masks or list.
        pub flags: u32,
    }
}

shader_struct! {
    /// Uniform of `batch_draw`.
    pub struct Draw {
        /// Samples in the dataset's split.
        pub total: u32,
        /// First position of ours in the seed's permutation of them.
        pub base: u32,
        /// How many are ours.
        pub samples: u32,
        /// 0 training, 1 validation, 2 test.
        pub mode: u32,
        /// Batch rounded up to a multiple of 4.
        pub slots: u32,
        /// 1: the split is in class-balanced order.
        pub balanced: u32,
    }
}

shader_struct! {
    /// Uniform of `batch_gather`.
    pub struct Gather {
        /// Features per sample.
        pub features: u32,
        /// Words of bytes per sample.
        pub words: u32,
        /// Features per channel.
        pub plane: u32,
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
    }
}

shader_struct! {
    /// Uniform of `step_advance`.
    pub struct Advance {
        /// Samples per pass.
        pub samples: u32,
        /// Samples per batch.
        pub batch: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Entries of the factor table; 0 in evaluation.
        pub steps: u32,
    }
}

shader_struct! {
    /// Uniform of `params_init`.
    pub struct InitShape {
        /// Where the tensor starts in the flat parameters.
        pub offset: u32,
        /// Its values.
        pub count: u32,
        /// 0 constant, 1 uniform, 2 normal.
        pub kind: u32,
        /// Its number, which keys its random stream.
        pub tensor: u32,
        /// The constant, the half-width, or the standard deviation.
        pub scale: f32,
        /// Floats per replica in the flat parameters.
        pub param_stride: u32,
    }
}

/// What a replica's random numbers are keyed by: the seed, and how often its history drew fresh weights, trained, and selected.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct RandomKey {
    /// The run's seed.
    pub seed: u32,
    /// Fresh restarts so far.
    pub fresh: u32,
    /// Trainings before this one.
    pub train: u32,
    /// Steps before this one (keys random selection and mask shuffles).
    pub select: u32,
}
