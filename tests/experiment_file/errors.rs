//! Every mistake at once, each with its place, its reason and the way out.

use super::setup::{GOOD, errors, good, mistake, only, says, shipped, with_layers, with_steps};
use secateur::experiment::Experiment;
use std::path::Path;

#[test]
fn every_mistake_is_reported_at_once_with_its_line() {
    let text = GOOD
        .replace("batch = 64", "bacth = 64\nbatch = 0")
        .replace("\"$sparsity\"", "\"$sparsty\"")
        .replace("restart = \"fresh\"", "restart = \"frehs\"");
    let errors = errors(&text);
    let places: Vec<(usize, &str)> = errors
        .mistakes()
        .iter()
        .map(|mistake| (mistake.line, mistake.path.as_str()))
        .collect();
    let expected = [
        (10, "train.bacth"),
        (11, "train.batch"),
        // The axis that nothing uses any more.
        (16, "sweep.sparsity"),
        (22, "arm[0].steps[1].prune.sparsity"),
        (23, "arm[0].steps[2].restart"),
    ];
    assert_eq!(places, expected, "{errors}");
    says(
        &errors.mistakes()[0],
        &["unknown key", "did you mean `batch`?"],
    );
    says(&errors.mistakes()[1], &["from 1 to"]);
    says(&errors.mistakes()[3], &["did you mean `sparsity`?"]);
    says(&errors.mistakes()[4], &["did you mean `fresh`?"]);
    let shown = errors.to_string();
    assert!(shown.contains("test.toml:10:1"), "{shown}");
    assert!(shown.contains("5 mistakes in test.toml"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colour codes in plain text");
    assert!(errors.render(true).contains('\u{1b}'));
}

#[test]
fn unknown_keys_are_mistakes_everywhere() {
    says(&mistake("title", "titel"), &["did you mean `title`?"]);
    says(
        &mistake("preset =", "init = 'pytorch'\nprest = 1\npreset ="),
        &["did you mean `preset`?"],
    );
    says(
        &mistake(
            "{ kind = \"adadelta\" }",
            "{ kind = \"adadelta\", momentum = 0.9 }",
        ),
        &["`adadelta` optimizer"],
    );
    says(
        &mistake(
            "{ dataset = \"mnist\" }",
            "{ dataset = \"mnist\", epochs = 3 }",
        ),
        &["arm[0].steps[0].train.epochs"],
    );
    says(
        &mistake("{ restart = \"fresh\" }", "{ rewind = \"fresh\" }"),
        &["`restart`"],
    );
    says(
        &mistake("mask = \"shuffle\"", "mask = \"shuffle\", seed = 1"),
        &["arm[1].control.seed"],
    );
    says(
        &mistake("[sweep]", "[swep]\n[sweep]"),
        &["did you mean `sweep`?"],
    );
}

#[test]
fn a_misspelt_step_is_told_of_every_step_there_is() {
    let mistake = only(errors(&with_steps(
        "{ iterat = { rounds = 2, steps = [] } }, { train = {} }",
    )));
    says(&mistake, &["did you mean `iterate`"]);
}

#[test]
fn missing_keys_name_their_table() {
    says(
        &mistake("batch = 64\n", ""),
        &["[train] needs `batch`", "train.batch"],
    );
    says(
        &mistake("seeds = 2\n", ""),
        &["the experiment needs `seeds`"],
    );
    says(
        &mistake("secateur = 1\n", ""),
        &["secateur = 1", "first line"],
    );
    says(
        &mistake("name = \"dense\"\n", ""),
        &["[[arm]] needs `name`"],
    );
    says(
        &mistake("preset = \"lenet-300-100\"", ""),
        &["[model] needs its layers"],
    );
    says(
        &mistake(
            "{ sparsity = \"$sparsity\" }",
            "{ layers = [\"fc1\"] }\n}, { prune = { sparsity = \"$sparsity\" }",
        ),
        &["needs an amount"],
    );
    says(
        &mistake("{ kind = \"adadelta\" }", "{ kind = \"sgd\" }"),
        &["`sgd` optimizer needs `lr`"],
    );
    let no_train = "secateur = 1\nseeds = 1\n[model]\npreset = 'lenet-5'\n[[arm]]\nname = 'a'\nsteps = [{ train = { batch = 1 } }]\n";
    assert_eq!(errors(no_train).mistakes().len(), 3);
    says(
        &errors(no_train).mistakes()[0],
        &["there is no [train] table", "arm[0].steps[0].train.dataset"],
    );
}

#[test]
fn types_say_what_was_found() {
    says(
        &mistake("batch = 64", "batch = \"64\""),
        &["not the string \"64\"", "without the quotes"],
    );
    says(
        &mistake("batch = 64", "batch = 64.0"),
        &["not the number 64.0", "without the point: 64"],
    );
    says(&mistake("\"2ep\"", "2"), &["not the integer 2", "2ep"]);
    says(&mistake("\"2ep\"", "\"2 epochs\""), &["`ep` for epochs"]);
    says(
        &mistake("seeds = 2", "seeds = \"two\""),
        &["whole number or a list"],
    );
    says(
        &mistake("[0.5, 0.90]", "0.5"),
        &["must be a list of values, not the number 0.5"],
    );
    says(
        &mistake("{ kind = \"adadelta\" }", "\"adam\""),
        &["{ kind = \"adam\" }"],
    );
    says(
        &mistake("{ restart = \"fresh\" }", "\"fresh\""),
        &["a step must be a table"],
    );
    says(
        &mistake("steps = [{ train = {} }]", "steps = 3"),
        &["`steps` must be a list"],
    );
}

#[test]
fn a_table_without_keys_is_shown_empty() {
    let compact = |value: &str| {
        let steps =
            format!("{{ prune = {{ keep = 9 }} }}, {{ compact = {value} }}, {{ train = {{}} }}");
        only(errors(&with_steps(&steps)))
    };
    says(
        &compact("true"),
        &["must be a table", "write an empty table: {}"],
    );
    says(
        &compact("{ keep = 3 }"),
        &["unknown key `keep`", "takes no keys"],
    );
}

#[test]
fn keys_that_decide_nothing_are_refused() {
    let idle = "`best_by` decides nothing";
    let own = |keys: &str| {
        GOOD.replace(
            "steps = [{ train = {} }]",
            &format!("steps = [{{ train = {{ {keys} }} }}]"),
        )
    };
    let step = only(errors(&own("best_by = \"accuracy\"")));
    says(
        &step,
        &[idle, "keep = \"best\"", "arm[2].steps[0].train.best_by"],
    );
    good(&own("best_by = \"accuracy\", keep = \"best\""));
    good(&own("best_by = \"accuracy\", patience = 3"));
    let swept = own("best_by = \"accuracy\", keep = \"$keep\"");
    good(&swept.replace("[sweep]", "[sweep]\nkeep = [\"last\", \"best\"]"));
    // In [train] it may be meant for some of the steps.
    let of_train = |text: &str| text.replace("batch = 64", "batch = 64\nbest_by = \"accuracy\"");
    says(&only(errors(&of_train(GOOD))), &[idle, "train.best_by"]);
    good(&of_train(&own("keep = \"best\"")));

    let prune = |keys: &str| {
        with_steps(&format!(
            "{{ prune = {{ keep = 9, {keys} }} }}, {{ train = {{}} }}"
        ))
    };
    let elsewhere = prune("layers = [\"fc1\"], keep_dense = [\"fc2\"]");
    says(
        &only(errors(&elsewhere)),
        &["`keep_dense` names \"fc2\"", "prune.keep_dense"],
    );
    good(&prune(
        "layers = [\"fc1\", \"fc2\"], keep_dense = [\"fc2\"]",
    ));
}

#[test]
fn ranges_are_checked() {
    says(&mistake("seeds = 2", "seeds = 0"), &["from 1 to"]);
    says(
        &mistake("seeds = 2", "seeds = [3, 4, 3]"),
        &["3 is listed twice"],
    );
    says(&mistake("seeds = 2", "seeds = []"), &["no seeds"]);
    says(
        &mistake("batch = 64", "batch = 99999999999999999999"),
        &["out of range"],
    );
    says(&mistake("\"2ep\"", "\"0ep\""), &["from 1 to"]);
    for bad in [
        "lr = 0",
        "lr = -1",
        "lr = inf",
        "lr = nan",
        "rho = 1",
        "eps = 0",
        "weight_decay = -0.1",
    ] {
        let optimizer = format!("{{ kind = \"adadelta\", {bad} }}");
        says(
            &mistake("{ kind = \"adadelta\" }", &optimizer),
            &["out of range", "must be"],
        );
    }
    let momentum = "{ kind = \"sgd\", lr = 1, momentum = 1.0 }";
    says(&mistake("{ kind = \"adadelta\" }", momentum), &["[0, 1)"]);
    let nesterov = "{ kind = \"sgd\", lr = 1, nesterov = true }";
    says(
        &mistake("{ kind = \"adadelta\" }", nesterov),
        &["without momentum"],
    );
    for bad in ["1.0", "-0.5", "nan"] {
        let layers = format!("{{ dropout = {bad} }}, {{ linear = 10 }}");
        says(&only(errors(&with_layers(&layers))), &["[0, 1)"]);
    }
    says(
        &mistake(
            "batch = 64",
            "batch = 64\nnormalise = { mean = 0, std = 0 }",
        ),
        &["`std` is 0"],
    );
    says(
        &mistake(
            "batch = 64",
            "batch = 64\nnormalise = { mean = [0, 1], std = 1 }",
        ),
        &["2 means and 1 stds"],
    );
}

#[test]
fn numbers_that_32_bits_do_not_hold_are_refused() {
    let optimizer = "{ kind = \"adadelta\" }";
    for (bad, becomes) in [
        (
            "kind = \"sgd\", lr = 1e-60",
            "`lr` is 1e-60, which becomes 0",
        ),
        ("kind = \"sgd\", lr = 1e60", "becomes inf"),
        ("kind = \"adam\", lr = 1e60", "becomes inf"),
        ("kind = \"adam\", eps = 1e-50", "becomes 0"),
        ("kind = \"adam\", beta2 = 0.9999999999", "becomes 1"),
        ("kind = \"sgd\", lr = 1, weight_decay = 1e-50", "becomes 0"),
    ] {
        let mistake = mistake(optimizer, &format!("{{ {bad} }}"));
        says(&mistake, &[becomes, "32-bit", "train.optimizer."]);
    }
    for key in [
        "clip_norm = 1e-46",
        "group_lasso = 1e-46",
        "clip_norm = 1e39",
    ] {
        says(
            &mistake("batch = 64", &format!("batch = 64\n{key}")),
            &["32-bit", "1e-38"],
        );
    }
    let zeros = "{ kind = \"sgd\", lr = 1e-30, momentum = 0, weight_decay = 0 }";
    good(&GOOD.replace(optimizer, zeros));
}

#[test]
fn names_are_checked_with_suggestions() {
    says(
        &mistake("\"fashion-mnist\"", "\"fashon-mnist\""),
        &["did you mean `fashion-mnist`?"],
    );
    says(
        &mistake("lenet-300-100", "lenet-300"),
        &["did you mean `lenet-300-100`?"],
    );
    says(
        &mistake("of = \"mask from MNIST\"", "of = \"mask from MNST\""),
        &["did you mean `mask from MNIST`?"],
    );
    says(
        &mistake("mask = \"shuffle\"", "mask = \"shufle\""),
        &["did you mean `shuffle`?"],
    );
    says(
        &mistake("name = \"dense\"", "name = \"shuffled\""),
        &["two arms are named"],
    );
    says(
        &mistake("of = \"mask from MNIST\"", "of = \"dense\""),
        &["never makes a mask"],
    );
    says(
        &mistake(
            "{ sparsity = \"$sparsity\" }",
            "{ sparsity = \"$sparsity\", layers = [\"fc9\"] }",
        ),
        &["did you mean `fc1`?"],
    );
    says(
        &only(errors(&with_layers(
            "{ linear = 3, name = \"fc2\" }, { linear = 10 }",
        ))),
        &["two layers are named `fc2`"],
    );
    says(
        &only(errors(&with_layers(
            "\"relu\", \"flaten\", { linear = 10 }",
        ))),
        &["did you mean `flatten`?"],
    );
    says(
        &only(errors(&with_layers("\"relu\""))),
        &["no layer with weights"],
    );
}

#[test]
fn syntax_errors_have_their_place() {
    let found = only(errors(&GOOD.replace("batch = 64", "batch = = 64")));
    assert_eq!(found.line, 10);
    says(&found, &["not TOML"]);
    says(
        &mistake("batch = 64", "batch = 64\nbatch = 65"),
        &["duplicate key"],
    );
}

#[test]
fn another_format_version_is_refused_alone() {
    says(
        &mistake("secateur = 1\n", "secateur = 2\nnew_key = 3\n"),
        &["format version 2", "reads version 1"],
    );
}

#[test]
fn unreadable_files_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quickstart.toml");
    std::fs::write(&path, GOOD).unwrap();
    assert_eq!(Experiment::read(&path, &[]).unwrap().name, "quickstart");
    let wrong = folder.path().join("quikstart.toml");
    says(
        &only(Experiment::read(&wrong, &[]).unwrap_err()),
        &["quikstart.toml", "did you mean", "quickstart.toml"],
    );
    std::fs::write(&path, b"title = \"\xff\"").unwrap();
    says(
        &only(Experiment::read(&path, &[]).unwrap_err()),
        &["not UTF-8", "line 1"],
    );
    says(
        &only(Experiment::read(folder.path(), &[]).unwrap_err()),
        &["cannot read"],
    );
}

/// Every cut and many small changes of a file: mistakes, never a panic.
#[test]
fn damaged_files_are_mistakes_not_panics() {
    let mut texts = shipped();
    texts.push((
        "layers.toml".into(),
        with_layers("{ conv2d = 4, kernel = 3 }, { avg_pool = 2 }, { linear = 10 }"),
    ));
    texts.push(("crlf.toml".into(), GOOD.replace('\n', "\r\n")));
    let mutants = [
        "", "\"", "$", "[", "}", "9", "é", "\0", "=", "-", ".", "\u{feff}", "\t",
    ];
    for (name, text) in &texts {
        let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for (step, &at) in boundaries.iter().enumerate() {
            try_text(name, &text[..at]);
            let next = boundaries.get(step + 1).copied().unwrap_or(text.len());
            // One mutant per place, another at each: all meet every part of the syntax over the files.
            let mutant = mutants[step % mutants.len()];
            try_text(name, &format!("{}{mutant}{}", &text[..at], &text[next..]));
        }
    }
}

fn try_text(name: &str, text: &str) {
    if let Err(errors) = Experiment::parse(name, text, Path::new("."), &[]) {
        assert!(!errors.mistakes().is_empty(), "{text}");
        assert!(!errors.to_string().is_empty());
    }
}
