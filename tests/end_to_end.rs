//! The contracts of the program as a user meets them: through the binary, on small experiments, compared byte for byte.

mod common;

use common::{Done, Lab, Row, assert_same, command, count, no_gpu, number, row, secateur};
use safetensors::SafeTensors;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// Weights of [`MLP`].
const FC1: u64 = 784 * 24;
const FC2: u64 = 24 * 10;
const ALL: u64 = FC1 + FC2;

/// A small fully connected network on the stand-in for MNIST; seeds and arms follow.
const MLP: &str = r#"
secateur = 1
seeds = 2
[model]
layers = ["flatten", { linear = 24 }, "relu", { linear = 10 }]
[train]
dataset = "mnist"
batch = 30
length = "2ep"
optimizer = { kind = "sgd", lr = 0.1, momentum = 0.9, weight_decay = 0.001 }
validation = 64
"#;

/// A small convolutional one with everything random and every kind of pooling.
const CONV: &str = r#"
secateur = 1
seeds = 2
[model]
layers = [
  { conv2d = 4, kernel = 5, stride = 2 },
  "relu",
  { max_pool = 2 },
  { dropout = 0.25, channels = true },
  { conv2d = 6, kernel = 3, padding = 1 },
  "relu",
  { avg_pool = 3 },
  "flatten",
  { dropout = 0.5 },
  { linear = 10 },
]
[train]
dataset = "mnist"
batch = 30
length = "1ep"
optimizer = { kind = "adam", lr = 0.01 }
validation = 64
"#;

/// What the experiments on bits have in common: every kind of step.
const ARMS: &str = r#"
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = 0.8 } }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "shuffled"
control = { of = "pruned", mask = "shuffle" }
[[arm]]
name = "random"
steps = [{ prune = { criterion = "random", scope = "uniform", sparsity = 0.8 } }, { train = {} }]
"#;

fn lab(head: &str, arms: &str) -> Lab {
    Lab::with(&format!("{head}{arms}"))
}

/// Asserts that tables and everything else are the same in two run folders.
fn assert_same_folders(lab: &Lab, a: &str, b: &str) {
    let what = format!("{a} and {b}");
    assert_same(&lab.contents(a), &lab.contents(b), &what);
}

fn digests(rows: &[Row], column: &str) -> BTreeSet<String> {
    rows.iter().map(|r| r[column].clone()).collect()
}

fn assert_no_violations(rows: &[Row]) {
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(row["mask_violations"], "0", "{row:?}");
    }
}

// -------------------------------------------------------------------------------------------------------------- same bits

#[test]
fn a_run_is_the_same_alone_and_among_sixteen() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let sixteen = ["--set", "seeds=16", "--set", "train.length=12st", "--quiet"];
    let with = |more: &[&'static str]| [&sixteen[..], more].concat();
    lab.run("e.toml", "together", &with(&["--replicas", "16"]))
        .ok();
    lab.run("e.toml", "by three", &with(&["--replicas", "3"]))
        .ok();
    lab.run("e.toml", "alone", &with(&["--replicas", "1"])).ok();
    assert_same_folders(&lab, "together", "alone");
    assert_same_folders(&lab, "together", "by three");

    let rows = lab.results("together");
    assert_eq!(rows.len(), 48);
    assert_no_violations(&rows);
    assert_eq!(
        digests(&rows, "weights_digest").len(),
        48,
        "a seed without effect"
    );
    assert_eq!(
        digests(&rows, "mask_digest").len(),
        48,
        "a seed without effect"
    );

    // The only run of an experiment of its own.
    let one = [
        "--set",
        "seeds=[5]",
        "--set",
        "train.length=12st",
        "--replicas",
        "1",
    ];
    lab.run("e.toml", "single", &one).ok();
    for single in &lab.results("single") {
        let company = row(&rows, &single["arm"], 5);
        for column in ["weights_digest", "mask_digest", "test_loss", "train_loss"] {
            assert_eq!(
                single[column], company[column],
                "{column} of {}",
                single["arm"]
            );
        }
    }
}

/// Steps that measure scores, rounds, and random controls of other layer counts: exact totals, and the same bits whoever is beside.
#[test]
fn measured_criteria_and_rounds_are_exact_and_the_same_in_any_company() {
    if no_gpu() {
        return;
    }
    let prunes = [
        (
            "snip",
            "criterion = \"snip\", keep = 900, batches = 3, iterations = 2",
        ),
        ("grasp", "criterion = \"grasp\", keep = 900"),
        (
            "synflow",
            "criterion = \"synflow\", keep = 900, iterations = 10",
        ),
        (
            "movement",
            "criterion = \"movement\", keep = 900, batches = 6",
        ),
        (
            "erk",
            "criterion = \"random\", scope = \"erk\", keep = 900, keep_dense = [\"fc2\"]",
        ),
    ];
    let mut arms: String = prunes
        .iter()
        .map(|(name, prune)| {
            format!("[[arm]]\nname = \"{name}\"\nsteps = [{{ prune = {{ {prune} }} }}, {{ train = {{}} }}]\n")
        })
        .collect();
    arms += r#"
[[arm]]
name = "rounds"
steps = [{ iterate = { rounds = 3, steps = [{ train = {} }, { prune = { remaining = 0.5 } }, { restart = "init" }] } }, { train = {} }]
[[arm]]
name = "uniform"
control = { of = "rounds", mask = "random-uniform" }
[[arm]]
name = "random erk"
control = { of = "rounds", mask = "random-erk" }
"#;
    let lab = lab(MLP, &arms);
    let short = ["--set", "train.length=12st", "--quiet"];
    let with = |more: &[&'static str]| [&short[..], more].concat();
    lab.run("e.toml", "together", &with(&[])).ok();
    lab.run("e.toml", "alone", &with(&["--replicas", "1"])).ok();
    assert_same_folders(&lab, "together", "alone");
    let rows = lab.results("together");
    assert_eq!(rows.len(), 16);
    assert_no_violations(&rows);
    let last = count_after(ALL, 3);
    for row in &rows {
        let keep = match row["arm"].as_str() {
            "rounds" | "uniform" | "random erk" => last,
            _ => 900,
        };
        assert_eq!(count(row, "density", ALL), keep, "{row:?}");
        if ["rounds", "uniform"].contains(&row["arm"].as_str()) {
            assert!((number(row, "asked_density") - 0.125).abs() < 1e-9);
        }
    }
    let of_fc2 = |arm: &str| count(row(&rows, arm, 0), "density_fc2", FC2);
    assert_eq!((of_fc2("erk"), of_fc2("uniform")), (FC2, 30));
    // (24 + 10) / (24 + 10 + 784 + 24) of 2,382.
    assert_eq!(of_fc2("random erk"), 96);
}

/// What `rounds` halvings leave.
fn count_after(all: u64, rounds: u32) -> u64 {
    (0..rounds).fold(all, |n, _| (n as f64 / 2.0).round_ties_even() as u64)
}

#[test]
fn tiles_and_sparse_execution_give_the_same_bits() {
    if no_gpu() {
        return;
    }
    for head in [MLP, CONV] {
        let lab = lab(head, ARMS);
        lab.run("e.toml", "usual", &["--quiet"]).ok();
        for tiles in ["8x2,4x4", "4x1,2x3", "1x1,1x1"] {
            lab.run("e.toml", tiles, &["--quiet", "--tiles", tiles])
                .ok();
            assert_same_folders(&lab, "usual", tiles);
        }
        for sparse in ["never", "always"] {
            lab.run("e.toml", sparse, &["--quiet", "--sparse", sparse])
                .ok();
            assert_same_folders(&lab, "usual", sparse);
        }
        let verify = ["--sparse", "always", "--verify-sparse", "--tune", "off"];
        let done = lab.run("e.toml", "verified", &verify).ok();
        assert!(done.stderr.contains("gave the same bits"), "{done:?}");
        assert_same_folders(&lab, "usual", "verified");

        let rows = lab.results("usual");
        assert_no_violations(&rows);
        assert_eq!(
            digests(&rows, "weights_digest").len(),
            6,
            "a seed without effect"
        );
    }
}

#[test]
fn the_same_command_twice_gives_the_same_bytes() {
    if no_gpu() {
        return;
    }
    let lab = lab(CONV, ARMS);
    let first = lab.run("e.toml", "first", &[]).ok();
    let second = lab.run("e.toml", "second", &["--replicas", "2"]).ok();
    for name in ["results.csv", "curves.csv"] {
        let read = |out: &str| lab.read(&format!("{out}/{name}"));
        assert_eq!(read("first"), read("second"), "{name}");
    }
    assert_same_folders(&lab, "first", "second");
    assert_eq!(first.stdout, second.stdout, "the table");
    // One curve row per training and epoch: the two arms with two trainings, and the one with one.
    let curves = common::table(&lab.path("first/curves.csv"));
    assert_eq!(curves.len(), 2 * (2 + 2 + 1));
}

/// 20 % of all weights, and half of the units: as many multiply-adds as 10 steps of the whole network are 50 and about 20 steps.
#[test]
fn equal_flops_make_smaller_networks_train_longer() {
    if no_gpu() {
        return;
    }
    let arms = r#"
[[arm]]
name = "whole"
steps = [{ train = { length = "10st", equal_flops = true } }]
[[arm]]
name = "masked"
steps = [
  { prune = { scope = "uniform", density = 0.2 } },
  { train = { length = "10st", equal_flops = true } },
]
[[arm]]
name = "compact"
steps = [
  { prune = { structure = "units", sparsity = 0.5 } },
  { compact = {} },
  { train = { length = "10st", equal_flops = true } },
]
"#;
    let lab = lab(MLP, arms);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let curves = common::table(&lab.path("out/curves.csv"));
    let steps = |arm: &str| {
        let own = curves.iter().filter(|row| row["arm"] == arm);
        own.map(|row| row["step"].parse::<u32>().unwrap()).max()
    };
    assert_eq!(steps("whole"), Some(10));
    assert_eq!(steps("masked"), Some(50));
    assert_eq!(steps("compact"), Some(20));
    assert_no_violations(&lab.results("out"));
}

#[test]
fn every_optimizer_is_reproducible_and_keeps_the_mask() {
    if no_gpu() {
        return;
    }
    let sweep = r#"
[sweep]
clip = ["none", 0.05]
optimizer = [
  { kind = "sgd", lr = 0.05 },
  { kind = "sgd", lr = 0.05, momentum = 0.9 },
  { kind = "sgd", lr = 0.05, momentum = 0.9, nesterov = true },
  { kind = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 0.01 },
  { kind = "adam" },
  { kind = "adam", weight_decay = 0.01 },
  { kind = "adamw", weight_decay = 0.1 },
  { kind = "adadelta" },
  { kind = "adadelta", rho = 0.95 },
]
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = 0.9 } }, { train = {} }]
"#;
    let lab = lab(MLP, sweep);
    let set = [
        "--quiet",
        "--set",
        "seeds=[7]",
        "--set",
        "train.length=8st",
        "--set",
        "train.optimizer=$optimizer",
        "--set",
        "train.clip_norm=$clip",
    ];
    lab.run("e.toml", "a", &[&set[..], &["--replicas", "18"]].concat())
        .ok();
    lab.run("e.toml", "b", &[&set[..], &["--replicas", "1"]].concat())
        .ok();
    assert_same_folders(&lab, "a", "b");
    let rows = lab.results("a");
    assert_eq!(rows.len(), 18);
    assert_no_violations(&rows);
    assert_eq!(
        digests(&rows, "weights_digest").len(),
        18,
        "a setting without effect"
    );
    for row in &rows {
        assert_eq!(count(row, "density", ALL), 1906);
        assert!(number(row, "test_loss").is_finite());
    }
}

// ----------------------------------------------------------------------------------------------------------------- resume

/// Starts a run, waits until its folder holds this many finished stages, and does `end` to it. Whatever comes out.
fn cut(lab: &Lab, out: &str, more: &[&str], stages: usize, end: impl FnOnce(&mut Child)) -> Done {
    cut_when(lab, out, more, || finished_stages(lab, out) >= stages, end)
}

/// Starts a run, waits until `ready`, and does `end` to it. Whatever comes out.
fn cut_when(
    lab: &Lab,
    out: &str,
    more: &[&str],
    ready: impl Fn() -> bool,
    end: impl FnOnce(&mut Child),
) -> Done {
    let mut child = lab
        .command("e.toml", out, more)
        .spawn()
        .expect("the binary starts");
    while child.try_wait().expect("a child").is_none() {
        if ready() {
            end(&mut child);
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Done::of(child.wait_with_output().expect("a child"))
}

fn finished_stages(lab: &Lab, out: &str) -> usize {
    stage_files(lab, out, ".safetensors")
}

/// Files of stages that end so, temporary ones left out.
fn stage_files(lab: &Lab, out: &str, extension: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(lab.path(out).join("stages")) else {
        return 0;
    };
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
    names
        .filter(|n| n.len() == 64 + extension.len() && n.ends_with(extension))
        .count()
}

/// Killed in the middle of its trainings, it goes on from the last pass that was saved and ends with the same bytes.
#[test]
fn a_training_that_was_killed_goes_on_from_its_last_checkpoint() {
    if no_gpu() {
        return;
    }
    let changing = r#"
[[arm]]
name = "by and by"
steps = [{ train = { prune = { sparsity = 0.9, every = "7st" } } }]
[[arm]]
name = "rewired"
steps = [
  { prune = { criterion = "random", scope = "erk", sparsity = 0.8 } },
  { train = { rewire = { grow = "gradient", every = "7st" } } },
]
"#;
    let lab = lab(MLP, &format!("{ARMS}{changing}"));
    let set = [
        "--checkpoint",
        "1",
        "--set",
        "train.length=30ep",
        "--set",
        "train.keep=best",
        "--set",
        "train.patience=20",
    ];
    lab.run("e.toml", "whole", &set).ok();
    assert_eq!(
        stage_files(&lab, "whole", ".partial"),
        0,
        "they are removed at the end"
    );
    let (mut kills, mut resumed) = (0, 0);
    for _ in 0..4 {
        let ready = || stage_files(&lab, "cut", ".partial") > 0;
        let done = cut_when(&lab, "cut", &set, ready, |child| {
            // The first file of several may be there, so that cohorts part.
            child.kill().expect("it can be killed");
        });
        kills += usize::from(done.code.is_none());
        resumed += usize::from(done.stderr.contains("going on after step"));
        // The next one is killed at once where nothing is removed: go on to the end of a training.
        let before = finished_stages(&lab, "cut");
        let done = cut(&lab, "cut", &set, before + 1, |child| {
            child.kill().expect("it can be killed");
        });
        resumed += usize::from(done.stderr.contains("going on after step"));
    }
    let last = lab.run("e.toml", "cut", &set).ok();
    resumed += usize::from(last.stderr.contains("going on after step"));
    assert!(
        kills > 0 && resumed > 0,
        "{kills} kills, {resumed} times resumed"
    );
    assert_eq!(stage_files(&lab, "cut", ".partial"), 0);
    assert_same_folders(&lab, "whole", "cut");
}

/// Killed after every stage, each time with other cohorts, it ends with the bytes of a run that was left alone.
#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let set = ["--quiet", "--set", "train.length=120st"];
    lab.run("e.toml", "whole", &set).ok();
    let (mut kills, mut attempts) = (0, 0);
    loop {
        let before = finished_stages(&lab, "cut");
        let replicas = ["1", "2"][attempts % 2];
        let more = [&set[..], &["--replicas", replicas]].concat();
        let done = cut(&lab, "cut", &more, before + 1, |child| {
            child.kill().expect("it can be killed");
        });
        attempts += 1;
        match done.code {
            Some(0) => break,
            None => kills += 1,
            Some(code) => panic!("exit code {code}: {}", done.stderr),
        }
        assert!(attempts < 50, "it never ends");
    }
    assert!(kills > 0, "it was never killed: make the trainings longer");
    println!("killed {kills} times");
    assert_same_folders(&lab, "whole", "cut");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_says_where_and_goes_on() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    // Longer trainings where the adapter is faster than the signal.
    for steps in ["150st", "1500st", "15000st"] {
        let length = format!("train.length={steps}");
        let set = ["--replicas", "1", "--set", &length];
        let out = format!("cut {steps}");
        let done = cut(&lab, &out, &set, 1, |child| {
            let pid = child.id().to_string();
            let sent = std::process::Command::new("kill")
                .args(["-INT", &pid])
                .status();
            assert!(sent.expect("kill runs").success());
        });
        if done.code == Some(0) {
            continue;
        }
        let folder = lab.path(&out).display().to_string();
        done.fails(130, &["interrupted", &folder, "same command"]);
        let more = lab.run("e.toml", &out, &set).ok();
        assert!(
            more.stderr.contains("going on from there"),
            "{}",
            more.stderr
        );
        lab.run("e.toml", "whole", &set).ok();
        assert_same_folders(&lab, "whole", &out);
        return;
    }
    panic!("it always ended before the signal");
}

#[test]
fn a_finished_experiment_run_again_changes_nothing() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let first = lab.run("e.toml", "out", &[]).ok();
    let before = lab.contents("out");
    let second = lab.run("e.toml", "out", &[]).ok();
    assert_same(&lab.contents("out"), &before, "after the second run");
    assert_eq!(first.stdout, second.stdout);
    // Nothing was computed again.
    assert!(!second.stderr.contains("training"), "{}", second.stderr);
}

/// An update of the program or a change of the data names no stage that is there: said before anything is computed or written.
#[test]
fn results_of_another_version_or_other_data_are_not_mixed() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, "[[arm]]\nname = \"dense\"\nsteps = [{ train = {} }]\n");
    let short = ["--set", "train.length=3st"];
    lab.run("e.toml", "out", &short).ok();
    let before = lab.contents("out");
    let refused = |words: &[&str]| {
        let done = lab.run("e.toml", "out", &short).fails(2, words);
        assert!(!done.stderr.contains("replica"), "{}", done.stderr);
    };

    common::write_mnist(&lab.path("data/mnist"), common::TRAIN + 1, common::TEST);
    refused(&["the data mnist=", "is mnist=", "--out", "remove"]);
    assert_same(&lab.contents("out"), &before, "after a change of the data");
    common::write_mnist(&lab.path("data/mnist"), common::TRAIN, common::TEST);

    let ours = env!("CARGO_PKG_VERSION");
    let table = String::from_utf8(lab.read("out/results.csv")).expect("text");
    let older = table.replace(&format!(",{ours},"), ",0.0.9,");
    assert_ne!(table, older);
    lab.write("out/results.csv", older);
    let before = lab.contents("out");
    refused(&["Secateur 0.0.9", ours, "--out", "remove"]);
    assert_same(&lab.contents("out"), &before, "after an update");
}

/// What the experiment's digest leaves out does not stand in a run's files either: its file's name, and where a mask file lies.
#[test]
fn a_renamed_experiment_goes_on_and_so_does_one_seen_from_elsewhere() {
    if no_gpu() {
        return;
    }
    let loads = r#"
[[arm]]
name = "loaded"
steps = [{ mask = { load = "m.safetensors" } }, { train = {} }]
"#;
    let lab = lab(MLP, ARMS);
    let short = ["--quiet", "--set", "train.length=3st"];
    lab.run("e.toml", "masks", &short).ok();
    let mask = lab.read("masks/masks/random-seed0.safetensors");
    lab.write("m.safetensors", mask);
    let text = format!("title = \"Is a rose a rose?\"\n{MLP}{loads}");
    lab.write("rose.toml", &text);
    lab.run("rose.toml", "out", &short).ok();
    let before = lab.contents("out");

    lab.write("renamed.toml", &text);
    lab.run("renamed.toml", "out", &short).ok();
    assert_same(&lab.contents("out"), &before, "after a renaming");
    // The same file by another path.
    let mut there = command(["run", "rose.toml", "--out"]);
    there
        .arg(lab.path("out"))
        .arg("--data")
        .arg(lab.path("data"));
    let done = there.args(short).current_dir(lab.path("")).output();
    Done::of(done.expect("the binary starts")).ok();
    assert_same(&lab.contents("out"), &before, "from another folder");
}

/// Of a resumed training only what came after the checkpoint took the time, and of one that stopped early only what it took.
#[test]
fn times_are_of_the_steps_that_were_taken() {
    if no_gpu() {
        return;
    }
    let arms = "[[arm]]\nname = \"dense\"\nsteps = [{ train = {} }]\n";
    let lab = lab(MLP, arms);
    let taken = |out: &str| {
        let times = common::table(&lab.path(out).join("times.csv"));
        let [row] = &times[..] else {
            panic!("one row: {times:?}");
        };
        let (steps, samples) = (number(row, "steps"), number(row, "samples"));
        assert_eq!(samples, steps * 30.0 * number(row, "replicas"));
        steps as u64
    };
    let passed = |out: &str| {
        let curves = common::table(&lab.path(out).join("curves.csv"));
        let steps = curves.iter().map(|row| number(row, "step") as u64);
        steps.max().expect("a curve")
    };
    let early = [
        "--quiet",
        "--set",
        "train.length=60ep",
        "--set",
        "train.patience=1",
    ];
    lab.run("e.toml", "early", &early).ok();
    assert!(passed("early") < 60 * 14, "it never stopped");
    assert_eq!(taken("early"), passed("early"));

    // Longer trainings where the adapter is faster than the signal.
    for (out, length) in ["30ep", "300ep", "3000ep"].into_iter().enumerate() {
        let out = format!("cut {out}");
        let length = format!("train.length={length}");
        let set = ["--checkpoint", "1", "--set", "seeds=1", "--set", &length];
        let ready = || stage_files(&lab, &out, ".partial") > 0;
        let killed = cut_when(&lab, &out, &set, ready, |child| {
            child.kill().expect("it can be killed");
        });
        let last = lab.run("e.toml", &out, &set).ok();
        let from = last.stderr.split("going on after step ").nth(1);
        let (None, Some(from)) = (killed.code, from) else {
            continue;
        };
        let from: u64 = from.lines().next().unwrap_or("").parse().expect("a number");
        assert_eq!(taken(&out), passed(&out) - from);
        return;
    }
    panic!("it always ended before it was killed");
}

/// A stage file that is damaged is named; once removed, its stage is computed again, and what came after it stays.
#[test]
fn a_damaged_stage_is_named_and_computed_again() {
    if no_gpu() {
        return;
    }
    // One arm trains after the damaged stage, one only prunes.
    let ends =
        "[[arm]]\nname = \"ends\"\nsteps = [{ train = {} }, { prune = { sparsity = 0.8 } }]\n";
    let lab = lab(MLP, &format!("{ARMS}{ends}"));
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let before = lab.contents("out");
    // A training in the middle of its run: its file has no second name in weights/.
    let ends: Vec<&Vec<u8>> = before
        .iter()
        .filter(|(name, _)| name.starts_with("weights"))
        .map(|(_, bytes)| bytes)
        .collect();
    let middle: Vec<(&PathBuf, &Vec<u8>)> = before
        .iter()
        .filter(|(name, bytes)| name.starts_with("stages") && !ends.contains(bytes))
        .collect();
    assert_eq!(middle.len(), 2, "one per seed");
    let (name, bytes) = middle[0];
    let path = lab.path("out").join(name);
    let mut damaged = bytes.clone();
    *damaged.last_mut().expect("a byte") ^= 1;
    std::fs::write(&path, damaged).expect("a file");
    let shown = path.display().to_string();
    lab.run("e.toml", "out", &["--quiet"])
        .fails(5, &[&shown, "damaged", "remove this file"]);
    std::fs::remove_file(&path).expect("a file");
    lab.run("e.toml", "out", &["--quiet"]).ok();
    assert_same(&lab.contents("out"), &before, "after the repair");
}

#[test]
fn two_processes_do_not_write_one_folder() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let long = [
        "--quiet",
        "--replicas",
        "1",
        "--set",
        "train.length=100000st",
    ];
    let short = ["--quiet", "--set", "train.length=20st"];
    // Once its subfolders are there, the first process holds the lock.
    let mut child = lab
        .command("e.toml", "out", &long)
        .spawn()
        .expect("it starts");
    while !lab.path("out/stages").exists() {
        assert!(child.try_wait().expect("a child").is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = lab.run("e.toml", "out", &long);
    child.kill().expect("it can be killed");
    Done::of(child.wait_with_output().expect("a child"));
    second.fails(5, &["another process", "--out"]);
    // A killed process holds no lock.
    lab.run("e.toml", "out", &short)
        .fails(5, &["another experiment"]);
}

// ------------------------------------------------------------------------------------------------------------------ masks

/// Tensors of a weights file: (name, weights, kept).
fn weights(path: &Path) -> Vec<(String, Vec<f32>, Vec<bool>)> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut names: Vec<&str> = file.names();
    names.retain(|n| n.ends_with(".weight"));
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| {
            let data = file.tensor(name).expect("a tensor").data();
            let (words, _) = data.as_chunks::<4>();
            let weights = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
            let mask = file.tensor(&format!("{name}.mask")).expect("a mask");
            let kept = mask.data().iter().map(|&b| b == 1).collect();
            (name.to_owned(), weights, kept)
        })
        .collect()
}

/// Kept weights per layer as the table says, checked against the saved weights, of which all others must be 0.
fn kept(lab: &Lab, out: &str, row: &Row) -> (u64, u64) {
    let says = (
        count(row, "density_fc1", FC1),
        count(row, "density_fc2", FC2),
    );
    assert_eq!(count(row, "density", ALL), says.0 + says.1, "{row:?}");
    let name = format!(
        "{}-seed{}.safetensors",
        row["arm"].replace(' ', "-"),
        row["seed"]
    );
    let tensors = weights(&lab.path(out).join("weights").join(name));
    let mut found = Vec::new();
    for (name, weights, kept) in &tensors {
        let outside = weights.iter().zip(kept).filter(|(_, kept)| !**kept);
        let broken = outside.filter(|(w, _)| w.to_bits() != 0).count();
        assert_eq!(
            broken, 0,
            "{} of {}: pruned weights that are not 0",
            name, row["arm"]
        );
        found.push(kept.iter().filter(|k| **k).count() as u64);
    }
    assert_eq!(found, [says.0, says.1], "{}", row["arm"]);
    says
}

const MASKS: &str = r#"
[[arm]]
name = "learned"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "transferred"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { mask = "transfer" }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "shuffled"
control = { of = "learned", mask = "shuffle" }
[[arm]]
name = "shuffled by hand"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { mask = "shuffle" }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "shuffled twice"
control = { of = "shuffled", mask = "shuffle" }
[[arm]]
name = "random"
control = { of = "learned", mask = "random" }
[[arm]]
name = "released"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { restart = "fresh" }, { mask = "release" }, { train = {} }]
[[arm]]
name = "uniform"
steps = [{ prune = { criterion = "random", scope = "uniform", keep = 1000 } }, { train = {} }]
[[arm]]
name = "per layer"
steps = [{ train = {} }, { prune = { scope = "layer", sparsity = 0.95 } }, { train = {} }]
[[arm]]
name = "first layer only"
steps = [{ train = {} }, { prune = { layers = ["fc1"], density = 0.03 } }, { train = {} }]
[[arm]]
name = "in two steps"
steps = [{ train = {} }, { prune = { density = 0.5 } }, { train = {} }, { prune = { keep = 1000 } }, { train = {} }]
[[arm]]
name = "pruned at the end"
steps = [{ train = {} }, { prune = { keep = 1000 } }]
[[arm]]
name = "shuffled at the end"
steps = [{ train = {} }, { prune = { keep = 1000 } }, { mask = "shuffle" }]
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

#[test]
fn masks_and_controls_are_what_they_say() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, MASKS);
    lab.run("e.toml", "out", &["--quiet", "--set", "seeds=[3]"])
        .ok();
    let rows = lab.results("out");
    assert_eq!(rows.len(), 14);
    assert_no_violations(&rows);
    let of = |arm: &str| row(&rows, arm, 3);
    let (learned, dense) = (of("learned"), of("dense"));

    let (first, second) = kept(&lab, "out", learned);
    assert_eq!(first + second, 1000);
    assert_eq!(number(learned, "asked_density"), 1000.0 / ALL as f64);
    // Saying that the mask stays changes nothing.
    for column in ["weights_digest", "mask_digest", "test_loss"] {
        assert_eq!(of("transferred")[column], learned[column]);
        assert_eq!(of("shuffled by hand")[column], of("shuffled")[column]);
    }
    let mut masks = BTreeSet::from([&learned["mask_digest"]]);
    for arm in ["shuffled", "shuffled twice", "random"] {
        assert_eq!(kept(&lab, "out", of(arm)), (first, second), "{arm}");
        assert_eq!(of(arm)["asked_density"], learned["asked_density"]);
        assert!(
            masks.insert(&of(arm)["mask_digest"]),
            "{arm}: the same mask"
        );
    }
    // 1,000 of 19,056: shares of 987.4 and 12.6.
    assert_eq!(kept(&lab, "out", of("uniform")), (987, 13));
    assert_eq!(kept(&lab, "out", of("per layer")), (941, 12));
    assert_eq!(kept(&lab, "out", of("first layer only")), (564, FC2));
    let asked = (0.03 * FC1 as f64 + FC2 as f64) / ALL as f64;
    assert!((number(of("first layer only"), "asked_density") - asked).abs() < 1e-9);
    let (a, b) = kept(&lab, "out", of("in two steps"));
    assert_eq!(a + b, 1000);
    // Pruned and not trained again: as good as what the training left, and the shuffled one as bad as dice.
    let end = of("pruned at the end");
    assert_eq!(kept(&lab, "out", end), (first, second));
    assert_eq!(end["mask_digest"], learned["mask_digest"]);
    assert_eq!(end["train_loss"], dense["train_loss"]);
    let shuffled = of("shuffled at the end");
    assert_eq!(kept(&lab, "out", shuffled), (first, second));
    assert_eq!(shuffled["mask_digest"], of("shuffled")["mask_digest"]);
    assert!(number(end, "test_loss") < number(shuffled, "test_loss"));
    // Released: a dense network that was asked to be sparse.
    let released = of("released");
    assert_eq!(kept(&lab, "out", released), (FC1, FC2));
    assert_eq!(released["asked_density"], learned["asked_density"]);
    assert_eq!(released["mask_digest"], dense["mask_digest"]);
    assert_ne!(released["weights_digest"], dense["weights_digest"]);
    assert_eq!(dense["asked_density"], "");
    assert_eq!(kept(&lab, "out", dense), (FC1, FC2));
}

const CONTROLS: &str = r#"
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { keep = 500 } }, { restart = "init" }, { train = {} }]
[[arm]]
name = "inverted"
control = { of = "pruned", mask = "invert" }
[[arm]]
name = "fresh"
control = { of = "pruned", mask = "fresh" }
[[arm]]
name = "dense"
control = { of = "pruned", mask = "dense" }
"#;

/// Controls of one word; measures of every step, layer by layer; masks against each other.
#[test]
fn controls_measures_and_overlaps_are_what_they_say() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, CONTROLS);
    let short = ["--quiet", "--set", "train.length=12st"];
    lab.run("e.toml", "out", &short).ok();
    let rows = lab.results("out");
    assert_no_violations(&rows);
    for seed in [0, 1] {
        let of = |arm: &str| row(&rows, arm, seed);
        let learned = kept(&lab, "out", of("pruned"));
        assert_eq!(kept(&lab, "out", of("inverted")), learned);
        assert_ne!(of("inverted")["mask_digest"], of("pruned")["mask_digest"]);
        assert_eq!(of("fresh")["mask_digest"], of("pruned")["mask_digest"]);
        assert_ne!(
            of("fresh")["weights_digest"],
            of("pruned")["weights_digest"]
        );
        assert_eq!(kept(&lab, "out", of("dense")), (FC1, FC2));
        let pruned = of("pruned");
        assert!((number(pruned, "compression") - ALL as f64 / 500.0).abs() < 1e-9);
        // Every weight of a linear layer is used once.
        assert_eq!(pruned["theoretical_speedup"], pruned["compression"]);
        assert!(number(pruned, "effective_density") <= number(pruned, "density"));
        let index = number(pruned, "pq_index");
        assert!(index > 0.0 && index < 1.0 - 1.0 / 500.0);
        assert_eq!(of("dense")["effective_density"], "1");
    }
    let rounds = common::table(&lab.path("out/rounds.csv"));
    // Two layers and their sum, after each of 4 steps, and of 3 where nothing is pruned.
    assert_eq!(rounds.len(), 2 * 3 * (4 + 4 + 4 + 3));
    let does = |arm: &str| -> Vec<&str> {
        let all = rounds
            .iter()
            .filter(|r| r["arm"] == arm && r["seed"] == "1");
        let totals = all.filter(|r| r["layer"].is_empty());
        totals.map(|r| r["does"].as_str()).collect()
    };
    assert_eq!(does("fresh"), ["train", "prune", "restart", "train"]);
    assert_eq!(does("dense"), ["train", "restart", "train"]);
    let last = rounds
        .iter()
        .rfind(|r| r["arm"] == "pruned" && r["layer"].is_empty());
    let last = last.expect("the last step's row");
    assert_eq!((last["step"].as_str(), last["kept"].as_str()), ("3", "500"));
    let final_row = row(&rows, "pruned", 1);
    assert_eq!(last["pq_index"], final_row["pq_index"]);
    assert_eq!(last["effective_density"], final_row["effective_density"]);

    let overlap = common::table(&lab.path("out/overlap.csv"));
    // The seeds of three arms, and three pairs of arms for each seed; dense runs have no mask.
    assert_eq!(overlap.len(), 3 + 2 * 3);
    let between = |a: &str, b: &str| {
        let pair = |r: &&Row| r["arm"] == a && r["other_arm"] == b;
        let pair = overlap.iter().find(pair).expect("a pair");
        (number(pair, "jaccard"), number(pair, "by_chance"))
    };
    assert_eq!(between("pruned", "fresh").0, 1.0);
    // What is largest is not what is smallest, as far as the layer has others.
    let (jaccard, by_chance) = between("pruned", "inverted");
    assert!(jaccard < by_chance, "{jaccard} {by_chance}");

    // Resumed without the quick steps in the middle, the tables are the same.
    let before = lab.contents("out");
    for name in ["results.csv", "rounds.csv", "overlap.csv"] {
        std::fs::remove_file(lab.path("out").join(name)).expect("a table");
    }
    lab.run("e.toml", "out", &short).ok();
    assert_same(&before, &lab.contents("out"), "resumed");
}

/// Amounts that layers, runs and the weights themselves decide: the same bits in any company, and what they ask for beside what was
/// achieved.
#[test]
fn finer_amounts_are_exact_and_the_same_in_any_company() {
    if no_gpu() {
        return;
    }
    let prunes = [
        ("of 4", "n_of_m = \"2:4\""),
        ("by layer", "densities = { fc1 = 0.1, fc2 = 0.5 }"),
        ("each output", "density = 0.1, scope = \"neuron\""),
        (
            "snip of 8",
            "n_of_m = \"1:8\", criterion = \"snip\", layers = [\"fc1\"]",
        ),
    ];
    let mut arms: String = prunes
        .iter()
        .map(|(name, prune)| {
            format!("[[arm]]\nname = \"{name}\"\nsteps = [{{ train = {{}} }}, {{ prune = {{ {prune} }} }}, {{ train = {{}} }}]\n")
        })
        .collect();
    for scope in ["neuron", "layer", "global"] {
        arms += &format!(
            "[[arm]]\nname = \"sap {scope}\"\nsteps = [{{ iterate = {{ rounds = 2, steps = [{{ train = {{}} }}, {{ prune = {{ sap = {{ p = 1, q = 2 }}, scope = \"{scope}\" }} }}, {{ restart = \"init\" }}] }} }}, {{ train = {{}} }}]\n"
        );
    }
    let lab = lab(MLP, &arms);
    let short = ["--set", "train.length=12st", "--quiet"];
    let with = |more: &[&'static str]| [&short[..], more].concat();
    lab.run("e.toml", "together", &with(&[])).ok();
    lab.run("e.toml", "alone", &with(&["--replicas", "1"])).ok();
    assert_same_folders(&lab, "together", "alone");
    let rows = lab.results("together");
    assert_eq!(rows.len(), 14);
    assert_no_violations(&rows);
    for seed in [0, 1] {
        let of = |arm: &str| {
            let row = row(&rows, arm, seed);
            (kept(&lab, "together", row), row["asked_density"].clone())
        };
        // Rows of 784 are whole runs; those of 24 too.
        assert_eq!(of("of 4"), ((FC1 / 2, FC2 / 2), "0.5".to_owned()));
        assert_eq!(of("by layer").0, (1882, 120));
        // 78.4 of 784 and 2.4 of 24.
        assert_eq!(of("each output"), ((24 * 78, 10 * 2), "0.1".to_owned()));
        let (kept, asked) = of("snip of 8");
        assert_eq!(kept, (FC1 / 8, FC2));
        let share = (FC1 / 8 + FC2) as f64 / ALL as f64;
        assert!((asked.parse::<f64>().expect("a number") - share).abs() < 1e-9);
        for scope in ["neuron", "layer", "global"] {
            let ((first, second), asked) = of(&format!("sap {scope}"));
            assert!(first + second < ALL * 3 / 4 && asked.is_empty(), "{scope}");
        }
    }
    // Rounds take from what the round before left.
    let rounds = common::table(&lab.path("together/rounds.csv"));
    let pruned: Vec<f64> = rounds
        .iter()
        .filter(|r| r["arm"] == "sap layer" && r["seed"] == "0")
        .filter(|r| r["does"] == "prune" && r["layer"].is_empty())
        .map(|r| number(r, "kept"))
        .collect();
    assert!(pruned.len() == 2 && pruned[1] < pruned[0], "{pruned:?}");
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
    let speeds = common::table(&lab.path("timed/speed.csv"));
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

/// A mask that lets nothing through is said before anything trains under it, and can end the run.
#[test]
fn a_collapsed_mask_warns_or_stops() {
    if no_gpu() {
        return;
    }
    let arms = r#"
[[arm]]
name = "nothing"
steps = [{ prune = { layers = ["fc2"], keep = 0 } }, { train = {} }]
"#;
    let lab = lab(MLP, arms);
    let short = ["--set", "train.length=3st", "--set", "seeds=1"];
    let stop = [&short[..], &["--set", "on_collapse=stop"]].concat();
    lab.run("e.toml", "out", &stop)
        .fails(2, &["collapsed", "fc2", "on_collapse"]);
    assert_eq!(finished_stages(&lab, "out"), 0);
    let done = lab.run("e.toml", "out", &short).ok();
    assert!(done.stderr.contains("cut at layer fc2"), "{done:?}");
    assert_eq!(number(&lab.results("out")[0], "effective_density"), 0.0);
    assert!(done.stdout.contains("effective"), "{done:?}");
}

#[test]
fn a_saved_mask_loads_into_another_experiment() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, MASKS);
    lab.run("e.toml", "out", &["--quiet", "--set", "seeds=[3]"])
        .ok();
    let rows = lab.results("out");
    let file = "out/masks/shuffled-seed3.safetensors";
    let arms = format!(
        r#"
[[arm]]
name = "loaded"
steps = [{{ mask = {{ load = "{file}" }} }}, {{ train = {{}} }}]
[[arm]]
name = "loaded after training"
steps = [{{ train = {{}} }}, {{ mask = {{ load = "{file}" }} }}, {{ train = {{}} }}]
[[arm]]
name = "shuffled again"
control = {{ of = "loaded", mask = "shuffle" }}
"#
    );
    lab.write("loads.toml", format!("{MLP}{arms}"));
    lab.run("loads.toml", "loads", &["--quiet"]).ok();
    let loaded = lab.results("loads");
    assert_no_violations(&loaded);
    let origin = row(&rows, "shuffled", 3);
    for row in &loaded {
        assert_eq!(
            kept(&lab, "loads", row),
            kept(&lab, "out", origin),
            "{}",
            row["arm"]
        );
        let same = row["mask_digest"] == origin["mask_digest"];
        assert_eq!(same, row["arm"] != "shuffled again", "{}", row["arm"]);
    }

    // One unit more: refused by name, before any training.
    let other = format!("{MLP}{arms}").replace("linear = 24", "linear = 25");
    lab.write("other.toml", other);
    let words = [
        "shuffled-seed3.safetensors",
        "fc1.weight",
        "[24, 784]",
        "[25, 784]",
    ];
    lab.run("other.toml", "other", &[]).fails(2, &words);
    // Another network altogether.
    lab.write("conv.toml", format!("{CONV}{arms}"));
    let words = ["shuffled-seed3.safetensors", "conv1.weight"];
    lab.run("conv.toml", "conv", &[]).fails(2, &words);
    // A file of weights is no mask.
    let wrong = format!("{MLP}{arms}").replace("out/masks/", "out/weights/");
    lab.write("wrong.toml", wrong);
    lab.run("wrong.toml", "wrong", &[])
        .fails(2, &["not a mask", "masks/"]);
    // A file that is another one by the time it is used.
    lab.write("m.safetensors", lab.read(file));
    let late = format!("{MLP}{arms}").replace(file, "m.safetensors");
    lab.write("e.toml", late);
    let replace = |_: &mut Child| {
        let other = lab.read("out/masks/random-seed3.safetensors");
        lab.write("m.safetensors", other);
    };
    let long = ["--checkpoint", "1", "--set", "train.length=100ep"];
    let ready = || stage_files(&lab, "late", ".partial") > 0;
    cut_when(&lab, "late", &long, ready, replace).fails(2, &["m.safetensors has changed", "--out"]);
    // A file that is not there.
    let missing = format!("{MLP}{arms}").replace("shuffled-seed3", "shufled-seed3");
    lab.write("missing.toml", missing);
    let words = ["cannot read the mask", "shuffled-seed3.safetensors"];
    lab.run("missing.toml", "missing", &[]).fails(2, &words);
}

/// A learning rate so small that it changes no weight shows what a training started from.
#[test]
fn restarts_go_back_to_where_they_say() {
    if no_gpu() {
        return;
    }
    let hold = r#"{ train = { length = "1st", optimizer = { kind = "sgd", lr = 1e-30 } } }"#;
    let arm = |name: &str, steps: &[&str]| {
        let steps = steps.join(", ");
        format!("[[arm]]\nname = \"{name}\"\nsteps = [{steps}]\n")
    };
    let (train, prune) = ("{ train = {} }", "{ prune = { keep = 500 } }");
    let (init, fresh) = (r#"{ restart = "init" }"#, r#"{ restart = "fresh" }"#);
    let rewind = r#"{ restart = { rewind = "7st" } }"#;
    let arms = [
        arm("drawn", &[hold]),
        arm("trained", &[train]),
        arm("none", &[train, r#"{ restart = "none" }"#, hold]),
        arm("init", &[train, init, hold]),
        arm("fresh", &[train, fresh, hold]),
        arm("fresh twice", &[train, fresh, train, fresh, hold]),
        arm("init after fresh", &[train, fresh, train, init, hold]),
        arm("masked init", &[train, prune, init, hold]),
        arm("masked fresh", &[train, prune, fresh, hold]),
        arm("early", &[r#"{ train = { length = "7st" } }"#, hold]),
        arm("rewound", &[train, train, rewind, hold]),
        arm("masked and rewound", &[train, prune, rewind, hold]),
        arm(
            "entered",
            &[
                r#"{ train = { length = "20st", enter = "10st", schedule = { kind = "step", every = "10st", factor = 0.5 } } }"#,
            ],
        ),
        arm(
            "halved",
            &[
                r#"{ train = { length = "10st", optimizer = { kind = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 0.001 } } }"#,
            ],
        ),
    ];
    let lab = lab(MLP, &arms.concat());
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let rows = lab.results("out");
    assert_no_violations(&rows);
    for seed in [0, 1] {
        let weights = |arm: &str| &row(&rows, arm, seed)["weights_digest"];
        assert_eq!(weights("init"), weights("drawn"));
        assert_eq!(weights("none"), weights("trained"));
        // `init` goes back to what the run last started from.
        assert_eq!(weights("init after fresh"), weights("fresh"));
        // Seven steps of the first training, whatever came after it.
        assert_eq!(weights("rewound"), weights("early"));
        // A schedule entered where it has halved the rate.
        assert_eq!(weights("entered"), weights("halved"));
        let different = [
            "drawn",
            "trained",
            "fresh",
            "fresh twice",
            "masked init",
            "masked fresh",
            "early",
            "masked and rewound",
            "entered",
        ];
        let found: BTreeSet<&String> = different.iter().map(|arm| weights(arm)).collect();
        assert_eq!(found.len(), different.len());
        let mask = |arm: &str| &row(&rows, arm, seed)["mask_digest"];
        assert_eq!(mask("masked init"), mask("masked fresh"));
        assert_eq!(mask("masked init"), mask("masked and rewound"));
    }
    // The initial weights under a mask are the initial weights under the same mask from a file.
    let load = r#"{ mask = { load = "out/masks/masked-init-seed1.safetensors" } }"#;
    lab.write(
        "load.toml",
        format!("{MLP}{}", arm("loaded", &[load, hold])),
    );
    lab.run("load.toml", "load", &["--quiet", "--set", "seeds=[1]"])
        .ok();
    let loaded = lab.results("load");
    for column in ["weights_digest", "mask_digest"] {
        let want = &row(&rows, "masked init", 1)[column];
        assert_eq!(&row(&loaded, "loaded", 1)[column], want, "{column}");
    }
}

/// Nothing kept, everything kept, and a rate at which everything becomes NaN: reported as they are.
#[test]
fn extremes_are_reported_as_they_are() {
    if no_gpu() {
        return;
    }
    let sweep = r#"
[sweep]
sparsity = [0.0, 0.5, 1.0]
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = "$sparsity" } }, { train = {} }]
[[arm]]
name = "shuffled"
control = { of = "pruned", mask = "shuffle" }
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;
    let lab = lab(MLP, sweep);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let rows = lab.results("out");
    assert_no_violations(&rows);
    for row in &rows {
        let asked = row["sparsity"].parse().map_or(1.0, |s: f64| 1.0 - s);
        assert_eq!(number(row, "density"), asked, "{row:?}");
        assert!(number(row, "test_loss").is_finite());
    }

    let diverging = [
        "--set",
        "train.optimizer={ kind = \"sgd\", lr = 1e30 }",
        "--set",
        "seeds=[5, 7]",
    ];
    let words = ["NaN", "clip_norm", "pruning 6 replicas, seed 5:"];
    lab.run("e.toml", "nan", &diverging).fails(1, &words);
    lab.write(
        "dense.toml",
        format!("{MLP}[[arm]]\nname = \"dense\"\nsteps = [{{ train = {{}} }}]\n"),
    );
    let done = lab.run("dense.toml", "diverged", &diverging).ok();
    assert!(done.stderr.contains("diverged"), "{}", done.stderr);
    for row in &lab.results("diverged") {
        assert!(!number(row, "test_loss").is_finite(), "{row:?}");
    }
    // Such a folder can be read again, too.
    let before = lab.contents("diverged");
    lab.run("dense.toml", "diverged", &diverging).ok();
    assert_same(&lab.contents("diverged"), &before, "a diverged run again");
}

/// What was measured is kept in the user's cache folder and used again; a damaged cache is measured anew. None of it moves a
/// bit.
#[cfg(target_os = "linux")]
#[test]
fn measured_variants_are_remembered_and_a_damaged_cache_is_no_error() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let cache = lab.path("cache");
    let run = |out: &str, tune: &str| {
        let more = ["--tune", tune, "--set", "train.length=20st"];
        let mut command = lab.command("e.toml", out, &more);
        let output = command.env("XDG_CACHE_HOME", &cache).output();
        Done::of(output.expect("the binary starts")).ok();
    };
    let files = || -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(cache.join("secateur")) else {
            return Vec::new();
        };
        entries.map(|e| e.expect("an entry").path()).collect()
    };
    run("off", "off");
    assert!(files().is_empty(), "with --tune off nothing is cached");
    run("measured", "auto");
    let is_tuning = |path: &PathBuf| path.to_string_lossy().contains("tuning-");
    let tuning = files().into_iter().find(is_tuning).expect("a cache file");
    let known = std::fs::read(&tuning).expect("the cache");
    run("known", "auto");
    assert_eq!(
        std::fs::read(&tuning).expect("the cache"),
        known,
        "nothing was left to measure"
    );
    for file in files() {
        std::fs::write(file, b"{ damaged").expect("the cache is writable");
    }
    run("damaged", "auto");
    assert_ne!(
        std::fs::read(&tuning).expect("the cache"),
        b"{ damaged",
        "it is measured anew"
    );
    for out in ["measured", "known", "damaged"] {
        assert_same_folders(&lab, "off", out);
    }
}

/// The memory that `plan` foresees is, within 5 %, the most that the run then had.
#[test]
fn the_planned_memory_is_what_is_allocated() {
    if no_gpu() {
        return;
    }
    let peak = |text: &str| -> f64 {
        let at = text.find("GPU memory at the peak").expect(text);
        let words = text[at..].split_whitespace();
        let mut numbers = words.filter_map(|word| word.trim_end_matches(')').parse().ok());
        numbers.next().expect(text)
    };
    let at_the_start =
        |step: &str| format!("[[arm]]\nname = \"one\"\nsteps = [{step}, {{ train = {{}} }}]\n");
    let scored = |criterion: &str| {
        at_the_start(&format!(
            "{{ prune = {{ criterion = \"{criterion}\", sparsity = 0.8 }} }}"
        ))
    };
    let units = r#"{ prune = { structure = "units", criterion = "taylor", sparsity = 0.5 } }"#;
    let rewound =
        r#"{ train = {} }, { prune = { sparsity = 0.8 } }, { restart = { rewind = "2st" } }"#;
    for (model, arms, set) in [
        (MLP, ARMS.to_owned(), &[][..]),
        (MLP, ARMS.to_owned(), &["--set", "train.keep=best"]),
        (MLP, scored("snip"), &[]),
        (MLP, scored("grasp"), &[]),
        (MLP, scored("synflow"), &[]),
        (MLP, at_the_start(units), &[]),
        (MLP, at_the_start(rewound), &[]),
        (CONV, ARMS.to_owned(), &[]),
        (
            CONV,
            ARMS.to_owned(),
            &["--set", "train.batch=128", "--set", "train.micro_batch=32"],
        ),
    ] {
        let lab = lab(model, &arms);
        let set = [set, &["--set", "train.length=3st", "--set", "seeds=7"]].concat();
        let (file, data) = (lab.path("e.toml"), lab.path("data"));
        let planned = command(["plan".as_ref(), file.as_os_str()])
            .arg("--data")
            .arg(data)
            .args(&set)
            .output();
        let planned = peak(&Done::of(planned.expect("the binary starts")).ok().stdout);
        let had = peak(&lab.run("e.toml", "out", &set).ok().stderr);
        assert!(
            (planned / had - 1.0).abs() < 0.05,
            "planned {planned} MiB, had {had} MiB"
        );
    }
}

/// A batch that does not fit names the micro-batch that does.
#[test]
fn what_does_not_fit_says_which_micro_batch_would() {
    let lab = lab(CONV, ARMS);
    let file = lab.path("e.toml");
    let plan = |set: &[&str]| {
        let output = command(["plan".as_ref(), file.as_os_str()])
            .args(["--memory", "8", "--set", "train.batch=2048"])
            .args(set)
            .output();
        Done::of(output.expect("the binary starts"))
    };
    let refused = plan(&[]).fails(2, &["batch 2048", "with the same results"]);
    let words = refused.stderr.split("`micro_batch = ").nth(1);
    let number = words.and_then(|text| text.split('`').next());
    let number: u32 = number.and_then(|text| text.parse().ok()).expect("a number");
    assert!(number.is_multiple_of(32) && number < 2048, "{number}");
    let set = |micro: u32| format!("train.micro_batch={micro}");
    let fits = plan(&["--set", &set(number)]).ok();
    let says = format!("batch 2048 in micro-batches of {number}");
    assert!(fits.stdout.contains(&says), "{}", fits.stdout);
    plan(&["--set", &set(number + 32)]).fails(2, &[&format!("micro_batch = {number}")]);
}

// ------------------------------------------------------------------------------------------------- what is printed, presets

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

#[test]
fn data_that_is_not_the_published_one_is_said_aloud() {
    if no_gpu() {
        return;
    }
    let lab = lab(
        MLP,
        "[[arm]]\nname = \"dense\"\nsteps = [{ train = { length = \"1st\" } }]\n",
    );
    let done = lab.run("e.toml", "out", &[]).ok();
    assert!(
        done.stderr.contains("sha256"),
        "no warning about other data:\n{}",
        done.stderr
    );
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
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let places = std::env::var_os("SECATEUR_DATA").map(PathBuf::from);
    let Some(data) = places
        .into_iter()
        .chain([near])
        .find(|p| p.join("mnist").is_dir())
    else {
        println!("skipped: no mnist/ in SECATEUR_DATA or in ../shared/data");
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
