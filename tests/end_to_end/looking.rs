//! Commands around a run: experiments to begin with, and looking at run folders.

use super::setup::{MLP, TRAINING, arm, lab};
use crate::common::{Done, Lab, assert_same, command, no_gpu, secateur, tree};
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
    };
    let folder = RunFolder::open(dir, &owner, &contents).expect("a run folder");
    let mut rows = Vec::new();
    for arm in &experiment.arms {
        for point in arm.variants.iter().map(|variant| &variant.point) {
            for &seed in &experiment.seeds {
                rows.extend(reached(&arm.name, point, seed).map(|accuracy| RunRow {
                    arm: arm.name.clone(),
                    seed,
                    point: point.clone(),
                    test_accuracy: accuracy,
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
    assert_eq!(listed(&lab, &["runs/whole", "runs/lab"]).len(), 3);
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
