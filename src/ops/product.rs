//! Layers that multiply what they read by a weight tensor: their three passes, from one description.

use super::kernels::{Broadcast, Names, accumulate, data_kernel, sparse_kernel, weight_kernel};
use super::operator::LayerContext;
use super::reduce::{Parts, record_partial_sum};
use super::sparse::KeptLists;
use super::variants::{KernelVariant, ProductPass};
use crate::gpu::{Buffer, Gpu, GpuError, Kernel, Program, ShaderStruct};

/// The kernels of the three passes.
pub(super) struct ProductKernels {
    pub(super) forward: Names,
    pub(super) backward_data: Names,
    pub(super) backward_weight: Names,
    /// The broadcast variant of the last, which suits every shape.
    pub(super) backward_weight_broadcast: &'static str,
}

/// A layer kind that is a product, where it stands.
pub(super) struct Product<U> {
    pub(super) kernels: &'static ProductKernels,
    /// The uniform of all of them.
    pub(super) shape: U,
    /// The same with room for so many kept indices per replica, for the sparse kernels.
    pub(super) with_kept: fn(U, u32) -> U,
    /// Output features, or channels.
    pub(super) outputs: u32,
    /// Input features, or channels.
    pub(super) inputs: u32,
    /// Pixels of a channel: of the output, and of the input; 1 of flat features.
    pub(super) pixels: [u32; 2],
    /// Weights of one output.
    pub(super) taps: u32,
    /// Parts that weight gradients are summed in, one for each row of outputs; `None` where there is one sum.
    pub(super) parts: Option<u32>,
    /// Whether sparse kernels look up which tap a weight is.
    pub(super) reads_taps: bool,
    /// The broadcast variants of the forward pass and of backward-data, where they suit the shape.
    pub(super) broadcast: [Option<Broadcast>; 2],
    /// Constants that the shape asks for in the forward pass.
    pub(super) forward_constants: Vec<(&'static str, u32)>,
    /// Where the bias starts, if there is one.
    pub(super) bias: Option<u32>,
}

impl<U: ShaderStruct> Product<U> {
    /// Records one pass.
    pub(super) fn record(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        pass: ProductPass,
    ) -> Result<(), GpuError> {
        match (pass, context.dx) {
            (ProductPass::Forward, _) => self.forward(gpu, program, context),
            (ProductPass::BackwardData, Some(dx)) => self.backward_data(gpu, program, context, dx),
            (ProductPass::BackwardData, None) => Ok(()),
            (ProductPass::BackwardWeight, _) => self.backward_weight(gpu, program, context),
        }
    }

    /// Records the gradients that are wanted.
    pub(super) fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        if context.learns {
            self.record(gpu, program, context, ProductPass::BackwardWeight)?;
        }
        self.record(gpu, program, context, ProductPass::BackwardData)
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        let (variant, names) = (context.variants.forward, self.kernels.forward);
        let grid = [self.outputs, self.pixels[0], context.window.columns];
        if let Some(kept) = context.sparse_for(variant) {
            let (kernel, count) =
                sparse_kernel(gpu, variant, names, grid, &self.forward_constants)?;
            let mut buffers = vec![context.params, context.x];
            buffers.extend(self.lists(&kept));
            buffers.push(context.y);
            let shape = (self.with_kept)(self.shape, kept.stride);
            program.multiplies(self.multiply_adds(context, Some(&kept)));
            return program.push(gpu, kernel, &shape, &buffers, count, context.replicas);
        }
        let (kernel, count) = data_kernel(
            gpu,
            variant,
            names,
            grid,
            self.broadcast[0].as_ref(),
            &self.forward_constants,
        )?;
        let buffers = [context.params, context.x, context.y];
        program.multiplies(self.multiply_adds(context, None));
        program.push(gpu, kernel, &self.shape, &buffers, count, context.replicas)
    }

    fn backward_data(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        dx: &Buffer,
    ) -> Result<(), GpuError> {
        let (variant, names) = (context.variants.backward_data, self.kernels.backward_data);
        let grid = [self.inputs, self.pixels[1], context.window.columns];
        if let Some(kept) = context.sparse_for(variant) {
            let (kernel, count) = sparse_kernel(gpu, variant, names, grid, &[])?;
            let buffers = [
                context.params,
                context.dy,
                context.x,
                kept.starts,
                kept.entries,
                dx,
            ];
            let shape = (self.with_kept)(self.shape, kept.column_stride);
            program.multiplies(self.multiply_adds(context, Some(&kept)));
            return program.push(gpu, kernel, &shape, &buffers, count, context.replicas);
        }
        let (kernel, count) =
            data_kernel(gpu, variant, names, grid, self.broadcast[1].as_ref(), &[])?;
        let buffers = [context.params, context.dy, context.x, dx];
        program.multiplies(self.multiply_adds(context, None));
        program.push(gpu, kernel, &self.shape, &buffers, count, context.replicas)
    }

    /// The gradients of the weights and of the biases.
    fn backward_weight(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        let (variant, names) = (
            context.variants.backward_weight,
            self.kernels.backward_weight,
        );
        let parts = self.parts.unwrap_or(1);
        let sums = self.parts.map(|parts| Parts {
            weights: self.outputs * self.taps,
            parts,
            bias: self.bias,
        });
        let to = if self.parts.is_some() {
            context.parts
        } else {
            context.grads
        };
        if let Some(kept) = context.sparse_for(variant) {
            let (name, count) = match variant {
                // A subgroup for each output.
                KernelVariant::SparseBroadcast(_) => {
                    (names.sparse_broadcast, u64::from(self.outputs) * 8)
                }
                _ => (names.sparse, u64::from(kept.most)),
            };
            let count = count * u64::from(parts);
            let kernel = gpu.kernel(name, &[accumulate(context)])?;
            let mut buffers = vec![context.x, context.dy];
            buffers.extend(self.lists(&kept));
            buffers.push(to);
            let shape = (self.with_kept)(self.shape, kept.stride);
            program.multiplies(self.multiply_adds(context, Some(&kept)));
            let count = count + self.bias_invocations(&kernel);
            program.push(gpu, kernel, &shape, &buffers, count, context.replicas)?;
            return match sums {
                Some(sums) => record_partial_sum(gpu, program, context, &sums, Some(&kept)),
                None => Ok(()),
            };
        }
        let grid = [parts, self.outputs, self.taps];
        let (kernel, count) = weight_kernel(
            gpu,
            context,
            (names, self.kernels.backward_weight_broadcast),
            grid,
        )?;
        program.multiplies(self.multiply_adds(context, None));
        let count = count + self.bias_invocations(&kernel);
        program.push(
            gpu,
            kernel,
            &self.shape,
            &[context.x, context.dy, to],
            count,
            context.replicas,
        )?;
        match sums {
            Some(sums) => record_partial_sum(gpu, program, context, &sums, None),
            None => Ok(()),
        }
    }

    /// Invocations of backward-weight that own biases, or their parts: whole workgroups, before the others.
    fn bias_invocations(&self, kernel: &Kernel) -> u64 {
        let sums = self.outputs * self.parts.unwrap_or(1);
        match self.bias {
            Some(_) => u64::from(sums.next_multiple_of(kernel.workgroup)),
            None => 0,
        }
    }

    /// Multiply-adds of a pass by every weight, or by the kept ones.
    fn multiply_adds(&self, context: &LayerContext<'_>, kept: Option<&KeptLists<'_>>) -> u64 {
        let weights = u64::from(self.outputs * self.taps) * u64::from(context.replicas);
        let weights = kept.map_or(weights, |kept| kept.total);
        weights * u64::from(self.pixels[0]) * 4 * u64::from(context.window.columns)
    }

    /// What sparse kernels that go by rows look up.
    fn lists<'a>(&self, kept: &KeptLists<'a>) -> Vec<&'a Buffer> {
        let taps = self.reads_taps.then_some(kept.taps);
        taps.into_iter().chain(kept.rows()).collect()
    }
}
