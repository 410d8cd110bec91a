//! An experiment that grows: seeds, arms, values and controls that are added cost only themselves, and the folder ends byte for byte
//! as a fresh run of the new file gives it.

use super::setup::{arm, assert_same_folders, assert_same_results, lab};
use crate::common::{Lab, TEST, TRAIN, assert_same, no_gpu, number, table, write_mnist};

const HEAD: &str = r#"secateur = 1
title = "Does it help?"
seeds = 2
[model]
layers = ["flatten", { linear = 12 }, "relu", { linear = 10 }]
[train]
dataset = "mnist"
batch = 30
length = "5st"
optimizer = { kind = "sgd", lr = 0.1 }
validation = 64
"#;

const SWEEP: &str = "[sweep]\nsparsity = [0.5, 0.9]\n";

const ARMS: &str = r#"
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = "$sparsity" } }, { train = {} }]
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

fn whole() -> String {
    format!("{HEAD}{SWEEP}{ARMS}")
}

/// Trainings that a folder's runs have taken so far.
fn trainings(lab: &Lab, out: &str) -> u32 {
    let rows = table(&lab.path(out).join("times.csv"));
    let rows = rows
        .iter()
        .filter(|row| row["work"].starts_with("training"));
    rows.map(|row| row["replicas"].parse::<u32>().unwrap())
        .sum()
}

/// Runs a text in a folder, and says how many trainings it took.
fn run(lab: &Lab, out: &str, text: &str) -> u32 {
    let before = if lab.path(out).join("times.csv").exists() {
        trainings(lab, out)
    } else {
        0
    };
    lab.write("e.toml", text);
    lab.run("e.toml", out, &["--quiet"]).ok();
    trainings(lab, out) - before
}

#[test]
fn what_is_added_costs_only_itself() {
    if no_gpu() {
        return;
    }
    let lab = lab(HEAD, "");
    write_mnist(&lab.path("data/fashion-mnist"), TRAIN + 7, TEST);
    // Two dense trainings, which the pruned ones share, and two more for each value.
    assert_eq!(run(&lab, "out", &whole()), 2 + 4);
    let seeds = whole().replace("seeds = 2", "seeds = 4");
    let arms = format!(
        "{seeds}{}",
        arm(
            "elsewhere",
            &["{ train = { dataset = \"fashion-mnist\" } }"]
        )
    );
    let values = arms.replace("[0.5, 0.9]", "[0.5, 0.7, 0.9]");
    let controls = format!(
        "{values}[[arm]]\nname = \"shuffled\"\ncontrol = {{ of = \"pruned\", mask = \"shuffle\" }}\n"
    );
    let steps = [
        ("seeds", &seeds, 2 * 3),
        ("an arm on other data", &arms, 4),
        ("a value", &values, 4),
        ("a control", &controls, 12),
    ];
    for (what, text, expected) in steps {
        assert_eq!(run(&lab, "out", text), expected, "{what}");
        let fresh = format!("fresh {what}");
        run(&lab, &fresh, text);
        assert_same_folders(&lab, "out", &fresh);
    }
    // What is taken away leaves the tables and not the disk: put back it costs nothing.
    assert_eq!(run(&lab, "out", &whole()), 0);
    assert_eq!(table(&lab.path("out/results.csv")).len(), 6);
    assert_eq!(run(&lab, "out", &controls), 0);
    assert_same_folders(&lab, "out", "fresh a control");
    let history = std::fs::read_dir(lab.path("out/history")).expect("a folder");
    assert!(history.count() >= 5);
}

/// An arm that ends where another goes on needs its score and nothing else: after a training, and after a step of milliseconds.
#[test]
fn an_arm_that_ends_within_another_trains_nothing() {
    if no_gpu() {
        return;
    }
    let lab = lab(HEAD, "");
    let one = arm(
        "long",
        &[
            "{ train = {} }",
            "{ prune = { sparsity = 0.5 } }",
            "{ mask = \"shuffle\" }",
            "{ train = {} }",
        ],
    );
    assert_eq!(run(&lab, "out", &format!("{HEAD}{one}")), 4);
    let more = [
        arm("dense", &["{ train = {} }"]),
        arm("cut", &["{ train = {} }", "{ prune = { sparsity = 0.5 } }"]),
    ];
    let all = format!("{HEAD}{one}{}", more.concat());
    assert_eq!(run(&lab, "out", &all), 0);
    run(&lab, "fresh", &all);
    assert_same_folders(&lab, "out", "fresh");
    for row in lab.results("out") {
        assert!(number(&row, "test_accuracy").is_finite(), "{row:?}");
    }
    let rounds = table(&lab.path("out/rounds.csv"));
    let mut steps = rounds
        .iter()
        .filter(|row| row["arm"] == "long" && row["seed"] == "0" && row["layer"].is_empty());
    let steps: Vec<&str> = steps.by_ref().map(|row| row["step"].as_str()).collect();
    assert_eq!(steps, ["0", "1", "2", "3"]);
}

#[test]
fn what_changes_no_result_computes_nothing() {
    if no_gpu() {
        return;
    }
    let lab = lab(HEAD, "");
    run(&lab, "out", &whole());
    let edits = [
        ("the title", whole().replace("Does it help?", "Does it?")),
        ("an arm's name", whole().replace("\"dense\"", "\"whole\"")),
        (
            "an axis's name",
            whole()
                .replace("sparsity = [", "share = [")
                .replace("$sparsity", "$share"),
        ),
        ("the order of arms", {
            let (pruned, dense) = ARMS.split_at(ARMS.rfind("[[arm]]").unwrap());
            format!("{HEAD}{SWEEP}{dense}{pruned}")
        }),
        (
            "a comment",
            whole().replace("batch = 30", "batch = 30 # thirty"),
        ),
        (
            "a key at its default",
            whole().replace("batch = 30", "batch = 30\nlabel_smoothing = 0.0"),
        ),
    ];
    for (what, text) in &edits {
        assert_eq!(run(&lab, "out", text), 0, "{what}");
        let fresh = format!("fresh {what}");
        run(&lab, &fresh, text);
        let tables = |out: &str| {
            let mut all = lab.contents(out);
            all.retain(|path, _| !path.starts_with("weights") && !path.starts_with("masks"));
            all
        };
        assert_same(&tables("out"), &tables(&fresh), what);
    }
    // Files of runs that were called something else are left; those that are asked for are there.
    assert_eq!(run(&lab, "out", &whole()), 0);
    for row in table(&lab.path("out/results.csv")) {
        assert!(!row["weights_digest"].is_empty());
    }
    run(&lab, "again", &whole());
    let names: Vec<_> = lab.contents("again").into_keys().collect();
    let (all, again) = (lab.contents("out"), lab.contents("again"));
    for name in names {
        assert_eq!(all.get(&name), again.get(&name), "{}", name.display());
    }
}

/// A name that another run takes is that run's from then on.
#[test]
fn an_arm_that_becomes_another_takes_its_files() {
    if no_gpu() {
        return;
    }
    let lab = lab(HEAD, "");
    let one = format!("{HEAD}{}", arm("a", &["{ train = {} }"]));
    let two = format!(
        "{HEAD}{}",
        arm(
            "a",
            &[
                "{ train = {} }",
                "{ prune = { sparsity = 0.5 } }",
                "{ train = {} }"
            ]
        )
    );
    run(&lab, "out", &one);
    assert_eq!(run(&lab, "out", &two), 2);
    run(&lab, "fresh", &two);
    assert_same_results(&lab, "out", "fresh");
}
