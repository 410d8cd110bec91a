//! Sums over the weights of units, and over what units do on batches.

use super::scoring::copy_of;
use super::trainer::Trainer;
use super::{Replicas, TrainError};
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::model::{Run, Structure};
use crate::ops::Mode;
use bytemuck::{Pod, Zeroable};

/// Uniform of `unit_sums`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct UnitShape {
    /// How many.
    pub units: u32,
    /// Floats per replica.
    pub param_stride: u32,
}

/// A [`Run`] as shaders read it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct UnitRun {
    /// First float in the flat parameters.
    pub start: u32,
    /// Number of runs.
    pub outer: u32,
    /// From one to the next.
    pub stride: u32,
    /// Floats of each.
    pub len: u32,
}

/// Uniform of `unit_distances`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct UnitPairs {
    /// The group's first unit in the table.
    pub base: u32,
    /// Units of the group.
    pub units: u32,
    /// The first whose distances are taken.
    pub row: u32,
    /// How many are.
    pub rows: u32,
    /// Floats per replica.
    pub param_stride: u32,
}

/// Uniform of `unit_activity`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct ActivityShape {
    /// Units of the value.
    pub units: u32,
    /// Features per unit.
    pub len: u32,
    /// vec4s of samples.
    pub columns: u32,
    /// Which of the batch's the first is.
    pub column: u32,
    /// Where the group's sums start.
    pub base: u32,
    /// Sums per replica.
    pub stride: u32,
}

/// What [`UnitTable::record_sums`] adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitSum {
    /// |w|.
    Absolute,
    /// w².
    Squares,
    /// w a, a from a buffer of the parameters' layout.
    Products,
}

/// Units as lists of runs, on the GPU.
pub struct UnitTable {
    units: u32,
    first: Buffer,
    runs: Buffer,
}

impl UnitTable {
    /// A table of these units.
    ///
    /// # Errors
    /// The device has no room.
    pub fn new(gpu: &Gpu, units: &[Vec<Run>]) -> Result<Self, GpuError> {
        let mut first = vec![0u32];
        let mut runs = Vec::new();
        for unit in units {
            runs.extend(unit.iter().map(|run| UnitRun {
                start: run.start as u32,
                outer: run.outer as u32,
                stride: run.stride as u32,
                len: run.len as u32,
            }));
            first.push(runs.len() as u32);
        }
        Ok(Self {
            units: units.len() as u32,
            first: gpu.buffer_with("units", &first)?,
            runs: gpu.buffer_with("runs of units", &runs)?,
        })
    }

    /// How many units.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// Records: `to[replica][unit]` becomes the unit's sum over `params`; `a` is read by [`UnitSum::Products`] alone.
    ///
    /// # Errors
    /// The device refused a kernel or a buffer.
    pub fn record_sums(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        what: UnitSum,
        replicas: &Replicas,
        (a, to): (&Buffer, &Buffer),
    ) -> Result<(), GpuError> {
        let kind = match what {
            UnitSum::Absolute => 0,
            UnitSum::Squares => 1,
            UnitSum::Products => 2,
        };
        let shape = UnitShape {
            units: self.units,
            param_stride: replicas.model.floats as u32,
        };
        let kernel = gpu.kernel("unit_sums", &[("KIND", kind)])?;
        let buffers = [&self.first, &self.runs, &replicas.params, a, to];
        let invocations = 64 * u64::from(self.units);
        program.push(gpu, kernel, &shape, &buffers, invocations, replicas.count)
    }

    /// Squared distances between the units of a group, which are `base .. base + units` here: `[replica][row][unit]` for `rows`
    /// of them.
    ///
    /// # Errors
    /// The device failed or has no room.
    pub fn distances(
        &self,
        gpu: &Gpu,
        replicas: &Replicas,
        (base, units): (u32, u32),
        rows: std::ops::Range<u32>,
    ) -> Result<Vec<f32>, GpuError> {
        let shape = UnitPairs {
            base,
            units,
            row: rows.start,
            rows: rows.len() as u32,
            param_stride: replicas.model.floats as u32,
        };
        let pairs = u64::from(shape.rows) * u64::from(units);
        let total = pairs * u64::from(replicas.count);
        let square = gpu.buffer("distances between units", 4 * total)?;
        let kernel = gpu.kernel("unit_distances", &[])?;
        let mut program = Program::new("unit distances");
        let buffers = [&self.first, &self.runs, &replicas.params, &square];
        program.push(gpu, kernel, &shape, &buffers, pairs, replicas.count)?;
        gpu.run(&program)?;
        gpu.read(&square, 0, total as usize)
    }
}

impl Trainer<'_> {
    /// Adds to `sums` (`[replica][stride]`, group g's units from `bases[g]` on) the mean of |x| over samples and pixels, once for each
    /// batch of this training and each layer that reads units of the group: x is what it reads. The passes are as in
    /// [`Trainer::gather`], on the samples that [`Trainer::train`] would draw; nothing else changes. `observe` is as in
    /// [`Trainer::recalibrate`].
    ///
    /// # Errors
    /// The device failed, or `observe` stopped it.
    pub fn gather_activity(
        &self,
        structure: &Structure,
        (bases, stride): (&[Option<u32>], u32),
        sums: &Buffer,
        observe: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), TrainError> {
        let (gpu, w, r) = (self.gpu, &self.workspace, self.replicas);
        self.rewind()?;
        let before = copy_of(gpu, &r.params)?;
        let mut program = Program::new("activity");
        self.record_draw(&mut program, &self.training_draw(), false)?;
        for &window in &w.windows {
            self.record_gather(&mut program, window, None, false)?;
            for (i, layer) in r.model.layers.iter().enumerate() {
                let site = w.site(r, self.variants[i], self.sparsity.as_ref(), window, i);
                let read = structure.of_source(layer.from);
                if let Some(base) = bases[read.group].filter(|_| layer.operator.mixes_channels()) {
                    let units = structure.groups[read.group].units;
                    let shape = ActivityShape {
                        units: units as u32,
                        len: (layer.input.features() / units) as u32,
                        columns: window.columns,
                        column: window.first,
                        base,
                        stride,
                    };
                    let kernel = gpu.kernel("unit_activity", &[])?;
                    let buffers = [&w.state, site.x, sums];
                    program.push(gpu, kernel, &shape, &buffers, 64 * units as u64, r.count)?;
                }
                w.record_input(gpu, &mut program, r, window, i)?;
                layer
                    .operator
                    .forward(gpu, &mut program, &site, Mode::Scoring)?;
            }
        }
        self.record_advance(&mut program, self.samples, self.steps as u32)?;
        let ran = gpu.run_repeated(&program, self.steps, observe)?;
        // Running statistics moved.
        gpu.copy(&before, &r.params, 0, before.bytes())?;
        if ran < self.steps {
            return Err(TrainError::Interrupted);
        }
        Ok(())
    }
}
