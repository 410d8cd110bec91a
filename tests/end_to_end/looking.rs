//! Commands around a run: experiments to begin with, and looking at run folders.

use super::setup::{MLP, TRAINING, arm, lab};
use crate::common::{Done, Lab, assert_same, command, no_gpu, number, secateur, tree};
use secateur::experiment::Experiment;
use secateur::store::{Contents, Owner, RunFolder, RunRow};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

/// `secateur` with these arguments in a lab's folder.
fn secateur_in(lab: &Lab, args: &[&str]) -> Done {
    let output = command(args).current_dir(lab.path("")).output();
    Done::of(output.expect("the binary starts"))
}

/// Names and texts of the files of `experiments/`.
fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let entries = fs::read_dir(folder).expect("experiments/");
    let each = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_str();
        let text = fs::read_to_string(&path).expect("a text");
        (stem.expect("Unicode").to_owned(), text)
    });
    each.collect()
}

#[test]
fn all_shipped_experiments_are_listed_and_written() {
    let list = secateur(["init"]).ok().stdout;
    let listed: BTreeSet<&str> = list
        .lines()
        .filter(|line| !line.starts_with('`'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let shipped = shipped();
    assert_eq!(listed, shipped.iter().map(|(name, _)| &**name).collect());
    let lab = Lab::new();
    for (name, text) in &shipped {
        let done = secateur_in(&lab, &["init", name]).ok();
        let file = format!("{name}.toml");
        assert_eq!(lab.read(&file), text.as_bytes(), "{name}");
        assert!(done.stdout.contains(&format!("secateur run {file}")));
        let title = text.lines().find_map(|l| l.strip_prefix("title = \""));
        let title = title.and_then(|t| t.split('"').next()).expect("a title");
        assert!(list.contains(title) && done.stdout.contains(title));
    }
}

#[test]
fn a_shipped_experiment_is_checked_where_it_was_written() {
    let lab = Lab::new();
    let done = secateur_in(&lab, &["init", "cifar_conv_2", "my own.toml"]).ok();
    // Commands to type, in their order; the file's name is one word of a shell.
    let order = ["data fetch cifar-10", "plan", "run"].map(|word| done.stdout.find(word));
    assert!(order.iter().all(Option::is_some) && order.is_sorted());
    assert!(!done.stdout.contains("run my own.toml"), "{}", done.stdout);
    secateur_in(&lab, &["check", "my own.toml"]).ok();
    // Nothing to fetch for what is drawn.
    let done = secateur_in(&lab, &["init", "quickstart"]).ok();
    assert!(!done.stdout.contains("fetch"), "{}", done.stdout);
}

#[test]
fn init_replaces_no_file_and_names_near_ones() {
    let lab = Lab::new();
    lab.write("quickstart.toml", "mine");
    let done = secateur_in(&lab, &["init", "quickstart"]);
    done.fails(5, &["quickstart.toml is there already", "init NAME FILE"]);
    assert_eq!(lab.read("quickstart.toml"), b"mine");
    let done = secateur_in(&lab, &["init", "quickstart", "no/such/folder.toml"]);
    done.fails(5, &["no/such/folder.toml", "init NAME FILE"]);
    let done = secateur_in(&lab, &["init", "lotery_ticket"]);
    done.fails(2, &["lotery_ticket", "did you mean `lottery_ticket`"]);
    secateur_in(&lab, &["init", "xyz"]).fails(2, &["`quickstart`", "`mask_transfer`"]);
}

/// Two arms, one of them at two points: six runs.
const SWEPT: &str = r#"
secateur = 1
title = "Which weights can go?"
seeds = 2
model = { layers = ["flatten", { linear = 10 }] }
train = { dataset = "drawn-digits", batch = 50, length = "1ep", optimizer = { kind = "sgd", lr = 0.1 } }
sweep = { sparsity = [0.5, 0.9] }
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = "$sparsity" } }]
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

/// Adapter, driver and version of the numbers that made-up results are of.
const COMPUTED_ON: (&str, &str, u32) = ("a card (Vulkan)", "1.2", 1);

/// What a made-up run reached, in percent, by arm, point and seed; `None` if it is not finished.
type Reached<'a> = &'a dyn Fn(&str, &[(String, String)], u32) -> Option<f64>;

/// The run folder of an experiment, as a run leaves it that reached this; open, as it is while the run goes on.
fn begun(dir: &Path, text: &str, on: (&str, &str, u32), reached: Reached<'_>) -> RunFolder {
    let name = dir.file_name().expect("a name").to_str().expect("Unicode");
    let experiment = Experiment::parse(&format!("{name}.toml"), text, Path::new(""), &[]);
    let experiment = experiment.unwrap_or_else(|errors| panic!("{errors}"));
    let (adapter, driver, numerical_version) = on;
    let owner = Owner {
        experiment: experiment.name.clone(),
        experiment_digest: experiment.digest(),
        adapter: adapter.into(),
        driver: driver.into(),
        numerical_version,
    };
    let contents = Contents {
        text,
        resolved: &experiment.resolved_json(),
        data: &[],
        runs: &[],
    };
    let folder = RunFolder::open(dir, dir, &owner, &contents).expect("a run folder");
    let mut rows = Vec::new();
    for arm in &experiment.arms {
        for point in arm.variants.iter().map(|variant| &variant.point) {
            for &seed in &experiment.seeds {
                rows.extend(reached(&arm.name, point, seed).map(|accuracy| RunRow {
                    arm: arm.name.clone(),
                    seed,
                    point: point.clone(),
                    test_accuracy: accuracy,
                    data_digest: "drawn-digits=0123abcd".into(),
                    ..RunRow::default()
                }));
            }
        }
    }
    folder.write_rows(&rows).expect("a table");
    folder
}

/// What `secateur runs --json` says of the folders in some, in a lab.
fn listed(lab: &Lab, dirs: &[&str]) -> Vec<Value> {
    let done = secateur_in(lab, &[&["runs", "--json"], dirs].concat()).ok();
    let json: Value = serde_json::from_str(&done.stdout).expect("JSON");
    json.as_array().expect("a list").clone()
}

#[test]
fn run_folders_are_listed_with_what_is_done() {
    let lab = Lab::new();
    let all: Reached<'_> = &|_, _, _| Some(50.0);
    let some: Reached<'_> = &|arm, _, seed| (arm == "dense" && seed == 1).then_some(50.0);
    begun(&lab.path("runs/whole"), SWEPT, COMPUTED_ON, all);
    let other = ("another card (Metal)", "", 1);
    // A run that goes on holds the lock.
    let open = begun(&lab.path("runs/lab/part"), SWEPT, other, some);
    // Too far down; and what lies in a run folder is no other one.
    begun(&lab.path("runs/lab/far/down"), SWEPT, COMPUTED_ON, all);
    begun(
        &lab.path("runs/whole/history/before"),
        SWEPT,
        COMPUTED_ON,
        all,
    );
    // A file with two names takes its place once.
    let before = listed(&lab, &[])[1]["bytes"].as_u64().expect("a size");
    let stage = lab.write("runs/whole/stages/a", vec![0; 1 << 20]);
    fs::hard_link(stage, lab.path("runs/whole/weights/a")).expect("a link");

    let files = tree(&lab.path("runs"));
    let list = listed(&lab, &[]);
    assert_same(&tree(&lab.path("runs")), &files, "only looked at");
    assert_eq!(list.len(), 2, "{list:?}");
    for (listed, expected) in list.iter().zip([
        json!({ "folder": "runs/lab/part", "experiment": "part", "runs_done": 1, "adapter": other.0, "driver": null }),
        json!({ "folder": "runs/whole", "experiment": "whole", "runs_done": 6, "adapter": COMPUTED_ON.0, "driver": "1.2" }),
    ]) {
        for (key, value) in expected.as_object().expect("an object") {
            assert_eq!(&listed[key], value, "{key} of {listed}");
        }
        assert_eq!(listed["runs_planned"], 6);
        assert_eq!(listed["title"], "Which weights can go?");
        assert_eq!(listed["problem"], Value::Null);
        assert!(listed["last_write"].as_str().is_some_and(|t| t.ends_with('Z')));
    }
    if cfg!(unix) {
        assert_eq!(list[1]["bytes"], before + (1 << 20));
    }

    let text = secateur_in(&lab, &["runs"]).ok().stdout;
    let line = |name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .expect("a line")
    };
    assert!(line("runs/lab/part").contains(" 1/6 ") && line("runs/whole").contains(" 6/6 "));
    let title = |name: &str| line(name).find("Which weights can go?").expect("the title");
    assert_eq!(title("runs/lab/part"), title("runs/whole"), "{text}");
    for (number, name) in [(1, other.0), (2, COMPUTED_ON.0)] {
        assert!(
            text.contains(&format!("adapter {number}: {name}\n")),
            "{text}"
        );
    }
    drop(open);
    // A run folder can be named itself.
    assert_eq!(
        listed(&lab, &["runs/whole", "runs", "runs/lab/far"]).len(),
        3
    );
}

#[test]
fn damaged_run_folders_are_listed_beside_the_others() {
    let lab = Lab::new();
    let all: Reached<'_> = &|_, _, _| Some(50.0);
    for name in ["identity", "lost", "plan", "planless", "sound", "table"] {
        begun(&lab.path("runs").join(name), SWEPT, COMPUTED_ON, all);
    }
    lab.write("runs/identity/folder.json", "{ \"experiment\": 3 }");
    fs::remove_file(lab.path("runs/lost/folder.json")).expect("a file");
    lab.write("runs/plan/resolved.json", "{");
    fs::remove_file(lab.path("runs/planless/resolved.json")).expect("a file");
    lab.write("runs/table/results.csv", "arm,seed\ndense,x\n");
    let list = listed(&lab, &[]);
    let said: Vec<_> = list
        .iter()
        .map(|f| {
            (
                f["experiment"].as_str(),
                f["runs_done"].as_u64(),
                f["runs_planned"].as_u64(),
            )
        })
        .collect();
    let expected = [
        (None, Some(6), Some(6)),
        (None, Some(6), Some(6)),
        (Some("plan"), Some(6), None),
        (Some("planless"), Some(6), None),
        (Some("sound"), Some(6), Some(6)),
        (Some("table"), None, Some(6)),
    ];
    assert_eq!(said, expected);
    let files = [
        Some("folder.json"),
        Some("folder.json"),
        Some("resolved.json"),
        None,
        None,
        Some("results.csv"),
    ];
    for (listed, file) in list.iter().zip(files) {
        let problem = listed["problem"].as_str();
        assert_eq!(problem.is_some(), file.is_some(), "{listed}");
        assert!(
            problem.is_none_or(|text| text.contains(file.unwrap_or(""))),
            "{listed}"
        );
    }
    let text = secateur_in(&lab, &["runs"]).ok().stdout;
    assert!(text.contains(" 6/? ") && text.contains(" ?/6 "), "{text}");
    assert!(text.contains("identity/folder.json is damaged"), "{text}");
}

#[test]
fn where_no_run_folders_are_is_said() {
    let lab = Lab::new();
    secateur_in(&lab, &["runs"]).fails(5, &["`runs`", "secateur runs DIR"]);
    secateur_in(&lab, &["runs", "no/where"]).fails(5, &["no/where"]);
    lab.write("file", "mine");
    for args in [&["runs", "file"][..], &["compare", "file", "file"]] {
        secateur_in(&lab, args).fails(5, &["file is not a run folder", "secateur runs DIR"]);
    }
    fs::create_dir(lab.path("runs")).expect("a folder");
    let done = secateur_in(&lab, &["runs"]).ok();
    assert_eq!(done.stdout.trim_end(), "no run folders in runs");
    assert_eq!(listed(&lab, &[]), [Value::Null; 0]);
}

#[test]
fn a_run_is_listed_as_it_is_left() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, &arm("dense", &[TRAINING]));
    let short = ["--quiet", "--set", "train.length=2st"];
    lab.run("e.toml", "runs/e", &short).ok();
    let list = listed(&lab, &[]);
    assert_eq!(
        (&list[0]["runs_done"], &list[0]["runs_planned"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(list[0]["adapter"], lab.results("runs/e")[0]["adapter"]);
}

/// What `secateur compare --json` says of two folders of a lab.
fn compared(lab: &Lab, a: &str, b: &str) -> Value {
    let done = secateur_in(lab, &["compare", "--json", a, b]).ok();
    serde_json::from_str(&done.stdout).expect("JSON")
}

/// Paths of the settings that differ, with both values.
fn settings(json: &Value) -> Vec<(&str, &Value, &Value)> {
    let settings = json["settings"].as_array().expect("a list").iter();
    let each = settings.map(|s| (s["path"].as_str().expect("a path"), &s["a"], &s["b"]));
    each.collect()
}

#[test]
fn two_experiments_are_compared_by_settings_and_by_seeds() {
    let lab = Lab::new();
    let other = SWEPT
        .replace("seeds = 2", "seeds = [1, 0, 5]")
        .replace("lr = 0.1", "lr = 0.2")
        .replace(
            "{ sparsity = \"$sparsity\" }",
            "{ sparsity = \"$sparsity\", scope = \"layer\" }",
        );
    let here: Reached<'_> = &|arm, _, seed| (arm == "pruned").then_some(50.0 + f64::from(seed));
    let there: Reached<'_> = &|_, point, seed| {
        // Of one point, nothing is finished that the other has.
        let late = point.iter().any(|(_, value)| value == "0.9") && seed < 5;
        (!late).then_some(52.0 + 3.0 * f64::from(seed))
    };
    let open = begun(&lab.path("one"), SWEPT, COMPUTED_ON, here);
    begun(&lab.path("two"), &other, COMPUTED_ON, there);
    let json = compared(&lab, "one", "two");
    let expected = [
        ("seeds", &json!([0, 1]), &json!([1, 0, 5])),
        ("train.optimizer.lr", &json!(0.1), &json!(0.2)),
        ("prune.scope", &json!("global"), &json!("layer")),
    ];
    assert_eq!(settings(&json), expected);
    let arms = |setting: usize| json["settings"][setting]["places"].as_array().map(Vec::len);
    assert_eq!([0, 1, 2].map(arms), [Some(0), Some(3), Some(2)]);

    let groups = json["groups"].as_array().expect("a list");
    let found: Vec<_> = groups
        .iter()
        .map(|g| (&g["arm"], &g["point"], &g["seeds"]))
        .collect();
    let (half, tenth) = (json!({ "sparsity": "0.5" }), json!({ "sparsity": "0.9" }));
    let (pruned, dense) = (json!("pruned"), json!("dense"));
    let (both, none) = (json!([0, 1]), json!([]));
    let expected = [
        (&pruned, &half, &both),
        (&pruned, &tenth, &none),
        (&dense, &json!({}), &none),
    ];
    assert_eq!(found, expected);
    // Differences of 2 and 4 points: t(0.975, 1) is 12.706.
    let difference = &groups[0]["difference"];
    assert_eq!(
        (&difference["n"], &difference["mean"]),
        (&json!(2), &json!(3.0))
    );
    let low = difference["interval_95"][0].as_f64().expect("a number");
    assert!((low - (3.0 - 12.706)).abs() < 1e-3, "{low}");
    assert_eq!(
        (&groups[0]["a"]["mean"], &groups[0]["b"]["mean"]),
        (&json!(50.5), &json!(53.5))
    );
    assert_eq!(groups[1]["difference"], Value::Null);

    let text = secateur_in(&lab, &["compare", "one", "two"]).ok().stdout;
    for words in [
        "A: one, Which weights can go?\n",
        "train.optimizer.lr  0.1     0.2      all arms\n",
        "prune.scope         global  layer    pruned\n",
        "+3.00 [-9.71, +15.71]\n",
        "no shared seed\n",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    drop(open);
    // The other way round, and with itself.
    let turned = compared(&lab, "two", "one");
    assert_eq!(turned["groups"][0]["difference"]["mean"], -3.0);
    let text = secateur_in(&lab, &["compare", "one", "one"]).ok().stdout;
    assert!(
        text.contains("no setting differs") && text.contains("+0.00 [+0.00, +0.00]"),
        "{text}"
    );
}

#[test]
fn arms_points_and_data_that_only_one_experiment_has_are_named() {
    let lab = Lab::new();
    let all: Reached<'_> = &|_, _, _| Some(50.0);
    let other = SWEPT
        .replace("[0.5, 0.9]", "[0.9, 0.99]")
        .replace("name = \"dense\"", "name = \"whole\"");
    begun(&lab.path("one"), SWEPT, COMPUTED_ON, all);
    begun(&lab.path("two"), &other, COMPUTED_ON, all);
    let rows = String::from_utf8(lab.read("two/results.csv")).expect("a text");
    lab.write("two/results.csv", rows.replace("0123abcd", "4567cdef"));
    let json = compared(&lab, "one", "two");
    let expected = [
        (
            "sweep.sparsity",
            &json!(["0.5", "0.9"]),
            &json!(["0.9", "0.99"]),
        ),
        (
            "data of drawn-digits",
            &json!("0123abcd"),
            &json!("4567cdef"),
        ),
    ];
    assert_eq!(settings(&json), expected);
    assert_eq!(json["groups"].as_array().map(Vec::len), Some(1));
    let text = secateur_in(&lab, &["compare", "one", "two"]).ok().stdout;
    for words in [
        "only in A: \"pruned\" at sparsity 0.5; \"dense\"\n",
        "only in B: \"pruned\" at sparsity 0.99; \"whole\"\n",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    // Nothing in common.
    begun(
        &lab.path("three"),
        &SWEPT.replace("pruned", "cut").replace("dense", "full"),
        COMPUTED_ON,
        all,
    );
    let text = secateur_in(&lab, &["compare", "one", "three"]).ok().stdout;
    assert!(
        text.contains("no arm has the same name") && !text.contains("B - A"),
        "{text}"
    );
}

#[test]
fn results_whose_bits_differ_anyway_are_not_compared() {
    let lab = Lab::new();
    let all: Reached<'_> = &|_, _, _| Some(50.0);
    let (adapter, driver, version) = COMPUTED_ON;
    begun(&lab.path("one"), SWEPT, COMPUTED_ON, all);
    for (name, on, words) in [
        (
            "card",
            ("another card (Metal)", driver, version),
            ["a card (Vulkan)", "another card (Metal)", "--adapter"],
        ),
        (
            "driver",
            (adapter, "1.3", version),
            ["driver 1.2", "driver 1.3", "one driver"],
        ),
        (
            "version",
            (adapter, driver, 2),
            ["version 1", "version 2", "one version of secateur"],
        ),
    ] {
        begun(&lab.path(name), SWEPT, on, all);
        let done = secateur_in(&lab, &["compare", "one", name]);
        assert_eq!(done.stdout, "");
        done.fails(2, &words);
    }
    lab.write("no run/results.csv", "mine");
    for name in ["no run", "nowhere"] {
        let done = secateur_in(&lab, &["compare", "one", name]);
        done.fails(5, &[name, "is not a run folder", "secateur runs"]);
    }
    begun(&lab.path("damaged"), SWEPT, COMPUTED_ON, all);
    lab.write("damaged/results.csv", "arm,seed\ndense,x\n");
    secateur_in(&lab, &["compare", "one", "damaged"])
        .fails(5, &["results.csv is damaged", "run its experiment again"]);
    fs::remove_file(lab.path("damaged/resolved.json")).expect("a file");
    secateur_in(&lab, &["compare", "one", "damaged"]).fails(5, &["resolved.json", "written anew"]);
}

#[test]
fn two_runs_are_compared_as_their_tables_say() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, &arm("dense", &[TRAINING]));
    for (out, length) in [("short", "train.length=2st"), ("long", "train.length=9st")] {
        lab.run("e.toml", out, &["--quiet", "--set", length]).ok();
    }
    let json = compared(&lab, "short", "long");
    assert_eq!(
        settings(&json),
        [("train.length.steps", &json!(2), &json!(9))]
    );
    let mean = |out: &str| {
        let rows = lab.results(out);
        rows.iter()
            .map(|row| number(row, "test_accuracy"))
            .sum::<f64>()
            / rows.len() as f64
    };
    let group = &json["groups"][0];
    assert_eq!(group["seeds"], json!([0, 1]));
    let found = group["difference"]["mean"].as_f64().expect("a number");
    assert!(
        (found - (mean("long") - mean("short"))).abs() < 1e-9,
        "{group}"
    );
}

/// Measures: `cargo test --release --test end_to_end a_hundred -- --ignored --nocapture`.
#[test]
#[ignore = "it makes 40,000 files, to say how long it takes to list them"]
fn a_hundred_folders_of_a_hundred_runs() {
    let lab = Lab::new();
    // 49 points and 1, with 2 seeds each.
    let points: Vec<String> = (1..50).map(|point| format!("0.{point:02}")).collect();
    let text = SWEPT.replace("0.5, 0.9", &points.join(", "));
    for number in 0..100 {
        let dir = lab.path(&format!("runs/lab{}/e{number}", number % 10));
        begun(&dir, &text, COMPUTED_ON, &|_, _, _| Some(50.0));
        // Of each run two stages, the second by its own name too, and a mask.
        for run in 0..100 {
            for stage in ["a", "b"] {
                let path = dir.join(format!("stages/{run}{stage}"));
                fs::write(&path, [0; 4096]).expect("a stage");
                if stage == "b" {
                    fs::hard_link(&path, dir.join(format!("weights/{run}"))).expect("a link");
                }
            }
            fs::write(dir.join(format!("masks/{run}")), [0; 512]).expect("a mask");
        }
    }
    for _ in 0..5 {
        let begun = Instant::now();
        let list = listed(&lab, &[]);
        println!("{} folders listed in {:?}", list.len(), begun.elapsed());
        assert_eq!(list.len(), 100);
        assert!(
            list.iter()
                .all(|f| f["runs_done"] == 100 && f["runs_planned"] == 100)
        );
    }
}
