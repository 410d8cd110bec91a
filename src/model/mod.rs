//! Models: layers, presets, and the shapes and parameters that follow from them.

mod network;
pub mod presets;
mod shape;
mod spec;

pub use network::{ALIGNMENT, LayerAt, Model, ShapeError, Tensor};
pub use shape::Shape;
pub use spec::{Init, Layer, ModelSpec, NamedLayer};
