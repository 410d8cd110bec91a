//! Words of other programs: refused, with the line to write.

use super::setup::{GOOD, errors, good, mistake, only, says, with_layers, with_steps};

/// What is said about a text beside keys that are then missing.
#[track_caller]
fn answered(text: &str, parts: &[&str]) {
    let errors = errors(text);
    let found = errors.mistakes().iter().any(|mistake| {
        let all = format!("{} | {:?}", mistake.path, mistake.help);
        let all = all.replace("\\\"", "\"");
        parts.iter().all(|part| all.contains(part))
    });
    assert!(found, "{parts:?}: {errors}");
}

/// The line to write is taken where the other one stood.
#[test]
fn keys_of_a_training() {
    let length = "length = \"2ep\"";
    let optimizer = "optimizer = { kind = \"adadelta\" }";
    for (from, wrong, line) in [
        (length, "epochs = 5", "length = \"5ep\""),
        (length, "num_epochs = 5.0", "length = \"5ep\""),
        (length, "steps = 1000", "length = \"1000st\""),
        (length, "max-steps = 70", "length = \"70st\""),
        // No whole number to take over.
        (length, "epochs = \"many\"", "length = \"5ep\""),
        (
            optimizer,
            "learning_rate = 0.25",
            "optimizer = { kind = \"sgd\", lr = 0.25 }",
        ),
        (
            optimizer,
            "lr = 1",
            "optimizer = { kind = \"sgd\", lr = 1 }",
        ),
        (
            optimizer,
            "momentum = 0.8",
            "optimizer = { kind = \"sgd\", lr = 0.1, momentum = 0.8 }",
        ),
        (
            optimizer,
            "optimizer = \"SGD\"",
            "optimizer = { kind = \"sgd\", lr = 0.1 }",
        ),
        ("batch = 64", "batch_size = 32", "batch = 32"),
        ("batch = 64", "batchSize = 32", "batch = 32"),
    ] {
        let text = |line: &str| GOOD.replacen(from, line, 1);
        answered(&text(wrong), &[&format!("write {line}")]);
        good(&text(line));
    }
    for (wrong, line) in [
        ("early_stopping = 3", "patience = 3"),
        ("max_grad_norm = 2", "clip_norm = 2"),
        ("lr_scheduler = \"cos\"", "schedule = { kind = \"cosine\" }"),
        ("val_split = 0.1", "validation = 5000"),
        ("val_size = 700", "validation = 700"),
    ] {
        let text = |line: &str| GOOD.replacen("batch = 64", &format!("batch = 64\n{line}"), 1);
        let key = wrong.split(' ').next().expect("a key");
        let found = only(errors(&text(wrong)));
        says(&found, &["unknown key", key, &format!("write {line}")]);
        good(&text(line));
    }
    let named = "{ kind = \"adadelta\", learning_rate = 0.5 }";
    let found = mistake("{ kind = \"adadelta\" }", named);
    says(&found, &["optimizer.learning_rate", "write lr = 0.5"]);
}

#[test]
fn shares_that_are_percent() {
    let prune =
        |amount: &str| with_steps(&format!("{{ prune = {{ {amount} }} }}, {{ train = {{}} }}"));
    for (wrong, right) in [
        ("sparsity = 97.5", "sparsity = 0.975"),
        ("sparsity = 100", "sparsity = 1"),
        ("density = 2.5", "density = 0.025"),
        ("density = 2.3", "density = 0.023"),
        ("remaining = 80", "remaining = 0.8"),
        ("sparsity = \"90 %\"", "sparsity = 0.9"),
        ("densities = { fc1 = 25 }", "fc1 = 0.25"),
    ] {
        let found = only(errors(&prune(wrong)));
        says(&found, &["in [0, 1]", &format!("write {right}")]);
    }
    // More than all of it, less than nothing, and what is no share.
    for wrong in ["sparsity = 150", "sparsity = -5", "density = 100.5"] {
        let help = only(errors(&prune(wrong))).help.expect("help");
        assert!(!help.contains("write"), "{help}");
    }
    let rate = "{ kind = \"sgd\", lr = -2 }";
    let help = mistake("{ kind = \"adadelta\" }", rate).help;
    assert!(!help.expect("help").contains("percent"));
}

#[test]
fn numbers_of_samples_that_are_shares() {
    let with = |line: &str| GOOD.replacen("batch = 64", &format!("batch = 64\n{line}"), 1);
    for key in ["validation", "samples"] {
        // Of MNIST and its like only the files tell how many they hold.
        let found = only(errors(&with(&format!("{key} = 0.1"))));
        says(
            &found,
            &[
                "the share 0.1",
                &format!("write how many, for example {key} = 5000"),
            ],
        );
        let drawn = with(&format!("{key} = 0.1")).replace("\"fashion-mnist\"", "\"drawn-digits\"");
        answered(&drawn, &[&format!("write {key} = 1200, of the 12000")]);
    }
    says(
        &only(errors(&with("validation = 1.5"))),
        &["a whole number"],
    );
    good(&with("samples = 1200"));
}

#[test]
fn words_of_prune_steps_and_restarts() {
    let prune = |more: &str| with_steps(&format!("{{ prune = {{ {more} }} }}, {{ train = {{}} }}"));
    for (wrong, parts) in [
        (
            "sparsity = 0.5, criterion = \"l1\"",
            &["\"magnitude\"", "|w|", "structure = \"units\""][..],
        ),
        (
            "sparsity = 0.5, criterion = \"L2\"",
            &["\"magnitude\"", "structure = \"units\""],
        ),
        (
            "sparsity = 0.5, criterion = \"abs\"",
            &["write criterion = \"magnitude\""],
        ),
        (
            "sparsity = 0.5, criterion = \"weight\"",
            &["write criterion = \"magnitude\""],
        ),
        (
            "sparsity = 0.5, structure = \"units\", criterion = \"magnitude\"",
            &["write criterion = \"l1\""],
        ),
        (
            "sparsity = 0.5, structure = \"filters\"",
            &["write structure = \"units\""],
        ),
        (
            "sparsity = 0.5, scope = \"local\"",
            &["write scope = \"layer\""],
        ),
        ("amount = 0.7", &["write sparsity = 0.7", "prune.amount"]),
        (
            "sparsity = 0.5, method = \"snip\"",
            &["write criterion = \"snip\""],
        ),
        ("sparsity = 0.5, exclude = [\"fc3\"]", &["write keep_dense"]),
    ] {
        answered(&prune(wrong), parts);
    }
    good(&prune(
        "sparsity = 0.5, structure = \"units\", criterion = \"l2\"",
    ));
    let restart = |to: &str| {
        with_steps(&format!(
            "{{ train = {{}} }}, {{ restart = {to} }}, {{ train = {{}} }}"
        ))
    };
    for (wrong, line) in [
        ("\"rewind\"", "restart = { rewind = \"2ep\" }"),
        ("\"reset\"", "restart = \"init\""),
        ("\"random\"", "restart = \"fresh\""),
    ] {
        answered(&restart(wrong), &[&format!("write {line}")]);
        good(&restart(line.trim_start_matches("restart = ")));
    }
    answered(
        &with_steps("{ train = {} }, { finetune = { length = \"1ep\" } }"),
        &["write the step { train = {} }"],
    );
}

#[test]
fn words_of_models() {
    let init = |word: &str| mistake("preset =", &format!("init = \"{word}\"\npreset ="));
    for (wrong, right) in [
        ("he", "\"kaiming-normal\", or \"kaiming-uniform\""),
        ("kaiming", "\"kaiming-normal\", or \"kaiming-uniform\""),
        ("kaiming_normal", "\"kaiming-normal\" ("),
        ("he_uniform", "\"kaiming-uniform\" ("),
        ("xavier", "\"glorot-normal\", or \"glorot-uniform\""),
        ("glorot", "\"glorot-normal\", or \"glorot-uniform\""),
        ("xavier_uniform", "\"glorot-uniform\" ("),
        ("default", "\"pytorch\""),
    ] {
        says(&init(wrong), &[&format!("write init = {right}")]);
    }
    for (wrong, right) in [
        ("\"dropout\"", "it takes a value: { dropout = 0.5 }"),
        ("{ dropout2d = 0.3 }", "write { dropout = 0.3 }"),
        ("{ dense = 30 }", "write { linear = 30 }"),
        (
            "{ conv = 8, kernel = 3 }",
            "write { conv2d = 8, kernel = 3 }",
        ),
        ("\"bn\"", "write \"batch_norm\""),
        ("\"global_avg_pool\"", "write { avg_pool = \"global\" }"),
        ("\"softmax\"", "leave it out"),
    ] {
        let text = with_layers(&format!("{wrong}, {{ linear = 10 }}"));
        says(&only(errors(&text)), &[right]);
    }
}
