//! `secateur bench`: what it counts, and that its report holds together. No test looks at how long something took.

mod common;

use common::{Lab, dataset, no_gpu, secateur};
use secateur::bench::{Shapes, Work, crossover};
use secateur::gpu::{Gpu, Program};
use secateur::model::{Model, presets};
use secateur::ops::{Execution, Span, SparseRule};
use secateur::spec::{
    Init, Layer, Length, ModelSpec, NamedLayer, Normalise, Optimizer, Shape, TrainSpec,
};
use secateur::train::{Key, Replicas, ResidentDataset, Trainer, scales};
use serde_json::Value;
use std::sync::Arc;

// ------------------------------------------------------------------------------------------------------------- crossover

#[test]
fn the_crossover_lies_between_the_densities_around_it() {
    // 5 % more than 100 is reached a quarter of the way from 0.5 to 0.1.
    let at = crossover(&[(1.0, 100.0), (0.5, 100.0), (0.1, 120.0)]).unwrap();
    assert!((at - 0.4).abs() < 1e-9, "{at}");
    let at = crossover(&[(1.0, 100.0), (0.2, 150.0), (0.1, 300.0)]).unwrap();
    assert!((at - 0.92).abs() < 1e-9, "{at}");
}

#[test]
fn what_is_not_faster_from_there_on_is_no_crossover() {
    assert_eq!(crossover(&[]), None);
    assert_eq!(crossover(&[(1.0, 100.0)]), None);
    assert_eq!(crossover(&[(1.0, 100.0), (0.5, 104.0), (0.1, 99.0)]), None);
    // One lucky measurement in the middle.
    assert_eq!(crossover(&[(1.0, 100.0), (0.5, 150.0), (0.1, 99.0)]), None);
    // Nothing to compare with.
    assert_eq!(crossover(&[(0.5, 100.0), (0.1, 200.0)]), None);
}

// ------------------------------------------------------------------------------------------------------------------ work

fn model(name: &str, layers: Vec<NamedLayer>) -> Arc<Model> {
    let spec = ModelSpec {
        name: name.to_owned(),
        layers,
        init: Init::Pytorch,
    };
    Arc::new(Model::new(&spec, Shape::new(1, 28, 28), 10).unwrap())
}

/// The kinds of layers that no preset has, and activations without a neighbour that does them on the way.
fn odd_layers() -> Vec<Layer> {
    vec![
        Layer::Conv2d {
            channels: 3,
            kernel: 3,
            stride: 2,
            padding: 1,
            bias: true,
        },
        Layer::AvgPool {
            window: Some(2),
            stride: 2,
        },
        Layer::Relu,
        Layer::Tanh,
        Layer::Dropout {
            p: 0.5,
            channels: false,
        },
        Layer::Flatten,
        Layer::Linear {
            features: 10,
            bias: false,
        },
    ]
}

fn spec(optimizer: Optimizer, clip_norm: Option<f64>) -> TrainSpec {
    TrainSpec {
        clip_norm,
        normalise: Normalise::None,
        ..TrainSpec::plain("spots", 22, Length::Steps(1), optimizer)
    }
}

/// A kernel that a training step runs and that nobody counts would show in reports as an empty cell.
#[test]
fn every_kernel_of_a_training_step_is_counted() {
    let gpu = Gpu::no_op();
    let data = dataset(30, 20, 28);
    let resident = ResidentDataset::upload(&gpu, &data).unwrap();
    let mut models = vec![model("custom", presets::with_names(odd_layers()))];
    // Shapes are those of 28x28 images; a residual network takes them too.
    let small = |name: &&&str| presets::input(name).channels == 1 || **name == "resnet-20";
    for name in presets::names().iter().filter(small) {
        models.push(model(name, presets::layers(name).unwrap()));
    }
    let (lr, eps, weight_decay) = (0.1, 1e-8, 0.0);
    let specs = [
        spec(
            Optimizer::Sgd {
                lr,
                momentum: 0.9,
                nesterov: false,
                weight_decay,
            },
            Some(1.0),
        ),
        spec(
            Optimizer::Adam {
                lr,
                beta1: 0.9,
                beta2: 0.99,
                eps,
                weight_decay,
            },
            None,
        ),
        spec(
            Optimizer::Adadelta {
                lr,
                rho: 0.9,
                eps,
                weight_decay,
            },
            None,
        ),
    ];
    let mut met = std::collections::BTreeSet::new();
    for model in &models {
        let replicas = Replicas::new(&gpu, model.clone(), &[Key::default(); 2]).unwrap();
        let full = vec![u32::MAX; model.mask_words()];
        let shapes = Shapes::new(model, 22, &[&full, &full]);
        assert_eq!(shapes.density(), 1.0);
        for spec in &specs {
            for sparse in [SparseRule::Never, SparseRule::Always] {
                let execution = Execution {
                    sparse,
                    ..Execution::default()
                };
                let scales = scales(&spec.normalise, &data);
                let both = [spec, spec];
                let trainer =
                    Trainer::new(&gpu, &replicas, &resident, &both, &scales, &execution).unwrap();
                let mut before = "";
                for part in trainer.training_program().unwrap().parts() {
                    let what = format!("{} of {} in {}", part.kernel, part.place, model.name);
                    match shapes.work(part.kernel, &part.place, before) {
                        Some(Work::Flops(n) | Work::Bytes(n)) => assert!(n > 0, "{what}"),
                        None => panic!("src/bench/work.rs does not know {what}"),
                    }
                    before = part.kernel;
                    met.insert(part.kernel);
                }
            }
        }
    }
    // The loop above went over what it was meant to go over.
    for kernel in [
        "dense_forward",
        "dense_forward_sparse",
        "conv_backward_weight_sparse",
        "kept_partial_sum",
        "relu_forward",
        "dropout_apply",
        "activation_backward",
        "batch_norm_backward_data",
        "add_forward",
        "values_add",
        "avg_pool_backward",
        "max_pool_backward_apart",
        "gradient_clip",
        "adadelta_step",
    ] {
        assert!(met.contains(kernel), "no program ran {kernel}");
    }
}

/// The largest layer of LeNet-300-100 by hand: 784 x 300 weights, batch 128, 3 replicas of which one keeps half.
#[test]
fn work_is_what_it_is_by_hand() {
    let model = model("lenet-300-100", presets::layers("lenet-300-100").unwrap());
    let full = vec![u32::MAX; model.mask_words()];
    let mut half = full.clone();
    let fc1 = &model.tensors[0];
    assert_eq!((fc1.layer.as_str(), fc1.count), ("fc1", 784 * 300));
    half[..784 * 300 / 64].fill(0);
    let shapes = Shapes::new(&model, 128, &[&full, &full, &half]);
    let dense = 2 * 784 * 300 * 128 * 3;
    let of = |kernel, place| shapes.work(kernel, place, "");
    assert_eq!(of("dense_forward", "fc1"), Some(Work::Flops(dense)));
    assert_eq!(
        of("dense_backward_weight_broadcast", "fc1"),
        Some(Work::Flops(dense))
    );
    for kernel in ["dense_forward_sparse", "dense_forward_sparse_broadcast"] {
        assert_eq!(of(kernel, "fc1"), Some(Work::Flops(dense / 6 * 5)));
    }
    // Indices and images in, activations out.
    assert_eq!(
        of("batch_gather", "batch"),
        Some(Work::Bytes(3 * 128 * (784 + 4 * 784)))
    );
    assert_eq!(
        of("bias_backward", "fc1"),
        Some(Work::Bytes(3 * (4 * 300 * 128 + 4 * 300)))
    );
    assert_eq!(of("dense_forward", "no such layer"), None);
    assert_eq!(of("select_count", "fc1"), None);
}

// ---------------------------------------------------------------------------------------------------------------- memory

#[test]
fn allocated_bytes_come_and_go_with_their_last_owner() {
    let gpu = Gpu::no_op();
    let nothing = gpu.allocated();
    let buffer = gpu.buffer("a buffer", 100).unwrap();
    assert_eq!(gpu.allocated() - nothing, buffer.bytes());
    let clone = buffer.clone();
    drop(buffer);
    assert_eq!(gpu.allocated() - nothing, clone.bytes());

    // A recorded program keeps what it binds, and its own shape.
    let mut program = Program::new("a program");
    let kernel = gpu.kernel("relu_forward", &[]).unwrap();
    let shape = Span { count: 1 };
    program.push(&gpu, kernel, &shape, &[&clone], 1, 1).unwrap();
    let bytes = clone.bytes();
    drop(clone);
    assert!(gpu.allocated() - nothing > bytes);
    let parts = program.parts();
    drop(program);
    assert!(gpu.allocated() - nothing > bytes);
    drop(parts);
    assert_eq!(gpu.allocated(), nothing);

    // A buffer that was refused was never there.
    assert!(gpu.buffer("too large", u64::MAX / 2).is_err());
    assert_eq!(gpu.allocated(), nothing);
}

// ------------------------------------------------------------------------------------------------------------ the command

fn report(args: &[&str]) -> Value {
    let mut all = vec!["bench", "--quick", "--json", "--quiet"];
    all.extend(args);
    let done = secateur(all).ok();
    serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", done.stdout))
}

/// The number at a path.
fn number(value: &Value, path: &str) -> f64 {
    let found = value.pointer(path);
    found
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{path} is {found:?} in {value:#}"))
}

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    let found = value.pointer(path).and_then(Value::as_array);
    found.unwrap_or_else(|| panic!("no list {path} in {value:#}"))
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()), "{a} and {b}");
}

/// What is true of every breakdown, whatever the machine.
fn check_breakdown(breakdown: &Value, report: &Value) {
    let kernels = list(breakdown, "/kernels");
    let sum: f64 = kernels.iter().map(|k| number(k, "/seconds")).sum();
    close(sum, number(breakdown, "/sum_seconds"));
    close(
        1.0,
        kernels.iter().map(|k| number(k, "/share_of_step")).sum(),
    );
    assert!(number(breakdown, "/step_seconds") > 0.0);
    for kernel in kernels {
        let seconds = number(kernel, "/seconds");
        assert!(seconds > 0.0, "{kernel}");
        let product = kernel["kernel"]
            .as_str()
            .is_some_and(|name| name.starts_with("dense_") || name.starts_with("conv_"));
        let (amount, rate, ceiling, other) = if product {
            (
                "/flops",
                "/gflop_per_second",
                "/ceilings/gflop_per_second",
                "bytes",
            )
        } else {
            (
                "/bytes",
                "/gb_per_second",
                "/ceilings/gb_per_second",
                "flops",
            )
        };
        assert!(number(kernel, amount) > 0.0, "{kernel}");
        assert!(kernel[other].is_null(), "{kernel}");
        close(number(kernel, rate), number(kernel, amount) / seconds / 1e9);
        let share = number(kernel, rate) / number(report, ceiling);
        close(number(kernel, "/share_of_ceiling"), share);
    }
}

#[test]
fn the_report_holds_together() {
    if no_gpu() {
        return;
    }
    let report = report(&["--densities", "0.1,1", "--replicas", "2,1"]);
    for path in [
        "/version",
        "/adapter/name",
        "/adapter/driver",
        "/model/name",
    ] {
        let text = report.pointer(path).and_then(Value::as_str);
        assert!(text.is_some_and(|text| !text.is_empty()), "{path}");
    }
    assert!(
        report["clock"]
            .as_str()
            .is_some_and(|c| c.contains("wall clock"))
    );
    assert_eq!(report["model"]["parameters"], 266_610);
    assert_eq!(report["batch"], 128);
    assert!(number(&report, "/dataset_bytes") > 0.0);
    assert!(number(&report, "/ceilings/gflop_per_second") > 0.0);
    assert!(number(&report, "/ceilings/gb_per_second") > 0.0);

    // At density 0.1 other kernels run than at 1, so there are two.
    let breakdowns = list(&report, "/breakdowns");
    assert_eq!(breakdowns.len(), 2);
    for (breakdown, density) in breakdowns.iter().zip([1.0, 0.1]) {
        check_breakdown(breakdown, &report);
        assert_eq!(breakdown["replicas"], 1);
        assert!((number(breakdown, "/density") - density).abs() < 1e-5);
    }
    // Three products per layer, but none for the gradient of the images.
    let products = list(&breakdowns[0], "/kernels").iter();
    let flops: f64 = products.filter_map(|k| k["flops"].as_f64()).sum();
    let multiply_adds = f64::from(3 * 266_200 - 784 * 300);
    assert_eq!(flops, 2.0 * 128.0 * multiply_adds);

    let steps = list(&report, "/steps");
    let counts: Vec<f64> = steps.iter().map(|c| number(c, "/replicas")).collect();
    assert_eq!(counts, [1.0, 2.0]);
    for cohort in steps {
        assert!(cohort["skipped"].is_null());
        let rows = list(cohort, "/densities");
        let densities: Vec<f64> = rows.iter().map(|r| number(r, "/density")).collect();
        assert_eq!(densities, [1.0, 0.1]);
        for row in rows {
            assert!(number(row, "/steps") >= 1.0);
            let samples = 128.0 * number(cohort, "/replicas");
            let rate = samples / number(row, "/step_seconds");
            close(number(row, "/samples_per_second"), rate);
            // Planned is what the density that needs most needs; what is not planned for is small.
            let (planned, used) = (
                number(cohort, "/planned_bytes"),
                number(row, "/allocated_bytes"),
            );
            assert!(used > 0.9 * planned, "{used} of {planned}");
            assert!(used < 1.1 * planned, "{used} of {planned}");
        }
        let rates: Vec<(f64, f64)> = rows
            .iter()
            .map(|r| (number(r, "/density"), number(r, "/samples_per_second")))
            .collect();
        match crossover(&rates) {
            Some(at) => close(at, number(cohort, "/crossover_density")),
            None => assert!(cohort["crossover_density"].is_null()),
        }
    }
    let (one, two) = (
        number(&steps[0], "/planned_bytes"),
        number(&steps[1], "/planned_bytes"),
    );
    close(2.0 * one, two);

    let selections = list(&report, "/selection");
    assert_eq!(selections[0]["keys"], 266_200);
    for row in selections {
        let rate = number(row, "/keys") / number(row, "/seconds");
        close(number(row, "/keys_per_second"), rate);
    }
}

#[test]
fn a_convolutional_model_is_measured_too() {
    if no_gpu() {
        return;
    }
    let report = report(&[
        "--model=lenet-5",
        "--batch=8",
        "--replicas=1",
        "--densities=1,0.1,0.05",
        "--seconds=0.02",
    ]);
    for breakdown in list(&report, "/breakdowns") {
        check_breakdown(breakdown, &report);
    }
    assert_eq!(list(&report, "/steps/0/densities").len(), 3);
}

#[test]
fn a_cohort_without_room_is_left_out_and_says_so() {
    if no_gpu() {
        return;
    }
    let report = report(&["--memory=8", "--densities=1", "--seconds=0.02"]);
    assert!(report["steps"][0]["skipped"].is_null());
    let why = report["steps"][1]["skipped"].as_str().unwrap();
    assert!(why.contains("no room") && why.contains("--memory"), "{why}");
    assert!(list(&report, "/steps/1/densities").is_empty());
    assert!(report["steps"][1]["crossover_density"].is_null());
}

#[test]
fn the_text_says_what_the_numbers_are() {
    if no_gpu() {
        return;
    }
    let args = [
        "bench",
        "--quick",
        "--replicas=1",
        "--densities=1",
        "--seconds=0.02",
    ];
    let done = secateur(args).ok();
    for words in [
        "wall clock",
        "Ceilings: ",
        "GFLOP/s",
        "dense_forward",
        "samples per second",
        "crossover",
        "planned",
        "top-k",
    ] {
        assert!(done.stdout.contains(words), "{words}:\n{}", done.stdout);
    }
    assert!(done.stderr.contains("measuring the ceilings"));
}

#[test]
fn wrong_arguments_are_named() {
    secateur(["bench", "--model=lenet-9"]).fails(2, &["lenet-9", "lenet-300-100"]);
    secateur(["bench", "--densities=1,0"]).fails(2, &["--densities", "above 0"]);
    secateur(["bench", "--replicas=0"]).fails(2, &["--replicas"]);
    secateur(["bench", "--seconds=-1"]).fails(2, &["--seconds"]);
}

// --------------------------------------------------------------------------------------------------------- run --profile

#[test]
fn a_profile_is_printed_once_and_changes_no_result() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(
        r#"
secateur = 1
title = "profile"
seeds = 2
[model]
layers = ["flatten", { linear = 12 }, "relu", { linear = 10 }]
[train]
dataset = "mnist"
batch = 32
length = "8st"
validation = 100
optimizer = { kind = "sgd", lr = 0.1 }
[[arm]]
name = "only"
steps = [{ train = {} }, { prune = { sparsity = 0.9 } }, { train = {} }]
"#,
    );
    lab.run("e.toml", "plain", &["--quiet"]).ok();
    let profiled = lab
        .run("e.toml", "profiled", &["--quiet", "--profile"])
        .ok();
    let said = &profiled.stderr;
    assert_eq!(said.matches("One training step").count(), 1, "{said}");
    for words in ["2 replicas", "batch 32", "sgd_step", "fc1", "share"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    common::assert_same(
        &lab.contents("plain"),
        &lab.contents("profiled"),
        "with and without --profile",
    );
    let again = lab
        .run("e.toml", "profiled", &["--quiet", "--profile"])
        .ok();
    assert!(again.stderr.contains("no profile"), "{}", again.stderr);
}
