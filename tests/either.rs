//! Units in some layers and weights in others: what a rule decides is done, replica by replica.

mod common;

use common::{Lab, count, gpu, no_gpu, row};
use secateur::model::mask::kept_per_tensor;
use secateur::model::{Model, presets};
use secateur::prune::prune_units;
use secateur::spec::{
    Amount, Init, Layer, ModelSpec, Shape, UnitAmount, UnitCriterion, UnitPrune, UnitRule,
    UnitScope,
};
use secateur::train::{Key, Replicas, Snapshot};
use std::sync::Arc;

fn model() -> Arc<Model> {
    let linear = |features| Layer::Linear {
        features,
        bias: true,
    };
    let layers = vec![linear(10), Layer::Relu, linear(8), Layer::Relu, linear(3)];
    let spec = ModelSpec {
        name: "custom".to_owned(),
        layers: presets::with_names(layers),
        init: Init::Pytorch,
    };
    Arc::new(Model::new(&spec, Shape::flat(20), 3).unwrap())
}

/// Fresh weights, of which half of the units of these tensors are silenced.
fn silenced(start: &Snapshot, model: &Model, tensors: &[usize]) -> Snapshot {
    let mut snapshot = start.clone();
    for tensor in tensors.iter().map(|&t| &model.tensors[t]) {
        let row = tensor.count / tensor.shape[0];
        for o in (0..tensor.shape[0]).step_by(2) {
            for w in &mut snapshot.weights[tensor.offset + o * row..][..row] {
                *w *= 0.01;
            }
        }
    }
    snapshot
}

/// Two replicas of one cohort with other layers silenced: units go there, and the smallest weights elsewhere.
#[test]
fn units_go_where_units_differ() {
    let Some(gpu) = gpu() else { return };
    let model = model();
    let keys = [0, 1].map(|seed| Key {
        seed,
        ..Key::default()
    });
    let replicas = Replicas::new(gpu, model.clone(), &keys).unwrap();
    replicas.initialise(gpu).unwrap();
    let fresh = replicas.download(gpu).unwrap();
    let before = [
        silenced(&fresh[0], &model, &[0]),
        silenced(&fresh[1], &model, &[2]),
    ];
    let half = UnitAmount::Count(Amount::Sparsity(0.5));
    let spec = UnitPrune {
        rule: Some(UnitRule::Spread(3.0)),
        ..UnitPrune::new(UnitCriterion::L2, UnitScope::Layer, half)
    };
    replicas.upload(gpu, &before.each_ref()).unwrap();
    let notes = prune_units(gpu, &replicas, &[&spec, &spec], None, &mut |_| true).unwrap();
    assert_eq!(
        notes,
        [
            "seed 0: units of fc1; weights of fc2",
            "seed 1: units of fc2; weights of fc1"
        ]
    );
    let after = replicas.download(gpu).unwrap();
    let empty = |replica: usize, tensor: usize| -> Vec<usize> {
        let tensor = &model.tensors[tensor];
        let row = tensor.count / tensor.shape[0];
        let kept = |i: usize| after[replica].mask[i / 32] >> (i % 32) & 1 == 1;
        let gone = |o: &usize| {
            let first = tensor.offset + o * row;
            !(first..first + row).any(kept)
        };
        (0..tensor.shape[0]).filter(gone).collect()
    };
    // fc1 loses its silenced units; fc2 half of its weights, and besides the columns that read what is gone.
    assert_eq!(empty(0, 0), [0, 2, 4, 6, 8]);
    assert!(empty(0, 2).len() < 4);
    let counts = kept_per_tensor(&model, &after[0].mask);
    assert!(
        counts[0] == 100 && counts[2] > 0 && counts[2] < 40,
        "{counts:?}"
    );
    // In the other replica it is the other way round, and nothing reads across: fc3 loses columns alone.
    assert_eq!(empty(1, 2), [0, 2, 4, 6]);
    let counts = kept_per_tensor(&model, &after[1].mask);
    assert_eq!((counts[0], counts[2], counts[4]), (100, 40, 12));
    for (after, before) in after.iter().zip(&before) {
        for i in 0..model.floats {
            let kept = after.mask[i / 32] >> (i % 32) & 1 == 1;
            assert_eq!(after.weights[i], if kept { before.weights[i] } else { 0.0 });
        }
    }
}

#[test]
fn either_is_asked_for_in_the_experiment_file() {
    if no_gpu() {
        return;
    }
    let head = r#"
secateur = 1
seeds = 2
[model]
layers = ["flatten", { linear = 24 }, "relu", { linear = 12 }, "relu", { linear = 10 }]
[train]
dataset = "mnist"
batch = 30
length = "12st"
optimizer = { kind = "sgd", lr = 0.1 }
validation = 64
"#;
    let arm = |name: &str, keys: &str| {
        format!(
            "[[arm]]\nname = \"{name}\"\nsteps = [{{ train = {{}} }}, {{ prune = {{ structure = \"either\", sparsity = 0.5, {keys} }} }}, {{ train = {{}} }}]\n"
        )
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
