//! The table of kernels: name, source and bindings. Everything else about a kernel is read off its WGSL.

use super::KernelSource;
use Access::{Read, ReadWrite, Uniform};

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

macro_rules! kernels {
    ($($name:ident: [$($access:expr),* $(,)?];)*) => {
        /// Every kernel, in the order of a training step, then pruning.
        pub static KERNELS: &[KernelSource] = &[$(KernelSource {
            name: stringify!($name),
            source: include_str!(concat!("../../shaders/", stringify!($name), ".wgsl")),
            bindings: &[$($access),*],
        }),*];
    };
}

kernels! {
    batch_draw: [Uniform, Read, Read, Read, ReadWrite, ReadWrite];
    batch_gather: [Uniform, Read, Read, Read, ReadWrite];
    dense_forward: [Uniform, Read, Read, ReadWrite];
    dense_backward_data: [Uniform, Read, Read, ReadWrite];
    dense_backward_weight: [Uniform, Read, Read, ReadWrite];
}

macro_rules! shared {
    ($($name:literal),* $(,)?) => {
        /// What `#import NAME` takes in.
        pub fn shared_sources() -> &'static [(&'static str, &'static str)] {
            &[$(($name, include_str!(concat!("../../shaders/shared/", $name, ".wgsl")))),*]
        }
    };
}

shared!["dense", "grid", "hyper", "math", "params", "random", "state"];

/// The kernel called `name`.
pub fn source_of(name: &str) -> Option<&'static KernelSource> {
    KERNELS.iter().find(|k| k.name == name)
}
