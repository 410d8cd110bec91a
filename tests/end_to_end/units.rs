//! Units, compaction and the group lasso as an experiment asks for them.

use super::setup::{TRAINING, arm, head};
use crate::common::{Lab, count, no_gpu, number, row};

#[test]
fn units_are_pruned_from_the_experiment_file() {
    if no_gpu() {
        return;
    }
    let layers = r#"{ conv2d = 6, kernel = 5, stride = 3 }, "batch_norm", "relu", "flatten", { linear = 12 }, "relu", { linear = 10 }"#;
    let head = head(
        layers,
        "length = \"10st\"\noptimizer = { kind = \"sgd\", lr = 0.1 }",
    );
    let arms = r#"
[[arm]]
name = "norm"
steps = [{ train = {} }, { prune = { structure = "units", sparsity = 0.5 } }, { train = {} }]
[[arm]]
name = "taylor"
steps = [{ train = {} }, { prune = { structure = "units", criterion = "taylor", batches = 2, scope = "global", keep = 9 } }, { train = {} }]
[[arm]]
name = "random"
steps = [{ train = {} }, { prune = { structure = "units", criterion = "random", sparsity = 0.5 } }, { train = {} }]
"#;
    let lab = Lab::with(&format!("{head}{arms}"));
    lab.run("e.toml", "together", &["--quiet"]).ok();
    lab.run("e.toml", "alone", &["--quiet", "--replicas", "1"])
        .ok();
    let rows = lab.results("together");
    assert_eq!(rows.len(), 6);
    for (row, other) in rows.iter().zip(lab.results("alone")) {
        assert_eq!(row["mask_violations"], "0");
        assert_eq!(row["weights_digest"], other["weights_digest"]);
        assert_eq!(row["target_density"], "");
        // 3 of 6 channels of 64 pixels and 6 of 12 neurons are left.
        if row["arm"] != "taylor" {
            let conv = number(row, "density_conv1");
            assert!((conv - 0.5).abs() < 1e-9, "{conv}");
            assert!((number(row, "density_fc1") - 0.25).abs() < 1e-9);
            assert!((number(row, "density_fc2") - 0.5).abs() < 1e-9);
        }
    }
    let bad = r#"
[[arm]]
name = "wrong"
steps = [{ train = {} }, { prune = { structure = "units", layers = ["fc2"], sparsity = 0.5 } }, { train = {} }]
"#;
    lab.write("bad.toml", format!("{head}{bad}"));
    lab.run("bad.toml", "bad", &[])
        .fails(2, &["fc2", "conv1, fc1", "classes"]);
}

#[test]
fn either_is_asked_for_in_the_experiment_file() {
    if no_gpu() {
        return;
    }
    let layers = r#""flatten", { linear = 24 }, "relu", { linear = 12 }, "relu", { linear = 10 }"#;
    let head = head(
        layers,
        "length = \"12st\"\noptimizer = { kind = \"sgd\", lr = 0.1 }",
    );
    let arm = |name: &str, keys: &str| {
        let prune = format!("{{ prune = {{ structure = \"either\", sparsity = 0.5, {keys} }} }}");
        arm(name, &[TRAINING, &prune, TRAINING])
    };
    let arms = [
        arm("units", "rule = { mean-norm = 0 }"),
        arm("weights", "rule = { spread = 1e9 }"),
        arm("decided", "layers = [\"fc1\"]"),
    ]
    .concat();
    let lab = Lab::with(&format!("{head}{arms}"));
    let done = lab.run("e.toml", "together", &[]).ok();
    assert!(
        done.stderr
            .contains("seed 1: units of fc1, fc2; weights of none"),
        "{done:?}"
    );
    lab.run("e.toml", "alone", &["--replicas", "1"]).ok();
    let digests = |out: &str| -> Vec<String> {
        let rows = lab.results(out);
        rows.iter().map(|r| r["weights_digest"].clone()).collect()
    };
    assert_eq!(digests("together"), digests("alone"));
    let rows = lab.results("together");
    let kept = |arm: &str| {
        let row = row(&rows, arm, 0);
        [("fc1", 784 * 24), ("fc2", 24 * 12), ("fc3", 120)]
            .map(|(layer, all)| count(row, &format!("density_{layer}"), all))
    };
    assert_eq!(kept("units"), [784 * 12, 12 * 6, 60]);
    assert_eq!(kept("weights"), [784 * 12, 12 * 12, 120]);
    assert_eq!(kept("decided")[0], 784 * 12);
    let bad = [
        (arm("a", "rule = \"spred\""), "did you mean `spread`"),
        (arm("a", "scope = \"global\""), "each layer loses one share"),
    ];
    for (bad, says) in bad {
        lab.write("bad.toml", format!("{head}{bad}"));
        lab.run("bad.toml", "bad", &[]).fails(2, &[says]);
    }
}

#[test]
fn a_penalty_in_the_experiment_file() {
    if no_gpu() {
        return;
    }
    let head = r#"
secateur = 1
seeds = 2
[model]
layers = [{ conv2d = 8, kernel = 5, stride = 3 }, "relu", "flatten", { linear = 16 }, "relu", { linear = 10 }]
[train]
dataset = "mnist"
batch = 30
length = "60st"
optimizer = { kind = "adam", lr = 0.01 }
validation = 64
[sweep]
lambda = [0.02, 0.1]
[[arm]]
name = "group lasso"
steps = [
  { train = { group_lasso = "$lambda" } }, { prune = { structure = "units", threshold = 0 } }, { compact = {} },
  { train = { length = "10st" } },
]
"#;
    let lab = Lab::with(head);
    lab.run("e.toml", "together", &["--quiet"]).ok();
    lab.run("e.toml", "alone", &["--quiet", "--replicas", "1"])
        .ok();
    let (rows, alone) = (lab.results("together"), lab.results("alone"));
    assert_eq!(rows.len(), 4);
    let whole = f64::from(8 * 26 + 513 * 16 + 170);
    for (row, alone) in rows.iter().zip(&alone) {
        assert_eq!(row["weights_digest"], alone["weights_digest"]);
        assert_eq!(row["mask_violations"], "0");
        assert!(number(row, "parameters") <= whole);
    }
    let of = |lambda: &str| -> f64 {
        let own = rows.iter().filter(|r| r["lambda"] == lambda);
        own.map(|r| number(r, "parameters")).sum()
    };
    println!("{} and {} of {}", of("0.02"), of("0.1"), 2.0 * whole);
    assert!(of("0.1") < of("0.02"));
    lab.write("bad.toml", head.replace("[0.02, 0.1]", "[0.02, -1]"));
    lab.run("bad.toml", "bad", &[])
        .fails(2, &["group_lasso", "at least 0"]);
    let flat = head.replace(
        "[{ conv2d = 8, kernel = 5, stride = 3 }, \"relu\", \"flatten\", { linear = 16 }, \"relu\", { linear = 10 }]",
        "[{ linear = 10 }]",
    );
    lab.write("flat.toml", flat);
    lab.run("flat.toml", "flat", &[])
        .fails(2, &["group_lasso has nothing to work on"]);
}
