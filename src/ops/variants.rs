//! Variants of the product kernels: register tiles, the broadcast variant of software adapters, and sparse execution. They
//! change speed only: no sum depends on them.

use crate::gpu::{AdapterDescription, AdapterKind};
use std::fmt;
use std::str::FromStr;

/// How one pass of a layer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelVariant {
    /// Register tiles: outputs x vec4s of samples per invocation, or outputs x inputs in backward-weight.
    Tile(u32, u32),
    /// The `*_broadcast` kernels, whose tiles are fixed; needs subgroups of 8. Where a shape does not suit them, the register
    /// tiles run.
    Broadcast,
    /// The `*_workgroup` kernels: tiles through workgroup memory, ROWS x COLS per invocation as in [`KernelVariant::Tile`] and 16 x 16
    /// invocations in a workgroup; ROWS of forward and backward-data a multiple of 4.
    Workgroup(u32, u32),
    /// The `*_parts` kernels, which work on the parts of long sums side by side; other sums run in register tiles.
    Parts,
    /// The kept weights alone, this many vec4s of samples per invocation: the more, the fewer times an entry and its weight are
    /// loaded; the fewer, the more invocations there are to hide a hardware GPU's latency. Backward-weight takes no tile.
    Sparse(u32),
    /// The same by the `*_sparse_broadcast` kernels, which need subgroups of 8.
    SparseBroadcast(u32),
}

/// How the passes of one layer run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variants {
    /// The forward pass.
    pub forward: KernelVariant,
    /// The gradient of the input.
    pub backward_data: KernelVariant,
    /// The gradient of the weights.
    pub backward_weight: KernelVariant,
}

/// A pass of a layer that is a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductPass {
    /// The output.
    Forward,
    /// The gradient of the input.
    BackwardData,
    /// The gradient of the weights, and the sums that complete it.
    BackwardWeight,
}

impl ProductPass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Forward, Self::BackwardData, Self::BackwardWeight];

    /// `forward`, `backward-data` or `backward-weight`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::BackwardData => "backward-data",
            Self::BackwardWeight => "backward-weight",
        }
    }

    /// How the pass runs.
    pub fn of(self, variants: &mut Variants) -> &mut KernelVariant {
        match self {
            Self::Forward => &mut variants.forward,
            Self::BackwardData => &mut variants.backward_data,
            Self::BackwardWeight => &mut variants.backward_weight,
        }
    }
}

/// What hardware GPUs choose the dense variants of forward and backward-data from.
pub const DATA_CANDIDATES: &[KernelVariant] = &[
    KernelVariant::Tile(8, 2),
    KernelVariant::Tile(16, 1),
    KernelVariant::Tile(8, 1),
    KernelVariant::Tile(4, 2),
    KernelVariant::Tile(4, 1),
    KernelVariant::Workgroup(8, 2),
    KernelVariant::Workgroup(8, 1),
    KernelVariant::Workgroup(4, 2),
    KernelVariant::Workgroup(4, 1),
    KernelVariant::Parts,
];
/// Likewise of backward-weight.
pub const WEIGHT_CANDIDATES: &[KernelVariant] = &[
    KernelVariant::Tile(4, 4),
    KernelVariant::Tile(2, 4),
    KernelVariant::Tile(4, 2),
    KernelVariant::Tile(2, 2),
    KernelVariant::Workgroup(8, 8),
    KernelVariant::Workgroup(4, 4),
    KernelVariant::Workgroup(2, 2),
];

impl KernelVariant {
    /// What to measure on an adapter of this kind where this variant is the usual one. Hardware GPUs differ in how large a tile pays,
    /// and whether workgroup memory does; on software adapters the usual one has won on most drivers, but not on all, beside the
    /// first of `hardware`.
    pub fn candidates(self, kind: AdapterKind, hardware: &[Self]) -> Vec<Self> {
        if kind != AdapterKind::Software {
            return hardware.to_vec();
        }
        let mut all = vec![self];
        all.extend(hardware.first().filter(|&&tile| tile != self));
        all
    }

    /// Whether it needs the lists of kept weights.
    pub fn is_sparse(self) -> bool {
        matches!(self, Self::Sparse(_) | Self::SparseBroadcast(_))
    }
}

impl fmt::Display for KernelVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile(rows, columns) => write!(f, "tile {rows}x{columns}"),
            Self::Broadcast => f.write_str("broadcast"),
            Self::Parts => f.write_str("parts"),
            Self::Workgroup(rows, columns) => write!(f, "workgroup {rows}x{columns}"),
            Self::Sparse(columns) => write!(f, "sparse {columns}"),
            Self::SparseBroadcast(columns) => write!(f, "sparse-broadcast {columns}"),
        }
    }
}

impl FromStr for KernelVariant {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "broadcast" => return Ok(Self::Broadcast),
            "parts" => return Ok(Self::Parts),
            _ => {}
        }
        let (kind, size) = text.split_once(' ').ok_or(())?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| (1..=64).contains(n));
        let pair = || {
            let (rows, columns) = size.split_once('x')?;
            number(rows).zip(number(columns))
        };
        match kind {
            "tile" => pair().map(|(r, c)| Self::Tile(r, c)).ok_or(()),
            "workgroup" => pair().map(|(r, c)| Self::Workgroup(r, c)).ok_or(()),
            "sparse" => number(size).map(Self::Sparse).ok_or(()),
            "sparse-broadcast" => number(size).map(Self::SparseBroadcast).ok_or(()),
            _ => Err(()),
        }
    }
}

/// Which passes of masked layers run on the kept weights alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SparseRule {
    /// Where it is faster.
    #[default]
    Auto,
    /// Nowhere.
    Never,
    /// Everywhere.
    Always,
}

/// What the variants of all layers are chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Dense forward and backward-data.
    pub data: KernelVariant,
    /// Dense backward-weight.
    pub weight: KernelVariant,
    /// Passes on the kept weights alone.
    pub sparse_variant: KernelVariant,
    /// Which passes run sparse.
    pub sparse: SparseRule,
}

/// The register tiles that run where nothing better is known, and where a shape does not suit the broadcast kernels.
pub(super) const DATA_TILE: (u32, u32) = (8, 2);
pub(super) const WEIGHT_TILE: (u32, u32) = (4, 4);

impl Default for Execution {
    fn default() -> Self {
        Self {
            // Half the accumulators of DATA_TILE: NVIDIA's compiler keeps twice as many in memory (docs/performance.md).
            data: KernelVariant::Tile(4, 2),
            weight: KernelVariant::Tile(WEIGHT_TILE.0, WEIGHT_TILE.1),
            sparse_variant: KernelVariant::Sparse(1),
            sparse: SparseRule::Auto,
        }
    }
}

impl Execution {
    /// The usual for an adapter: broadcast on software adapters with subgroups of 8 (lavapipe), where a load costs some
    /// 30 cycles and a broadcast one or two; register tiles elsewhere.
    pub fn for_adapter(adapter: &AdapterDescription) -> Self {
        if adapter.kind != AdapterKind::Software {
            return Self::default();
        }
        if adapter.subgroup != Some(8) {
            return Self {
                sparse_variant: KernelVariant::Sparse(4),
                ..Self::default()
            };
        }
        Self {
            data: KernelVariant::Broadcast,
            weight: KernelVariant::Broadcast,
            sparse_variant: KernelVariant::SparseBroadcast(4),
            sparse: SparseRule::Auto,
        }
    }

    /// All passes dense.
    pub fn dense(&self) -> Variants {
        Variants {
            forward: self.data,
            backward_data: self.data,
            backward_weight: self.weight,
        }
    }
}
