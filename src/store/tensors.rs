//! Where each parameter tensor lies in the flat buffer of one replica.

/// One parameter tensor of a model within the flat, padded buffer of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Unique name, e.g. `fc1.weight`.
    pub name: String,
    /// True shape, outermost first; the product is the number of elements.
    pub shape: Vec<usize>,
    /// First element in the flat buffer.
    pub offset: usize,
    /// Whether masks cover it.
    pub prunable: bool,
}

impl TensorInfo {
    /// Number of elements, padding excluded.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// One past the last element in the flat buffer.
    pub fn end(&self) -> usize {
        self.offset + self.elements()
    }
}

/// Smallest flat length that holds every tensor.
pub(crate) fn flat_length(tensors: &[TensorInfo]) -> usize {
    tensors.iter().map(TensorInfo::end).max().unwrap_or(0)
}

/// Whether bit `index` of packed mask words is set. A word that is not there counts as ones: no mask covers it.
pub(crate) fn bit(mask: &[u32], index: usize) -> bool {
    mask.get(index / 32)
        .is_none_or(|word| word >> (index % 32) & 1 == 1)
}

/// One byte (0 or 1) per weight of a tensor.
pub(crate) fn mask_bytes(tensor: &TensorInfo, mask: &[u32]) -> Vec<u8> {
    (tensor.offset..tensor.end())
        .map(|index| u8::from(bit(mask, index)))
        .collect()
}

/// Clears the bits of a tensor's pruned weights.
pub(crate) fn clear_pruned(
    tensor: &TensorInfo,
    kept: impl Iterator<Item = bool>,
    mask: &mut [u32],
) {
    for (index, kept) in (tensor.offset..).zip(kept) {
        if !kept {
            mask[index / 32] &= !(1 << (index % 32));
        }
    }
}
