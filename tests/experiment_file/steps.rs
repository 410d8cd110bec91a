//! What each kind of step takes, and where from.

use super::setup::{GOOD, errors, good, mistake, only, points, says, with_layers, with_steps};
use secateur::experiment::{Experiment, Plan, PlanContext, Step};
use secateur::run::{known_facts, verify};
use secateur::spec::{
    Amount, Criterion, FractionDecay, Gradual, Grow, Length, MaskSchedule, Norms, Optimizer,
    PruneSpec, Rewire, Sap, Scope,
};
use std::collections::BTreeMap;

#[test]
fn micro_batches_are_whole_chunks_of_the_batch() {
    // Of the arm that has one step.
    let train = |text: &str| {
        let experiment = good(text);
        let arm = experiment.arms.last().expect("an arm");
        match &arm.variants[0].steps[0] {
            Step::Train(step) => (step.train.batch, step.train.micro_batch),
            other => panic!("{other:?}"),
        }
    };
    let text = |keys: &str| GOOD.replace("batch = 64", keys);
    assert_eq!(train(GOOD), (64, None));
    assert_eq!(
        train(&text("batch = 100\nmicro_batch = 32")),
        (100, Some(32))
    );
    // All of it, by number and by name.
    assert_eq!(train(&text("batch = 100\nmicro_batch = 100")), (100, None));
    let own = "[{ train = { micro_batch = \"none\" } }]";
    let own = text("batch = 100\nmicro_batch = 64").replace("[{ train = {} }]", own);
    assert_eq!(train(&own), (100, None));

    // What changes no bit is in no name.
    let digests = |text: &str| -> Vec<String> {
        let plan = Plan::new(&good(text), &PlanContext::default());
        plan.stages.into_iter().map(|stage| stage.digest).collect()
    };
    assert_eq!(
        digests(GOOD),
        digests(&text("batch = 64\nmicro_batch = 32"))
    );

    let wrong = |keys: &str| mistake("batch = 64", keys);
    let odd = wrong("batch = 128\nmicro_batch = 33");
    says(
        &odd,
        &[
            "multiple of 32",
            "not 33",
            "the next is 64",
            "train.micro_batch",
        ],
    );
    says(&wrong("batch = 50\nmicro_batch = 33"), &["the next is 50"]);
    let more = wrong("batch = 64\nmicro_batch = 96");
    says(&more, &["more than the batch of 64"]);
    says(&wrong("batch = 64\nmicro_batch = 0"), &["out of range"]);

    let layers = r#"{ conv2d = 4, kernel = 3 }, "batch_norm", { linear = 10 }"#;
    let normalised = |keys: &str| with_layers(layers).replace("batch = 64", keys);
    let refused = only(errors(&normalised("batch = 64\nmicro_batch = 32")));
    says(&refused, &["batch normalisation", "\"bn1\"", "whole batch"]);
    let whole = normalised("batch = 64\nmicro_batch = 64");
    assert_eq!(train(&whole), (64, None));
}

#[test]
fn criteria_that_read_data_take_it_from_train() {
    let of = |prune: &str| {
        let steps = format!("{{ prune = {{ {prune} }} }}, {{ train = {{}} }}");
        good(&with_steps(&steps)).arms[0].variants[0].steps[0].clone()
    };
    let Step::Prune(snip) =
        of("criterion = \"snip\", sparsity = 0.9, batches = 7, keep_dense = [\"fc3\"]")
    else {
        panic!("a prune step")
    };
    let data = snip.data.expect("data");
    assert_eq!((data.dataset.as_str(), data.batch), ("fashion-mnist", 64));
    assert_eq!((data.length, snip.iterations), (Length::Steps(7), 1));
    assert_eq!(snip.keep_dense, ["fc3"]);
    let Step::Prune(movement) =
        of("criterion = \"movement\", keep = 5, batches = 9, dataset = \"mnist\"")
    else {
        panic!("a prune step")
    };
    let data = movement.data.expect("data");
    assert!(matches!(data.optimizer, Optimizer::Adadelta { .. }) && data.dataset == "mnist");
    let Step::Prune(synflow) = of("criterion = \"synflow\", remaining = 0.1, scope = \"erk\"")
    else {
        panic!("a prune step")
    };
    assert_eq!((synflow.iterations, synflow.scope), (100, Scope::Erk));
    assert_eq!(
        (synflow.amount, synflow.data),
        (Amount::Remaining(0.1), None)
    );
    let wrong = |prune: &str| {
        let steps = format!("{{ prune = {{ {prune} }} }}, {{ train = {{}} }}");
        only(errors(&with_steps(&steps)))
    };
    says(
        &wrong("sparsity = 0.9, batches = 7"),
        &["batches", "reads no data"],
    );
    says(
        &wrong("criterion = \"movement\", sparsity = 0.9"),
        &["needs `batches`"],
    );
    let repeated = "criterion = \"movement\", sparsity = 0.9, batches = 3, iterations = 2";
    says(&wrong(repeated), &["no iterations"]);
}

#[test]
fn scores_take_only_what_they_need_of_train() {
    let snip = |keys: &str, prune: &str, train: &str| {
        let steps =
            format!("{{ prune = {{ sparsity = 0.5, {prune} }} }}, {{ train = {{ {train} }} }}");
        with_steps(&steps).replace("batch = 64", keys)
    };
    let micro = "batch = 256\nmicro_batch = 64";
    good(&snip(micro, "criterion = \"snip\", batch = 32", ""));
    let best = "batch = 64\nkeep = \"best\"";
    good(&snip(best, "criterion = \"snip\", validation = 0", ""));
    let movement = "criterion = \"movement\", batches = 2, validation = 0, batch = 32";
    good(&snip(&format!("{micro}\nkeep = \"best\""), movement, ""));
    let refused = errors(&snip("", "criterion = \"snip\"", "batch = 64"));
    says(
        &only(refused),
        &["[train] needs `batch`", "a prune step does not"],
    );

    // Nor does an axis count that scores do not depend on; for movement, which trains, it does.
    let own = "optimizer = { kind = \"adam\" }";
    let rates = |prune: &str| {
        let text =
            snip("batch = 64", prune, own) + "[[arm]]\nname = \"b\"\nsteps = [{ train = {} }]\n";
        let text = text.replace("\"adadelta\"", "\"sgd\", lr = \"$lr\"");
        points(&text.replacen("[[arm]]", "[sweep]\nlr = [0.1, 0.2]\n[[arm]]", 1))
    };
    assert_eq!(rates("criterion = \"snip\""), 1);
    assert_eq!(rates("criterion = \"movement\", batches = 2"), 2);
}

#[test]
fn amounts_may_be_of_layers_of_runs_or_the_weights_own() {
    let of = |prune: &str| {
        let steps = format!("{{ prune = {{ {prune} }} }}, {{ train = {{}} }}");
        match good(&with_steps(&steps)).arms[0].variants[0].steps[0].clone() {
            Step::Prune(spec) => spec,
            other => panic!("{other:?}"),
        }
    };
    let layers = of("densities = { fc3 = 0.5, fc1 = 0.1 }");
    assert_eq!(
        (layers.scope, layers.amount),
        (Scope::Layer, Amount::PerLayer)
    );
    assert_eq!(layers.layers.unwrap(), ["fc1", "fc3"]);
    assert_eq!(layers.densities["fc3"], 0.5);
    let runs = of("n_of_m = \"2:4\", layers = [\"fc1\"], criterion = \"synflow\"");
    assert_eq!(
        (runs.amount, runs.iterations),
        (Amount::NOfM { n: 2, m: 4 }, 1)
    );
    let sap = of("sap = {}, scope = \"neuron\"");
    assert_eq!(
        (sap.scope, sap.amount),
        (Scope::Neuron, Amount::Sap(Sap::default()))
    );
    let Amount::Sap(sap) = of("sap = { p = 1, q = 2, eta = 0.1, gamma = 2, beta = 0.5 }").amount
    else {
        panic!("SAP")
    };
    assert_eq!(
        (sap.norms, sap.eta, sap.gamma, sap.beta),
        (Norms { p: 1.0, q: 2.0 }, 0.1, 2.0, 0.5)
    );
    // Experiments written before there were these amounts keep their digests.
    let text = serde_json::to_string(&of("sparsity = 0.5")).unwrap();
    assert!(
        !text.contains("densities") && !text.contains("invert"),
        "{text}"
    );

    let wrong = |prune: &str| {
        let steps = format!("{{ prune = {{ {prune} }} }}, {{ train = {{}} }}");
        only(errors(&with_steps(&steps)))
    };
    says(
        &wrong("densities = { fc9 = 0.1 }"),
        &["unknown key `fc9`", "did you mean `fc", "densities.fc9"],
    );
    says(
        &wrong("densities = { fc1 = 1.5 }"),
        &["out of range", "densities.fc1"],
    );
    says(&wrong("densities = {}"), &["is empty"]);
    says(
        &wrong("densities = { fc1 = 0.5 }, layers = [\"fc1\"]"),
        &["`layers` has no meaning here"],
    );
    says(&wrong("n_of_m = \"4:2\""), &["not N:M"]);
    says(&wrong("n_of_m = 2"), &["must be a string such as"]);
    says(
        &wrong("n_of_m = \"2:4\", scope = \"layer\""),
        &["`scope` has no meaning here"],
    );
    says(
        &wrong("sap = { p = 2, q = 1 }"),
        &["p must be smaller than q"],
    );
    says(&wrong("sap = { gama = 1 }"), &["did you mean `gamma`"]);
    says(&wrong("sap = {}, scope = \"erk\""), &["shares a total"]);
    says(&wrong("sap = {}, density = 0.5"), &["not both"]);
    says(
        &wrong("densty = 0.5, keep = 3"),
        &["did you mean `density`"],
    );
}

#[test]
fn masks_that_change_within_a_training_have_their_defaults() {
    let steps = |text: &str| good(&with_steps(text)).arms[0].variants[0].steps.clone();
    let masks = |step: &Step| match step {
        Step::Train(step) => step.masks.clone().map(|masks| *masks),
        _ => None,
    };
    let gradual = steps("{ train = { prune = { sparsity = 0.9 } } }");
    let want = Gradual {
        prune: PruneSpec::new(Criterion::Magnitude, Scope::Global, Amount::Sparsity(0.9)),
        initial_sparsity: 0.0,
        power: 3.0,
        begin: None,
        end: None,
        every: Length::Steps(100),
    };
    assert_eq!(masks(&gradual[0]), Some(MaskSchedule::Gradual(want)));
    let rewire = steps(
        "{ prune = { criterion = \"random\", scope = \"erk\", sparsity = 0.9 } }, \
         { train = { rewire = { grow = \"gradient\", until = \"3ep\" } } }",
    );
    let want = Rewire {
        grow: Grow::Gradient,
        fraction: 0.3,
        decay: FractionDecay::Cosine,
        every: Length::Steps(100),
        until: Some(Length::Epochs(3)),
    };
    assert_eq!(masks(&rewire[1]), Some(MaskSchedule::Rewire(want)));

    // Controls reach into trainings too.
    let controlled = |mask: &str| {
        let arm = with_steps("{ train = { prune = { keep = 9 } } }");
        let control =
            format!("[[arm]]\nname = \"b\"\ncontrol = {{ of = \"a\", mask = \"{mask}\" }}\n");
        good(&(arm + &control)).arms[1].variants[0].steps.clone()
    };
    assert_eq!(masks(&controlled("dense")[0]), None);
    assert!(
        controlled("invert")[0]
            .prunes()
            .is_some_and(|spec| spec.invert)
    );

    let refused = |train: &str, parts: &[&str]| {
        let text = with_steps(&format!(
            "{{ prune = {{ keep = 99 }} }}, {{ train = {train} }}"
        ));
        says(&only(errors(&text)), parts);
    };
    refused(
        "{ prune = { keep = 9 }, rewire = { grow = \"random\" } }",
        &["either prunes or rewires"],
    );
    refused("{ rewire = {} }", &["`rewire` needs `grow`"]);
    refused("{ rewire = { grow = \"gradients\" } }", &["gradient"]);
    refused("{ prune = {} }", &["needs an amount"]);
    refused(
        "{ prune = { keep = 9, evry = \"1ep\" } }",
        &["evry", "every"],
    );
    refused(
        "{ prune = { keep = 9, criterion = \"snip\" } }",
        &["within a training", "weights alone"],
    );
    refused(
        "{ equal_flops = true, prune = { keep = 9 } }",
        &["`equal_flops` means nothing"],
    );
    refused(
        "{ prune = { keep = 9, scope = \"neuron\" } }",
        &["neurons do not prune for themselves"],
    );
    refused(
        "{ prune = { sparsity = 0.99999, initial_sparsity = 0.999999 } }",
        &["initial_sparsity", "begin lower"],
    );
}

/// Rounds are the steps written out: the same stages, shared with an arm that stops earlier.
#[test]
fn iterate_stands_for_its_steps_over_and_over() {
    let round = "{ train = {} }, { prune = { remaining = 0.8 } }, { restart = \"init\" }";
    let iterate = |rounds: u32| {
        let text = format!(
            "{{ iterate = {{ rounds = {rounds}, steps = [{round}] }} }}, {{ train = {{}} }}"
        );
        good(&with_steps(&text))
    };
    let written = good(&with_steps(&format!(
        "{round}, {round}, {{ train = {{}} }}"
    )));
    assert_eq!(iterate(2).arms[0].variants, written.arms[0].variants);
    assert_eq!(iterate(3).arms[0].variants[0].steps.len(), 10);
    let digests = |experiment: &Experiment| {
        let stages = Plan::new(experiment, &PlanContext::default()).stages;
        stages.into_iter().map(|s| s.digest).collect::<Vec<_>>()
    };
    let (two, three) = (digests(&iterate(2)), digests(&iterate(3)));
    assert!(two[..two.len() / 2 - 1].iter().all(|d| three.contains(d)));
    let wrong = |text: &str| only(errors(&with_steps(&format!("{text}, {{ train = {{}} }}"))));
    says(
        &wrong("{ iterate = { rounds = 0, steps = [{ train = {} }] } }"),
        &["rounds", "out of range"],
    );
    says(
        &wrong("{ iterate = { rounds = 2, steps = [] } }"),
        &["no steps"],
    );
    says(
        &wrong("{ iterate = { steps = [{ train = {} }] } }"),
        &["rounds"],
    );
}

#[test]
fn rounds_within_rounds_are_bounded_before_they_are_written_out() {
    let inner = "{ iterate = { rounds = 1000, steps = [{ train = {} }, { prune = { remaining = 0.9 } }] } }";
    let nested = format!("{{ iterate = {{ rounds = 1000, steps = [{inner}] }} }}");
    let mistake = only(errors(&with_steps(&nested)));
    says(
        &mistake,
        &["2000000 steps", "at most 10000", "arm[0].steps[0].iterate"],
    );
}

#[test]
fn pruning_that_begins_after_its_end_points_at_the_beginning() {
    let text = with_steps(
        "{ train = { length = \"5st\", prune = { sparsity = 0.9, begin = \"4st\", end = \"2st\" } } }",
    );
    let experiment = good(&text);
    let facts = BTreeMap::from([(
        "fashion-mnist".to_owned(),
        known_facts(&experiment, "fashion-mnist").unwrap(),
    )]);
    let text = verify(&experiment, &facts).err().unwrap().to_string();
    assert!(
        text.contains("it must begin before") && text.contains("prune.begin"),
        "{text}"
    );
    assert!(!text.contains("Lower"), "{text}");
}
