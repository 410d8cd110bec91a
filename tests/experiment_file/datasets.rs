//! `[datasets]`, `balanced` and `augment` of the experiment file: what is read, and where mistakes point.

use secateur::data::{SearchPath, load_described, shape_of_described};
use secateur::experiment::{Experiment, Step};
use secateur::spec::{Augment, Fill, TrainSpec};
use secateur::spec::{DatasetOrigin, Resize, TestImages, TestShare};
use std::fs;
use tempfile::TempDir;

const REST: &str = r#"
[model]
layers = ["flatten", { linear = 2 }]
[train]
dataset = "DATASET"
batch = 4
length = "3ep"
optimizer = { kind = "sgd", lr = 0.1 }
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

fn text(datasets: &str, dataset: &str) -> String {
    format!(
        "secateur = 1\nseeds = 1\n{datasets}{}",
        REST.replace("DATASET", dataset)
    )
}

/// A folder with classes but without images: reading an experiment looks at names alone.
fn folder() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for path in [
        "a/train/x",
        "a/train/y",
        "a/test/x",
        "a/test/y",
        "b/train/x",
        "b/test/z",
    ] {
        fs::create_dir_all(root.path().join(path)).unwrap();
    }
    root
}

fn parse(root: &TempDir, datasets: &str, dataset: &str) -> Result<Experiment, String> {
    Experiment::parse("e.toml", &text(datasets, dataset), root.path(), &[])
        .map_err(|errors| errors.render(false))
}

#[test]
fn described_datasets_are_read_with_their_defaults() {
    let root = folder();
    let described = "[datasets.mine]\nfolder = \"a\"\nsize = [24, 32]\n\
                     [datasets.two]\nof = \"fashion-mnist\"\nclasses = [\"bag\", 0]\n";
    let experiment = parse(&root, described, "mine").unwrap();
    let mine = &experiment.datasets["mine"];
    let DatasetOrigin::Folder(spec) = &mine.origin else {
        panic!("{mine:?}");
    };
    assert_eq!(spec.folder, root.path().join("a"));
    assert_eq!(spec.classes, ["x", "y"]);
    assert_eq!(spec.rule.resize, Resize::Stretch);
    assert_eq!(shape_of_described(mine), Some((3, 24, 32, 2)));
    let two = &experiment.datasets["two"];
    assert_eq!(shape_of_described(two), Some((1, 28, 28, 2)));
    assert_eq!(
        two.classes.as_deref(),
        Some(&["bag".to_string(), "t-shirt".to_string()][..])
    );
}

#[test]
fn where_classes_are_named_by_numbers_a_number_is_a_name() {
    let root = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        for class in 1..13 {
            fs::create_dir_all(root.path().join(format!("a/{split}/{class}"))).unwrap();
        }
    }
    let with = |classes: &str| {
        let described = format!("[datasets.d]\nfolder = \"a\"\nsize = 8\nclasses = {classes}\n");
        parse(&root, &described, "d").map(|experiment| match &experiment.datasets["d"].origin {
            DatasetOrigin::Folder(spec) => spec.classes.clone(),
            DatasetOrigin::Of(_) => unreachable!("it is a folder"),
        })
    };
    assert_eq!(with("[1, 2]").unwrap(), ["1", "2"]);
    assert_eq!(with("[12, \"1\"]").unwrap(), ["12", "1"]);
    let message = with("[12, 0]").unwrap_err();
    assert!(message.contains("no class is called 0"), "{message}");
}

#[test]
fn folders_are_read_as_they_are_laid_out() {
    let root = tempfile::tempdir().unwrap();
    for path in [
        "alone/x",
        "alone/y",
        "train/train/x",
        "train/train/y",
        "both/train/x",
        "both/val/x",
    ] {
        fs::create_dir_all(root.path().join(path)).unwrap();
    }
    let with = |folder: &str, more: &str| {
        let described = format!("[datasets.d]\nfolder = \"{folder}\"\nsize = 8\n{more}\n");
        parse(&root, &described, "d").map(|experiment| match &experiment.datasets["d"].origin {
            DatasetOrigin::Folder(spec) => (spec.train.clone(), spec.test.clone()),
            DatasetOrigin::Of(_) => unreachable!("it is a folder"),
        })
    };
    let share = |test_share, split_seed| {
        TestImages::Share(TestShare {
            test_share,
            split_seed,
        })
    };
    let owned = |text: &str| text.to_string();
    assert_eq!(
        with("alone", "").unwrap_or_else(|e| panic!("{e}")),
        (owned(""), share(0.2, 0))
    );
    let chosen =
        with("train", "test_share = 0.5\nsplit_seed = 7").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(chosen, (owned("train"), share(0.5, 7)));
    let both = with("both", "").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(both, (owned("train"), TestImages::Folder(owned("val"))));
    let message = with("both", "test_share = 0.5").unwrap_err();
    assert!(message.contains("the folder has val/"), "{message}");
    let message = with("alone", "test_share = 1").unwrap_err();
    assert!(message.contains("less than 1"), "{message}");
    let message = with("alone", "background = [1, 2]").unwrap_err();
    assert!(message.contains("`background` has 2 numbers"), "{message}");
}

#[test]
fn the_digest_covers_the_rule_but_not_the_place() {
    let root = folder();
    let other = folder();
    let with = |root: &TempDir, size: u32| {
        let described = format!("[datasets.mine]\nfolder = \"a\"\nsize = {size}\n");
        parse(root, &described, "mine").unwrap().digest()
    };
    assert_eq!(with(&root, 8), with(&other, 8));
    assert_ne!(with(&root, 8), with(&root, 9));
}

#[test]
fn mistakes_point_at_their_place() {
    let root = folder();
    // (the table, what must be said)
    let cases: [(&str, &[&str]); 15] = [
        ("folder = \"a\"", &["needs `size`", "size = 32"]),
        (
            "folder = \"a\"\nsize = 0",
            &["`size` is 0", "datasets.d.size"],
        ),
        (
            "folder = \"a\"\nsize = [8, 8, 3]",
            &["`size` has 3 numbers"],
        ),
        (
            "folder = \"a\"\nsize = \"8\"",
            &["`size` must be", "[rows, columns]"],
        ),
        (
            "folder = \"a\"\nsize = 8\nchannels = 2",
            &["`channels` is 2", "1 for grey"],
        ),
        (
            "folder = \"a\"\nsize = 8\nresize = \"strech\"",
            &["strech", "stretch"],
        ),
        (
            "folder = \"a\"\nsize = 8\non_bad_image = \"ignore\"",
            &["unknown on_bad_image", "skip"],
        ),
        (
            "folder = \"a\"\nsize = 8\nfilter = 3",
            &["unknown key `filter`"],
        ),
        (
            "folder = \"none\"\nsize = 8",
            &["cannot read", "none", "relative to the experiment"],
        ),
        (
            "folder = \"b\"\nsize = 8",
            &["\"x\" is in train/ but not in test/"],
        ),
        (
            "of = \"mnist\"\nfolder = \"a\"",
            &["either `folder` or `of`"],
        ),
        ("classes = [1]", &["where its samples come from"]),
        ("of = \"mnits\"", &["mnits", "mnist"]),
        ("of = \"mnist\"\nsize = 3", &["`size` needs `folder`"]),
        (
            "of = \"fashion-mnist\"\nclasses = [\"bga\", 10, 3, \"dress\"]",
            &["bga", "bag", "`classes` is 10", "`dress` is listed twice"],
        ),
    ];
    for (table, words) in cases {
        let message = parse(&root, &format!("[datasets.d]\n{table}\n"), "d").unwrap_err();
        for word in words {
            assert!(
                message.contains(word),
                "{table}\nlacks {word:?}:\n{message}"
            );
        }
    }
    let message = parse(&root, "[datasets.mnist]\nof = \"cifar-10\"\n", "mnist").unwrap_err();
    assert!(
        message.contains("there is a dataset called `mnist` already"),
        "{message}"
    );
    let message = parse(&root, "[datasets.\"a b\"]\nof = \"cifar-10\"\n", "mnist").unwrap_err();
    assert!(message.contains("cannot be the name"), "{message}");
    let message = parse(&root, "[datasets.mine]\nof = \"cifar-10\"\n", "mien").unwrap_err();
    assert!(
        message.contains("did you mean") && message.contains("mine"),
        "{message}"
    );
    let message = parse(&root, "datasets = 3\n", "mnist").unwrap_err();
    assert!(message.contains("`datasets` must be a table"), "{message}");
}

#[test]
fn a_choice_of_classes_is_renumbered_in_the_order_listed() {
    let root = folder();
    let described = "[datasets.few]\nof = \"drawn-digits\"\nclasses = [7, 2, 5]\n";
    let spec = &parse(&root, described, "few").unwrap().datasets["few"];
    let nowhere = SearchPath::of(vec![]);
    let all = secateur::data::load("drawn-digits", &nowhere).unwrap();
    let few = load_described("few", spec, &nowhere, None).unwrap();
    assert_eq!(few.class_names, ["7", "2", "5"]);
    assert_eq!((few.train.len(), few.test.len()), (3600, 600));
    assert_ne!(few.digest, all.digest);
    // Samples come in their order: 2, 5, 7, 12, 15, 17, ...
    assert_eq!(few.train.labels[..6], [1, 2, 0, 1, 2, 0]);
    assert_eq!(
        few.train.images[784..2 * 784],
        all.train.images[5 * 784..6 * 784]
    );
}

/// The train step with one line more in `[train]`.
fn train_with(line: &str) -> Result<TrainSpec, String> {
    let text = text("", "mnist").replace("batch = 4\n", &format!("batch = 4\n{line}\n"));
    let read = Experiment::parse("e.toml", &text, std::path::Path::new("."), &[]);
    let experiment = read.map_err(|errors| errors.render(false))?;
    match &experiment.arms[0].variants[0].steps[0] {
        Step::Train(step) => Ok(step.train.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn balanced_and_augment_are_off_unless_asked_for() {
    let plain = train_with("").unwrap();
    assert_eq!((plain.balanced, plain.augment), (false, None));
    assert_eq!(train_with("augment = \"none\"").unwrap(), plain);
    assert!(train_with("balanced = true").unwrap().balanced);
    let nothing = Augment {
        shift: 0,
        flip: false,
        rotate: 0.0,
        scale: [1.0, 1.0],
        shear: 0.0,
        cutout: 0,
        fill: Fill::Zero,
    };
    let augment = |line: &str| train_with(line).unwrap().augment.unwrap();
    assert_eq!(
        augment("augment = { shift = 4, flip = true }"),
        Augment {
            shift: 4,
            flip: true,
            ..nothing
        }
    );
    assert_eq!(
        augment(
            "augment = { rotate = 15, scale = [0.9, 1.1], shear = 0.1, cutout = 8, fill = \"edge\" }"
        ),
        Augment {
            rotate: 15.0,
            scale: [0.9, 1.1],
            shear: 0.1,
            cutout: 8,
            fill: Fill::Edge,
            ..nothing
        }
    );
}

#[test]
fn mistakes_in_augment_point_at_their_place() {
    let cases: [(&str, &[&str]); 10] = [
        ("balanced = 1", &["`balanced` must be true or false"]),
        ("augment = true", &["`augment` must be", "shift = 4"]),
        ("augment = {}", &["`augment` is empty", "none"]),
        ("augment = { shfit = 4 }", &["unknown key `shfit`", "shift"]),
        (
            "augment = { shift = 4.5 }",
            &["whole number", "train.augment.shift"],
        ),
        (
            "augment = { rotate = 181 }",
            &["`rotate` is 181", "[0, 180] degrees"],
        ),
        ("augment = { shear = -1 }", &["`shear` is -1"]),
        ("augment = { scale = 2 }", &["[smallest, largest]"]),
        (
            "augment = { scale = [1.1, 0.9] }",
            &["`scale` is [1.1, 0.9]", "smallest scale first"],
        ),
        ("augment = { fill = \"mirror\" }", &["unknown fill", "edge"]),
    ];
    for (line, words) in cases {
        let message = train_with(line).unwrap_err();
        for word in words {
            assert!(message.contains(word), "{line}\nlacks {word:?}:\n{message}");
        }
    }
}
