//! Ring three: every kernel on a real driver against its CPU twins, and the twins against mathematics.
//!
//! On a software adapter results must equal the `f32` twin to the bit; on every adapter they must be as close to the `f64`
//! twin as rounding allows. `SECATEUR_NO_GPU=1` skips what needs an adapter; `SECATEUR_ADAPTER` chooses one.

mod reference;

#[path = "kernels/activations.rs"]
mod activations;
#[path = "kernels/augmentation.rs"]
mod augmentation;
#[path = "kernels/batches.rs"]
mod batches;
#[path = "kernels/comparing.rs"]
mod comparing;
#[path = "kernels/convolution.rs"]
mod convolution;
#[path = "kernels/criteria.rs"]
mod criteria;
#[path = "kernels/gradients.rs"]
mod gradients;
#[path = "kernels/graphs.rs"]
mod graphs;
#[path = "kernels/linear.rs"]
mod linear;
#[path = "kernels/losses.rs"]
mod losses;
#[path = "kernels/masks.rs"]
mod masks;
#[path = "kernels/normalisation.rs"]
mod normalisation;
#[path = "kernels/optimizers.rs"]
mod optimizers;
#[path = "kernels/pointwise.rs"]
mod pointwise;
#[path = "kernels/polynomials.rs"]
mod polynomials;
#[path = "kernels/pooling.rs"]
mod pooling;
#[path = "kernels/probes.rs"]
mod probes;
#[path = "kernels/pytorch.rs"]
mod pytorch;
#[path = "kernels/randomness.rs"]
mod randomness;
#[path = "kernels/rows.rs"]
mod rows;
#[path = "kernels/scoring.rs"]
mod scoring;
#[path = "kernels/selection.rs"]
mod selection;
#[path = "kernels/sparse_convolution.rs"]
mod sparse_convolution;
#[path = "kernels/sparse_layer.rs"]
mod sparse_layer;
#[path = "kernels/sparse_linear.rs"]
mod sparse_linear;
#[path = "kernels/sparse_lists.rs"]
mod sparse_lists;
#[path = "kernels/sparse_optimizers.rs"]
mod sparse_optimizers;
#[path = "kernels/units.rs"]
mod units;
#[path = "kernels/windows.rs"]
mod windows;

use std::fs;
use std::path::Path;

/// The text of all Rust files of a folder of `tests/`.
fn rust_in(folder: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let files = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let rust = files.filter(|f| f.extension().is_some_and(|e| e == "rs"));
    rust.map(|f| fs::read_to_string(f).unwrap()).collect()
}

/// A kernel without a twin, or a twin that no test runs, is a kernel nobody checked.
#[test]
fn every_kernel_has_a_twin_and_a_test() {
    let (twins, tests) = (rust_in("reference"), rust_in("kernels"));
    for kernel in secateur::gpu::KERNELS {
        let name = kernel.name;
        // A variant computes the same sums in the same order, so it has the same twin.
        let base = name.strip_suffix("_broadcast");
        let twin = base.or(name.strip_suffix("_workgroup")).unwrap_or(name);
        let has_twin = ["(", "<"]
            .iter()
            .any(|open| twins.contains(&format!("pub fn {twin}{open}")));
        assert!(has_twin, "tests/reference/ has no twin of {twin}");
        let has_test = tests.contains(&format!("\"{name}\""));
        assert!(has_test, "tests/kernels/ does not run {name}");
    }
}
