//! Runs whose networks shrink on the way.

use super::setup::arm;
use crate::common::{Lab, assert_same, no_gpu, number, secateur};
use std::fs;

const TWO_CONV: &str = r#"
secateur = 1
seeds = 3
[model]
layers = [
  { conv2d = 6, kernel = 5, stride = 3 }, { layer = "batch_norm", name = "bn" }, "relu",
  { conv2d = 8, kernel = 3 }, "relu", "flatten", { linear = 12 }, "relu", { linear = 10 },
]
[train]
dataset = "mnist"
batch = 30
length = "12st"
optimizer = { kind = "sgd", lr = 0.1 }
validation = 64
"#;

const SHRINKING: &str = r#"
[[arm]]
name = "masked"
steps = [{ train = {} }, { prune = { structure = "units", criterion = "random", scope = "global", sparsity = 0.5 } }, { train = {} }]
[[arm]]
name = "compact"
steps = [{ train = {} }, { prune = { structure = "units", criterion = "random", scope = "global", sparsity = 0.5 } }, { compact = {} }, { train = {} }]
[[arm]]
name = "from scratch"
steps = [
  { train = {} }, { prune = { structure = "units", criterion = "random", scope = "global", sparsity = 0.5 } }, { compact = {} },
  { restart = "fresh" }, { train = {} },
]
[[arm]]
name = "twice"
steps = [
  { train = {} }, { prune = { structure = "units", criterion = "random", scope = "global", sparsity = 0.5 } }, { compact = {} }, { train = {} },
  { prune = { structure = "units", sparsity = 0.5 } }, { prune = { remaining = 0.7 } }, { compact = {} },
]
[[arm]]
name = "dense"
steps = [{ train = {} }, { train = {} }]
"#;

#[test]
fn runs_whose_networks_shrink_are_reported_and_resumed() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(&format!("{TWO_CONV}{SHRINKING}"));
    lab.run("e.toml", "together", &[]).ok();
    lab.run("e.toml", "alone", &["--quiet", "--replicas", "1"])
        .ok();
    assert_same(&lab.contents("together"), &lab.contents("alone"), "cohorts");
    let rows = lab.results("together");
    assert_eq!(rows.len(), 15);
    let of = |arm: &str, seed: usize| {
        let seed = seed.to_string();
        let found = rows.iter().find(|r| r["arm"] == arm && r["seed"] == seed);
        found.unwrap()
    };
    for seed in 0..3 {
        let [masked, small, fresh, twice, dense] =
            ["masked", "compact", "from scratch", "twice", "dense"].map(|arm| of(arm, seed));
        let parameters = |row| number(row, "parameters");
        assert_eq!(parameters(masked), parameters(dense));
        assert_eq!(
            number(masked, "multiply_adds"),
            number(dense, "multiply_adds")
        );
        assert!(parameters(small) < 0.7 * parameters(dense));
        assert!(number(small, "multiply_adds") < 0.7 * number(dense, "multiply_adds"));
        assert_eq!(parameters(small), parameters(fresh));
        assert!(parameters(twice) < 0.7 * parameters(small));
        // The same weights are left, be they in smaller tensors or not.
        assert_eq!(masked["density"], small["density"]);
        assert_eq!(masked["density_conv2"], small["density_conv2"]);
        assert_ne!(small["weights_digest"], fresh["weights_digest"]);
        for row in [masked, small, fresh, twice, dense] {
            assert_eq!(row["mask_violations"], "0");
        }
    }
    // Which units are left is each seed's own, so seeds end in different shapes.
    let sizes = [0, 1, 2].map(|seed| of("compact", seed)["parameters"].clone());
    assert!(sizes.iter().any(|size| *size != sizes[0]), "{sizes:?}");
    // A compacted run's files hold its tensors as they are.
    let weights = lab.path("together/weights");
    let file = fs::read_dir(weights).unwrap().map(|f| f.unwrap().path());
    let file = file
        .filter(|f| f.display().to_string().contains("from"))
        .min()
        .unwrap();
    let bytes = fs::read(file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = tensors.tensor("conv1.weight").unwrap().shape().to_vec();
    assert!(shape[0] < 6 && shape[1..] == [1, 5, 5], "{shape:?}");

    // Again with nothing to do; then without what some runs ended with, and without every other stage.
    let before = lab.contents("together");
    lab.run("e.toml", "together", &["--quiet"]).ok();
    assert_same(&before, &lab.contents("together"), "nothing to do");
    let stages = lab.path("together/stages");
    let mut files: Vec<_> = fs::read_dir(stages)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    for keep in 0..2 {
        for file in files.iter().skip(keep).step_by(2) {
            fs::remove_file(file).unwrap();
        }
        lab.run("e.toml", "together", &["--quiet", "--replicas", "2"])
            .ok();
        assert_same(&before, &lab.contents("together"), "resumed");
    }
}

#[test]
fn what_a_smaller_network_cannot_do_is_refused() {
    let prune = "{ prune = { structure = \"units\", sparsity = 0.5 } }";
    let cases = [
        (
            format!("{{ train = {{}} }}, {prune}, {{ compact = {{}} }}, {{ restart = \"init\" }}, {{ train = {{}} }}"),
            "restart first and compact then",
        ),
        (
            "{ train = {} }, { compact = {} }, { train = {} }".to_owned(),
            "there is no mask at this point",
        ),
        (
            format!("{{ train = {{}} }}, {prune}, {{ compact = {{ keep = 3 }} }}"),
            "unknown key `keep` in `compact`",
        ),
        (
            format!("{{ train = {{}} }}, {prune}, {{ compct = {{}} }}"),
            "did you mean `compact`?",
        ),
        (
            "{ train = {} }, { prune = { structure = \"units\", criterion = \"magnitude\", sparsity = 0.5 } }".to_owned(),
            "unknown criterion \"magnitude\"",
        ),
        (
            "{ train = {} }, { prune = { structure = \"unit\", sparsity = 0.5 } }".to_owned(),
            "did you mean `units`?",
        ),
    ];
    for (steps, words) in cases {
        let lab = Lab::with(&format!("{TWO_CONV}{}", arm("a", &[&steps])));
        let file = lab.path("e.toml").display().to_string();
        let done = secateur(["check", &file]);
        assert_eq!(done.code, Some(2), "{steps}: {}", done.stdout);
        let text: String = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{steps}: {}", done.stderr);
    }
}
