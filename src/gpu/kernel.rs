//! From WGSL text to a compiled pipeline.
//!
//! Shaders are plain WGSL plus two things: a line `#import NAME` takes in `shaders/shared/NAME.wgsl`, and a line
//! `const NAME: u32 = 8u;` can be given another value before compilation (tile sizes, variants).

use super::kernels::{Access, KernelSource, shared_sources, source_of};
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
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) bindings: &'static [Access],
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

type Key = (&'static str, Vec<(&'static str, u32)>);

#[derive(Default)]
pub(super) struct KernelCache(Mutex<HashMap<Key, Arc<Kernel>>>);

impl KernelCache {
    pub(super) fn get(
        &self,
        gpu: &Gpu,
        name: &'static str,
        constants: &[(&'static str, u32)],
    ) -> Result<Arc<Kernel>, GpuError> {
        let key = (name, constants.to_vec());
        let held = |kernel: &HashMap<Key, Arc<Kernel>>| kernel.get(&key).cloned();
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

/// The full WGSL text of a kernel: imports taken in, constants replaced.
///
/// # Errors
/// An unknown import, or a constant that the source does not declare.
pub fn assemble(
    source: &KernelSource,
    constants: &[(&'static str, u32)],
) -> Result<String, GpuError> {
    let mut out = String::new();
    let mut replaced = vec![false; constants.len()];
    for line in source.source.lines() {
        if let Some(import) = line.strip_prefix("#import ") {
            let import = import.trim();
            let text = shared_sources()
                .iter()
                .find(|(name, _)| *name == import)
                .map(|(_, text)| *text)
                .ok_or_else(|| rejected(source.name, format!("unknown import {import}")))?;
            out.push_str(text);
        } else if let Some(position) = constants
            .iter()
            .position(|(name, _)| line.starts_with(&format!("const {name}: u32 =")))
        {
            let (name, value) = constants[position];
            out.push_str(&format!("const {name}: u32 = {value}u;"));
            replaced[position] = true;
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    match replaced.iter().position(|r| !r) {
        Some(missing) => Err(rejected(
            source.name,
            format!("it declares no constant {}", constants[missing].0),
        )),
        None => Ok(out),
    }
}

fn compile(
    gpu: &Gpu,
    name: &'static str,
    constants: &[(&'static str, u32)],
) -> Result<Kernel, GpuError> {
    let source = source_of(name).ok_or_else(|| rejected(name, "no such kernel"))?;
    let mut text = assemble(source, constants)?;
    if gpu.shapes_in_storage {
        text = text.replace("var<uniform> u:", "var<storage, read> u:");
    }
    let parsed =
        naga::front::wgsl::parse_str(&text).map_err(|e| rejected(name, e.emit_to_string(&text)))?;
    let entry = parsed
        .entry_points
        .iter()
        .find(|e| e.name == name)
        .ok_or_else(|| rejected(name, "its entry point must have the file's name"))?;
    let workgroup = entry.workgroup_size.iter().product();

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
    let thread_layout = layout.clone();
    let compiling =
        std::thread::spawn(move || pipeline(&device, name, text, &thread_layout, cache.as_ref()));
    Ok(Kernel {
        name,
        layout,
        bindings: source.bindings,
        workgroup,
        compiling: Mutex::new(Some(compiling)),
        compiled: OnceLock::new(),
    })
}

fn pipeline(
    device: &wgpu::Device,
    name: &'static str,
    text: String,
    layout: &wgpu::BindGroupLayout,
    cache: Option<&wgpu::PipelineCache>,
) -> Compiled {
    // Error scopes belong to their thread.
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let mut checks = wgpu::ShaderRuntimeChecks::checked();
    checks.force_loop_bounding = false;
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    };
    // SAFETY: only loop bounding is off, and it requires that no shader loops for ever. Every loop in shaders/ counts
    // towards a bound that stands in its own line. Bounds checks stay on. Bounding costs 40 % on register tiles.
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
