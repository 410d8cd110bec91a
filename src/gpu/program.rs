//! A program: a recorded list of dispatches that never changes while it runs.

use super::layout::fields_of;
use super::loops::longest_loops;
use super::{Buffer, Gpu, GpuError, Kernel, ShaderStruct};
use std::sync::Arc;

/// WebGPU's default limit on workgroups per dimension.
pub const MAX_GROUPS: u32 = 65_535;

/// One kernel with its buffers and its grid.
#[derive(Clone)]
pub struct Dispatch {
    kernel: Arc<Kernel>,
    bind_group: wgpu::BindGroup,
    groups: [u32; 3],
    place: Arc<str>,
    work: Option<KernelWork>,
    /// What the bind group keeps alive, so that it counts as allocated for as long.
    _bound: Vec<Buffer>,
}

/// What a dispatch has to do, all replicas together.
///
/// Products count floating-point operations: two per multiply-add, of every weight, or of the kept ones where the kernel is
/// sparse; biases, a ReLU on the way and taps outside the image are not distinguished. All other kernels count bytes: each array
/// once where it is read and once where it is written. Batches are padded to a multiple of 4 samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelWork {
    /// Floating-point operations.
    Flops(u64),
    /// Bytes moved.
    Bytes(u64),
}

/// Dispatches in order; each sees what the ones before it wrote.
pub struct Program {
    label: String,
    place: Arc<str>,
    work: Option<KernelWork>,
    dispatches: Vec<Dispatch>,
}

/// One dispatch of a program.
pub struct ProgramPart {
    /// The kernel's name.
    pub kernel: &'static str,
    /// What it works on, see [`Program::place`].
    pub place: Arc<str>,
    /// What it has to do, where the recorder said so.
    pub work: Option<KernelWork>,
    /// The dispatch as a program of its own.
    pub program: Program,
}

/// The x and y workgroup counts for `invocations`, folded into two dimensions where one is not enough.
/// Shaders undo the fold with `invocation_index()` of `shared/grid.wgsl`.
pub fn groups_for(invocations: u64, workgroup: u32) -> [u32; 2] {
    let groups = invocations.div_ceil(u64::from(workgroup)).max(1);
    let x = groups.min(u64::from(MAX_GROUPS));
    [x as u32, groups.div_ceil(x) as u32]
}

impl Program {
    /// An empty program; `label` names it in errors and profiles.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            place: Arc::default(),
            work: None,
            dispatches: Vec::new(),
        }
    }

    /// Names what the dispatches from here on work on (a layer, the batch), for profiles.
    pub fn place(&mut self, name: &str) {
        self.place = name.into();
    }

    /// Says for profiles that the next dispatch is a product of so many multiply-adds, all replicas together.
    pub fn multiplies(&mut self, multiply_adds: u64) {
        self.work = Some(KernelWork::Flops(2 * multiply_adds));
    }

    /// Says for profiles how many bytes the next dispatch reads and writes, all replicas together.
    pub fn moves(&mut self, bytes: u64) {
        self.work = Some(KernelWork::Bytes(bytes));
    }

    /// Its name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Number of dispatches per run.
    pub fn len(&self) -> usize {
        self.dispatches.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.dispatches.is_empty()
    }

    /// Adds a dispatch of at least `invocations` invocations for each of `replicas` (grid z).
    /// `uniform` fills the kernel's first binding, `buffers` the others in order.
    ///
    /// # Errors
    /// A buffer could not be made, the grid is too large, or wgpu rejects the bindings; names the kernel.
    pub fn push<U: ShaderStruct>(
        &mut self,
        gpu: &Gpu,
        kernel: Arc<Kernel>,
        uniform: &U,
        buffers: &[&Buffer],
        invocations: u64,
        replicas: u32,
    ) -> Result<(), GpuError> {
        let [x, y] = groups_for(invocations, kernel.workgroup);
        self.push_groups(gpu, kernel, uniform, buffers, [x, y, replicas])
    }

    /// Adds a dispatch with explicit workgroup counts. Empty grids are left out.
    ///
    /// # Errors
    /// As [`Program::push`].
    pub fn push_groups<U: ShaderStruct>(
        &mut self,
        gpu: &Gpu,
        kernel: Arc<Kernel>,
        uniform: &U,
        buffers: &[&Buffer],
        groups: [u32; 3],
    ) -> Result<(), GpuError> {
        let work = self.work.take();
        if groups.contains(&0) {
            return Ok(());
        }
        if groups.iter().any(|&g| g > MAX_GROUPS) || buffers.len() + 1 != kernel.bindings.len() {
            return Err(GpuError::Rejected {
                during: format!("kernel {}", kernel.name),
                reason: format!(
                    "a grid of {groups:?} workgroups (limit {MAX_GROUPS}) with {} buffers (declared {})",
                    buffers.len() + 1,
                    kernel.bindings.len()
                ),
            });
        }
        if kernel.uniform != U::NAME {
            return Err(GpuError::Rejected {
                during: format!("kernel {}", kernel.name),
                reason: format!("a uniform {} instead of {}", U::NAME, kernel.uniform),
            });
        }
        self.check_loops(gpu, &kernel, uniform)?;
        let uniform = gpu.uniform(kernel.name, uniform)?;
        let bound: Vec<&Buffer> = std::iter::once(&uniform)
            .chain(buffers.iter().copied())
            .collect();
        let entries: Vec<_> = bound
            .iter()
            .enumerate()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: buffer.raw().as_entire_binding(),
            })
            .collect();
        gpu.note(&format!("kernel {}", kernel.name));
        let bind_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &kernel.layout,
            entries: &entries,
        });
        gpu.check()?;
        self.dispatches.push(Dispatch {
            kernel,
            bind_group,
            groups,
            place: self.place.clone(),
            work,
            _bound: bound.into_iter().cloned().collect(),
        });
        Ok(())
    }

    /// Refuses a dispatch whose loops this driver would end early.
    fn check_loops<U: ShaderStruct>(
        &self,
        gpu: &Gpu,
        kernel: &Kernel,
        uniform: &U,
    ) -> Result<(), GpuError> {
        let Some(limit) = gpu.traits().loop_limit else {
            return Ok(());
        };
        let words: &[u32] = bytemuck::cast_slice(std::slice::from_ref(uniform));
        let field = |name: &str| fields_of(U::NAME).position(|f| f == name).map(|i| words[i]);
        let passes = longest_loops(&kernel.text, kernel.name, &field).map_err(|line| {
            GpuError::Rejected {
                during: format!("kernel {}", kernel.name),
                reason: format!("a loop without a bound, `{line}`"),
            }
        })?;
        if passes <= u64::from(limit) {
            return Ok(());
        }
        Err(GpuError::LoopLimit {
            kernel: kernel.name,
            place: self.place.to_string(),
            passes,
            limit,
            driver: gpu.adapter().driver.clone(),
        })
    }

    /// Each dispatch by itself, in order: for timing them apart.
    pub fn parts(&self) -> Vec<ProgramPart> {
        self.dispatches
            .iter()
            .map(|dispatch| ProgramPart {
                kernel: dispatch.kernel.name,
                place: dispatch.place.clone(),
                work: dispatch.work,
                program: Self {
                    label: dispatch.kernel.name.to_owned(),
                    place: dispatch.place.clone(),
                    work: None,
                    dispatches: vec![dispatch.clone()],
                },
            })
            .collect()
    }

    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) -> Result<(), GpuError> {
        for dispatch in &self.dispatches {
            let [x, y, z] = dispatch.groups;
            pass.set_pipeline(dispatch.kernel.pipeline()?);
            pass.set_bind_group(0, &dispatch.bind_group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
        Ok(())
    }
}
