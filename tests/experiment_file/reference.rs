//! What is said of the format: the documentation, `explain` and the JSON Schema agree with what the reader takes.

use super::setup::{GOOD, good, parse, shipped};
use secateur::experiment::{Experiment, explain, keys, keys_table, schema, words_table};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/experiment-file.md")
}

/// A table between two comments: `<!-- keys PATH [KIND] -->` or `<!-- words PATH [KIND] -->`, and `<!-- end -->`.
fn table(marker: &str) -> Option<String> {
    let inner = marker.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    let mut words = inner.split(' ');
    let (what, path, kind) = (words.next()?, words.next().unwrap_or(""), words.next());
    match what {
        "keys" => Some(keys_table(path, kind)),
        "words" => Some(words_table(path, kind)),
        _ => None,
    }
}

/// The documentation with every table made anew.
fn renewed(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out += &format!("{line}\n");
        if let Some(table) = table(line) {
            assert!(!table.is_empty(), "nothing stands at {line}");
            out += &format!("{table}<!-- end -->\n");
            assert!(
                lines.any(|line| line == "<!-- end -->"),
                "{line} has no end"
            );
        }
    }
    out
}

#[test]
fn the_tables_of_the_docs_are_those_of_the_program() {
    let text = fs::read_to_string(path()).unwrap();
    let expected = renewed(&text);
    if std::env::var_os("SECATEUR_WRITE_DOCS").is_some() {
        fs::write(path(), &expected).unwrap();
        return;
    }
    for (line, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(
            line, expected,
            "docs/experiment-file.md is out of date: SECATEUR_WRITE_DOCS=1 cargo test --test experiment_file docs"
        );
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

/// The keys of the tables of the docs, by their path.
fn documented(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut within = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("<!-- keys") {
            let path = rest.trim_end_matches(" -->").trim();
            within = Some(path.split(' ').next().unwrap_or_default());
        } else if line == "<!-- end -->" {
            within = None;
        } else if let (Some(path), Some(rest)) = (within, line.strip_prefix("| `")) {
            let key = rest.split('`').next().unwrap();
            found.push(match path {
                "" => key.to_owned(),
                path => format!("{path}.{key}"),
            });
        }
    }
    found
}

/// A train step takes the keys of `[train]`, and a table that several steps have is documented once.
fn documented_as(key: &str) -> String {
    let shared = [
        "arm.steps.train.",
        "arm.steps.prune.",
        "arm.steps.recalibrate.",
    ];
    let tables = ["optimizer.", "schedule.", "augment.", "normalise."];
    for step in shared {
        if let Some(rest) = key.strip_prefix(step) {
            let of_train = step == "arm.steps.train."
                && !rest.starts_with("prune")
                && !rest.starts_with("rewire");
            if of_train || tables.iter().any(|table| rest.starts_with(table)) {
                return format!("train.{rest}");
            }
        }
    }
    key.to_owned()
}

#[test]
fn the_docs_have_every_key_and_no_other() {
    let documented = documented(&fs::read_to_string(path()).unwrap());
    let all = keys();
    for key in &all {
        let name = documented_as(key);
        // Of a table, its keys are enough.
        let below = format!("{name}.");
        let known = |other: &String| *other == name || other.starts_with(&below);
        assert!(documented.iter().any(known), "{key} is not documented");
        assert!(explain(key).is_ok(), "{key} is not explained");
    }
    for key in &documented {
        assert!(all.contains(key), "{key} is documented, and there is none");
    }
}

#[test]
fn a_key_is_explained_and_a_misspelt_one_is_guessed() {
    let text = explain("train.optimizer.lr").unwrap();
    for words in ["learning rate", "greater than 0", "adam", "sgd"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    // The path of an error, with places in lists.
    let step = explain("arm[1].steps[0].prune.scope").unwrap();
    assert!(step.contains("\"erk\""), "{step}");
    let unknown = explain("train.optimiser.lr").unwrap_err();
    assert!(unknown.contains("train.optimizer.lr"), "{unknown}");
}

/// A part of a file, as the docs show it, in a whole one.
fn whole(example: &str) -> String {
    let arms = GOOD.find("[[arm]]").unwrap();
    let model = GOOD.find("[model]").unwrap()..GOOD.find("[train]").unwrap();
    let sweep = GOOD.find("[sweep]").unwrap()..arms;
    let put = |range: std::ops::Range<usize>, new: &str| {
        format!("{}{new}\n{}", &GOOD[..range.start], &GOOD[range.end..])
    };
    let head = &GOOD[..sweep.start];
    let arm = |steps: &str| format!("{head}\n[[arm]]\nname = \"example\"\n{steps}");
    match example.split([' ', '.', '\n']).next().unwrap() {
        "[model]" => put(model, example),
        "layers" => put(model, &format!("[model]\n{example}")),
        "[datasets" => format!("{GOOD}\n{example}"),
        // Both axes are read.
        "[sweep]" => put(sweep, example).replace("{ kind = \"adadelta\" }", "\"$optimizer\""),
        "[[arm]]" => format!(
            "{}{example}",
            GOOD.split("[[arm]]\nname = \"shuffled\"").next().unwrap()
        ),
        "steps" => arm(example),
        "{" => arm(&format!(
            "steps = [{{ train = {{}} }}, {example}, {{ train = {{}} }}]"
        )),
        _ => example.to_owned(),
    }
}

#[test]
fn the_examples_of_the_docs_are_right() {
    let text = fs::read_to_string(path()).unwrap();
    let blocks = text.split("```toml\n").skip(1);
    let examples: Vec<&str> = blocks
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert!(examples.len() >= 8, "{}", examples.len());
    let folder = tempfile::tempdir().unwrap();
    for part in ["train", "test"] {
        let class = folder.path().join("birds").join(part).join("wren");
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join("1.png"), "").unwrap();
    }
    for example in examples {
        let text = whole(example);
        if let Err(errors) = Experiment::parse("example", &text, folder.path(), &[]) {
            panic!("{example}\n{errors}");
        }
    }
}

fn json(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let mut checked = 0;
    for (name, text) in shipped() {
        let errors: Vec<String> = schema
            .iter_errors(&json(&text))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
        checked += 1;
    }
    assert!(checked >= 10);
    good(GOOD);
    assert!(schema.is_valid(&json(GOOD)));
}

/// What each replaces in [`GOOD`], and what is wrong then.
const BROKEN: [(&str, &str, &str); 14] = [
    ("batch = 64", "batches = 64", "an unknown key"),
    ("batch = 64", "batch = \"64\"", "a wrong type"),
    ("batch = 64", "batch = 0", "a number out of range"),
    ("seeds = 2\n", "", "a needed key is missing"),
    ("\"2ep\"", "\"2 epochs\"", "text of another form"),
    (
        "kind = \"adadelta\"",
        "kind = \"adagrad\"",
        "an unknown kind",
    ),
    (
        "kind = \"adadelta\"",
        "kind = \"adadelta\", beta1 = 0.9",
        "another kind's key",
    ),
    (
        "preset = \"lenet-300-100\"",
        "preset = \"lenet-300\"",
        "an unknown preset",
    ),
    (
        "preset = \"lenet-300-100\"",
        "preset = \"lenet-5\"\nlayers = [\"flatten\"]",
        "two of which one is needed",
    ),
    (
        "preset = \"lenet-300-100\"",
        "layers = [{ conv2d = 8 }]",
        "a layer without its kernel",
    ),
    (
        "sparsity = \"$sparsity\"",
        "criterion = \"size\", sparsity = \"$sparsity\"",
        "an unknown word",
    ),
    (
        "sparsity = \"$sparsity\"",
        "sparsity = \"$sparsity\", keep = 10",
        "two amounts",
    ),
    (
        "restart = \"fresh\"",
        "restart = { rewind = 3 }",
        "a wrong type below a choice",
    ),
    (
        "mask = \"shuffle\"",
        "mask = \"shuffled\"",
        "an unknown control",
    ),
];

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    for (from, to, what) in BROKEN {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        assert!(parse(&text).is_err(), "the reader takes {what}");
        assert!(!schema.is_valid(&json(&text)), "the schema takes {what}");
    }
}
