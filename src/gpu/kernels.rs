//! The table of kernels. `build/` reads it off `shaders/`.

use crate::base::sha256;
use std::sync::LazyLock;

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// A kernel as its WGSL describes it.
#[derive(Clone, Copy, Debug)]
pub struct KernelSource {
    /// The file stem, the entry point, the debug label and the CPU twin's name.
    pub name: &'static str,
    /// The whole WGSL text.
    pub source: &'static str,
    /// Bindings in `@binding` order; the first is the uniform.
    pub bindings: &'static [Access],
    /// Invocations per workgroup, x * y * z.
    pub workgroup: u32,
    /// The struct that the uniform holds.
    pub uniform: &'static str,
}

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A small constant block; always binding 0.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is written.
    ReadWrite,
}

/// The kernel called `name`.
pub fn source_of(name: &str) -> Option<&'static KernelSource> {
    KERNELS.iter().find(|k| k.name == name)
}

/// What names the texts of all kernels: SHA-256, 8 digits.
pub fn kernels_digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(|| {
        let texts: String = KERNELS.iter().map(|kernel| kernel.source).collect();
        sha256(texts.as_bytes())[..8].to_owned()
    });
    &DIGEST
}
