//! What runs share, and what is in a digest.

use super::setup::{GOOD, good, only, says, with_steps};
use secateur::experiment::{Experiment, Plan, PlanContext, Step};

#[test]
fn equal_histories_share_their_stages() {
    let mut text = GOOD.to_string();
    for number in 0..8 {
        text.push_str(&format!(
            "[[arm]]\nname = \"more {number}\"\nsteps = [{{ train = {{ dataset = \"mnist\" }} }}, \
             {{ prune = {{ keep = {number} }} }}]\n"
        ));
    }
    let plan = Plan::new(&good(&text), &PlanContext::default());
    let mnist = plan
        .stages
        .iter()
        .filter(|stage| matches!(&stage.step, Step::Train(step) if step.train.dataset == "mnist"));
    assert_eq!(mnist.count(), 2, "ten arms, one MNIST training per seed");
    assert_eq!(plan.runs.len(), 2 * (2 + 2 + 1 + 8));
    // Per seed: 12 runs start with the same training, and each shuffled run shares the pruning of its twin.
    assert_eq!(plan.shared(), 2 * (11 + 2));
    for (id, stage) in plan.stages.iter().enumerate() {
        assert_eq!(stage.id, id);
        assert!(stage.parent.is_none_or(|parent| parent < id));
    }
}

#[test]
fn stages_know_their_place_in_their_history() {
    let plan = Plan::new(&good(GOOD), &PlanContext::default());
    let run = &plan.runs[0];
    assert_eq!((run.arm, run.variant, run.seed), (0, 0, 0));
    let counts: Vec<_> = run
        .stages
        .iter()
        .map(|id| {
            let stage = &plan.stages[*id];
            (stage.step_ordinal, stage.train_ordinal, stage.fresh_ordinal)
        })
        .collect();
    assert_eq!(counts, [(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 1, 1)]);
    let order: Vec<_> = plan
        .runs
        .iter()
        .map(|run| (run.arm, run.variant, run.seed))
        .collect();
    assert!(order.is_sorted());
}

#[test]
fn steps_that_change_nothing_make_no_stage() {
    let plain = "{ train = {} }, { prune = { sparsity = 0.5 } }, { train = {} }";
    let loud = "{ train = {} }, { prune = { sparsity = 0.5 } }, { mask = \"transfer\" }, \
                { restart = \"none\" }, { train = {} }";
    let plain = Plan::new(&good(&with_steps(plain)), &PlanContext::default());
    let loud = Plan::new(&good(&with_steps(loud)), &PlanContext::default());
    assert_eq!(plain, loud);
}

#[test]
fn context_model_seed_and_history_are_in_a_stages_digest() {
    let digests = |text: &str, context: &str| -> Vec<String> {
        let plan = Plan::new(
            &good(text),
            &PlanContext {
                everywhere: context.to_owned(),
                ..PlanContext::default()
            },
        );
        plan.stages.into_iter().map(|stage| stage.digest).collect()
    };
    let base = digests(GOOD, "a");
    assert_eq!(base, digests(&GOOD.replace("A test", "Another"), "a"));
    let mut unique = base.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), base.len());
    let differs = |other: Vec<String>| assert!(other.iter().all(|digest| !base.contains(digest)));
    differs(digests(GOOD, "b"));
    differs(digests(&GOOD.replace("lenet-300-100", "lenet-5"), "a"));
    differs(digests(&GOOD.replace("seeds = 2", "seeds = [5]"), "a"));
    differs(digests(&GOOD.replace("batch = 64", "batch = 65"), "a"));
}

#[test]
fn the_digest_is_of_meaning_only() {
    let digest = |text: &str| good(text).digest();
    let base = digest(GOOD);
    assert_eq!(base.len(), 64);
    assert_eq!(
        base,
        digest(&GOOD.replace("batch = 64", "batch = 0x40   # comment"))
    );
    assert_eq!(base, digest(&GOOD.replace("0.90", "0.9")));
    let moved = GOOD
        .replace("batch = 64\n", "")
        .replace("optimizer =", "batch = 64\noptimizer =");
    assert_eq!(base, digest(&moved));
    assert_eq!(base, digest(&GOOD.replace("seeds = 2", "seeds = [0, 1]")));
    let changes = [
        ("A test", "B test"),
        ("seeds = 2", "seeds = 3"),
        ("batch = 64", "batch = 63"),
        ("2ep", "2st"),
        ("0.90", "0.91"),
        ("[0.5, 0.90]", "[0.90, 0.5]"),
        ("\"dense\"", "\"plain\""),
        ("\"shuffle\"", "\"random\""),
        ("lenet-300-100", "lenet-5"),
        ("\"fresh\"", "\"init\""),
        (
            "{ kind = \"adadelta\" }",
            "{ kind = \"adadelta\", rho = 0.8 }",
        ),
    ];
    for (from, to) in changes {
        assert_ne!(base, digest(&GOOD.replacen(from, to, 1)), "{from} -> {to}");
    }
}

#[test]
fn the_order_of_axes_is_not_in_the_digest() {
    let swept = GOOD.replace("batch = 64", "batch = \"$batch\"");
    let one = swept.replace("[sweep]\n", "[sweep]\nbatch = [8, 16]\n");
    let other = swept.replace("0.90]\n", "0.90]\nbatch = [8, 16]\n");
    assert_eq!(good(&one).digest(), good(&other).digest());
    assert_ne!(good(&one).arms, good(&other).arms);
}

#[test]
fn mask_files_count_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let text = with_steps("{ mask = { load = \"mask.safetensors\" } }, { train = {} }");
    let read = |text: &str| Experiment::parse("test.toml", text, folder.path(), &[]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    says(
        &only(read(&text).unwrap_err()),
        &["cannot read the mask", "arm[0].steps[0].mask.load"],
    );
    write("masks.safetensors", b"one");
    says(
        &only(read(&text).unwrap_err()),
        &["did you mean", "masks.safetensors"],
    );
    write("mask.safetensors", b"one");
    let first = read(&text).unwrap();
    let renamed = read(&text.replace("mask.safe", "masks.safe")).unwrap();
    assert_eq!(first.digest(), renamed.digest());
    write("mask.safetensors", b"two");
    let changed = read(&text).unwrap();
    assert_ne!(first.digest(), changed.digest());
    let digest = |experiment: &Experiment| {
        Plan::new(experiment, &PlanContext::default()).stages[0]
            .digest
            .clone()
    };
    assert_eq!(digest(&first), digest(&renamed));
    assert_ne!(digest(&first), digest(&changed));
}
