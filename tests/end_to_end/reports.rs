//! What is printed, drawn and measured beside the results.

use super::setup::{MLP, arm, assert_no_violations, assert_same_folders, lab};
use crate::common::{Lab, count, no_gpu, number, published, secateur, table};
use secateur::experiment::Experiment;
use secateur::model::presets;
use std::path::Path;

#[test]
fn presets_say_their_sizes() {
    for (name, line) in [
        (
            "lenet-300-100",
            "266610 parameters, 266200 of them prunable; 266200 multiply-adds",
        ),
        ("mnist-cnn", "1199882 parameters, 1199648 of them prunable"),
        ("lenet-5", "61706 parameters, 61470 of them prunable"),
        (
            "resnet-20",
            "272474 parameters, 270896 of them prunable; 40813184 multiply-adds",
        ),
        ("resnet-20", "layer2.0.bn2, layer2.0.downsample.1"),
    ] {
        let done = secateur(["model", "summary", name]).ok();
        assert!(done.stdout.contains(line), "{}", done.stdout);
    }
    let done = secateur(["model", "summary", "mnist-cnn"]).ok();
    for weights in [288 + 32, 18_432 + 64, 1_179_648 + 128, 1_280 + 10] {
        let shown = done
            .stdout
            .split_whitespace()
            .any(|w| w == weights.to_string());
        assert!(shown, "{weights} parameters: {}", done.stdout);
    }
}

/// An experiment that trains on `dataset`, once; its model is still to be written.
fn without_model(dataset: &str) -> String {
    format!(
        r#"
secateur = 1
seeds = 1
[train]
dataset = "{dataset}"
batch = 64
length = "1ep"
optimizer = {{ kind = "sgd", lr = 0.1 }}
[[arm]]
name = "dense"
steps = [{{ train = {{}} }}]
"#
    )
}

#[test]
fn a_preset_that_is_shown_is_the_preset_when_it_is_read() {
    for name in presets::names() {
        let shown = secateur(["model", "show", name]).ok().stdout;
        let text = without_model("mnist") + &shown;
        let read = Experiment::parse("e.toml", &text, Path::new("."), &[]);
        let read = read.unwrap_or_else(|errors| panic!("{name}: {}", errors.render(false)));
        let layers = &read.arms[0].variants[0].model.layers;
        assert_eq!(Some(layers), presets::layers(name).as_ref(), "{name}");
    }
    let shown = secateur(["model", "show", "resnet-20", "--classes", "37"]).ok();
    assert!(
        shown.stdout.contains("{ linear = 37, name = \"fc\" }"),
        "{}",
        shown.stdout
    );
    secateur(["model", "show", "resnet-21"]).fails(2, &["resnet-20"]);
}

/// Two classes of a dataset of ten, and a hundred: the preset follows, and nothing needs to be written for it.
#[test]
fn the_last_layer_of_a_preset_follows_the_classes() {
    let model = r#"
[model]
preset = "resnet-20"
[datasets.pets]
of = "cifar-10"
classes = ["cat", "dog"]
"#;
    // 272,474 for ten classes; 65 for each more or less.
    for (dataset, parameters) in [
        ("pets", "271954"),
        ("cifar-100", "278324"),
        ("cifar-10", "272474"),
    ] {
        let lab = Lab::with(&(without_model(dataset) + model));
        let file = lab.path("e.toml").display().to_string();
        secateur(["check", file.as_str()]).ok();
        let done = secateur(["model", "summary", file.as_str()]).ok();
        assert!(
            done.stdout.contains(&format!("{parameters} parameters")),
            "{}",
            done.stdout
        );
    }
}

#[test]
fn data_that_is_not_the_published_one_is_reported() {
    if no_gpu() {
        return;
    }
    let short = r#"{ train = { length = "1st" } }"#;
    let lab = lab(MLP, &arm("dense", &[short]));
    let done = lab.run("e.toml", "out", &[]).ok();
    assert!(
        done.stderr.contains("sha256"),
        "no warning about other data:\n{}",
        done.stderr
    );
}

#[test]
fn speed_is_measured_where_asked_and_changes_no_result() {
    if no_gpu() {
        return;
    }
    let arms = r#"
[[arm]]
name = "pruned"
steps = [{ prune = { sparsity = 0.9 } }, { train = {} }]
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;
    let lab = lab(MLP, arms);
    let short = ["--quiet", "--set", "train.length=6st"];
    lab.run("e.toml", "plain", &short).ok();
    lab.run(
        "e.toml",
        "timed",
        &[&short[..], &["--measure-speed"]].concat(),
    )
    .ok();
    let speeds = table(&lab.path("timed/speed.csv"));
    // The dense cohort has nothing to compare.
    assert_eq!(speeds.len(), 1);
    assert_eq!(speeds[0]["replicas"], "2");
    assert!((number(&speeds[0], "density") - 0.1).abs() < 1e-3);
    for column in ["training_speedup", "forward_speedup", "dense_step_seconds"] {
        assert!(number(&speeds[0], column) > 0.0, "{speeds:?}");
    }
    std::fs::remove_file(lab.path("timed/speed.csv")).expect("a table");
    assert_same_folders(&lab, "plain", "timed");
}

/// The file that everybody runs first, on the drawn datasets, made short.
#[test]
fn the_quickstart_runs() {
    if no_gpu() {
        return;
    }
    let lab = Lab::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quickstart.toml");
    let out = lab.path("quick");
    let done = secateur([
        "run".as_ref(),
        file.as_os_str(),
        "--out".as_ref(),
        out.as_os_str(),
        "--json".as_ref(),
        "--quiet".as_ref(),
        "--set".as_ref(),
        "seeds=[1]".as_ref(),
        "--set".as_ref(),
        "train.length=25st".as_ref(),
    ])
    .ok();
    let json: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON on stdout");
    let text = json.to_string();
    let rows = lab.results("quick");
    assert_eq!(rows.len(), 4);
    assert_no_violations(&rows);
    for row in &rows {
        assert!(
            text.contains(&row["arm"]),
            "{} is not in the JSON",
            row["arm"]
        );
        assert!(number(row, "test_loss").is_finite(), "{row:?}");
    }
    let plots = lab
        .contents("quick")
        .into_keys()
        .filter(|p| p.starts_with("plots"))
        .count();
    assert!(plots >= 2, "no plots");
}

/// Real digits, where they are: one pass of LeNet-300-100 is known to reach 93 %.
#[test]
fn one_epoch_of_mnist_is_learned() {
    if no_gpu() {
        return;
    }
    let Some(data) = published("mnist") else {
        return;
    };
    let lab = Lab::with(
        r#"
secateur = 1
seeds = [0]
[model]
preset = "lenet-300-100"
[train]
dataset = "mnist"
batch = 100
length = "1ep"
optimizer = { kind = "adam", lr = 0.0012 }
[[arm]]
name = "pruned"
steps = [{ prune = { criterion = "random", scope = "uniform", sparsity = 0.5 } }, { train = {} }]
"#,
    );
    let (file, out) = (lab.path("e.toml"), lab.path("out"));
    secateur([
        "run".as_ref(),
        file.as_os_str(),
        "--out".as_ref(),
        out.as_os_str(),
        "--data".as_ref(),
        data.as_os_str(),
    ])
    .ok();
    let rows = lab.results("out");
    assert_no_violations(&rows);
    assert_eq!(count(&rows[0], "density", 266_200), 133_100);
    let accuracy = number(&rows[0], "test_accuracy");
    assert!(accuracy > 93.0, "{accuracy} %");
}
