//! Kernels: that every shader translates (`shaders`), that host and shader agree about structs and the no-op device accepts
//! all programs (`layouts`), and every kernel on a real driver against its CPU twins, and the twins against mathematics.
//!
//! On a software adapter results must equal the `f32` twin to the bit; on every adapter they must be as close to the `f64`
//! twin as rounding allows. `SECATEUR_NO_GPU=1` skips what needs an adapter; `SECATEUR_ADAPTER` chooses one.

#[path = "../common/mod.rs"]
mod common;
#[path = "../reference/mod.rs"]
mod reference;

mod activations;
mod augmentation;
mod batches;
mod comparing;
mod convolution;
mod criteria;
mod gradients;
mod graphs;
mod layouts;
mod linear;
mod losses;
mod masks;
mod micro_batches;
mod normalisation;
mod optimizers;
mod pointwise;
mod polynomials;
mod pooling;
mod probes;
mod product;
mod pytorch;
mod randomness;
mod rows;
mod scoring;
mod selection;
mod shaders;
mod sparse_convolution;
mod sparse_layer;
mod sparse_linear;
mod sparse_lists;
mod sparse_optimizers;
mod units;

use std::fs;
use std::path::Path;

/// The text of each file of a folder of tests.
fn texts(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

/// A kernel without a twin, or a twin that no test runs, is a kernel nobody checked.
#[test]
fn every_kernel_has_a_twin_and_a_test() {
    let twins = texts("reference");
    let mut tests = texts("kernels");
    // Naming a kernel is not running it; those of a `Product` are run by product.rs.
    tests.retain(|text| text.contains("Case::new(") || text.contains("impl Product for"));
    for kernel in secateur::gpu::KERNELS {
        let name = kernel.name;
        // A variant computes the same sums in the same order, so it has the same twin. So have the sparse passes that read
        // parameters: those that are 0 where pruned.
        // One for kernels of a certain size says so at the end.
        let base = name.split_once("_broadcast").map(|(base, _)| base);
        let base = base.or(name.strip_suffix("_workgroup"));
        let base = base.or(name.strip_suffix("_parts")).unwrap_or(name);
        let reads = base.contains("_forward_") || base.contains("_backward_data_");
        let dense = base.strip_suffix("_sparse").filter(|_| reads);
        let twin = dense.unwrap_or(base);
        let declared = [format!("pub fn {twin}("), format!("pub fn {twin}<")];
        let has_twin = |text: &String| declared.iter().any(|twin| text.contains(twin));
        assert!(
            twins.iter().any(has_twin),
            "tests/reference/ has no twin of {twin}"
        );
        let called = format!("\"{name}\"");
        assert!(
            tests.iter().any(|text| text.contains(&called)),
            "tests/kernels/ does not run {name}"
        );
    }
}
