//! Wrong files, wrong experiments, wrong folders and missing devices: the exit code, the thing at fault and the way out are
//! said, nothing is half done, and nothing panics.

mod adapter;
mod data;
mod early;
mod experiment;
mod folder;
mod output;

pub const EXPERIMENT: &str = r#"
secateur = 1
seeds = 2
[model]
layers = ["flatten", { linear = 12 }, "relu", { linear = 10 }]
[train]
dataset = "mnist"
batch = 30
length = "4st"
optimizer = { kind = "sgd", lr = 0.1 }
validation = 64
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = 0.8 } }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;
