//! From WGSL text to a compiled pipeline.
//!
//! A line `const NAME: u32 = 8u;` can be given another value before compilation (tile sizes, variants); then loops over a tile
//! are written out. All else that shaders are made of is done when the program is built, by `build/`.

use super::constants::allowed;
use super::kernels::{Access, KernelSource, source_of};
use super::loads::in_pairs;
use super::unroll::unroll_tiles;
use super::{Gpu, GpuError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

/// A kernel, compiled or being compiled.
///
/// A thread of its own compiles it, so that recording a program of twenty kernels compiles them side by side; the first
/// submission waits for them.
pub struct Kernel {
    /// Its name.
    pub name: &'static str,
    /// Its text as it was compiled.
    pub(super) text: String,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) bindings: &'static [Access],
    /// The struct that its uniform holds.
    pub(super) uniform: &'static str,
    /// Invocations per workgroup, x * y * z.
    pub workgroup: u32,
    compiling: Mutex<Option<JoinHandle<Compiled>>>,
    compiled: OnceLock<Compiled>,
}

type Compiled = Result<wgpu::ComputePipeline, GpuError>;

impl Kernel {
    /// The pipeline, once it is compiled.
    ///
    /// # Errors
    /// The driver rejected the shader; the error names it.
    pub(super) fn pipeline(&self) -> Result<&wgpu::ComputePipeline, GpuError> {
        let compiled = self.compiled.get_or_init(|| {
            let thread = self.compiling.lock().ok().and_then(|mut slot| slot.take());
            match thread.map(JoinHandle::join) {
                Some(Ok(compiled)) => compiled,
                _ => Err(rejected(self.name, "the driver's compiler broke down")),
            }
        });
        compiled.as_ref().map_err(GpuError::clone)
    }
}

impl Drop for Kernel {
    /// A driver still compiling while the program ends can crash it.
    fn drop(&mut self) {
        let thread = self.compiling.get_mut().ok().and_then(Option::take);
        let _ = thread.map(JoinHandle::join);
    }
}

type KernelKey = (&'static str, Vec<(&'static str, u32)>);

#[derive(Default)]
pub(super) struct KernelCache(Mutex<HashMap<KernelKey, Arc<Kernel>>>);

impl KernelCache {
    pub(super) fn get(
        &self,
        gpu: &Gpu,
        name: &'static str,
        constants: &[(&'static str, u32)],
    ) -> Result<Arc<Kernel>, GpuError> {
        let key = (name, constants.to_vec());
        let held = |kernel: &HashMap<KernelKey, Arc<Kernel>>| kernel.get(&key).cloned();
        if let Some(kernel) = self.0.lock().ok().as_deref().and_then(held) {
            return Ok(kernel);
        }
        let kernel = Arc::new(compile(gpu, name, constants)?);
        if let Ok(mut map) = self.0.lock() {
            map.insert(key, kernel.clone());
        }
        Ok(kernel)
    }
}

fn rejected(name: &str, reason: impl Into<String>) -> GpuError {
    GpuError::Rejected {
        during: format!("kernel {name}"),
        reason: reason.into(),
    }
}

/// The WGSL text of a kernel with these values in place of its constants, and loops over its tile written out.
///
/// # Errors
/// A constant that the text does not declare, or a value that it does not allow (see [`super::choices`]).
pub fn assemble(
    source: &KernelSource,
    constants: &[(&'static str, u32)],
) -> Result<String, GpuError> {
    let mut text = source.source.to_owned();
    for (name, value) in constants {
        let declaration = format!("\nconst {name}: u32 =");
        let at = text
            .find(&declaration)
            .ok_or_else(|| rejected(source.name, format!("it declares no constant {name}")))?;
        let value_at = at + declaration.len();
        let end = text[value_at..]
            .find('\n')
            .map_or(text.len(), |n| value_at + n);
        if let Some(values) = allowed(&text[at + 1..end])
            && !values.contains(value)
        {
            let reason = format!("its {name} may be one of {values:?}, and is to be {value}");
            return Err(rejected(source.name, reason));
        }
        text.replace_range(value_at..end, &format!(" {value}u;"));
    }
    Ok(unroll_tiles(&text))
}

fn compile(
    gpu: &Gpu,
    name: &'static str,
    constants: &[(&'static str, u32)],
) -> Result<Kernel, GpuError> {
    let source = source_of(name).ok_or_else(|| rejected(name, "no such kernel"))?;
    let mut text = assemble(source, constants)?;
    if gpu.loads_in_pairs {
        text = in_pairs(&text);
    }
    if gpu.shapes_in_storage {
        text = text.replace("var<uniform> u:", "var<storage, read> u:");
    }
    let entries: Vec<_> = source
        .bindings
        .iter()
        .enumerate()
        .map(|(binding, access)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match access {
                    Access::Uniform if !gpu.shapes_in_storage => wgpu::BufferBindingType::Uniform,
                    Access::Uniform | Access::Read => {
                        wgpu::BufferBindingType::Storage { read_only: true }
                    }
                    Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let layout = gpu
        .device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(name),
            entries: &entries,
        });
    let device = gpu.device.clone();
    let cache = gpu.pipelines.cache();
    let checks = runtime_checks(gpu.checks);
    let thread_layout = layout.clone();
    let source_text = text.clone();
    let compiling = std::thread::spawn(move || {
        pipeline(
            &device,
            name,
            source_text,
            checks,
            &thread_layout,
            cache.as_ref(),
        )
    });
    Ok(Kernel {
        name,
        text,
        layout,
        bindings: source.bindings,
        uniform: source.uniform,
        workgroup: source.workgroup,
        compiling: Mutex::new(Some(compiling)),
        compiled: OnceLock::new(),
    })
}

/// What the compiled kernels check while they run: indices and divisors where that is asked for, and no loop's length, which costs
/// 40 % of a register-tiled kernel.
fn runtime_checks(asked: bool) -> wgpu::ShaderRuntimeChecks {
    let mut checks = wgpu::ShaderRuntimeChecks::checked();
    checks.force_loop_bounding = false;
    checks.bounds_checks = asked;
    checks.int_div_checks = asked;
    checks
}

fn pipeline(
    device: &wgpu::Device,
    name: &'static str,
    text: String,
    checks: wgpu::ShaderRuntimeChecks,
    layout: &wgpu::BindGroupLayout,
    cache: Option<&wgpu::PipelineCache>,
) -> Compiled {
    // Error scopes belong to their thread.
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    };
    // SAFETY: what is not checked must hold. Every loop in shaders/ counts towards a bound that stands in its own line. Indices are in
    // range and divisors not 0 for every shape that is recorded: the kernel tests and the contracts run with checks, and one
    // trains with and without and compares all bits (tests/contracts/same_bits.rs).
    let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(name),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some(name),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[],
            // Our kernels write workgroup memory before they read it.
            zero_initialize_workgroup_memory: false,
        },
        cache,
    });
    match pollster::block_on(scope.pop()) {
        Some(error) => Err(rejected(name, error.to_string())),
        None => Ok(pipeline),
    }
}
