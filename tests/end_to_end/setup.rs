//! What these tests share: two networks, arms with every kind of step, and looking into run folders.

use crate::common::{Done, Lab, Row, assert_same, count};
use safetensors::SafeTensors;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// Weights of [`MLP`].
pub const FC1: u64 = 784 * 24;
pub const FC2: u64 = 24 * 10;
pub const ALL: u64 = FC1 + FC2;

/// A small fully connected network on the stand-in for MNIST; seeds and arms follow.
pub const MLP: &str = r#"
secateur = 1
seeds = 2
[model]
layers = ["flatten", { linear = 24 }, "relu", { linear = 10 }]
[train]
dataset = "mnist"
batch = 30
length = "2ep"
optimizer = { kind = "sgd", lr = 0.1, momentum = 0.9, weight_decay = 0.001 }
validation = 64
"#;

/// A small convolutional one with everything random and every kind of pooling.
pub const CONV: &str = r#"
secateur = 1
seeds = 2
[model]
layers = [
  { conv2d = 4, kernel = 5, stride = 2 },
  "relu",
  { max_pool = 2 },
  { dropout = 0.25, channels = true },
  { conv2d = 6, kernel = 3, padding = 1 },
  "relu",
  { avg_pool = 3 },
  "flatten",
  { dropout = 0.5 },
  { linear = 10 },
]
[train]
dataset = "mnist"
batch = 30
length = "1ep"
optimizer = { kind = "adam", lr = 0.01 }
validation = 64
"#;

/// The head of an experiment on the stand-in for MNIST, with these layers; seeds and arms follow.
pub fn head(layers: &str, train: &str) -> String {
    format!(
        "secateur = 1\nseeds = 2\n[model]\nlayers = [{layers}]\n\
         [train]\ndataset = \"mnist\"\nbatch = 30\nvalidation = 64\n{train}\n"
    )
}

/// An arm of these steps.
pub fn arm(name: &str, steps: &[&str]) -> String {
    let steps = steps.join(", ");
    format!("[[arm]]\nname = \"{name}\"\nsteps = [{steps}]\n")
}

/// A step that trains as the head says.
pub const TRAINING: &str = "{ train = {} }";

/// What the experiments on bits have in common: every kind of step.
pub const ARMS: &str = r#"
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = 0.8 } }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "shuffled"
control = { of = "pruned", mask = "shuffle" }
[[arm]]
name = "random"
steps = [{ prune = { criterion = "random", scope = "uniform", sparsity = 0.8 } }, { train = {} }]
"#;

pub const MASKS: &str = r#"
[[arm]]
name = "learned"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "transferred"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { mask = "transfer" }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "shuffled"
control = { of = "learned", mask = "shuffle" }
[[arm]]
name = "shuffled by hand"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { mask = "shuffle" }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "shuffled twice"
control = { of = "shuffled", mask = "shuffle" }
[[arm]]
name = "random"
control = { of = "learned", mask = "random" }
[[arm]]
name = "released"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { restart = "fresh" }, { mask = "release" }, { train = {} }]
[[arm]]
name = "uniform"
steps = [{ prune = { criterion = "random", scope = "uniform", keep = 1000 } }, { train = {} }]
[[arm]]
name = "per layer"
steps = [{ train = {} }, { prune = { scope = "layer", sparsity = 0.95 } }, { train = {} }]
[[arm]]
name = "first layer only"
steps = [{ train = {} }, { prune = { layers = ["fc1"], density = 0.03 } }, { train = {} }]
[[arm]]
name = "in two steps"
steps = [{ train = {} }, { prune = { density = 0.5 } }, { train = {} }, { prune = { keep = 1000 } }, { train = {} }]
[[arm]]
name = "pruned at the end"
steps = [{ train = {} }, { prune = { keep = 1000 } }]
[[arm]]
name = "shuffled at the end"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { mask = "shuffle" }]
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

pub fn lab(head: &str, arms: &str) -> Lab {
    Lab::with(&format!("{head}{arms}"))
}

/// [`MLP`], dense and pruned halfway, at two learning rates.
pub fn two_rates(first: &str, second: &str) -> Lab {
    let arms = format!(
        r#"
[sweep]
lr = [{first}, {second}]
[[arm]]
name = "dense"
steps = [{{ train = {{}} }}]
[[arm]]
name = "pruned"
steps = [{{ train = {{}} }}, {{ prune = {{ sparsity = 0.5 }} }}, {{ train = {{}} }}]
"#
    );
    lab(&MLP.replace("lr = 0.1", "lr = \"$lr\""), &arms)
}

/// Asserts that tables and everything else are the same in two run folders.
pub fn assert_same_folders(lab: &Lab, a: &str, b: &str) {
    let what = format!("{a} and {b}");
    assert_same(&lab.contents(a), &lab.contents(b), &what);
}

/// The same for an experiment that was another before: stages that it no longer asks for are left.
pub fn assert_same_results(lab: &Lab, a: &str, b: &str) {
    let kept = |out: &str| {
        let mut all = lab.contents(out);
        all.retain(|path, _| !path.starts_with("stages"));
        all
    };
    assert_same(&kept(a), &kept(b), &format!("{a} and {b}"));
}

pub fn digests(rows: &[Row], column: &str) -> BTreeSet<String> {
    rows.iter().map(|r| r[column].clone()).collect()
}

pub fn assert_no_violations(rows: &[Row]) {
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(row["mask_violations"], "0", "{row:?}");
    }
}

/// Tensors of a weights file: (name, weights, kept).
pub fn weights(path: &Path) -> Vec<(String, Vec<f32>, Vec<bool>)> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut names: Vec<&str> = file.names();
    names.retain(|n| n.ends_with(".weight"));
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| {
            let data = file.tensor(name).expect("a tensor").data();
            let (words, _) = data.as_chunks::<4>();
            let weights = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
            let mask = file.tensor(&format!("{name}.mask")).expect("a mask");
            let bit = |i: usize| mask.data()[i / 8] >> (i % 8) & 1 == 1;
            let kept = (0..data.len() / 4).map(bit).collect();
            (name.to_owned(), weights, kept)
        })
        .collect()
}

/// Kept weights per layer as the table says, checked against the saved weights, of which all others must be 0.
pub fn kept(lab: &Lab, out: &str, row: &Row) -> (u64, u64) {
    let says = (
        count(row, "density_fc1", FC1),
        count(row, "density_fc2", FC2),
    );
    assert_eq!(count(row, "density", ALL), says.0 + says.1, "{row:?}");
    let name = format!(
        "{}-seed{}.safetensors",
        row["arm"].replace(' ', "-"),
        row["seed"]
    );
    let tensors = weights(&lab.path(out).join("weights").join(name));
    let mut found = Vec::new();
    for (name, weights, kept) in &tensors {
        let outside = weights.iter().zip(kept).filter(|(_, kept)| !**kept);
        let broken = outside.filter(|(w, _)| w.to_bits() != 0).count();
        assert_eq!(
            broken, 0,
            "{} of {}: pruned weights that are not 0",
            name, row["arm"]
        );
        found.push(kept.iter().filter(|k| **k).count() as u64);
    }
    assert_eq!(found, [says.0, says.1], "{}", row["arm"]);
    says
}

/// Starts a run, waits until its folder holds this many finished stages, and does `end` to it. Whatever comes out.
pub fn cut(
    lab: &Lab,
    out: &str,
    more: &[&str],
    stages: usize,
    end: impl FnOnce(&mut Child),
) -> Done {
    cut_when(lab, out, more, || finished_stages(lab, out) >= stages, end)
}

/// Starts a run, waits until `ready`, and does `end` to it. Whatever comes out.
pub fn cut_when(
    lab: &Lab,
    out: &str,
    more: &[&str],
    ready: impl Fn() -> bool,
    end: impl FnOnce(&mut Child),
) -> Done {
    let mut child = lab
        .command("e.toml", out, more)
        .spawn()
        .expect("the binary starts");
    while child.try_wait().expect("a child").is_none() {
        if ready() {
            end(&mut child);
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Done::of(child.wait_with_output().expect("a child"))
}

pub fn finished_stages(lab: &Lab, out: &str) -> usize {
    stage_files(lab, out, ".safetensors")
}

/// Files of stages that end so, temporary ones left out.
pub fn stage_files(lab: &Lab, out: &str, extension: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(lab.path(out).join("stages")) else {
        return 0;
    };
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
    names
        .filter(|n| n.len() == 64 + extension.len() && n.ends_with(extension))
        .count()
}
