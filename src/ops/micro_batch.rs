//! Windows of a batch: the samples that are on the GPU at once where a training has micro-batches.
//!
//! Gradients of weights and biases go on from window to window; the order of their sums is that of the whole batch, so no
//! bit tells how many windows there were.

/// Some of a batch's samples, in vec4s of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where in the batch it begins.
    pub first: u32,
    /// How many are in it.
    pub columns: u32,
    /// How many are in the whole batch.
    pub batch: u32,
}

impl Window {
    /// The windows of a batch of `batch` vec4s, `most` in each but perhaps the last, in order.
    pub fn all(batch: u32, most: u32) -> Vec<Self> {
        let begins = (0..batch).step_by(most.max(1) as usize);
        let window = |first: u32| Self {
            first,
            columns: most.min(batch - first),
            batch,
        };
        begins.map(window).collect()
    }

    /// Whether sums go on from those of the windows before.
    pub fn accumulates(&self) -> bool {
        self.first > 0
    }

    /// Whether sums are complete after it.
    pub fn is_last(&self) -> bool {
        self.first + self.columns == self.batch
    }
}
