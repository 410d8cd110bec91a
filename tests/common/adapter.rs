//! The device that tests run on.

use super::{no_gpu, skip_part};
use secateur::gpu::{AdapterKind, Gpu, GpuOptions};
use std::sync::OnceLock;

static GPU: OnceLock<Gpu> = OnceLock::new();

/// The device, one for all tests of a binary, or `None` where `SECATEUR_NO_GPU=1` says to skip what needs one.
/// `SECATEUR_ADAPTER` chooses another than the best.
///
/// # Panics
/// There is no adapter, and nobody said so.
pub fn gpu() -> Option<&'static Gpu> {
    (!no_gpu()).then(|| GPU.get_or_init(own_gpu))
}

/// Whether the device that all tests share fuses multiply-adds, as the `f32` twins then do; false before it is opened.
pub fn is_fused() -> bool {
    GPU.get().is_some_and(|gpu| gpu.traits().fused_fma)
}

/// A device of one's own, for tests that count its bytes: others allocate on the shared one meanwhile.
///
/// # Panics
/// There is no adapter.
pub fn own_gpu() -> Gpu {
    opened(true)
}

/// A device whose kernels do not check their indices and divisors, as those of the program.
///
/// # Panics
/// There is no adapter.
pub fn unchecked_gpu() -> Gpu {
    opened(false)
}

fn opened(checks: bool) -> Gpu {
    let options = GpuOptions {
        adapter: std::env::var("SECATEUR_ADAPTER").ok(),
        checks,
        ..GpuOptions::default()
    };
    Gpu::open(&options)
        .unwrap_or_else(|e| panic!("{e}\nSECATEUR_NO_GPU=1 skips the tests that need an adapter."))
}

/// Whether results have the bits of the `f32` twins, or else says that they are not compared.
pub fn is_exact(gpu: &Gpu) -> bool {
    let exact = gpu.adapter().kind == AdapterKind::Software;
    if !exact {
        let why =
            "hardware may fuse multiply-adds, and round divisions and roots less than correctly";
        skip_part("bits against the f32 twin", why);
    }
    exact
}

/// Whether `what` can run, which needs subgroups of 8, or else says that it does not.
pub fn has_subgroups_of_8(gpu: &Gpu, what: &str) -> bool {
    let has = gpu.adapter().subgroup == Some(8);
    if !has {
        skip_part(what, "this adapter's subgroups are not 8 wide");
    }
    has
}
