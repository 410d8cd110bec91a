//! The GPU as the rest of the program sees it: an adapter, buffers, kernels and recorded programs.
//!
//! Nothing here knows of models, training or pruning.

mod adapter;
mod constants;
mod device;
mod driver;
mod driver_version;
mod error;
mod kernel;
mod kernels;
mod layout;
mod loads;
mod loops;
mod pipelines;
mod program;
mod tuning;
mod unroll;

pub use adapter::{AdapterDescription, AdapterKind, list_adapters};
pub use constants::choices;
pub use device::{Buffer, Gpu, GpuOptions, Observe};
pub use driver::{DriverProbeShape, DriverTraits};
pub use error::{GpuError, INSTALL_HINT};
pub use kernel::{Kernel, assemble};
pub use kernels::{Access, KERNELS, KernelSource, source_of};
pub use layout::ShaderStruct;
pub(crate) use layout::{is_in_shaders, shader_struct};
pub use loops::longest_loops;
pub use program::{Dispatch, KernelWork, MAX_GROUPS, Program, ProgramPart, groups_for};
pub use tuning::{TuneMode, Tuning, read_tuning, tuning_file};
