//! What is known wrong once the data's shapes and sizes are: said before anything runs.

use secateur::experiment::{Experiment, Mistake};
use secateur::run::{DataFacts, verify};
use secateur::spec::Shape;
use std::collections::BTreeMap;
use std::path::Path;

/// The mistakes of an arm of lenet-300-100 on MNIST with these steps, before the dataset is loaded or after.
fn mistakes_of(train: &str, steps: &str, samples: Option<u32>) -> Vec<String> {
    let text = format!(
        "secateur = 1\nseeds = 1\n[model]\npreset = \"lenet-300-100\"\n[train]\ndataset = \"mnist\"\nbatch = 100\n\
         length = \"2ep\"\noptimizer = {{ kind = \"sgd\", lr = 0.1 }}\nvalidation = 10000\n{train}\n\
         [[arm]]\nname = \"a\"\nsteps = [{steps}]\n"
    );
    mistakes_in(&text, samples)
}

fn mistakes_in(text: &str, samples: Option<u32>) -> Vec<String> {
    let experiment = Experiment::parse("e.toml", text, Path::new("."), &[])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    let mnist = DataFacts {
        shape: Shape::new(1, 28, 28),
        classes: 10,
        train: samples,
    };
    let facts = BTreeMap::from([("mnist".to_owned(), mnist)]);
    let errors = verify(&experiment, &facts).err();
    let mistakes = errors.iter().flat_map(|errors| errors.mistakes());
    mistakes.map(|mistake| mistake.message.clone()).collect()
}

fn mistakes(train: &str, steps: &str) -> Vec<String> {
    mistakes_of(train, steps, Some(60_000))
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
        &["begins at step 1000, after its end at step 500"],
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

/// Lengths of one kind are compared without the dataset; with epochs and steps mixed that has to wait.
#[test]
fn schedules_that_do_not_fit_without_data() {
    let unknown = |train: &str, steps: &str| mistakes_of(train, steps, None);
    let rewire = "{ prune = { criterion = \"random\", sparsity = 0.9 } }, { train = { length = \"100st\", rewire = { grow = \"random\" } } }";
    assert!(unknown("", rewire)[0].contains("never happens"));
    assert!(unknown("enter = \"5ep\"", "{ train = {} }")[0].contains("5ep"));
    let rewind = "{ train = {} }, { prune = { sparsity = 0.9 } }, { restart = { rewind = \"20ep\" } }, { train = {} }";
    assert!(unknown("", rewind)[0].contains("rewinding to 20ep"));
    let mixed = "{ train = { prune = { sparsity = 0.9, begin = \"100st\", end = \"1ep\" } } }";
    assert!(unknown("", mixed).is_empty());
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

#[test]
fn trainings_without_end_are_refused() {
    let steps = "{ train = { length = \"1000000ep\" } }";
    assert!(mistakes("", steps)[0].contains("500000000 steps"));
    let unknown = mistakes_of("", "{ train = { length = \"4000000000ep\" } }", None);
    assert!(unknown[0].contains("at most 33554432"), "{unknown:?}");
}

/// One value per channel is its own mean.
#[test]
fn batch_normalisation_needs_more_than_one_value() {
    let text = |batch: u32, layers: &str| {
        format!(
            "secateur = 1\nseeds = 1\n[model]\nlayers = [{layers}]\n[train]\ndataset = \"mnist\"\nbatch = {batch}\n\
             length = \"1ep\"\noptimizer = {{ kind = \"sgd\", lr = 0.1 }}\nvalidation = 10000\n\
             [[arm]]\nname = \"a\"\nsteps = [{{ train = {{}} }}]\n"
        )
    };
    let flat = "\"flatten\", { linear = 8 }, \"batch_norm\", { linear = 10 }";
    let refusal = mistakes_in(&text(1, flat), None);
    assert!(refusal[0].contains("a batch has one sample"), "{refusal:?}");
    // 50,000 samples: 5,555 batches of 9 and one of 5; one of 49,999 and one of 1.
    assert!(mistakes_in(&text(9, flat), Some(60_000)).is_empty());
    let last = mistakes_in(&text(49_999, flat), Some(60_000));
    assert!(
        last[0].contains("the last batch") && last[0].contains("\"bn1\""),
        "{last:?}"
    );
    let image = "{ conv2d = 4, kernel = 3 }, \"batch_norm\", \"flatten\", { linear = 10 }";
    assert!(mistakes_in(&text(1, image), None).is_empty());
}

/// Where mistakes are found that only the data shows: (path, `used by`, line).
fn places_in(text: &str) -> Vec<(String, Option<String>, usize)> {
    let experiment = Experiment::parse("e.toml", text, Path::new("."), &[])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    let mnist = DataFacts {
        shape: Shape::new(1, 28, 28),
        classes: 10,
        train: Some(60_000),
    };
    let facts = BTreeMap::from([("mnist".to_owned(), mnist)]);
    let errors = verify(&experiment, &facts).err().expect("a mistake");
    let place = |m: &Mistake| (m.path.clone(), m.used_at.clone(), m.line);
    errors.mistakes().iter().map(place).collect()
}

#[test]
fn mistakes_found_later_point_at_their_place_too() {
    let head = "secateur = 1\nseeds = 1\n[model]\nlayers = [{ linear = 20 }, { linear = 10 }]\n[train]\ndataset = \"mnist\"\n\
                batch = 100\nlength = \"2ep\"\noptimizer = { kind = \"sgd\", lr = 0.1 }\n";
    let arm = |more: &str, steps: &str| {
        format!("{head}{more}\n[[arm]]\nname = \"a\"\nsteps = [\n{steps}\n]\n")
    };
    let found = |path: &str, line: usize| vec![(path.to_owned(), None, line)];
    let schedule = arm(
        "",
        "{ train = { prune = { sparsity = 0.9, end = \"9ep\" } } },",
    );
    assert_eq!(
        places_in(&schedule),
        found("arm[0].steps[0].train.prune.end", 14)
    );
    // What the step does not give lies in [train]; what nothing gives, in the step.
    let length = arm("enter = \"5ep\"", "{ train = {} },");
    assert_eq!(places_in(&length), found("train.enter", 10));
    let random = "{ prune = { criterion = \"random\", sparsity = 0.9 } }";
    let rewire = "{ train = { length = \"9st\", rewire = { grow = \"random\" } } }";
    assert_eq!(
        places_in(&arm("", &format!("{random},\n{rewire},"))),
        found("arm[0].steps[1].train.rewire", 15)
    );
    // Once, at the value of the sweep, however many seeds and points.
    let swept = arm(
        "[sweep]\nkeep = [100, 200]\nbatch = [50, 100]",
        "{ prune = { keep = 150 } },\n{ train = { batch = \"$batch\" } },\n{ prune = { keep = \"$keep\" } },\n{ train = {} },",
    );
    let used = Some("arm[0].steps[2].prune.keep".to_owned());
    assert_eq!(places_in(&swept), [("sweep.keep[1]".to_owned(), used, 11)]);
    // A step of an `iterate`, and one that a control put there.
    let rounds = arm(
        "",
        "{ iterate = { rounds = 2, steps = [\n{ train = {} },\n{ prune = { keep = 99999 } },\n] } },\n{ train = {} },",
    );
    assert_eq!(
        places_in(&rounds),
        found("arm[0].steps[0].iterate.steps[1].prune.keep", 16)
    );
    let layers =
        arm("", "{ train = {} },").replace("{ linear = 20 }", "{ conv2d = 4, kernel = 99 }");
    assert_eq!(places_in(&layers), found("model.layers[0]", 4));
}
