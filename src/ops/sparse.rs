//! Sparse execution: what a layer needs to run on its kept weights alone, and the structs of those kernels.
//!
//! A layer's sparse kernels add the same products in the same order as its dense ones; pruned weights would add 0. So a
//! layer may run either way, forward and backward apart, and no bit tells which.

use crate::gpu::{Buffer, shader_struct};

shader_struct! {
    /// Uniform of `prefix_sum`.
    pub struct PrefixShape {
        /// Counts per replica.
        pub count: u32,
    }
}

shader_struct! {
    /// Uniform of `column_count` and `column_fill`.
    pub struct ColumnsShape {
        /// Input features, or channels.
        pub inputs: u32,
        /// Output features, or channels.
        pub outputs: u32,
        /// Kernel height and width; 1 for a linear layer.
        pub kernel: u32,
        /// Where W starts in the flat parameters.
        pub weight_offset: u32,
        /// Mask words per replica.
        pub mask_words: u32,
        /// Entries per replica.
        pub stride: u32,
    }
}

shader_struct! {
    /// Uniform of `gradient_mask`.
    pub struct TensorShape {
        /// Quad of the tensor's first value.
        pub first: u32,
        /// Quads of the tensor.
        pub count: u32,
        /// Quads per replica.
        pub quads: u32,
        /// Mask words per replica.
        pub mask_words: u32,
    }
}

/// A weight tensor as sparse kernels see it: `W[output][input][ky][kx]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightGrid {
    /// Output features, or channels.
    pub outputs: u32,
    /// Input features, or channels.
    pub inputs: u32,
    /// Kernel height and width; 1 for a linear layer.
    pub kernel: u32,
}

/// Largest kernel and channel number that an entry of the sparse lists can hold (`shaders/shared/columns.wgsl`).
const MOST_KERNEL: u32 = 32;
const MOST_CHANNELS: u32 = 1 << 22;

impl WeightGrid {
    /// The grid, unless it is too large for the lists.
    pub(super) fn new(outputs: usize, inputs: usize, kernel: usize) -> Option<Self> {
        let grid = Self {
            outputs: u32::try_from(outputs).ok()?,
            inputs: u32::try_from(inputs).ok()?,
            kernel: u32::try_from(kernel).ok()?,
        };
        let fits = grid.kernel <= MOST_KERNEL
            && grid.outputs < MOST_CHANNELS
            && grid.inputs < MOST_CHANNELS;
        fits.then_some(grid)
    }

    /// Number of weights.
    pub fn weights(&self) -> u32 {
        self.outputs * self.inputs * self.kernel * self.kernel
    }

    /// (input << 10) + (ky << 5) + kx of each weight of one output, as convolutions read it.
    pub fn taps(&self) -> Vec<u32> {
        let mut taps = Vec::new();
        for c in 0..self.inputs {
            for ky in 0..self.kernel {
                for kx in 0..self.kernel {
                    taps.push((c << 10) | (ky << 5) | kx);
                }
            }
        }
        taps
    }
}

/// Where a layer's kept weights stand.
#[derive(Clone, Copy)]
pub struct KeptLists<'a> {
    /// Bit masks, `[replica][word]`.
    pub masks: &'a Buffer,
    /// Kept floats before each mask word, `[replica][words + 1]`.
    pub ranks: &'a Buffer,
    /// Flat indices of kept floats, ascending, `[replica][stride]`.
    pub list: &'a Buffer,
    /// Room for kept indices per replica.
    pub stride: u32,
    /// The most kept weights of this layer in any replica.
    pub most: u32,
    /// Kept weights of this layer in all of them.
    pub total: u64,
    /// [`WeightGrid::taps`].
    pub taps: &'a Buffer,
    /// By input (CSC), where backward-data may run sparse: starts `[replica][inputs + 1]`, entries `[replica][column_stride]`.
    pub starts: &'a Buffer,
    /// See `starts`.
    pub entries: &'a Buffer,
    /// Entries per replica.
    pub column_stride: u32,
}

impl<'a> KeptLists<'a> {
    /// What kernels that go by rows bind: masks, ranks, list.
    pub(super) fn rows(&self) -> [&'a Buffer; 3] {
        [self.masks, self.ranks, self.list]
    }
}
