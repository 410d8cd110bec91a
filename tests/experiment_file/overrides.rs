//! `--set` by the paths that errors print.

use super::setup::{GOOD, good, only, says, with};
use secateur::experiment::Step;
use secateur::spec::{Amount, Length, MaskStep, TrainStep};

#[test]
fn overrides_use_the_paths_of_errors() {
    let experiment = with(
        GOOD,
        &[
            "train.batch=32",
            "arm[\"mask from MNIST\"].steps[0].train.length = 1ep",
            "arm[0].steps[1].prune.keep=100",
            "arm[1].control.mask=random",
            "sweep.sparsity=[0.25]",
            "arm[2].steps=[{ prune = { sparsity = \"$sparsity\" } }, { train = {} }]",
            "title=Two words",
            "train.optimizer.lr=0.5",
            "train.clip_norm=1",
            "model.layers=[{ linear = 10 }]",
        ],
    );
    let experiment = experiment.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(experiment.title, "Two words");
    assert_eq!(experiment.axes[0].values, ["0.25"]);
    let first = &experiment.arms[0].variants[0];
    assert_eq!(first.model.name, "custom");
    let Step::Train(TrainStep { train, .. }) = &first.steps[0] else {
        panic!("not a train step");
    };
    assert_eq!((train.batch, train.length), (32, Length::Epochs(1)));
    assert_eq!(train.clip_norm, Some(1.0));
    let Step::Prune(prune) = &first.steps[1] else {
        panic!("not a prune step");
    };
    assert_eq!(prune.amount, Amount::Keep(100));
    assert_eq!(
        experiment.arms[1].variants[0].steps[2],
        Step::Mask(MaskStep::Random)
    );
    // The text says the same without the overrides.
    let again = good(&experiment.text);
    assert_eq!(again.digest(), experiment.digest());
    assert_eq!(again.arms, experiment.arms);
}

#[test]
fn mistakes_in_overrides_point_at_the_command_line() {
    let refused = |argument: &str, parts: &[&str]| {
        let found = only(with(GOOD, &[argument]).expect_err("a mistake"));
        assert_eq!(found.file, "command line");
        says(&found, parts);
    };
    refused(
        "train.bacth=32",
        &["unknown key `bacth`", "did you mean `batch`?"],
    );
    refused(
        "trian.batch=32",
        &["unknown key `trian`", "did you mean `train`?"],
    );
    refused("train.batch=0", &["out of range", "train.batch"]);
    refused("train.batch", &["no `=`"]);
    refused("train.batch=", &["no value"]);
    refused("=3", &["a key must stand here"]);
    refused("arm[7].name=x", &["no item 7", "[0] to [2]"]);
    refused("arm[\"dens\"].name=x", &["did you mean `dense`?"]);
    refused("arm.name=x", &["is a list", "arm[0]"]);
    refused("title.x=1", &["has no key `x`"]);
    refused("train[0]=1", &["not a list"]);
    refused("seeds=[1, oops]", &["not TOML"]);
    refused("sweep.sparsity=[0.5, 2]", &["`sparsity` is 2"]);
    refused(&format!("{}a=1", "a.".repeat(20_000)), &["too long"]);
    refused("arm[0.name=1", &["not readable"]);
}

#[test]
fn damaged_overrides_are_mistakes_not_panics() {
    let argument = "arm[\"mask from MNIST\"].steps[0].train.normalise={ mean = [0.5], std = 'é' }";
    let mutants = ["", "\"", "\\", "[", "]", "é", "=", ".", " ", "$"];
    let boundaries: Vec<usize> = argument.char_indices().map(|(at, _)| at).collect();
    for &at in &boundaries {
        let rest = argument[at..].chars().next().map_or(0, char::len_utf8);
        let mut all = vec![argument[..at].to_string()];
        all.extend(
            mutants
                .iter()
                .map(|mutant| format!("{}{mutant}{}", &argument[..at], &argument[at + rest..])),
        );
        for text in all {
            if let Err(errors) = with(GOOD, &[&text]) {
                assert!(!errors.to_string().is_empty());
            }
        }
    }
}
