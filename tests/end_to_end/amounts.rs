//! As much is kept, computed and allocated as was asked for or foreseen.

use super::setup::{ARMS, CONV, MLP, TRAINING, arm, assert_no_violations, finished_stages, lab};
use crate::common::{Done, command, no_gpu, number, table};

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
    let curves = table(&lab.path("out/curves.csv"));
    let steps = |arm: &str| {
        let own = curves.iter().filter(|row| row["arm"] == arm);
        own.map(|row| row["step"].parse::<u32>().unwrap()).max()
    };
    assert_eq!(steps("whole"), Some(10));
    assert_eq!(steps("masked"), Some(50));
    assert_eq!(steps("compact"), Some(20));
    assert_no_violations(&lab.results("out"));
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
    lab.run("e.toml", "out", &stop).fails(
        1,
        &["\"nothing\", seed 0", "collapsed", "fc2", "on_collapse"],
    );
    assert_eq!(finished_stages(&lab, "out"), 0);
    let done = lab.run("e.toml", "out", &short).ok();
    assert!(done.stderr.contains("cut at layer fc2"), "{done:?}");
    assert_eq!(number(&lab.results("out")[0], "effective_density"), 0.0);
    assert!(done.stdout.contains("effective"), "{done:?}");
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
    let at_the_start = |step: &str| arm("one", &[step, TRAINING]);
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
