//! Every kernel that hardware runs through the compiler of the device that the environment names.

use super::assembly::{InnerLoop, inner_loop};
use super::spirv;
use super::vulkan::Compiler;
use secateur::gpu::assemble;
use secateur::ops::hardware_kernels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a compiler makes of all kernels.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// The device's name.
    pub device: String,
    /// The driver's name and version.
    pub driver: String,
    /// By kernel and constants.
    pub kernels: BTreeMap<String, Measured>,
}

/// What it makes of one.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    /// The driver's own numbers.
    pub statistics: BTreeMap<String, f64>,
    /// The inner loop, where there is one and the machine code is AMD's.
    pub inner: Option<InnerLoop>,
}

impl Measured {
    /// One of RADV's numbers; 0 where it gives none of that name.
    pub fn number(&self, name: &str) -> u32 {
        self.statistics.get(name).map_or(0, |&value| value as u32)
    }

    /// Waves that a SIMD holds at a time.
    pub fn waves(&self) -> u32 {
        self.number("Subgroups per SIMD")
    }

    /// Registers that had to make room: vector ones go to memory, scalar ones into lanes of vector ones. Bytes of memory count too.
    pub fn spills(&self) -> u32 {
        let kinds = ["Spilled VGPRs", "Spilled SGPRs", "Scratch size"];
        kinds.map(|kind| self.number(kind)).iter().sum()
    }

    /// Vector loads for 64 multiply-adds of the inner loop, to two digits.
    pub fn loads(&self) -> Option<f64> {
        self.inner_loads(|inner| inner.vector_loads)
    }

    /// Likewise loads from workgroup memory, where the kernel has some.
    pub fn lds_loads(&self) -> Option<f64> {
        let loads = self.inner_loads(|inner| inner.workgroup_loads)?;
        (self.number("LDS size") > 0).then_some(loads)
    }

    fn inner_loads(&self, count: impl Fn(&InnerLoop) -> u32) -> Option<f64> {
        let inner = self.inner.as_ref()?;
        Some((inner.per_64(count(inner)) * 100.0).round() / 100.0)
    }
}

/// Compiles all of them.
///
/// # Errors
/// There is no such device.
///
/// # Panics
/// The compiler refuses a kernel.
pub fn measure() -> Result<Report, String> {
    let compiler = Compiler::open()?;
    let mut kernels = BTreeMap::new();
    for kernel in hardware_kernels() {
        let name = kernel.source.name;
        let text = assemble(kernel.source, &kernel.constants).unwrap();
        let words = spirv::words(name, &text);
        let compiled = compiler.compile(name, &words, kernel.source.bindings);
        let compiled = compiled.unwrap_or_else(|e| panic!("{kernel}: {e}"));
        let measured = Measured {
            statistics: compiled.statistics,
            inner: compiled.assembly.as_deref().and_then(inner_loop),
        };
        kernels.insert(kernel.to_string(), measured);
    }
    Ok(Report {
        device: compiler.name,
        driver: compiler.driver,
        kernels,
    })
}
