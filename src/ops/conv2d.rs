//! 2-D convolution (cross-correlation), square kernel, zero padding.

use super::kernels::{Names, data_kernel, onto, sparse_kernel, weight_kernel};
use super::operator::NO_BIAS;
use super::reduce::{record_bias, record_kept_partial_sum, record_partial_sum};
use super::{Mode, Operator, Parameter, Scratch, Site, WeightGrid};
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::spec::Shape;
use bytemuck::{Pod, Zeroable};

/// Uniform of the `conv_*` kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct ConvShape {
    /// Input channels.
    pub in_channels: u32,
    /// Input rows.
    pub in_height: u32,
    /// Input columns.
    pub in_width: u32,
    /// Output channels.
    pub out_channels: u32,
    /// Output rows.
    pub out_height: u32,
    /// Output columns.
    pub out_width: u32,
    /// Kernel height and width.
    pub kernel: u32,
    /// Step between windows.
    pub stride: u32,
    /// Zeros on every side.
    pub padding: u32,
    /// vec4s of samples.
    pub columns: u32,
    /// Where W starts in the flat parameters.
    pub weight_offset: u32,
    /// Where the bias starts; `u32::MAX` for none.
    pub bias_offset: u32,
    /// Floats per replica in the flat parameters.
    pub param_stride: u32,
    /// 1: the output goes through a ReLU.
    pub relu: u32,
    /// 1: the input came out of a ReLU, whose backward pass is done with the input's gradient.
    pub gate: u32,
    /// Sparse kernels: room for kept indices per replica.
    pub kept_stride: u32,
}

pub(super) struct Conv2d {
    pub(super) channels: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) bias: bool,
}

impl Conv2d {
    fn taps(&self, input: Shape) -> usize {
        input.channels * self.kernel * self.kernel
    }

    fn shape(&self, site: &Site<'_>) -> ConvShape {
        ConvShape {
            in_channels: site.input.channels as u32,
            in_height: site.input.height as u32,
            in_width: site.input.width as u32,
            out_channels: self.channels as u32,
            out_height: site.output.height as u32,
            out_width: site.output.width as u32,
            kernel: self.kernel as u32,
            stride: self.stride as u32,
            padding: self.padding as u32,
            columns: site.window.columns,
            weight_offset: site.offsets[0],
            bias_offset: site.offsets.get(1).copied().unwrap_or(NO_BIAS),
            param_stride: site.param_stride,
            relu: u32::from(site.fused.forward),
            gate: u32::from(site.fused.backward),
            kept_stride: 0,
        }
    }
}

/// Windows along one axis, or why there are none.
pub(super) fn windows(
    size: usize,
    window: usize,
    stride: usize,
    padding: usize,
) -> Result<usize, String> {
    if window == 0 || stride == 0 {
        return Err("its window and stride must be at least 1".to_owned());
    }
    if padding >= window {
        return Err(format!(
            "padding {padding} must be smaller than the window of {window}"
        ));
    }
    let padded = size + 2 * padding;
    if padded < window {
        return Err(format!(
            "a window of {window} does not fit an input of {size} with padding {padding}"
        ));
    }
    Ok((padded - window) / stride + 1)
}

impl Operator for Conv2d {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        if self.channels == 0 {
            return Err("it needs at least one output channel".to_owned());
        }
        let along = |size| windows(size, self.kernel, self.stride, self.padding);
        Ok(Shape::new(
            self.channels,
            along(input.height)?,
            along(input.width)?,
        ))
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let area = self.kernel * self.kernel;
        let shape = vec![self.channels, input.channels, self.kernel, self.kernel];
        let fans = (input.channels * area, self.channels * area);
        Parameter::weight_and_bias(shape, fans, self.bias)
    }

    fn multiply_adds(&self, input: Shape) -> u64 {
        let pixels = self.output(input).map_or(0, |o| o.plane());
        (self.taps(input) * self.channels * pixels) as u64
    }

    fn reads_whole_windows(&self) -> bool {
        self.padding == 0
    }

    fn mixes_channels(&self) -> bool {
        true
    }

    fn weight_grid(&self, input: Shape) -> Option<WeightGrid> {
        WeightGrid::new(self.channels, input.channels, self.kernel)
    }

    fn fuses_relu_forward(&self) -> bool {
        true
    }

    fn fuses_relu_backward(&self) -> bool {
        true
    }

    fn scratch(&self, input: Shape, _columns: u32) -> Scratch {
        let rows = self.output(input).map_or(0, |o| o.height);
        let outputs = (rows * self.channels) as u64;
        Scratch {
            kept: 0,
            parts: outputs * self.taps(input) as u64,
            bias_parts: if self.bias { outputs } else { 0 },
        }
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        site: &Site<'_>,
        _mode: Mode,
    ) -> Result<(), GpuError> {
        let shape = self.shape(site);
        let grid = [
            shape.out_channels,
            site.output.plane() as u32,
            shape.columns,
        ];
        if let Some(kept) = site.sparse_for(site.variants.forward) {
            let shape = ConvShape {
                kept_stride: kept.stride,
                ..shape
            };
            let (kernel, count) = sparse_kernel(
                gpu,
                site.variants.forward,
                "conv_forward_sparse",
                None,
                grid,
            )?;
            let [masks, ranks, list] = kept.rows();
            let buffers = [site.params, site.x, kept.taps, masks, ranks, list, site.y];
            return program.push(gpu, kernel, &shape, &buffers, count, site.replicas);
        }
        let names = Names {
            plain: "conv_forward",
            broadcast: "conv_forward_broadcast",
            workgroup: Some("conv_forward_workgroup"),
        };
        let (kernel, count) = data_kernel(gpu, site.variants.forward, names, grid, true)?;
        let buffers = [site.params, site.x, site.y];
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)
    }

    fn backward(&self, gpu: &Gpu, program: &mut Program, site: &Site<'_>) -> Result<(), GpuError> {
        if site.learns {
            self.backward_weight(gpu, program, site)?;
            if self.bias {
                record_bias(gpu, program, site, self.shape(site).bias_offset)?;
            }
        }
        match site.dx {
            Some(dx) => self.backward_data(gpu, program, site, dx),
            None => Ok(()),
        }
    }
}

impl Conv2d {
    fn backward_weight(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        site: &Site<'_>,
    ) -> Result<(), GpuError> {
        let shape = self.shape(site);
        let taps = self.taps(site.input) as u32;
        let weights = shape.out_channels * taps;
        let parts = shape.out_height;
        if let Some(kept) = site.sparse_for(site.variants.backward_weight) {
            let shape = ConvShape {
                kept_stride: kept.stride,
                ..shape
            };
            let kernel = gpu.kernel("conv_backward_weight_sparse", &[onto(site)])?;
            let [masks, ranks, list] = kept.rows();
            let buffers = [site.x, site.dy, kept.taps, masks, ranks, list, site.parts];
            let count = u64::from(kept.most) * u64::from(parts);
            program.push(gpu, kernel, &shape, &buffers, count, site.replicas)?;
            return record_kept_partial_sum(gpu, program, site, &kept, weights, parts);
        }
        let names = Names {
            plain: "conv_backward_weight",
            broadcast: "conv_backward_weight_broadcast",
            workgroup: None,
        };
        let grid = [parts, shape.out_channels, taps];
        let (kernel, count) = weight_kernel(gpu, site, names, grid)?;
        let buffers = [site.x, site.dy, site.parts];
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)?;
        let sums = (weights, parts, shape.weight_offset);
        record_partial_sum(gpu, program, site, site.parts, sums)
    }

    fn backward_data(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        site: &Site<'_>,
        dx: &Buffer,
    ) -> Result<(), GpuError> {
        let shape = self.shape(site);
        let grid = [shape.in_channels, site.input.plane() as u32, shape.columns];
        if let Some(kept) = site.sparse_for(site.variants.backward_data) {
            let shape = ConvShape {
                kept_stride: kept.column_stride,
                ..shape
            };
            let (kernel, count) = sparse_kernel(
                gpu,
                site.variants.backward_data,
                "conv_backward_data_sparse",
                None,
                grid,
            )?;
            let buffers = [site.params, site.dy, site.x, kept.starts, kept.entries, dx];
            return program.push(gpu, kernel, &shape, &buffers, count, site.replicas);
        }
        let names = Names {
            plain: "conv_backward_data",
            broadcast: "conv_backward_data_broadcast",
            workgroup: Some("conv_backward_data_workgroup"),
        };
        let (kernel, count) = data_kernel(gpu, site.variants.backward_data, names, grid, true)?;
        let buffers = [site.params, site.dy, site.x, dx];
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)
    }
}
