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

/// The text of all twins and of all tests here.
const TWINS: &[&str] = &[
    include_str!("reference/augment.rs"),
    include_str!("reference/activation.rs"),
    include_str!("reference/batch.rs"),
    include_str!("reference/batch_norm.rs"),
    include_str!("reference/conv.rs"),
    include_str!("reference/dense.rs"),
    include_str!("reference/init.rs"),
    include_str!("reference/loss.rs"),
    include_str!("reference/mask.rs"),
    include_str!("reference/optimizer.rs"),
    include_str!("reference/pointwise.rs"),
    include_str!("reference/pool.rs"),
    include_str!("reference/probe.rs"),
    include_str!("reference/reduce.rs"),
    include_str!("reference/rows.rs"),
    include_str!("reference/scoring.rs"),
    include_str!("reference/select.rs"),
    include_str!("reference/sparse.rs"),
    include_str!("reference/units.rs"),
];
const TESTS: &[&str] = &[
    include_str!("kernels/augmentation.rs"),
    include_str!("kernels/activations.rs"),
    include_str!("kernels/batches.rs"),
    include_str!("kernels/convolution.rs"),
    include_str!("kernels/linear.rs"),
    include_str!("kernels/losses.rs"),
    include_str!("kernels/masks.rs"),
    include_str!("kernels/normalisation.rs"),
    include_str!("kernels/optimizers.rs"),
    include_str!("kernels/pointwise.rs"),
    include_str!("kernels/pooling.rs"),
    include_str!("kernels/probes.rs"),
    include_str!("kernels/rows.rs"),
    include_str!("kernels/scoring.rs"),
    include_str!("kernels/selection.rs"),
    include_str!("kernels/sparse_convolution.rs"),
    include_str!("kernels/sparse_linear.rs"),
    include_str!("kernels/sparse_lists.rs"),
    include_str!("kernels/sparse_optimizers.rs"),
    include_str!("kernels/units.rs"),
    include_str!("kernels/windows.rs"),
];

/// A kernel without a twin, or a twin that no test runs, is a kernel nobody checked.
#[test]
fn every_kernel_has_a_twin_and_a_test() {
    for kernel in secateur::gpu::KERNELS {
        let name = kernel.name;
        // A variant computes the same sums in the same order, so it has the same twin.
        let base = name.strip_suffix("_broadcast");
        let twin = base.or(name.strip_suffix("_workgroup")).unwrap_or(name);
        let twins = [format!("pub fn {twin}("), format!("pub fn {twin}<")];
        let has_twin = TWINS
            .iter()
            .any(|text| twins.iter().any(|t| text.contains(t)));
        assert!(has_twin, "tests/reference/ has no twin of {twin}");
        let called = format!("\"{name}\"");
        let has_test = TESTS.iter().any(|text| text.contains(&called));
        assert!(has_test, "tests/kernels/ does not run {name}");
    }
}
