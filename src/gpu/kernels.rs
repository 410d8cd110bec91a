//! The table of kernels: name, source and bindings. Everything else about a kernel is read off its WGSL.

use Access::{Read, ReadWrite, Uniform};

/// One row of the kernel table.
#[derive(Clone, Copy, Debug)]
pub struct KernelSource {
    /// The file stem, the entry point, the debug label and the CPU twin's name.
    pub name: &'static str,
    /// The WGSL text as written, before imports.
    pub source: &'static str,
    /// Bindings in `@binding` order.
    pub bindings: &'static [Access],
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

macro_rules! kernels {
    ($($name:ident: [$($access:expr),* $(,)?];)*) => {
        /// Every kernel, in the order of a training step, then pruning, then benchmarks.
        pub static KERNELS: &[KernelSource] = &[$(KernelSource {
            name: stringify!($name),
            source: include_str!(concat!("../../shaders/", stringify!($name), ".wgsl")),
            bindings: &[$($access),*],
        }),*];
    };
}

kernels! {
    batch_draw: [Uniform, Read, Read, Read, Read, ReadWrite, ReadWrite];
    batch_gather: [Uniform, Read, Read, Read, ReadWrite];
    augment_draw: [Uniform, Read, Read, Read, ReadWrite];
    batch_gather_augmented: [Uniform, Read, Read, Read, Read, ReadWrite];
    dense_forward: [Uniform, Read, Read, ReadWrite];
    dense_forward_broadcast: [Uniform, Read, Read, ReadWrite];
    dense_forward_workgroup: [Uniform, Read, Read, ReadWrite];
    dense_backward_data: [Uniform, Read, Read, Read, ReadWrite];
    dense_backward_data_broadcast: [Uniform, Read, Read, Read, ReadWrite];
    dense_backward_data_workgroup: [Uniform, Read, Read, Read, ReadWrite];
    dense_backward_weight: [Uniform, Read, Read, ReadWrite];
    dense_backward_weight_broadcast: [Uniform, Read, Read, ReadWrite];
    dense_backward_weight_workgroup: [Uniform, Read, Read, ReadWrite];
    conv_forward: [Uniform, Read, Read, ReadWrite];
    conv_forward_broadcast: [Uniform, Read, Read, ReadWrite];
    conv_forward_workgroup: [Uniform, Read, Read, ReadWrite];
    conv_backward_data: [Uniform, Read, Read, Read, ReadWrite];
    conv_backward_data_broadcast: [Uniform, Read, Read, Read, ReadWrite];
    conv_backward_data_workgroup: [Uniform, Read, Read, Read, ReadWrite];
    conv_backward_weight: [Uniform, Read, Read, ReadWrite];
    conv_backward_weight_broadcast: [Uniform, Read, Read, ReadWrite];
    dense_forward_sparse: [Uniform, Read, Read, Read, Read, Read, ReadWrite];
    dense_forward_sparse_broadcast: [Uniform, Read, Read, Read, Read, Read, ReadWrite];
    dense_backward_data_sparse: [Uniform, Read, Read, Read, Read, Read, ReadWrite];
    dense_backward_data_sparse_broadcast: [Uniform, Read, Read, Read, Read, Read, ReadWrite];
    dense_backward_weight_sparse: [Uniform, Read, Read, Read, Read, Read, ReadWrite];
    dense_backward_weight_sparse_broadcast: [Uniform, Read, Read, Read, Read, Read, ReadWrite];
    conv_forward_sparse: [Uniform, Read, Read, Read, Read, Read, Read, ReadWrite];
    conv_backward_data_sparse: [Uniform, Read, Read, Read, Read, Read, ReadWrite];
    conv_backward_weight_sparse: [Uniform, Read, Read, Read, Read, Read, Read, ReadWrite];
    bias_backward: [Uniform, Read, ReadWrite];
    partial_sum: [Uniform, Read, ReadWrite];
    kept_partial_sum: [Uniform, Read, Read, Read, Read, ReadWrite];
    relu_forward: [Uniform, ReadWrite];
    relu_backward: [Uniform, Read, ReadWrite];
    batch_norm_statistics: [Uniform, Read, Read, ReadWrite];
    batch_norm_combine: [Uniform, Read, Read, ReadWrite, ReadWrite];
    batch_norm_forward: [Uniform, Read, Read, ReadWrite];
    batch_norm_backward_sums: [Uniform, Read, Read, Read, Read, ReadWrite];
    batch_norm_backward_combine: [Uniform, Read, Read, ReadWrite, ReadWrite];
    batch_norm_backward_data: [Uniform, Read, Read, Read, Read, ReadWrite];
    activation_forward: [Uniform, Read, ReadWrite];
    activation_backward: [Uniform, Read, Read, ReadWrite];
    add_forward: [Uniform, Read, Read, ReadWrite];
    values_copy: [Uniform, Read, ReadWrite];
    values_add: [Uniform, Read, ReadWrite];
    max_pool_forward: [Uniform, Read, ReadWrite, ReadWrite];
    max_pool_backward: [Uniform, Read, Read, ReadWrite];
    max_pool_backward_apart: [Uniform, Read, Read, ReadWrite];
    avg_pool_forward: [Uniform, Read, ReadWrite];
    avg_pool_backward: [Uniform, Read, Read, ReadWrite];
    dropout_apply: [Uniform, Read, Read, ReadWrite];
    softmax_loss: [Uniform, Read, Read, Read, ReadWrite, ReadWrite, ReadWrite];
    gradient_mask: [Uniform, Read, ReadWrite];
    gradient_norm: [Uniform, Read, Read, ReadWrite];
    gradient_clip: [Uniform, Read, Read, ReadWrite];
    sgd_step: [Uniform, Read, Read, Read, ReadWrite, ReadWrite, ReadWrite, ReadWrite];
    adam_step: [Uniform, Read, Read, Read, ReadWrite, ReadWrite, ReadWrite, ReadWrite];
    adadelta_step: [Uniform, Read, Read, Read, ReadWrite, ReadWrite, ReadWrite, ReadWrite];
    unit_sums: [Uniform, Read, Read, Read, Read, ReadWrite];
    unit_shrink: [Uniform, Read, Read, Read, Read, ReadWrite];
    step_advance: [Uniform, Read, Read, Read, Read, ReadWrite];
    kept_count: [Uniform, Read, ReadWrite];
    prefix_sum: [Uniform, ReadWrite];
    kept_fill: [Uniform, Read, Read, ReadWrite];
    column_count: [Uniform, Read, ReadWrite];
    column_fill: [Uniform, Read, Read, ReadWrite];
    params_init: [Uniform, Read, ReadWrite];
    mask_apply: [Uniform, Read, ReadWrite];
    mask_audit: [Uniform, Read, Read, Read, Read, Read, ReadWrite];
    mask_shuffle: [Uniform, Read, Read, ReadWrite];
    magnitude_score: [Uniform, Read, Read, Read, ReadWrite, ReadWrite];
    random_score: [Uniform, Read, Read, Read, ReadWrite, ReadWrite];
    saliency_score: [Uniform, Read, Read, Read, ReadWrite, ReadWrite];
    growth_score: [Uniform, Read, Read, Read, ReadWrite, ReadWrite];
    gradient_accumulate: [Uniform, Read, Read, ReadWrite];
    params_shift: [Uniform, Read, Read, Read, Read, ReadWrite];
    params_absolute: [Uniform, Read, Read, ReadWrite];
    unit_distances: [Uniform, Read, Read, Read, ReadWrite];
    unit_activity: [Uniform, Read, Read, ReadWrite];
    flow_rescale: [Uniform, ReadWrite, ReadWrite];
    flow_share: [Uniform, Read, Read, Read, ReadWrite];
    score_invert: [Uniform, ReadWrite];
    select_count: [Uniform, Read, Read, Read, ReadWrite];
    select_pick: [Uniform, ReadWrite, ReadWrite];
    select_write: [Uniform, Read, Read, Read, ReadWrite];
    select_rows: [Uniform, Read, Read, ReadWrite];
    select_rows_write: [Uniform, Read, Read, ReadWrite];
    select_runs: [Uniform, Read, ReadWrite];
    probe_fma: [Uniform, ReadWrite];
    probe_copy: [Uniform, Read, ReadWrite];
}

macro_rules! shared {
    ($($name:literal),* $(,)?) => {
        /// What `#import NAME` takes in.
        pub fn shared_sources() -> &'static [(&'static str, &'static str)] {
            &[$(($name, include_str!(concat!("../../shaders/shared/", $name, ".wgsl")))),*]
        }
    };
}

shared![
    "activation",
    "batch_norm",
    "chunk",
    "columns",
    "conv",
    "dense",
    "flow",
    "gate",
    "grid",
    "hyper",
    "kept",
    "math",
    "params",
    "pool",
    "random",
    "relu",
    "rows",
    "samples",
    "score",
    "select",
    "span",
    "state",
    "step",
    "tiles",
    "units",
    "warp"
];

/// The kernel called `name`.
pub fn source_of(name: &str) -> Option<&'static KernelSource> {
    KERNELS.iter().find(|k| k.name == name)
}
