//! What is known wrong once the data's shapes and sizes are: said before anything runs.

use secateur::experiment::Experiment;
use secateur::model::Shape;
use secateur::run::{DataFacts, verify};
use std::collections::BTreeMap;
use std::path::Path;

/// The mistakes of an arm of lenet-300-100 on MNIST with these steps.
fn mistakes(train: &str, steps: &str) -> Vec<String> {
    let text = format!(
        "secateur = 1\nseeds = 1\n[model]\npreset = \"lenet-300-100\"\n[train]\ndataset = \"mnist\"\nbatch = 100\n\
         length = \"2ep\"\noptimizer = {{ kind = \"sgd\", lr = 0.1 }}\nvalidation = 10000\n{train}\n\
         [[arm]]\nname = \"a\"\nsteps = [{steps}]\n"
    );
    let experiment = Experiment::parse("e.toml", &text, Path::new("."), &[])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    let mnist = DataFacts {
        shape: Shape::new(1, 28, 28),
        classes: 10,
        train: Some(60_000),
    };
    let facts = BTreeMap::from([("mnist".to_owned(), mnist)]);
    verify(&experiment, &facts).err().unwrap_or_default()
}

fn refused(steps: &str, words: &[&str]) {
    let found = mistakes("", steps);
    assert_eq!(found.len(), 1, "{steps}: {found:?}");
    for word in words {
        assert!(
            found[0].contains(word),
            "{steps}: {word:?} is not in {found:?}"
        );
    }
}

fn fine(steps: &str) {
    assert_eq!(mistakes("", steps), Vec::<String>::new(), "{steps}");
}

#[test]
fn counts_that_cannot_be_met() {
    refused(
        "{ prune = { keep = 1000 } }, { train = {} }, { prune = { keep = 2000 } }, { train = {} }",
        &["keep 2000 weights", "leaves only 1000"],
    );
    refused(
        "{ prune = { scope = \"layer\", sparsity = 0.9 } }, { train = {} }, { prune = { scope = \"erk\", sparsity = 0.91, criterion = \"snip\" } }, { train = {} }",
        &["of fc", "the mask leaves only"],
    );
    refused(
        "{ train = { prune = { keep = 9999999 } } }",
        &["more than the 266200"],
    );
    refused(
        "{ train = { prune = { keep = 5000, scope = \"layer\" } } }",
        &["one total"],
    );
    refused(
        "{ prune = { sparsity = 0.95, layers = [\"fc1\"] } }, { train = { prune = { sparsity = 0.9, scope = \"uniform\" } } }",
        &["of fc1", "leaves only 11760"],
    );
    refused(
        "{ train = { prune = { keep = 200000, initial_sparsity = 0.5 } } }",
        &["`initial_sparsity` is 0.5"],
    );
    refused(
        "{ train = {} }, { prune = { scope = \"layer\", sparsity = 0.9, keep_dense = [\"fc1\", \"fc2\", \"fc3\"] } }",
        &["keep_dense names every layer"],
    );
    // Dense layers that have lost weights before leave room.
    fine(
        "{ prune = { sparsity = 0.95, layers = [\"fc1\"] } }, { train = {} }, { prune = { remaining = 0.5, keep_dense = [\"fc1\"] } }, { train = {} }",
    );
    fine(
        "{ train = {} }, { prune = { keep = 2000 } }, { train = {} }, { prune = { keep = 1000 } }",
    );
    fine(
        "{ prune = { keep = 1000 } }, { mask = \"release\" }, { train = {} }, { prune = { keep = 2000 } }",
    );
}

#[test]
fn schedules_that_do_not_fit() {
    refused(
        "{ train = { prune = { sparsity = 0.9, begin = \"2ep\", end = \"1ep\" } } }",
        &["from step 1000 to step 500"],
    );
    refused(
        "{ train = { prune = { sparsity = 0.9 }, enter = \"900st\" } }",
        &["entered at step 900", "step 750"],
    );
    let random = "{ prune = { criterion = \"random\", sparsity = 0.9 } }";
    refused(
        &format!(
            "{random}, {{ train = {{ rewire = {{ grow = \"random\", until = \"90ep\" }} }} }}"
        ),
        &["until step 45000", "1000 steps"],
    );
    refused(
        &format!(
            "{random}, {{ train = {{ length = \"100st\", rewire = {{ grow = \"random\" }} }} }}"
        ),
        &["never happens", "smaller `every`"],
    );
    refused(
        "{ train = {} }, { prune = { sparsity = 0.9 } }, { restart = { rewind = \"20ep\" } }, { train = {} }",
        &["rewinding to 20ep", "2ep"],
    );
}

#[test]
fn as_many_means_as_channels() {
    let normalise = |list: &str| mistakes(&format!("normalise = {list}"), "{ train = {} }");
    assert!(normalise("{ mean = 0.13, std = 0.3 }").is_empty());
    let three = normalise("{ mean = [0.5, 0.5, 0.5], std = [0.2, 0.2, 0.2] }");
    assert!(
        three[0].contains("3 means") && three[0].contains("1 channel"),
        "{three:?}"
    );
}
