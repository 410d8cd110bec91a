//! Which arms depend on which axes, and what stands at each point.

use super::setup::{
    GOOD, errors, good, mistake, points, says, with, with_layers, with_steps, with_sweep,
};
use secateur::experiment::Step;
use secateur::spec::{Amount, Criterion, Layer, Scope};

#[test]
fn a_sweep_makes_variants_of_the_arms_that_use_it() {
    let experiment = good(GOOD);
    let counts: Vec<usize> = experiment
        .arms
        .iter()
        .map(|arm| arm.variants.len())
        .collect();
    assert_eq!(counts, [2, 2, 1]);
    let transferred = &experiment.arms[0];
    let points: Vec<_> = transferred
        .variants
        .iter()
        .map(|v| v.point.clone())
        .collect();
    let point = |value: &str| vec![("sparsity".to_string(), value.to_string())];
    assert_eq!(points, [point("0.5"), point("0.90")]);
    let Step::Prune(prune) = &transferred.variants[1].steps[1] else {
        panic!("not a prune step");
    };
    assert_eq!(prune.amount, Amount::Sparsity(0.9));
    assert_eq!(prune.criterion, Criterion::Magnitude);
    assert_eq!(prune.scope, Scope::Global);
    assert_eq!(prune.layers, None);
}

#[test]
fn a_default_that_sweeps_counts_only_where_it_is_not_overridden() {
    let text = GOOD
        .replace("\"fashion-mnist\"", "\"$target\"")
        .replace(
            "[sweep]",
            "[sweep]\ntarget = [\"kmnist\", \"fashion-mnist\"]",
        )
        .replace(
            "steps = [{ train = {} }]",
            "steps = [{ train = { dataset = \"mnist\" } }]",
        );
    let experiment = good(&text);
    let counts: Vec<usize> = experiment
        .arms
        .iter()
        .map(|arm| arm.variants.len())
        .collect();
    assert_eq!(counts, [4, 4, 1]);
    let point = &experiment.arms[0].variants[1].point;
    assert_eq!(point[0], ("target".to_string(), "kmnist".to_string()));
    assert_eq!(point[1], ("sparsity".to_string(), "0.90".to_string()));
}

#[test]
fn a_default_that_sweeps_counts_for_every_step_that_takes_it() {
    let layers = r#"{ conv2d = 4, kernel = 3 }, "batch_norm", { linear = 10 }"#;
    let steps = "{ train = { batch = 32 } }, { recalibrate = { batches = 10 } }";
    let recalibrated = with_layers(layers)
        .replace("batch = 64", "batch = \"$batch\"")
        .replace("{ train = {} }", steps);
    assert_eq!(points(&with_sweep(&recalibrated, "batch = [64, 128]")), 2);

    let rates = |steps: &str, axes: &str| {
        let text = with_steps(steps).replace("\"adadelta\"", "\"sgd\", lr = \"$lr\"");
        points(&with_sweep(&text, &format!("lr = [0.1, 0.2]\n{axes}")))
    };
    let round = "[{ train = {} }, { prune = { remaining = 0.5 } }]";
    let body = format!("{{ rounds = 2, steps = {round} }}");
    let steps = "{ iterate = { rounds = 2, steps = \"$inner\" } }";
    assert_eq!(rates(steps, &format!("inner = [{round}]")), 2);
    assert_eq!(
        rates("{ iterate = \"$loop\" }", &format!("loop = [{body}]")),
        2
    );
    let whole = format!("loop = [{{ iterate = {body} }}]");
    assert_eq!(rates("\"$loop\"", &whole), 2);
    assert_eq!(rates("{ train = \"$how\" }", "how = [{ batch = 8 }]"), 2);
    // Rounds from the sweep count beside what they take.
    let rounds = format!("{{ iterate = {{ rounds = \"$n\", steps = {round} }} }}");
    assert_eq!(rates(&rounds, "n = [1, 2, 3]"), 6);
}

#[test]
fn whole_tables_and_layers_can_be_swept() {
    let text = with_layers(r#"{ linear = "$width" }, "relu", { linear = 10 }"#)
        .replace("{ kind = \"adadelta\" }", "\"$how\"")
        .replace(
            "[[arm]]",
            "[sweep]\nwidth = [10, 20]\nhow = [{ kind = 'adam' }, { kind = 'sgd', lr = 0.1 }]\n[[arm]]",
        );
    let experiment = good(&text);
    assert_eq!(experiment.arms[0].variants.len(), 4);
    let layer = &experiment.arms[0].variants[3].model.layers[0].layer;
    let wide = Layer::Linear {
        features: 20,
        bias: true,
    };
    assert_eq!(*layer, wide);
}

#[test]
fn labels_of_the_sweep_follow_overrides() {
    let text = with_steps("{ train = {} }").replace("{ kind = \"adadelta\" }", "\"$how\"");
    let axis = "how = [{ kind = \"sgd\", lr = 0.1 }, { kind = 'sgd', lr = 0.20 }]";
    let experiment = with(&with_sweep(&text, axis), &["sweep.how[0].lr=0.5"]);
    let experiment = experiment.unwrap_or_else(|errors| panic!("{errors}"));
    let labels = [
        "{ kind = \"sgd\", lr = 0.5 }",
        "{ kind = 'sgd', lr = 0.20 }",
    ];
    assert_eq!(experiment.axes[0].values, labels);
    for (variant, label) in experiment.arms[0].variants.iter().zip(labels) {
        assert_eq!(variant.point, [("how".to_string(), label.to_string())]);
    }
}

#[test]
fn swept_values_are_checked_where_they_are_written() {
    let found = mistake("[0.5, 0.90]", "[0.5, 1.5]");
    assert_eq!((found.line, found.column), (15, 18));
    assert_eq!(found.path, "sweep.sparsity[1]");
    assert_eq!(
        found.used_at.as_deref(),
        Some("arm[0].steps[1].prune.sparsity")
    );
    says(&found, &["1.5", "[0, 1]"]);
    says(
        &mistake("[0.5, 0.90]", "[0.5, 0.50]"),
        &["lists a value twice"],
    );
    says(&mistake("[0.5, 0.90]", "[]"), &["has no values"]);
    says(
        &mistake("[0.5, 0.90]", "[0.5, 0.9]\nspare = [1]"),
        &["no arm depends on the axis `spare`"],
    );
    says(
        &mistake("[0.5, 0.90]", "[0.5, \"$sparsity\"]"),
        &["cannot refer to another"],
    );
}

#[test]
fn zipped_axes_go_together() {
    let with_zip = |zip: &str, targets: &str| {
        GOOD.replace("\"fashion-mnist\"", "\"$target\"").replace(
            "[sweep]",
            &format!("[sweep]\nzip = {zip}\ntarget = [{targets}]"),
        )
    };
    let two = "\"kmnist\", \"fashion-mnist\"";
    for zip in ["[\"target\", \"sparsity\"]", "[[\"sparsity\", \"target\"]]"] {
        let experiment = good(&with_zip(zip, two));
        let counts: Vec<usize> = experiment
            .arms
            .iter()
            .map(|arm| arm.variants.len())
            .collect();
        // The last arm uses one of the two, and runs at each of its values.
        assert_eq!(counts, [2, 2, 2]);
        let of = |target: &str, sparsity: &str| {
            vec![
                ("target".to_string(), target.to_string()),
                ("sparsity".to_string(), sparsity.to_string()),
            ]
        };
        let points: Vec<_> = experiment.arms[0]
            .variants
            .iter()
            .map(|v| v.point.clone())
            .collect();
        assert_eq!(points, [of("kmnist", "0.5"), of("fashion-mnist", "0.90")]);
        assert_eq!(experiment.axes.len(), 2);
    }
    for (zip, targets, said) in [
        (
            "[\"target\", \"sparsity\"]",
            "\"kmnist\"",
            "`sparsity` has 2 values, and `target` has 1",
        ),
        ("[\"target\", \"spasity\"]", two, "there is no axis"),
        ("[\"target\"]", two, "at least two axes"),
        (
            "[[\"target\", \"sparsity\"], [\"sparsity\", \"target\"]]",
            two,
            "zipped twice",
        ),
    ] {
        let message = errors(&with_zip(zip, targets)).to_string();
        assert!(message.contains(said), "{message}");
    }
}
