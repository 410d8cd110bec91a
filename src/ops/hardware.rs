//! What hardware GPUs run: every kernel in every variant that they may choose, for those who ask a compiler what it makes of them.

use super::kernels::{HARDWARE_COLUMNS, Tiled, data_tile, sparse_tile, weight_tile};
use super::product::ProductKernels;
use super::variants::{DATA_CANDIDATES, Execution, KernelVariant, WEIGHT_CANDIDATES};
use super::{conv2d, linear};
use crate::gpu::{KERNELS, KernelSource, choices};
use std::fmt;

/// A kernel and the values of its constants.
pub struct HardwareKernel {
    /// The kernel.
    pub source: &'static KernelSource,
    /// Names and values, as [`crate::gpu::assemble`] takes them.
    pub constants: Vec<(&'static str, u32)>,
}

impl fmt::Display for HardwareKernel {
    /// `dense_forward ROWS=8 COLS=2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.name)?;
        for (name, value) in &self.constants {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

/// All of them, by kernel. Kernels that need subgroups of 8 are left out, since hardware never chooses them.
pub fn hardware_kernels() -> Vec<HardwareKernel> {
    let products = product_tiles();
    let mut all = Vec::new();
    for source in KERNELS {
        let own = products.iter().filter(|(name, _)| *name == source.name);
        let mut tiles: Vec<_> = own.map(|(_, constants)| constants.clone()).collect();
        if tiles.is_empty() && !needs_subgroups(source) {
            let walks_columns = source.source.contains("\nconst COLS: u32 =");
            let columns = walks_columns.then_some(("COLS", HARDWARE_COLUMNS));
            tiles.push(columns.into_iter().collect());
        }
        for tile in tiles {
            for constants in with_choices(tile, source) {
                all.push(HardwareKernel { source, constants });
            }
        }
    }
    all
}

/// Whether hardware never chooses it.
fn needs_subgroups(source: &KernelSource) -> bool {
    source.name.contains("_broadcast")
}

/// The tiles of the kernels of products, each once.
fn product_tiles() -> Vec<Tiled> {
    let usual = Execution::default();
    let mut tiles: Vec<Tiled> = Vec::new();
    for ProductKernels {
        forward,
        backward_data,
        backward_weight,
        ..
    } in [linear::KERNELS, conv2d::KERNELS]
    {
        for names in [forward, backward_data] {
            let chosen = with_usual(usual.data, DATA_CANDIDATES);
            tiles.extend(chosen.map(|variant| data_tile(variant, names)));
            tiles.push(sparse_tile(usual.sparse_variant, names));
        }
        let chosen = with_usual(usual.weight, WEIGHT_CANDIDATES);
        tiles.extend(chosen.map(|variant| weight_tile(variant, backward_weight)));
        tiles.push((backward_weight.sparse, Vec::new()));
    }
    tiles.sort();
    tiles.dedup();
    tiles
}

/// What runs without a measurement, and what measuring chooses from.
fn with_usual(
    usual: KernelVariant,
    candidates: &[KernelVariant],
) -> impl Iterator<Item = KernelVariant> {
    [usual].into_iter().chain(candidates.iter().copied())
}

/// These constants with each value of every other constant that the kernel lists values of.
fn with_choices(
    tile: Vec<(&'static str, u32)>,
    source: &KernelSource,
) -> Vec<Vec<(&'static str, u32)>> {
    let mut all = vec![tile];
    for (name, values) in choices(source) {
        let each = |constants: Vec<_>| {
            let with = |&value: &u32| [&constants[..], &[(name, value)]].concat();
            values.iter().map(with).collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(each).collect();
    }
    all
}
