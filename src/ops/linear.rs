//! Fully connected layer: `Y[o][b] = bias[o] + sum_i W[o][i] X[i][b]`.

use super::kernels::{Names, data_kernel, onto, sparse_kernel, weight_kernel};
use super::operator::NO_BIAS;
use super::reduce::record_bias;
use super::{Mode, Operator, Parameter, Site, Variant, WeightGrid};
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::spec::Shape;
use bytemuck::{Pod, Zeroable};

/// Uniform of the `dense_*` kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct DenseShape {
    /// Inputs.
    pub inputs: u32,
    /// Outputs.
    pub outputs: u32,
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

pub(super) struct Linear {
    pub(super) features: usize,
    pub(super) bias: bool,
}

impl Linear {
    fn shape(&self, site: &Site<'_>) -> DenseShape {
        DenseShape {
            inputs: site.input.features() as u32,
            outputs: self.features as u32,
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

/// Records the dense forward pass: `[flat parameters, X, Y]` of `replicas`, see [`DenseShape`].
///
/// # Errors
/// The device refused a kernel or a buffer.
pub fn record_product(
    gpu: &Gpu,
    program: &mut Program,
    variant: Variant,
    shape: &DenseShape,
    buffers: [&Buffer; 3],
    replicas: u32,
) -> Result<(), GpuError> {
    let names = Names {
        plain: "dense_forward",
        broadcast: "dense_forward_broadcast",
        workgroup: Some("dense_forward_workgroup"),
    };
    // The broadcast variant reads weights four at a time.
    let suits = shape.inputs.is_multiple_of(4);
    let grid = [shape.outputs, 1, shape.columns];
    let (kernel, count) = data_kernel(gpu, variant, names, grid, suits)?;
    program.push(gpu, kernel, shape, &buffers, count, replicas)
}

impl Operator for Linear {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        if self.features == 0 || input.features() == 0 {
            return Err("a linear layer needs at least one input and one output".to_owned());
        }
        Ok(Shape::flat(self.features))
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let fans = (input.features(), self.features);
        Parameter::weight_and_bias(vec![fans.1, fans.0], fans, self.bias)
    }

    fn multiply_adds(&self, input: Shape) -> u64 {
        (input.features() * self.features) as u64
    }

    fn mixes_channels(&self) -> bool {
        true
    }

    fn weight_grid(&self, input: Shape) -> Option<WeightGrid> {
        WeightGrid::new(self.features, input.features(), 1)
    }

    fn fuses_relu_forward(&self) -> bool {
        true
    }

    fn fuses_relu_backward(&self) -> bool {
        true
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        site: &Site<'_>,
        _mode: Mode,
    ) -> Result<(), GpuError> {
        let shape = self.shape(site);
        let grid = [shape.outputs, 1, shape.columns];
        if let Some(kept) = site.sparse_for(site.variants.forward) {
            let shape = DenseShape {
                kept_stride: kept.stride,
                ..shape
            };
            let (kernel, count) = sparse_kernel(
                gpu,
                site.variants.forward,
                "dense_forward_sparse",
                Some("dense_forward_sparse_broadcast"),
                grid,
            )?;
            let [masks, ranks, list] = kept.rows();
            let buffers = [site.params, site.x, masks, ranks, list, site.y];
            return program.push(gpu, kernel, &shape, &buffers, count, site.replicas);
        }
        let buffers = [site.params, site.x, site.y];
        record_product(
            gpu,
            program,
            site.variants.forward,
            &shape,
            buffers,
            site.replicas,
        )
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

impl Linear {
    fn backward_weight(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        site: &Site<'_>,
    ) -> Result<(), GpuError> {
        let shape = self.shape(site);
        if let Some(kept) = site.sparse_for(site.variants.backward_weight) {
            let shape = DenseShape {
                kept_stride: kept.stride,
                ..shape
            };
            let broadcast = matches!(site.variants.backward_weight, Variant::SparseBroadcast(_));
            let (name, count) = if broadcast {
                let lanes = u64::from(shape.outputs) * 8;
                ("dense_backward_weight_sparse_broadcast", lanes)
            } else {
                ("dense_backward_weight_sparse", u64::from(kept.most))
            };
            let kernel = gpu.kernel(name, &[onto(site)])?;
            let [masks, ranks, list] = kept.rows();
            let buffers = [site.x, site.dy, masks, ranks, list, site.grads];
            return program.push(gpu, kernel, &shape, &buffers, count, site.replicas);
        }
        let names = Names {
            plain: "dense_backward_weight",
            broadcast: "dense_backward_weight_broadcast",
            workgroup: Some("dense_backward_weight_workgroup"),
        };
        let grid = [1, shape.outputs, shape.inputs];
        let (kernel, count) = weight_kernel(gpu, site, names, grid)?;
        let buffers = [site.x, site.dy, site.grads];
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)
    }

    fn backward_data(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        site: &Site<'_>,
        dx: &Buffer,
    ) -> Result<(), GpuError> {
        let shape = self.shape(site);
        let grid = [shape.inputs, 1, shape.columns];
        if let Some(kept) = site.sparse_for(site.variants.backward_data) {
            let shape = DenseShape {
                kept_stride: kept.column_stride,
                ..shape
            };
            let (kernel, count) = sparse_kernel(
                gpu,
                site.variants.backward_data,
                "dense_backward_data_sparse",
                Some("dense_backward_data_sparse_broadcast"),
                grid,
            )?;
            let buffers = [site.params, site.dy, site.x, kept.starts, kept.entries, dx];
            return program.push(gpu, kernel, &shape, &buffers, count, site.replicas);
        }
        let names = Names {
            plain: "dense_backward_data",
            broadcast: "dense_backward_data_broadcast",
            workgroup: Some("dense_backward_data_workgroup"),
        };
        let (kernel, count) = data_kernel(gpu, site.variants.backward_data, names, grid, true)?;
        let buffers = [site.params, site.dy, site.x, dx];
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)
    }
}
