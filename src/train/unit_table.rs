//! Sums over the weights of units.

use super::replicas::Replicas;
use crate::gpu::{Buffer, Gpu, GpuError, Program, shader_struct};
use crate::model::UnitFloats;

shader_struct! {
    /// Uniform of `unit_sums`.
    pub struct UnitShape {
        /// How many.
        pub units: u32,
        /// Floats per replica.
        pub param_stride: u32,
        /// Passes that an invocation's loops over the largest unit make.
        pub longest: u32,
    }
}

shader_struct! {
    /// A [`UnitFloats`] as shaders read it.
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
}

shader_struct! {
    /// Uniform of `unit_distances`.
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
        /// Passes that an invocation's loops over the largest unit make.
        pub longest: u32,
    }
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
    /// Passes of the loops over the largest unit: of one lane of `unit_sums`, and of `unit_distances`.
    longest: [u32; 2],
}

/// The most passes of a unit, each of whose runs makes what `of_run` says; every loop ends with a check.
fn longest(units: &[Vec<UnitFloats>], of_run: impl Fn(&UnitFloats) -> usize) -> u32 {
    let passes = units
        .iter()
        .map(|unit| unit.iter().map(|run| 2 + of_run(run)).sum::<usize>() + 1);
    passes.max().unwrap_or(0) as u32
}

impl UnitTable {
    /// A table of these units.
    ///
    /// # Errors
    /// The device has no room.
    pub fn new(gpu: &Gpu, units: &[Vec<UnitFloats>]) -> Result<Self, GpuError> {
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
            longest: [
                longest(units, |run| (run.outer * run.len).div_ceil(64)),
                longest(units, |run| run.outer * (run.len + 2)),
            ],
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
            longest: self.longest[0],
        };
        let kernel = gpu.kernel("unit_sums", &[("KIND", kind)])?;
        let buffers = [&self.first, &self.runs, &replicas.params, a, to];
        let invocations = 64 * u64::from(self.units);
        // Most weights are in two units.
        program.moves(8 * replicas.model.floats as u64 * u64::from(replicas.count));
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
            longest: self.longest[1],
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
