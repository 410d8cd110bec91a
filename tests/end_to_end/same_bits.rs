//! The same results whatever runs beside a run, and however it is executed.

use super::setup::{
    ALL, ARMS, CONV, FC1, FC2, MLP, TRAINING, arm, assert_no_violations, assert_same_folders,
    digests, kept, lab,
};
use crate::common::{Done, count, no_gpu, number, row, table};
use std::path::PathBuf;

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
        let cohort = row(&rows, &single["arm"], 5);
        for column in ["weights_digest", "mask_digest", "test_loss", "train_loss"] {
            assert_eq!(
                single[column], cohort[column],
                "{column} of {}",
                single["arm"]
            );
        }
    }
}

/// Steps that measure scores, rounds, and random controls of other layer counts: exact totals, and the same bits whatever the cohort.
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
        .map(|(name, prune)| arm(name, &[&format!("{{ prune = {{ {prune} }} }}"), TRAINING]))
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
            assert!((number(row, "target_density") - 0.125).abs() < 1e-9);
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

/// Amounts that layers, runs and the weights themselves decide: the same bits in any cohort, and what they ask for beside what was
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
            arm(
                name,
                &[TRAINING, &format!("{{ prune = {{ {prune} }} }}"), TRAINING],
            )
        })
        .collect();
    for scope in ["neuron", "layer", "global"] {
        let rounds = format!(
            "{{ iterate = {{ rounds = 2, steps = [{{ train = {{}} }}, {{ prune = {{ sap = {{ p = 1, q = 2 }}, scope = \"{scope}\" }} }}, {{ restart = \"init\" }}] }} }}"
        );
        arms += &arm(&format!("sap {scope}"), &[&rounds, TRAINING]);
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
            (kept(&lab, "together", row), row["target_density"].clone())
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
    let rounds = table(&lab.path("together/rounds.csv"));
    let pruned: Vec<f64> = rounds
        .iter()
        .filter(|r| r["arm"] == "sap layer" && r["seed"] == "0")
        .filter(|r| r["step_kind"] == "prune" && r["layer"].is_empty())
        .map(|r| number(r, "kept_weights"))
        .collect();
    assert!(pruned.len() == 2 && pruned[1] < pruned[0], "{pruned:?}");
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
    let curves = table(&lab.path("first/curves.csv"));
    assert_eq!(curves.len(), 2 * (2 + 2 + 1));
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
