//! The branches that layers with kinks took in a pass, for another pass that takes the same.

use crate::gpu::Buffer;

/// Outputs of the layers whose signs tell it, as the pass left them.
pub(super) struct HeldBranches {
    outputs: Vec<Option<Buffer>>,
}

impl HeldBranches {
    pub(super) fn new(outputs: Vec<Option<Buffer>>) -> Self {
        Self { outputs }
    }

    /// That of layer `i`.
    pub(super) fn output(&self, i: usize) -> Option<&Buffer> {
        self.outputs[i].as_ref()
    }
}
