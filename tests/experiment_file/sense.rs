//! Steps that make no sense in their order are refused with a reason.

use super::setup::{errors, good, only, says, with_steps};

#[test]
fn senseless_arms_are_refused_with_a_reason() {
    let refused = |steps: &str, reason: &str| says(&only(errors(&with_steps(steps))), &[reason]);
    refused("", "no steps");
    refused("{ prune = { sparsity = 0.5 } }", "never trains");
    let rewind = r#"{ restart = { rewind = "1st" } }, { train = {} }"#;
    refused(
        &format!("{{ prune = {{ sparsity = 0.5 }} }}, {{ train = {{}} }}, {rewind}"),
        "under a mask",
    );
    refused(
        &format!(
            "{{ train = {{}} }}, {{ restart = \"fresh\" }}, {{ prune = {{ sparsity = 0.5 }} }}, {rewind}"
        ),
        "no training to rewind to",
    );
    refused(
        "{ restart = \"fresh\" }, { train = {} }",
        "before any training",
    );
    refused(
        "{ mask = \"shuffle\" }, { train = {} }",
        "no mask at this point",
    );
    refused(
        "{ train = {} }, { mask = \"transfer\" }, { train = {} }",
        "no mask at this point",
    );
    refused(
        "{ train = {} }, { prune = { keep = 9 } }, { mask = \"release\" }, { mask = \"random\" }, { train = {} }",
        "no mask at this point",
    );
    refused(
        "{ train = {} }, { restart = \"init\" }",
        "no training follows",
    );
    refused(
        "{ train = {} }, { restart = \"init\" }, { restart = \"fresh\" }, { train = {} }",
        "follows another",
    );
    refused(
        "{ train = {} }, { prune = { keep = 9 } }, { mask = \"release\" }",
        "no training follows",
    );
    refused(
        "{ prune = { sparsity = 0.9 } }, { train = {} }, { prune = { density = 0.2 } }",
        "more weights than are left",
    );
    refused(
        "{ train = {}, prune = { keep = 1 } }",
        "two steps in one table",
    );
    refused("{}", "this step is empty");
    refused(
        "{ train = { rewire = { grow = \"random\" } } }",
        "no mask to rewire",
    );
    refused(
        "{ train = { prune = { sparsity = 0.9 } } }, { prune = { sparsity = 0.5 } }",
        "more weights than are left",
    );
    refused(
        "{ train = {} }, { prune = { keep = 1, density = 0.1 } }",
        "not both",
    );
    refused(
        "{ train = {} }, { prune = { keep = 1, layers = [] } }",
        "`layers` is empty",
    );
}

#[test]
fn iterative_pruning_makes_sense() {
    good(&with_steps(
        "{ train = {} }, { prune = { sparsity = 0.5 } }, { restart = \"init\" }, { train = {} }, \
         { prune = { density = 0.4 } }, { train = {} }, { prune = { sparsity = 0.9 } }",
    ));
}

#[test]
fn amounts_are_compared_where_they_count_the_same_weights() {
    let steps = |amounts: &[&str]| {
        let prune = |amount: &&str| format!("{{ prune = {{ {amount} }} }}, {{ train = {{}} }}");
        with_steps(&amounts.iter().map(prune).collect::<Vec<_>>().join(", "))
    };
    let more = "more weights than are left";
    let (fc1, fc2) = ("layers = [\"fc1\"]", "layers = [\"fc2\"]");
    let nine = format!("sparsity = 0.9, {fc1}");
    let eight = format!("sparsity = 0.8, {fc1}");
    let other = format!("sparsity = 0.95, {fc2}");
    says(&only(errors(&steps(&[&nine, &other, &eight]))), &[more]);
    good(&steps(&[&eight, &other, &nine]));
    // Layers that are left alone are not made up for by the others.
    for scope in ["layer", "neuron"] {
        let alone = format!("sparsity = 0.9, scope = \"{scope}\", keep_dense = [\"fc1\"]");
        good(&steps(&[&alone, "sparsity = 0.8"]));
    }
    let made_up = "sparsity = 0.9, keep_dense = [\"fc3\"]";
    says(&only(errors(&steps(&[made_up, "sparsity = 0.8"]))), &[more]);
}

#[test]
fn pruning_to_what_is_left_is_refused() {
    let rounds = |steps: &str| {
        let iterate = format!("{{ iterate = {{ rounds = 5, steps = [{steps}] }} }}");
        with_steps(&format!("{iterate}, {{ train = {{}} }}"))
    };
    let refused = |steps: &str| {
        let mistake = only(errors(&rounds(steps)));
        says(
            &mistake,
            &["removes nothing", "density of 0.8", "remaining = 0.8"],
        );
    };
    let prune = "{ prune = { sparsity = 0.2 } }";
    refused(&format!("{{ train = {{}} }}, {prune}"));
    refused(&format!(
        "{prune}, {{ train = {{}} }}, {{ mask = \"shuffle\" }}"
    ));
    good(&rounds("{ train = {} }, { prune = { remaining = 0.8 } }"));
    let released = format!("{{ train = {{}} }}, {prune}, {{ mask = \"release\" }}");
    good(&rounds(&released));
    let alone = "sparsity = 0.2, scope = \"layer\", keep_dense = [\"fc3\"]";
    refused(&format!("{{ train = {{}} }}, {{ prune = {{ {alone} }} }}"));
    let other = "{ prune = { criterion = \"random\", scope = \"uniform\", density = 0.8 } }";
    let twice = with_steps(&format!("{other}, {{ train = {{}} }}, {prune}"));
    says(&only(errors(&twice)), &["removes nothing"]);
}

#[test]
fn going_back_needs_a_training_from_whole_weights() {
    let back = "{ train = {} }, { prune = { keep = 9 } }, { restart = { rewind = \"1ep\" } }, { train = {} }";
    let prune = "{ prune = { criterion = \"random\", sparsity = 0.5 } }";
    let steps = with_steps(&format!("{prune}, {{ mask = \"release\" }}, {back}"));
    says(
        &only(errors(&steps)),
        &["a prune step had set to 0", "train before pruning"],
    );
    let fresh = "{ train = {} }, { mask = \"release\" }, { restart = \"fresh\" }";
    good(&with_steps(&format!("{prune}, {fresh}, {back}")));
    // New weights under a mask are whole only in name.
    let masked = "{ train = {} }, { restart = \"fresh\" }, { mask = \"release\" }";
    let steps = with_steps(&format!("{prune}, {masked}, {back}"));
    says(&only(errors(&steps)), &["a prune step had set to 0"]);
    good(&with_steps(back));
}

/// Pruned weights do not return: a file's mask takes the place of none but a released one.
#[test]
fn a_mask_is_not_loaded_on_top_of_another() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.safetensors"), "a mask").unwrap();
    let read = |steps: &str| {
        let text = with_steps(steps);
        secateur::experiment::Experiment::parse("test.toml", &text, folder.path(), &[])
    };
    let prune = "{ train = {} }, { prune = { sparsity = 0.9 } }";
    let load = "{ mask = { load = \"m.safetensors\" } }, { train = {} }";
    let refused = read(&format!("{prune}, {load}")).expect_err("two masks");
    says(
        &only(refused),
        &["on top of another", "release", "arm[0].steps[2]"],
    );
    read(&format!(
        "{prune}, {{ train = {{}} }}, {{ mask = \"release\" }}, {load}"
    ))
    .unwrap_or_else(|errors| panic!("{errors}"));
}
