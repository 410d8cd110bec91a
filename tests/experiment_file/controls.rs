//! Controls: where they come, what they change, and when they change nothing.

use super::setup::{GOOD, controlled, errors, good, only, says, with_control, with_steps};
use secateur::experiment::Step;
use secateur::spec::{Amount, MaskStep, Restart, UnitAmount, UnitCriterion};

#[test]
fn controls_come_right_after_the_mask_is_made() {
    let experiment = good(GOOD);
    let shuffled = &experiment.arms[1];
    assert_eq!(shuffled.control_of.as_deref(), Some("mask from MNIST"));
    let steps = &shuffled.variants[0].steps;
    assert_eq!(steps.len(), 5);
    assert!(matches!(steps[1], Step::Prune(_)));
    assert_eq!(steps[2], Step::Mask(MaskStep::Shuffle));
    assert_eq!(steps[3], Step::Restart(Restart::Fresh));
}

#[test]
fn a_control_of_a_control_changes_that_controls_mask() {
    let text = format!(
        "{GOOD}\n[[arm]]\nname = \"random\"\ncontrol = {{ of = \"shuffled\", mask = \"random\" }}\n"
    );
    let steps = &good(&text).arms[3].variants[0].steps;
    assert_eq!(steps[2], Step::Mask(MaskStep::Shuffle));
    assert_eq!(steps[3], Step::Mask(MaskStep::Random));
    assert_eq!(steps[4], Step::Restart(Restart::Fresh));
}

#[test]
fn controls_change_one_thing_each() {
    let original = good(GOOD).arms[0].variants[0].steps.clone();
    let inverted = controlled(GOOD, "invert");
    let Step::Prune(prune) = &inverted[1] else {
        panic!("{inverted:?}")
    };
    assert!(prune.invert);
    let mut again = inverted.clone();
    again[1] = original[1].clone();
    assert_eq!(again, original);

    // Rewinding gives way to new weights; what is done to the mask stays.
    let rewinds = GOOD.replace(
        "{ restart = \"fresh\" }",
        "{ mask = \"shuffle\" }, { restart = \"init\" }",
    );
    let fresh = controlled(&rewinds, "fresh");
    assert_eq!(fresh[2], Step::Mask(MaskStep::Shuffle));
    assert_eq!(fresh[3], Step::Restart(Restart::Fresh));
    assert!(fresh.len() == 5 && matches!(fresh[4], Step::Train(_)));

    let units = GOOD.replace(
        "prune = {",
        "prune = { structure = \"units\", criterion = \"taylor\",",
    );
    let [_, Step::PruneUnits(spec), ..] = &controlled(&units, "random-units")[..] else {
        panic!("units")
    };
    assert_eq!(
        (spec.criterion, spec.amount, &spec.data),
        (
            UnitCriterion::Random,
            UnitAmount::Count(Amount::Sparsity(0.5)),
            &None
        )
    );

    // Without its prune steps the arm depends on no axis.
    let dense = controlled(GOOD, "dense");
    assert!(matches!(
        dense[..],
        [
            Step::Train(_),
            Step::Restart(Restart::Fresh),
            Step::Train(_)
        ]
    ));
    let of = "of = \"mask from MNIST\"";
    let text = format!("{GOOD}\n[[arm]]\nname = \"c\"\ncontrol = {{ {of}, mask = \"dense\" }}\n");
    let arms = good(&text).arms;
    assert!(arms[0].variants.len() > 1 && arms[3].variants.len() == 1);
    assert!(arms[3].variants[0].point.is_empty());
}

#[test]
fn controls_that_change_nothing_are_refused() {
    let wrong = |text: &str, of: &str, word: &str| {
        let text = format!(
            "{text}\n[[arm]]\nname = \"c\"\ncontrol = {{ of = \"{of}\", mask = \"{word}\" }}\n"
        );
        only(errors(&text))
    };
    says(
        &wrong(GOOD, "mask from MNIST", "fresh"),
        &["already starts"],
    );
    says(&wrong(GOOD, "dense", "dense"), &["never makes a mask"]);
    says(
        &wrong(GOOD, "mask from MNIST", "denes"),
        &["did you mean `dense`"],
    );
    says(
        &wrong(GOOD, "mask from MNIST", "random-units"),
        &["not of a number of units"],
    );
    let inverted = GOOD.replace("prune = {", "prune = { invert = true,");
    says(
        &wrong(&inverted, "mask from MNIST", "invert"),
        &["inverted already"],
    );
    // Under a mask that the first weights decided, new weights are a change.
    good(&with_steps(
        "{ prune = { sparsity = 0.5 } }, { restart = \"fresh\" }, { train = {} }",
    ));
}

#[test]
fn new_weights_need_a_mask_to_train_under() {
    let prune = "{ prune = { sparsity = 0.5 } }";
    for steps in [
        format!("{{ train = {{}} }}, {prune}"),
        format!("{{ train = {{}} }}, {{ train = {{}} }}, {prune}"),
        "{ train = { prune = { sparsity = 0.5 } } }".to_string(),
        format!("{prune}, {{ mask = \"release\" }}, {{ train = {{}} }}"),
    ] {
        let mistake = only(errors(&with_control(&steps, "fresh")));
        says(
            &mistake,
            &[
                "no mask when its last training begins",
                "arm[1].control.mask",
            ],
        );
    }
    let compacted = "{ train = {} }, { prune = { structure = \"units\", sparsity = 0.5 } }, \
                     { restart = \"init\" }, { compact = {} }, { train = {} }";
    good(&with_control(compacted, "fresh"));
}

#[test]
fn a_rewiring_makes_a_mask_for_what_trains_after_it() {
    let rewiring = "{ prune = { criterion = \"random\", sparsity = 0.9 } }, \
                    { train = { rewire = { grow = \"gradient\" } } }";
    let again = format!("{rewiring}, {{ restart = \"fresh\" }}, {{ train = {{}} }}");
    let place = |steps: &str, mask: &str| {
        let steps = good(&with_control(steps, mask)).arms[1].variants[0]
            .steps
            .clone();
        steps.iter().position(|step| matches!(step, Step::Mask(_)))
    };
    assert_eq!(place(&again, "shuffle"), Some(2));
    assert_eq!(place(&again, "random-erk"), Some(2));
    // Nothing is trained under what the last training leaves.
    assert_eq!(place(rewiring, "shuffle"), Some(1));
    for steps in [rewiring, &again] {
        let mistake = only(errors(&with_control(steps, "invert")));
        says(&mistake, &["training that rewires", "arm[1].control.mask"]);
    }
}

#[test]
fn cyclic_controls_are_refused() {
    let text = format!(
        "{GOOD}\n[[arm]]\nname = \"a\"\ncontrol = {{ of = \"b\", mask = \"random\" }}\n\
         [[arm]]\nname = \"b\"\ncontrol = {{ of = \"a\", mask = \"random\" }}\n"
    );
    for mistake in errors(&text).mistakes() {
        says(mistake, &["control of itself"]);
    }
}
