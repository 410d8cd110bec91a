//! Models: layers, presets, and the shapes and parameters that follow from them.

mod deep;
pub mod mask;
mod network;
pub mod presets;
mod shape;
mod spec;
mod structure;

pub use network::{ALIGNMENT, LayerAt, Model, ShapeError, Source, Tensor, readers};
pub use shape::Shape;
pub use spec::{INPUT, Init, Layer, ModelSpec, NamedLayer};
pub use structure::{Channels, Member, Run, Structure, UnitGroup};
