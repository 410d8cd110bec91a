//! The device: buffers in and out, errors caught, submissions paced.

use super::adapter::{self, AdapterDescription, AdapterKind};
use super::driver::{DriverProbeShape, DriverTraits};
use super::kernel::KernelCache;
use super::pipelines::Pipelines;
use super::program::Program;
use super::tuning::{TuneMode, Tuning};
use super::{GpuError, Kernel};
use crate::base::cache_folder;
use bytemuck::Pod;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Told a few times a second how many repeats of a program are done; false stops it.
pub type Observe<'a> = &'a mut dyn FnMut(u64) -> bool;

/// How to open a device.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Index or part of the name of the adapter; `None` takes the best.
    pub adapter: Option<String>,
    /// Whether kernel variants are measured and the winners remembered; if off, the user's cache folder is not touched.
    pub tune: TuneMode,
    /// Let kernels check their indices and divisors: 30 to 45 % slower where a kernel works in workgroup memory. For tests; no bit
    /// depends on it.
    pub checks: bool,
    /// Pretend that bindings may be no larger than this many bytes (for tests of splitting).
    pub max_binding: Option<u64>,
}

/// A GPU buffer that knows its name and size. Clones share it; the last one frees it.
#[derive(Clone, Debug)]
pub struct Buffer(Arc<Allocation>);

#[derive(Debug)]
struct Allocation {
    raw: wgpu::Buffer,
    label: Box<str>,
    bytes: u64,
    /// [`Gpu::allocated`].
    allocated: Arc<AtomicU64>,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.allocated.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Buffer {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }
    /// The name it carries in errors.
    pub fn label(&self) -> &str {
        &self.0.label
    }
    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.0.raw
    }
}

/// The first thing that went wrong; later errors are its echoes.
#[derive(Default)]
struct Faults {
    first: OnceLock<(String, String)>,
    lost: OnceLock<String>,
    during: Mutex<String>,
}

impl Faults {
    fn during(&self) -> String {
        self.during.lock().map(|d| d.clone()).unwrap_or_default()
    }
}

/// An open device and its queue. Cheap to share by reference; all methods take `&self`.
pub struct Gpu {
    pub(super) device: wgpu::Device,
    queue: wgpu::Queue,
    description: AdapterDescription,
    traits: DriverTraits,
    max_binding: u64,
    allocated: Arc<AtomicU64>,
    peak: AtomicU64,
    faults: Arc<Faults>,
    /// Bind shapes as read-only storage instead of uniforms. lavapipe bakes uniforms that bound a loop into the shader, so that
    /// it rebuilds the shader at each dispatch whose shape differs from the last: 0.2 ms and 15 KB of memory never given back.
    pub(super) shapes_in_storage: bool,
    /// Whether kernels load two floats at a time, see `loads.rs`.
    pub(super) loads_in_pairs: bool,
    /// [`GpuOptions::checks`].
    pub(super) checks: bool,
    pub(super) kernels: KernelCache,
    // After `kernels`: fields are dropped in order, and the cache is saved when all compiling is over.
    pub(super) pipelines: Pipelines,
    tuning: Tuning,
}

/// Whether some submitted work is done.
type Ticket = Arc<AtomicBool>;

/// A submission aims at this much work: long enough to hide the host, short enough for watchdogs (Windows resets after 2 s).
const SUBMISSION_TARGET: Duration = Duration::from_millis(100);
/// Submissions queued before the host waits for the oldest.
const IN_FLIGHT: usize = 3;

impl Gpu {
    /// Opens the chosen or the best adapter.
    ///
    /// # Errors
    /// No adapter, no such adapter, or the driver refuses.
    pub fn open(options: &GpuOptions) -> Result<Self, GpuError> {
        let (adapter, description) = adapter::choose(options.adapter.as_deref())?;
        let granted = adapter.limits();
        // Default limits everywhere, so a kernel that would not run elsewhere fails here too; only room is asked for.
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: granted.max_storage_buffer_binding_size,
            max_buffer_size: granted.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("secateur"),
            required_limits: limits,
            required_features: adapter.features()
                & (wgpu::Features::SUBGROUP
                    | wgpu::Features::PIPELINE_CACHE
                    | wgpu::Features::SHADER_INT64),
            ..Default::default()
        }))
        .map_err(|e| GpuError::NoDevice {
            adapter: description.name.clone(),
            reason: e.to_string(),
        })?;
        let folder = (options.tune != TuneMode::Off).then(cache_folder).flatten();
        let pipelines = Pipelines::new(&device, &adapter.get_info(), folder);
        let mut gpu = Self::assemble(device, queue, description, options, pipelines);
        gpu.traits = gpu.probed()?;
        Ok(gpu)
    }

    /// Asks the driver what it does otherwise than others, in one dispatch.
    fn probed(&self) -> Result<DriverTraits, GpuError> {
        let out = self.buffer("probe of the driver", 16)?;
        let mut program = Program::new("probe of the driver");
        let kernel = self.kernel("probe_driver", &[])?;
        program.push(self, kernel, &DriverProbeShape::ASKED, &[&out], 1, 1)?;
        self.run(&program)?;
        let told: Vec<u32> = self.read(&out, 0, 3)?;
        Ok(DriverTraits::told([told[0], told[1], told[2]]))
    }

    /// wgpu's device without a driver: it validates shaders, bindings and dispatches and computes nothing.
    pub fn no_op() -> Self {
        let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor {
            // So that what needs them is validated too.
            required_features: wgpu::Features::SUBGROUP | wgpu::Features::SHADER_INT64,
            ..wgpu::DeviceDescriptor::default()
        });
        let description = AdapterDescription {
            index: 0,
            name: "no-op".to_owned(),
            backend: "Noop".to_owned(),
            kind: AdapterKind::Other,
            driver: String::new(),
            max_binding: device.limits().max_storage_buffer_binding_size,
            subgroup: None,
        };
        let options = GpuOptions::default();
        Self::assemble(device, queue, description, &options, Pipelines::default())
    }

    /// A device like this one that computes nothing: what is recorded for it would be accepted or refused here too.
    pub fn rehearsal(&self) -> Self {
        let mut stage = Self::no_op();
        stage.traits = self.traits;
        stage.shapes_in_storage = self.shapes_in_storage;
        stage.loads_in_pairs = self.loads_in_pairs;
        stage.description = self.description.clone();
        stage
    }

    fn assemble(
        device: wgpu::Device,
        queue: wgpu::Queue,
        description: AdapterDescription,
        options: &GpuOptions,
        pipelines: Pipelines,
    ) -> Self {
        let tuning = Tuning::new(options.tune, &description);
        let software = description.kind == AdapterKind::Software;
        let has_int64 = device.features().contains(wgpu::Features::SHADER_INT64);
        let faults = Arc::new(Faults::default());
        let seen = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = seen.first.set((seen.during(), error.to_string()));
        }));
        let seen = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the device at the end of the program also arrives here.
            if reason != wgpu::DeviceLostReason::Destroyed {
                let _ = seen.lost.set(message);
            }
        });
        let granted = device.limits();
        let max_binding = granted
            .max_storage_buffer_binding_size
            .min(granted.max_buffer_size)
            .min(options.max_binding.unwrap_or(u64::MAX));
        Self {
            device,
            queue,
            shapes_in_storage: software,
            loads_in_pairs: software && has_int64,
            checks: options.checks,
            description,
            traits: DriverTraits::default(),
            max_binding,
            allocated: Arc::default(),
            peak: AtomicU64::new(0),
            faults,
            kernels: KernelCache::default(),
            pipelines,
            tuning,
        }
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &AdapterDescription {
        &self.description
    }

    /// How its driver differs from others.
    pub fn traits(&self) -> DriverTraits {
        self.traits
    }

    /// What was measured on it.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Largest storage binding in bytes.
    pub fn max_binding(&self) -> u64 {
        self.max_binding
    }

    /// Bytes of all buffers that exist now, those that recorded programs hold included.
    pub fn allocated(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed)
    }

    /// The most that [`Gpu::allocated`] ever was when a buffer was made; staging for read-backs is not counted.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// The kernel of this name, compiled with these constants replaced (compiled once, then kept). A driver that rejects it is
    /// heard of when it first runs.
    ///
    /// # Errors
    /// No such kernel or constant, or text that is no WGSL; names the kernel.
    pub fn kernel(
        &self,
        name: &'static str,
        constants: &[(&'static str, u32)],
    ) -> Result<Arc<Kernel>, GpuError> {
        self.kernels.get(self, name, constants)
    }

    /// A zeroed storage buffer of `bytes` (rounded up to 16), readable and writable by host and shaders.
    ///
    /// # Errors
    /// Too large for one binding, or out of memory; both name `label`.
    pub fn buffer(&self, label: &str, bytes: u64) -> Result<Buffer, GpuError> {
        let bytes = bytes.max(16).next_multiple_of(16);
        if bytes > self.max_binding {
            return Err(GpuError::TooLarge {
                what: label.to_owned(),
                asked: bytes,
                limit: self.max_binding,
                adapter: self.description.name.clone(),
            });
        }
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let buffer = self.allocate(label, bytes, usage)?;
        self.peak.fetch_max(self.allocated(), Ordering::Relaxed);
        Ok(buffer)
    }

    fn allocate(
        &self,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<Buffer, GpuError> {
        let out_of_memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let invalid = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        let invalid = pollster::block_on(invalid.pop());
        if pollster::block_on(out_of_memory.pop()).is_some() {
            return Err(GpuError::OutOfMemory {
                what: label.to_owned(),
                asked: bytes,
                adapter: self.description.name.clone(),
            });
        }
        if let Some(error) = invalid {
            return Err(GpuError::Rejected {
                during: label.to_owned(),
                reason: error.to_string(),
            });
        }
        self.allocated.fetch_add(bytes, Ordering::Relaxed);
        Ok(Buffer(Arc::new(Allocation {
            raw,
            label: label.into(),
            bytes,
            allocated: self.allocated.clone(),
        })))
    }

    /// A storage buffer holding `data`.
    ///
    /// # Errors
    /// As [`Gpu::buffer`].
    pub fn buffer_with<T: Pod>(&self, label: &str, data: &[T]) -> Result<Buffer, GpuError> {
        let buffer = self.buffer(label, size_of_val(data) as u64)?;
        self.write(&buffer, 0, data)?;
        Ok(buffer)
    }

    /// A buffer holding the shape `value` of one dispatch, to be bound as the kernel's first binding.
    pub(super) fn uniform<T: Pod>(&self, label: &str, value: &T) -> Result<Buffer, GpuError> {
        let usage = wgpu::BufferUsages::UNIFORM
            | wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_DST;
        let bytes = (size_of::<T>() as u64).next_multiple_of(16);
        let buffer = self.allocate(label, bytes, usage)?;
        self.queue
            .write_buffer(buffer.raw(), 0, bytemuck::bytes_of(value));
        Ok(buffer)
    }

    /// Writes `data` at byte `offset`. Large uploads are sent in pieces, so that staging memory stays small.
    ///
    /// # Errors
    /// The device failed.
    pub fn write<T: Pod>(&self, buffer: &Buffer, offset: u64, data: &[T]) -> Result<(), GpuError> {
        const PIECE: usize = 16 << 20;
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let mut at = offset;
        for piece in bytes.chunks(PIECE) {
            if piece.len().is_multiple_of(4) {
                self.queue.write_buffer(buffer.raw(), at, piece);
            } else {
                let mut padded = piece.to_vec();
                padded.resize(piece.len().next_multiple_of(4), 0);
                self.queue.write_buffer(buffer.raw(), at, &padded);
            }
            at += piece.len() as u64;
            if bytes.len() > PIECE {
                self.queue.submit([]);
                self.wait(&self.ticket())?;
            }
        }
        self.check()
    }

    /// Copies `bytes` at byte `offset` of one buffer to the same place of another, after everything submitted so far.
    ///
    /// # Errors
    /// The device failed.
    pub fn copy(
        &self,
        from: &Buffer,
        to: &Buffer,
        offset: u64,
        bytes: u64,
    ) -> Result<(), GpuError> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(from.raw(), offset, to.raw(), offset, bytes);
        self.queue.submit([encoder.finish()]);
        self.check()
    }

    /// Reads `count` items from byte `offset`, after everything submitted so far.
    ///
    /// # Errors
    /// The device failed.
    pub fn read<T: Pod>(
        &self,
        buffer: &Buffer,
        offset: u64,
        count: usize,
    ) -> Result<Vec<T>, GpuError> {
        let bytes = (count * size_of::<T>()) as u64;
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let padded = bytes.next_multiple_of(4);
        let staging = self.allocate(
            &format!("read-back of {}", buffer.label()),
            padded,
            wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        )?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer.raw(), offset, staging.raw(), 0, padded);
        self.queue.submit([encoder.finish()]);
        staging
            .raw()
            .slice(..)
            .map_async(wgpu::MapMode::Read, |_| {});
        self.wait(&self.ticket())?;
        let view = staging
            .raw()
            .get_mapped_range(..)
            .map_err(|e| self.fault(format!("reading {}: {e}", buffer.label())))?;
        let mut out = vec![T::zeroed(); count];
        bytemuck::cast_slice_mut::<T, u8>(&mut out).copy_from_slice(&view[..bytes as usize]);
        Ok(out)
    }

    /// Runs `program` `times` times, in submissions of about 100 ms, up to three in flight.
    /// `observe` gets the number of repeats done; the program stops at a whole number of them.
    ///
    /// # Errors
    /// The device failed; names the program.
    pub fn run_repeated(
        &self,
        program: &Program,
        times: u64,
        observe: Observe<'_>,
    ) -> Result<u64, GpuError> {
        self.note(program.label());
        let mut pending: VecDeque<(Ticket, u64)> = VecDeque::new();
        let (mut sent, mut done) = (0u64, 0u64);
        let mut per_submission = 1u64;
        let mut last = Instant::now();
        let mut going = true;
        while done < sent || (going && sent < times) {
            while going && sent < times && pending.len() < IN_FLIGHT {
                let count = per_submission.min(times - sent);
                pending.push_back((self.submit(program, count)?, count));
                sent += count;
            }
            let Some((ticket, count)) = pending.pop_front() else {
                break;
            };
            self.wait(&ticket)?;
            done += count;
            let now = Instant::now();
            let each = (now - last).as_secs_f64() / count as f64;
            last = now;
            // Grow at most fourfold at a time: the first submissions also compile shaders.
            let wanted = (SUBMISSION_TARGET.as_secs_f64() / each.max(1e-7)) as u64;
            per_submission = wanted.clamp(1, (per_submission * 4).min(4096));
            going &= observe(done);
        }
        self.check()?;
        Ok(done)
    }

    /// Runs `program` once and waits for it.
    ///
    /// # Errors
    /// The device failed; names the program.
    pub fn run(&self, program: &Program) -> Result<(), GpuError> {
        self.run_repeated(program, 1, &mut |_| true).map(|_| ())
    }

    fn submit(&self, program: &Program, count: u64) -> Result<Ticket, GpuError> {
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor {
                label: Some(program.label()),
            });
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(program.label()),
                timestamp_writes: None,
            });
            for _ in 0..count {
                program.record(&mut pass)?;
            }
        }
        self.queue.submit([encoder.finish()]);
        Ok(self.ticket())
    }

    /// Turns true when everything submitted so far is done.
    fn ticket(&self) -> Ticket {
        let done = Ticket::default();
        let seen = done.clone();
        self.queue
            .on_submitted_work_done(move || seen.store(true, Ordering::Release));
        done
    }

    /// Sleeps until the ticket's work is done, in naps of at most a millisecond: submissions in flight hide them, and the
    /// host thread stays idle whatever a driver's own wait would do.
    fn wait(&self, ticket: &Ticket) -> Result<(), GpuError> {
        let mut nap = Duration::from_micros(20);
        loop {
            let outcome = self.device.poll(wgpu::PollType::Poll);
            self.check()?;
            outcome.map_err(|e| self.fault(e.to_string()))?;
            if ticket.load(Ordering::Acquire) {
                return Ok(());
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(1));
        }
    }

    fn fault(&self, reason: String) -> GpuError {
        self.check().err().unwrap_or(GpuError::Rejected {
            during: self.faults.during(),
            reason,
        })
    }

    /// The first error the device reported, if any.
    pub(super) fn check(&self) -> Result<(), GpuError> {
        if let Some(reason) = self.faults.lost.get() {
            return Err(GpuError::Lost {
                during: self.faults.during(),
                reason: reason.clone(),
            });
        }
        if let Some((during, reason)) = self.faults.first.get() {
            return Err(GpuError::Rejected {
                during: during.clone(),
                reason: reason.clone(),
            });
        }
        Ok(())
    }

    /// Names what the device is doing, for the errors it may report.
    pub(super) fn note(&self, during: &str) {
        if let Ok(mut slot) = self.faults.during.lock() {
            during.clone_into(&mut slot);
        }
    }
}
