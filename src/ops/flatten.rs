//! Flatten: `[channel][y][x][sample]` is already `[feature][sample]`, so nothing runs.

use super::{LayerContext, Mode, Operator};
use crate::gpu::{Gpu, GpuError, Program};
use crate::spec::Shape;

pub(super) struct Flatten;

impl Operator for Flatten {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(Shape::flat(input.features()))
    }
    fn in_place(&self) -> bool {
        true
    }
    fn forward(
        &self,
        _: &Gpu,
        _: &mut Program,
        _: &LayerContext<'_>,
        _: Mode,
    ) -> Result<(), GpuError> {
        Ok(())
    }
    fn backward(&self, _: &Gpu, _: &mut Program, _: &LayerContext<'_>) -> Result<(), GpuError> {
        Ok(())
    }
}
