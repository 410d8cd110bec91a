//! Reports of `secateur bench` read again and compared: made-up ones, so that every figure is known.

use secateur::bench::{
    BenchComparison, FORMAT_VERSION, Report, ReportError, RowPair, SpeedVerdict, compare_reports,
    compared_text, read_report, report_text,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A row's blocks: the fastest, as the row's own field says, is `seconds`.
fn with_blocks(mut row: Value, seconds: f64, slowest: f64) -> Value {
    row["median_seconds"] = json!(seconds);
    row["slowest_seconds"] = json!(slowest);
    row["cpu_seconds"] = json!(2.0 * seconds);
    row["cores_used"] = json!(2.0);
    row["disturbed"] = Value::Null;
    row
}

fn step(density: f64, samples_per_second: f64, slowest: f64) -> Value {
    let seconds = 128.0 / samples_per_second;
    let row = json!({
        "density": density, "steps": 100, "step_seconds": seconds, "samples_per_second": samples_per_second,
        "samples_per_cpu_second": samples_per_second / 2.0, "allocated_bytes": 1 << 20,
        "roofline": {
            "flops": 1000, "bytes": 1000, "multiply_seconds": seconds / 2.0, "move_seconds": seconds / 4.0,
            "floor_seconds": seconds / 2.0, "share_of_roofline": 0.5,
        },
    });
    with_blocks(row, seconds, slowest * seconds)
}

fn kernel(kernel: &str, place: &str) -> Value {
    let row = json!({
        "kernel": kernel, "place": place, "seconds": 0.001, "share_of_step": 0.5, "flops": 1000, "bytes": null,
        "gflop_per_second": 0.001, "gb_per_second": null, "share_of_ceiling": 0.1,
    });
    with_blocks(row, 0.001, 0.001)
}

/// A report of one cohort at two densities.
fn made_up() -> Value {
    let product = json!({ "size": 512, "variant": "broadcast", "seconds": 0.1, "gflop_per_second": 10.0, "share_of_ceiling": 0.1 });
    let selection = json!({
        "keys": 4000, "keep": 2000, "seconds": 0.001, "keys_per_second": 4e6, "gb_per_second": 0.1, "share_of_ceiling": 0.1,
    });
    json!({
        "format": "secateur-bench", "format_version": FORMAT_VERSION, "version": "0.2.0",
        "adapter": { "name": "a made-up adapter", "backend": "Vulkan", "kind": "software", "driver": "1.0" },
        "clock": "wall clock",
        "model": { "name": "lenet-300-100", "parameters": 266_610, "prunable": 266_200, "multiply_adds": 266_200 },
        "dataset": "drawn-digits", "dataset_bytes": 1 << 20, "batch": 128, "seconds": 1.0, "variant": "broadcast",
        "sparse": "auto", "cores": 2, "disturbed": null,
        "ceilings": { "gflop_per_second": 100.0, "gb_per_second": 10.0, "copy_bytes": 1 << 27, "cores_used": 2.0 },
        "breakdowns": [{
            "replicas": 1, "batch": 128, "density": 0.1, "sum_seconds": 0.003, "step_seconds": 0.003,
            // The same kernel twice at one place.
            "kernels": [kernel("dense_forward", "fc1"), kernel("values_add", "fc1"), kernel("values_add", "fc1")],
        }],
        "eager": { "operations": 23, "seconds_per_operation": 14e-6, "samples_per_second": 397_515.5 },
        "steps": [{
            "replicas": 1, "planned_bytes": 1 << 20, "crossover_density": 0.5, "skipped": null,
            "densities": [step(1.0, 1000.0, 1.02), step(0.1, 3000.0, 1.5)],
        }],
        "product": [with_blocks(product, 0.1, 0.11)],
        "selection": [with_blocks(selection, 0.001, 0.0011)],
    })
}

fn report(value: &Value) -> Report {
    read_report(&value.to_string()).unwrap()
}

/// The made-up report beside one that `change` makes of it.
fn compared(change: impl FnOnce(&mut Value)) -> BenchComparison {
    let then = made_up();
    let mut now = then.clone();
    change(&mut now);
    compare_reports(&report(&then), &report(&now))
}

fn row<'a>(comparison: &'a BenchComparison, group: &str, what: &str) -> &'a RowPair {
    let mut rows = comparison.rows.iter();
    rows.find(|row| row.group == group && row.what == what)
        .unwrap_or_else(|| panic!("no {group}: {what} in {comparison:#?}"))
}

// --------------------------------------------------------------------------------------------------------------- reading

#[test]
fn a_report_is_read_as_it_was_written() {
    let read = report(&made_up());
    let again = serde_json::to_value(&read).unwrap();
    assert_eq!(again, made_up());
    // What a later version adds is passed over; so is the comparison that was printed with a report.
    let mut more = made_up();
    more["comparison"] = json!({});
    assert_eq!(serde_json::to_value(report(&more)).unwrap(), made_up());
}

#[test]
fn what_is_no_report_says_why() {
    let of = |value: Value| read_report(&value.to_string()).map(|_| ()).unwrap_err();
    assert!(matches!(
        read_report("hello").map(|_| ()),
        Err(ReportError::NotJson(_))
    ));
    for other in [json!({}), json!([1]), json!(3), json!({ "format": 1 })] {
        assert!(matches!(of(other), ReportError::NoReport(_)));
    }
    let said = of(json!({ "format": "secateur-runs" })).to_string();
    assert!(said.contains("\"secateur-runs\"") && said.contains("\"secateur-bench\""));
    let mut later = made_up();
    later["format_version"] = json!(FORMAT_VERSION + 1);
    let said = of(later).to_string();
    assert!(said.contains("format version 2"), "{said}");
    let mut damaged = made_up();
    damaged["adapter"].as_object_mut().unwrap().remove("driver");
    let said = of(damaged).to_string();
    assert!(
        said.contains("damaged") && said.contains("driver"),
        "{said}"
    );
}

/// A comparison measures by the sizes of the earlier report, so none may be what nothing can be measured by.
#[test]
fn sizes_that_cannot_be_are_refused() {
    for (path, value) in [
        ("/batch", json!(0)),
        ("/seconds", json!(0.0)),
        ("/steps/0/replicas", json!(0)),
        ("/steps/0/densities/0/density", json!(1.5)),
        ("/ceilings/copy_bytes", json!(0)),
        ("/product/0/size", json!(6)),
        ("/selection/0/keys", json!(0)),
    ] {
        let mut wrong = made_up();
        *wrong.pointer_mut(path).unwrap() = value;
        let said = read_report(&wrong.to_string()).map(|_| ()).unwrap_err();
        assert!(said.to_string().contains("out of range"), "{path}: {said}");
    }
}

// ------------------------------------------------------------------------------------------------------------- comparing

#[test]
fn a_report_beside_itself_has_a_partner_for_every_row() {
    let same = compared(|_| {});
    assert!(!same.two_machines && same.differences.is_empty() && same.disturbed.is_empty());
    assert!(same.then_alone.is_empty() && same.now_alone.is_empty());
    // Two ceilings, two steps, three kernels, a product and a selection.
    assert_eq!(same.rows.len(), 9);
    for row in &same.rows {
        assert_eq!(
            (row.ratio, row.verdict),
            (1.0, SpeedVerdict::Open),
            "{row:?}"
        );
        assert_eq!(row.then, row.now);
    }
    row(
        &same,
        "kernels of 1 replica, density 0.1",
        "values_add of fc1, time 2",
    );
    let text = compared_text(&same, "a.json", "b.json");
    assert!(text.contains("are the same"), "{text}");
}

#[test]
fn ratios_grow_with_speed_and_verdicts_need_blocks_that_lie_apart() {
    let all = compared(|now| {
        now["steps"][0]["densities"] = json!([step(1.0, 1500.0, 1.1), step(0.1, 3300.0, 1.2)]);
        now["product"][0] = with_blocks(made_up()["product"][0].clone(), 0.2, 0.21);
        now["product"][0]["seconds"] = json!(0.2);
        now["product"][0]["gflop_per_second"] = json!(5.0);
    });
    let dense = row(&all, "whole steps", "1 replica, density 1");
    assert!((dense.ratio - 1.5).abs() < 1e-12);
    assert!((dense.then_spread.unwrap() - 0.02).abs() < 1e-9);
    assert!((dense.now_spread.unwrap() - 0.1).abs() < 1e-9);
    assert!((dense.cpu_ratio.unwrap() - 1.5).abs() < 1e-9);
    assert_eq!(dense.verdict, SpeedVerdict::Faster);
    // 10 % faster, but one of its blocks was slower than the fastest before.
    let sparse = row(&all, "whole steps", "1 replica, density 0.1");
    assert!((sparse.ratio - 1.1).abs() < 1e-9);
    assert_eq!(sparse.verdict, SpeedVerdict::Open);
    let product = row(&all, "matrix product", "512 x 512, broadcast");
    assert_eq!(
        (product.ratio, product.verdict),
        (0.5, SpeedVerdict::Slower)
    );
    // Ceilings have no blocks to tell by.
    let copy = row(&all, "ceilings", "copying 128 MiB");
    assert_eq!((copy.then_spread, copy.verdict), (None, SpeedVerdict::Open));
}

#[test]
fn processor_time_that_says_the_opposite_leaves_a_verdict_open() {
    let all = compared(|now| {
        let mut row = step(1.0, 1500.0, 1.02);
        row["cpu_seconds"] = json!(1.0);
        now["steps"][0]["densities"][0] = row;
    });
    let dense = row(&all, "whole steps", "1 replica, density 1");
    assert!(dense.ratio > 1.0 && dense.cpu_ratio.unwrap() < 1.0);
    assert_eq!(dense.verdict, SpeedVerdict::Open);
}

#[test]
fn a_crowded_machine_gives_no_verdicts_and_is_named() {
    let all = compared(|now| {
        now["disturbed"] = json!("it had 1.0 of 2 cores");
        now["steps"][0]["densities"][0] = step(1.0, 1500.0, 1.02);
    });
    assert_eq!(all.disturbed, ["now: it had 1.0 of 2 cores"]);
    assert!(all.rows.iter().all(|row| row.verdict == SpeedVerdict::Open));
    let text = compared_text(&all, "a.json", "b.json");
    assert!(
        text.contains("disturbed now: it had 1.0 of 2 cores"),
        "{text}"
    );
    assert!(text.contains("No verdicts"), "{text}");
}

#[test]
fn rows_without_a_partner_are_named() {
    let all = compared(|now| {
        now["steps"][0]["replicas"] = json!(8);
        now["breakdowns"][0]["kernels"][0] = kernel("dense_forward_sparse", "fc1");
    });
    let at = "kernels of 1 replica, density 0.1";
    assert_eq!(
        all.then_alone,
        [
            "whole steps: 1 replica, density 1".to_owned(),
            "whole steps: 1 replica, density 0.1".to_owned(),
            format!("{at}: dense_forward of fc1"),
        ]
    );
    assert_eq!(
        all.now_alone,
        [
            "whole steps: 8 replicas, density 1".to_owned(),
            "whole steps: 8 replicas, density 0.1".to_owned(),
            format!("{at}: dense_forward_sparse of fc1"),
        ]
    );
    let text = compared_text(&all, "a.json", "b.json");
    for name in all.then_alone.iter().chain(&all.now_alone) {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn another_machine_is_said_to_be_one() {
    for (path, value, words) in [
        (
            "/adapter/name",
            json!("another"),
            "adapter: a made-up adapter (Vulkan) then, another (Vulkan) now",
        ),
        ("/adapter/driver", json!("1.1"), "driver: 1.0 then, 1.1 now"),
        ("/cores", json!(64), "cores: 2 then, 64 now"),
    ] {
        let all = compared(|now| *now.pointer_mut(path).unwrap() = value);
        assert!(all.two_machines, "{path}");
        assert_eq!(all.differences, [words]);
        let text = compared_text(&all, "a.json", "b.json");
        assert!(
            text.contains("two machines") && text.contains(words),
            "{text}"
        );
    }
    let all = compared(|now| now["version"] = json!("0.3.0"));
    assert!(!all.two_machines);
    assert_eq!(all.differences, ["version: 0.2.0 then, 0.3.0 now"]);
}

#[test]
fn steps_of_another_model_or_batch_are_left_out() {
    for (path, value) in [("/model/name", json!("lenet-5")), ("/batch", json!(64))] {
        let all = compared(|now| *now.pointer_mut(path).unwrap() = value);
        assert!(all.steps_left_out.is_some() && all.differences.len() == 1);
        let groups: BTreeSet<&str> = all.rows.iter().map(|row| &*row.group).collect();
        assert_eq!(groups, ["ceilings", "matrix product", "top-k"].into());
        assert!(all.then_alone.is_empty() && all.now_alone.is_empty());
        let text = compared_text(&all, "a.json", "b.json");
        assert!(text.contains("are left out"), "{text}");
    }
}

// ------------------------------------------------------------------------------------------------------------------ text

#[test]
fn the_text_says_what_samples_per_second_mean() {
    let mut value = made_up();
    let quiet = report_text(&report(&value));
    // Sentences are broken into lines anywhere.
    let flat = quiet.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "about 23 operations",
        "at most 398000 samples/s",
        "1 replica at density 1 here: 0.00 times that",
        "of roofline",
    ] {
        assert!(flat.contains(words), "{words}: {quiet}");
    }
    assert!(quiet.contains("CPU second"), "{quiet}");
    assert!(!quiet.contains("disturbed:"), "{quiet}");
    value["steps"][0]["densities"][1]["disturbed"] =
        json!("fastest and median block differ by 40 %");
    value["disturbed"] = json!("it had 1.0 of 2 cores");
    let text = report_text(&report(&value));
    assert!(text.contains("disturbed: it had 1.0 of 2 cores"), "{text}");
    assert!(
        text.contains("fastest and median block differ by 40 %"),
        "{text}"
    );
}

// --------------------------------------------------------------------------------------------------------- documentation

/// Every field below `value`, as `docs/bench-report.md` writes them.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields_of) => {
            for (key, value) in fields_of {
                let dot = if path.is_empty() { "" } else { "." };
                fields(value, &format!("{path}{dot}{key}"), found);
            }
        }
        Value::Array(list) if list.is_empty() => {
            found.insert(format!("{path}[]"));
        }
        Value::Array(list) => {
            for value in list {
                fields(value, &format!("{path}[]"), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// The fields that a table of the document names in its first column, of the tables that begin so.
fn documented(heading: &str) -> BTreeSet<String> {
    let text = include_str!("../../docs/bench-report.md");
    let mut found = BTreeSet::new();
    let mut within = false;
    for line in text.lines() {
        if !line.starts_with('|') {
            within = false;
            continue;
        }
        let first = line.split('|').nth(1).unwrap().trim();
        if !first.contains('`') {
            within |= first == heading;
        } else if within {
            found.extend(first.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_field_is_documented_and_no_other() {
    let mut written = BTreeSet::new();
    fields(
        &serde_json::to_value(report(&made_up())).unwrap(),
        "",
        &mut written,
    );
    let mut expected = documented("field");
    for row in [
        "breakdowns[].kernels[]",
        "steps[].densities[]",
        "product[]",
        "selection[]",
    ] {
        expected.extend(
            documented("field of a row")
                .iter()
                .map(|field| format!("{row}.{field}")),
        );
    }
    assert_eq!(written, expected);

    let mut written = BTreeSet::new();
    fields(
        &serde_json::to_value(compared(|_| {})).unwrap(),
        "",
        &mut written,
    );
    assert_eq!(written, documented("field of a comparison"));
}

// ---------------------------------------------------------------------------------------------------------- hardware.sh

/// What `benches/hardware.sh summary` says of a folder with these files.
#[cfg(unix)]
fn summary(files: &[(&str, String)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/hardware.sh");
    let mut bash = std::process::Command::new("bash");
    let done = bash.args([script, "summary"]).arg(folder.path()).output();
    let done = done.expect("bash starts");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    said
}

/// Whether a line of the summary has these words, in this order.
#[cfg(unix)]
fn says(summary: &str, words: &[&str]) -> bool {
    summary.lines().any(|line| {
        let mut rest = line;
        words.iter().all(|word| match rest.split_once(word) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    })
}

#[cfg(unix)]
#[test]
fn the_goals_on_hardware_are_summed_up() {
    let mut report = made_up();
    report["steps"][0]["replicas"] = json!(64);
    let product = report["product"][0].clone();
    let of = |share: f64| {
        let mut row = product.clone();
        row["size"] = json!(4096);
        row["share_of_ceiling"] = json!(share);
        row
    };
    report["product"] = json!([of(0.2), of(0.64), of(0.3)]);
    report["steps"][0]["densities"][0]["roofline"]["share_of_roofline"] = json!(0.41);
    // As `bench --json` prints it.
    let report = format!("{report:#}\n");
    let ratio = |ratio: &str| {
        format!(
            "ratio of medians, Secateur / PyTorch, density 1: {ratio}\nratio of medians, Secateur / PyTorch, density 0.025: 9\n"
        )
    };
    let tests = |passed, failed| {
        format!("running\ntest result: ok. {passed} passed; {failed} failed; 0 ignored\n")
    };
    let said = summary(&[
        ("bench-lenet-300-100.json", report.clone()),
        ("kernels.log", tests(200, 0)),
        ("contracts.log", tests(69, 2)),
        ("eager.log", ratio("91.20")),
        ("cnn.log", ratio("0.66")),
    ]);
    for words in [
        &["a made-up adapter"] as &[&str],
        &["kernel tests", "200 passed", " met"],
        &["contract tests", "2 failed", "not met"],
        &["eager one by one", "91.20 x", "20 x", " met"],
        &["of the roofline", "41.0 %", "50 %", "not met"],
        &["4096", "64.0 %", "60 %", " met"],
        &["mnist-cnn", "0.66 x", "1 x", "not met"],
    ] {
        assert!(says(&said, words), "{words:?}: {said}");
    }
    let said = summary(&[("bench-lenet-300-100.json", report)]);
    assert!(says(&said, &["kernel tests", "not measured"]), "{said}");
    assert!(
        says(&said, &["eager one by one", "not measured", "launches"]),
        "{said}"
    );
    assert!(says(&said, &["mnist-cnn", "not measured"]), "{said}");
    let said = summary(&[]);
    assert_eq!(said.matches("not measured").count(), 6, "{said}");
}
