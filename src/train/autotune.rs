//! Chooses how each pass of each layer runs: by measurement on this adapter, or by what is usual.

use super::replicas::Replicas;
use super::sparsity::Sparsity;
use super::workspace::Workspace;
use crate::gpu::{Gpu, GpuError, Program};
use crate::ops::{
    DATA_CANDIDATES, Execution, KernelVariant, Mode, ProductPass, SparseRule, Variants,
    WEIGHT_CANDIDATES,
};
use std::time::Instant;

/// Without a measurement, masked passes run sparse below these densities. Measured on lavapipe (docs/performance.md).
const FORWARD: f64 = 0.12;
const BACKWARD_DATA: f64 = 0.12;
const BACKWARD_WEIGHT: f64 = 0.1;

/// By how much a sparse kernel must be faster to be chosen.
const SPARSE_HANDICAP: f64 = 1.1;

/// See the constants above.
fn usually_sparse_below(pass: ProductPass) -> f64 {
    match pass {
        ProductPass::Forward => FORWARD,
        ProductPass::BackwardData => BACKWARD_DATA,
        ProductPass::BackwardWeight => BACKWARD_WEIGHT,
    }
}

/// The world that layers are measured in.
pub(super) struct Autotuner<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) replicas: &'a Replicas,
    pub(super) workspace: &'a Workspace,
    pub(super) sparsity: Option<&'a Sparsity>,
    pub(super) execution: &'a Execution,
}

impl Autotuner<'_> {
    /// The variants of every layer.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn all(&self) -> Result<Vec<Variants>, GpuError> {
        let count = self.replicas.model.layers.len();
        let variants = (0..count).map(|i| self.layer(i)).collect();
        self.gpu.tuning().save();
        variants
    }

    fn layer(&self, i: usize) -> Result<Variants, GpuError> {
        let mut variants = self.execution.dense();
        let layer = &self.replicas.model.layers[i];
        let tensors = &self.replicas.model.tensors[layer.tensors.clone()];
        let multiplies = tensors.iter().any(|t| t.prunable);
        let model = &self.replicas.model;
        let needs_data = self.workspace.needs_input_gradient(model, i);
        for pass in ProductPass::ALL {
            let runs = match pass {
                ProductPass::Forward => true,
                ProductPass::BackwardData => needs_data,
                ProductPass::BackwardWeight => self.workspace.learns(i),
            };
            if multiplies && runs {
                *pass.of(&mut variants) = self.pass(i, pass, variants)?;
            }
        }
        Ok(variants)
    }

    fn pass(
        &self,
        i: usize,
        pass: ProductPass,
        mut variants: Variants,
    ) -> Result<KernelVariant, GpuError> {
        let dense = *pass.of(&mut variants);
        let density = self.sparsity.and_then(|s| s.density(i));
        let sparse = self.execution.sparse_variant;
        match (density, self.execution.sparse) {
            (Some(_), SparseRule::Always) => return Ok(sparse),
            (Some(density), SparseRule::Auto) if !self.gpu.tuning().is_on() => {
                let below = density < usually_sparse_below(pass);
                return Ok(if below { sparse } else { dense });
            }
            _ => {}
        }
        let kind = self.gpu.adapter().kind;
        let mut candidates = match pass {
            ProductPass::Forward | ProductPass::BackwardData => {
                dense.candidates(kind, DATA_CANDIDATES)
            }
            ProductPass::BackwardWeight => dense.candidates(kind, WEIGHT_CANDIDATES),
        };
        let layer = &self.replicas.model.layers[i];
        let in_parts = pass == ProductPass::Forward
            && layer.operator.sums_in_parts(layer.input, layer.channels);
        candidates.retain(|&c| c != KernelVariant::Parts || in_parts);
        if density.is_some() {
            candidates.push(sparse);
            // Short rows leave lanes of the broadcast kernels idle.
            if let KernelVariant::SparseBroadcast(columns) = sparse {
                candidates.push(KernelVariant::Sparse(columns));
            }
        }
        if candidates.len() == 1 || !self.gpu.tuning().is_on() {
            return Ok(dense);
        }
        let what = self.describe(i, pass, density);
        let known = self.gpu.tuning().known(&what);
        if let Some(known) = known.and_then(|text| text.parse().ok()) {
            return Ok(known);
        }
        let mut best = (dense, f64::INFINITY);
        for candidate in candidates {
            *pass.of(&mut variants) = candidate;
            let mut seconds = match self.time(i, pass, variants) {
                // Another variant may need fewer passes of its loops than this driver makes.
                Err(GpuError::LoopLimit { .. }) if candidate != dense => continue,
                timed => timed?,
            };
            if candidate.is_sparse() {
                // Near the crossover measurements are mostly noise; dense kernels leave the caches in better order.
                seconds *= SPARSE_HANDICAP;
            }
            if seconds < best.1 {
                best = (candidate, seconds);
            }
        }
        if pass == ProductPass::BackwardWeight {
            self.clear_gradients(i)?;
        }
        self.gpu.tuning().learn(what, best.0.to_string());
        Ok(best.0)
    }

    /// What a measurement holds for. Densities count to two digits.
    fn describe(&self, i: usize, pass: ProductPass, density: Option<f64>) -> String {
        let layer = &self.replicas.model.layers[i];
        let tensor = &self.replicas.model.tensors[layer.tensors.start];
        let density = density.map_or("dense".to_owned(), |d| format!("density {d:.1e}"));
        format!(
            "{} {} -> {} by {:?}, {} vec4s, {} replicas, {density}",
            pass.name(),
            layer.input,
            layer.output,
            tensor.shape,
            self.workspace.windows[0].columns,
            self.replicas.count,
        )
    }

    /// Zeroes what measuring left in the gradients of a layer. Activations' gradients are all 0 then, but 0 times the infinite
    /// activation of weights that diverged is NaN, and the audit allows none at a pruned place.
    fn clear_gradients(&self, i: usize) -> Result<(), GpuError> {
        let model = &self.replicas.model;
        for tensor in &model.tensors[model.layers[i].tensors.clone()] {
            let zeros = vec![0.0f32; tensor.count];
            for replica in 0..self.replicas.count as usize {
                let first = (replica * model.floats + tensor.offset) as u64;
                self.gpu.write(&self.replicas.grads, first * 4, &zeros)?;
            }
        }
        Ok(())
    }

    /// Seconds of one pass of a layer. Nothing has trained yet.
    fn time(&self, i: usize, pass: ProductPass, variants: Variants) -> Result<f64, GpuError> {
        let window = self.workspace.windows[0];
        let (w, sparsity, mode) = (self.workspace, self.sparsity, Mode::Training);
        let context = w.context(self.replicas, variants, sparsity, window, mode, i);
        let operator = &self.replicas.model.layers[i].operator;
        let mut program = Program::new(format!("measuring {}", pass.name()));
        operator.record_pass(self.gpu, &mut program, &context, pass)?;
        seconds(self.gpu, &program)
    }
}

/// Seconds of one run of a program: the best of three stretches of 3 ms or more, after one that compiles shaders; of a long one,
/// a single run.
fn seconds(gpu: &Gpu, program: &Program) -> Result<f64, GpuError> {
    const STRETCH: f64 = 3e-3;
    gpu.run(program)?;
    let time = |times: u64| -> Result<f64, GpuError> {
        let begun = Instant::now();
        gpu.run_repeated(program, times, &mut |_| true)?;
        Ok(begun.elapsed().as_secs_f64() / times as f64)
    };
    let first = time(1)?;
    if first > 10.0 * STRETCH {
        return Ok(first);
    }
    let times = (STRETCH / first.max(1e-6)).ceil() as u64;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        best = best.min(time(times)?);
    }
    Ok(best)
}
