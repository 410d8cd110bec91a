//! `secateur bench` and `run --profile`: that the reports hold together. No test looks at how long something took.

use crate::common::{Lab, assert_same, no_gpu, secateur};
use secateur::bench::crossover;
use serde_json::Value;

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
    // Kernels have their blocks, and on a software adapter their processor time.
    let software = report["adapter"]["kind"] == "software";
    let check_blocks = |row: &Value, seconds: f64| {
        let (median, slowest) = (
            number(row, "/median_seconds"),
            number(row, "/slowest_seconds"),
        );
        assert!(seconds <= median && median <= slowest, "{row}");
        assert_eq!(row["cpu_seconds"].is_number(), software, "{row}");
        assert_eq!(row["cores_used"].is_number(), software, "{row}");
        assert!(row["disturbed"].is_null() || row["disturbed"].is_string());
    };
    for path in ["/breakdowns/0/kernels", "/product", "/selection"] {
        for row in list(&report, path) {
            check_blocks(row, number(row, "/seconds"));
        }
    }
    assert_eq!(report["cores"].is_number(), software);
    let eager =
        number(&report, "/eager/operations") * number(&report, "/eager/seconds_per_operation");
    close(number(&report, "/eager/samples_per_second"), 128.0 / eager);

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
            check_blocks(row, number(row, "/step_seconds"));
            if software {
                let cpu = samples / number(row, "/cpu_seconds");
                close(number(row, "/samples_per_cpu_second"), cpu);
            }
            let of = |field: &str| number(row, &format!("/roofline/{field}"));
            let ceiling = |field: &str| 1e9 * number(&report, &format!("/ceilings/{field}"));
            close(
                of("multiply_seconds"),
                of("flops") / ceiling("gflop_per_second"),
            );
            close(of("move_seconds"), of("bytes") / ceiling("gb_per_second"));
            close(
                of("floor_seconds"),
                of("multiply_seconds").max(of("move_seconds")),
            );
            close(
                of("share_of_roofline"),
                of("floor_seconds") / number(row, "/step_seconds"),
            );
            if number(row, "/density") == 1.0 {
                close(of("flops"), 2.0 * samples * multiply_adds);
            }
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
fn an_earlier_report_is_measured_again_and_compared_with() {
    if no_gpu() {
        return;
    }
    let lab = Lab::new();
    let small = [
        "--model=lenet-5",
        "--batch=8",
        "--replicas=1",
        "--densities=1",
        "--seconds=0.02",
    ];
    let then = report(&small);
    let file = lab.write("then.json", then.to_string());
    let file = file.to_str().unwrap();
    let args = ["bench", "--quiet", "--json", "--compare", file];
    let now: Value = serde_json::from_str(&secateur(args).ok().stdout).unwrap();
    for path in [
        "/model",
        "/batch",
        "/seconds",
        "/ceilings/copy_bytes",
        "/product/0/size",
    ] {
        assert_eq!(now.pointer(path), then.pointer(path), "{path}");
    }
    let comparison = &now["comparison"];
    assert_eq!(comparison["two_machines"], false);
    assert_eq!(comparison["differences"], serde_json::json!([]));
    assert_eq!(comparison["then_alone"], serde_json::json!([]));
    assert_eq!(comparison["now_alone"], serde_json::json!([]));
    for row in list(comparison, "/rows") {
        close(
            number(row, "/ratio"),
            number(row, "/now") / number(row, "/then"),
        );
    }
    // Two reports are compared without an adapter.
    let other = lab.write("now.json", now.to_string());
    let pair = ["bench", "--compare", file, other.to_str().unwrap()];
    let said = secateur(pair).ok();
    assert!(said.stderr.is_empty(), "{}", said.stderr);
    for words in [
        "whole steps",
        "1 replica, density 1",
        "ratio",
        "are the same",
    ] {
        assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let json: Value = {
        let args = pair.iter().copied().chain(["--json"]);
        serde_json::from_str(&secateur(args).ok().stdout).unwrap()
    };
    assert_eq!(&json, comparison);
    let args = pair.iter().copied().chain(["--quick"]);
    secateur(args).fails(2, &["--quick", "measures nothing"]);
}

#[test]
fn a_file_that_is_no_report_is_refused_before_anything_is_measured() {
    let lab = Lab::new();
    let refused = |name: &str, text: &str, words: &[&str]| {
        let file = lab.write(name, text);
        let args = ["bench", "--compare", file.to_str().unwrap()];
        let mut all = vec![name, "secateur bench --json"];
        all.extend(words);
        let done = secateur(args).fails(2, &all);
        assert!(!done.stderr.contains("measuring"), "{}", done.stderr);
    };
    refused("notes.txt", "hello", &["not JSON"]);
    refused(
        "other.json",
        "{\"format\":\"secateur-runs\"}",
        &["secateur-runs"],
    );
    refused(
        "old.json",
        "{\"version\":\"0.2.0\"}",
        &["\"format\" is missing"],
    );
    refused(
        "later.json",
        "{\"format\":\"secateur-bench\",\"format_version\":99}",
        &["format version 99"],
    );
    refused(
        "damaged.json",
        "{\"format\":\"secateur-bench\",\"format_version\":1}",
        &["damaged", "missing field"],
    );
    secateur(["bench", "--compare", "nowhere.json"]).fails(5, &["nowhere.json", "--json"]);
}

#[test]
fn wrong_arguments_are_named() {
    secateur(["bench", "--model=lenet-9"]).fails(2, &["lenet-9", "lenet-300-100"]);
    secateur(["bench", "--densities=1,0"]).fails(2, &["--densities", "above 0"]);
    secateur(["bench", "--replicas=0"]).fails(2, &["--replicas"]);
    secateur(["bench", "--seconds=-1"]).fails(2, &["--seconds"]);
}

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
    assert_same(
        &lab.contents("plain"),
        &lab.contents("profiled"),
        "with and without --profile",
    );
    let again = lab
        .run("e.toml", "profiled", &["--quiet", "--profile"])
        .ok();
    assert!(again.stderr.contains("no profile"), "{}", again.stderr);
}
