//! Masks, controls and restarts do what their words say.

use super::setup::{
    ALL, CONV, FC1, FC2, MASKS, MLP, TRAINING, arm, assert_no_violations, cut_when, kept, lab,
    stage_files,
};
use crate::common::{Row, assert_same, no_gpu, number, row, table};
use std::collections::BTreeSet;
use std::process::Child;

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
    assert_eq!(number(learned, "target_density"), 1000.0 / ALL as f64);
    // Saying that the mask stays changes nothing.
    for column in ["weights_digest", "mask_digest", "test_loss"] {
        assert_eq!(of("transferred")[column], learned[column]);
        assert_eq!(of("shuffled by hand")[column], of("shuffled")[column]);
    }
    let mut masks = BTreeSet::from([&learned["mask_digest"]]);
    for arm in ["shuffled", "shuffled twice", "random"] {
        assert_eq!(kept(&lab, "out", of(arm)), (first, second), "{arm}");
        assert_eq!(of(arm)["target_density"], learned["target_density"]);
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
    assert!((number(of("first layer only"), "target_density") - asked).abs() < 1e-9);
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
    assert_eq!(released["target_density"], learned["target_density"]);
    assert_eq!(released["mask_digest"], dense["mask_digest"]);
    assert_ne!(released["weights_digest"], dense["weights_digest"]);
    assert_eq!(dense["target_density"], "");
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
    let rounds = table(&lab.path("out/rounds.csv"));
    // Two layers and their sum, after each of 4 steps, and of 3 where nothing is pruned.
    assert_eq!(rounds.len(), 2 * 3 * (4 + 4 + 4 + 3));
    let does = |arm: &str| -> Vec<&str> {
        let all = rounds
            .iter()
            .filter(|r| r["arm"] == arm && r["seed"] == "1");
        let totals = all.filter(|r| r["layer"].is_empty());
        totals.map(|r| r["step_kind"].as_str()).collect()
    };
    assert_eq!(does("fresh"), ["train", "prune", "restart", "train"]);
    assert_eq!(does("dense"), ["train", "restart", "train"]);
    let last = rounds
        .iter()
        .rfind(|r| r["arm"] == "pruned" && r["layer"].is_empty());
    let last = last.expect("the last step's row");
    assert_eq!(
        (last["step"].as_str(), last["kept_weights"].as_str()),
        ("3", "500")
    );
    let final_row = row(&rows, "pruned", 1);
    assert_eq!(last["pq_index"], final_row["pq_index"]);
    assert_eq!(last["effective_density"], final_row["effective_density"]);

    let overlap = table(&lab.path("out/overlap.csv"));
    // The seeds of three arms, and three pairs of arms for each seed; dense runs have no mask.
    assert_eq!(overlap.len(), 3 + 2 * 3);
    let between = |a: &str, b: &str| {
        let pair = |r: &&Row| r["arm"] == a && r["other_arm"] == b;
        let pair = overlap.iter().find(pair).expect("a pair");
        (number(pair, "jaccard"), number(pair, "expected_jaccard"))
    };
    assert_eq!(between("pruned", "fresh").0, 1.0);
    // What is largest is not what is smallest, as far as the layer has others.
    let (jaccard, expected_jaccard) = between("pruned", "inverted");
    assert!(jaccard < expected_jaccard, "{jaccard} {expected_jaccard}");

    // Resumed without the quick steps in the middle, the tables are the same.
    let before = lab.contents("out");
    for name in ["results.csv", "rounds.csv", "overlap.csv"] {
        std::fs::remove_file(lab.path("out").join(name)).expect("a table");
    }
    lab.run("e.toml", "out", &short).ok();
    assert_same(&before, &lab.contents("out"), "resumed");
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
    cut_when(&lab, "late", &long, ready, replace).fails(1, &["m.safetensors has changed", "--out"]);
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
    let (train, prune) = (TRAINING, "{ prune = { keep = 500 } }");
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
