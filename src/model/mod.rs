//! Models: layers, presets, and the shapes and parameters that follow from them.

mod deep;
mod fuse;
mod mask;
mod network;
pub mod presets;
mod structure;

pub use fuse::fuse;
pub use mask::Mask;
pub use network::{ALIGNMENT, LayerAt, LayerInput, Model, ShapeError, Tensor, readers};
pub use structure::{Channels, Member, Structure, UnitFloats, UnitGroup};
