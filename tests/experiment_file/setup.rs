//! A good file, what becomes of it after a change, and what is said about mistakes.

use secateur::experiment::{Experiment, ExperimentErrors, Mistake, Step};
use std::path::Path;

pub const GOOD: &str = r#"secateur = 1
title = "A test"
seeds = 2

[model]
preset = "lenet-300-100"

[train]
dataset = "fashion-mnist"
batch = 64
length = "2ep"
optimizer = { kind = "adadelta" }

[sweep]
sparsity = [0.5, 0.90]

[[arm]]
name = "mask from MNIST"
steps = [
  { train = { dataset = "mnist" } },
  { prune = { sparsity = "$sparsity" } },
  { restart = "fresh" },
  { train = {} },
]

[[arm]]
name = "shuffled"
control = { of = "mask from MNIST", mask = "shuffle" }

[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

pub fn parse(text: &str) -> Result<Experiment, ExperimentErrors> {
    Experiment::parse("test.toml", text, Path::new("."), &[])
}

pub fn with(text: &str, overrides: &[&str]) -> Result<Experiment, ExperimentErrors> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    Experiment::parse("test.toml", text, Path::new("."), &overrides)
}

pub fn good(text: &str) -> Experiment {
    parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

pub fn errors(text: &str) -> ExperimentErrors {
    parse(text).expect_err("the text has a mistake")
}

/// The only mistake of `GOOD` after one replacement.
#[track_caller]
pub fn mistake(from: &str, to: &str) -> Mistake {
    assert!(GOOD.contains(from), "{from:?} is not in the text");
    only(errors(&GOOD.replacen(from, to, 1)))
}

#[track_caller]
pub fn only(errors: ExperimentErrors) -> Mistake {
    assert_eq!(errors.mistakes().len(), 1, "{errors}");
    errors.mistakes()[0].clone()
}

#[track_caller]
pub fn says(mistake: &Mistake, parts: &[&str]) {
    let all = format!(
        "{} | {} | {}",
        mistake.message,
        mistake.path,
        mistake.help.as_deref().unwrap_or("")
    );
    for part in parts {
        assert!(all.contains(part), "{part:?} is not in: {all}");
    }
}

/// `GOOD` with other steps in its first arm, without the control.
pub fn with_steps(steps: &str) -> String {
    let head = &GOOD[..GOOD.find("[[arm]]").unwrap()];
    format!("{head}[[arm]]\nname = \"a\"\nsteps = [{steps}]\n")
        .replace("[sweep]\nsparsity = [0.5, 0.90]\n", "")
}

pub fn with_layers(layers: &str) -> String {
    with_steps("{ train = {} }").replace(
        "preset = \"lenet-300-100\"",
        &format!("layers = [{layers}]"),
    )
}

pub fn with_sweep(text: &str, axes: &str) -> String {
    text.replace("[[arm]]", &format!("[sweep]\n{axes}\n[[arm]]"))
}

/// An arm `a` of these steps, and a control of it, `b`.
pub fn with_control(steps: &str, mask: &str) -> String {
    let control = format!("[[arm]]\nname = \"b\"\ncontrol = {{ of = \"a\", mask = \"{mask}\" }}\n");
    with_steps(steps) + &control
}

/// The steps of a control of `GOOD`'s first arm, or of another text's.
pub fn controlled(text: &str, word: &str) -> Vec<Step> {
    let of = "of = \"mask from MNIST\"";
    let text = format!("{text}\n[[arm]]\nname = \"c\"\ncontrol = {{ {of}, mask = \"{word}\" }}\n");
    let experiment = good(&text);
    experiment.arms.last().unwrap().variants[0].steps.clone()
}

/// Points of the sweep at which the first arm runs.
pub fn points(text: &str) -> usize {
    good(text).arms[0].variants.len()
}

pub fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            (
                path.display().to_string(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}
