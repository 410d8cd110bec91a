//! The experiment file: what is accepted, how mistakes are reported, and what a plan shares.

use secateur::experiment::{Experiment, ExperimentErrors, Mistake, OnCollapse, Plan, Step};
use secateur::spec::{
    Amount, Criterion, DecayOn, FractionDecay, Gradual, Grow, Init, Layer, Length, MaskSchedule,
    MaskStep, Normalise, Norms, Optimizer, PruneSpec, Restart, Rewire, Sap, Schedule, Scope,
    TrainStep, UnitAmount, UnitCriterion,
};
use std::path::Path;

const GOOD: &str = r#"secateur = 1
title = "A test"
seeds = 2

[model]
preset = "lenet-300-100"

[train]
dataset = "fashion-mnist"
batch = 64
length = "2ep"
optimizer = { kind = "adadelta" }

[sweep]
sparsity = [0.5, 0.90]

[[arm]]
name = "mask from MNIST"
steps = [
  { train = { dataset = "mnist" } },
  { prune = { sparsity = "$sparsity" } },
  { restart = "fresh" },
  { train = {} },
]

[[arm]]
name = "shuffled"
control = { of = "mask from MNIST", mask = "shuffle" }

[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

fn parse(text: &str) -> Result<Experiment, ExperimentErrors> {
    Experiment::parse("test.toml", text, Path::new("."), &[])
}

fn with(text: &str, overrides: &[&str]) -> Result<Experiment, ExperimentErrors> {
    let overrides: Vec<String> = overrides.iter().map(|text| text.to_string()).collect();
    Experiment::parse("test.toml", text, Path::new("."), &overrides)
}

fn good(text: &str) -> Experiment {
    parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> ExperimentErrors {
    parse(text).expect_err("the text has a mistake")
}

/// The only mistake of `GOOD` after one replacement.
#[track_caller]
fn mistake(from: &str, to: &str) -> Mistake {
    assert!(GOOD.contains(from), "{from:?} is not in the text");
    only(errors(&GOOD.replacen(from, to, 1)))
}

#[track_caller]
fn only(errors: ExperimentErrors) -> Mistake {
    assert_eq!(errors.mistakes().len(), 1, "{errors}");
    errors.mistakes()[0].clone()
}

#[track_caller]
fn says(mistake: &Mistake, parts: &[&str]) {
    let all = format!(
        "{} | {} | {}",
        mistake.message,
        mistake.path,
        mistake.help.as_deref().unwrap_or("")
    );
    for part in parts {
        assert!(all.contains(part), "{part:?} is not in: {all}");
    }
}

/// `GOOD` with other steps in its first arm, without the control.
fn with_steps(steps: &str) -> String {
    let head = &GOOD[..GOOD.find("[[arm]]").unwrap()];
    format!("{head}[[arm]]\nname = \"a\"\nsteps = [{steps}]\n")
        .replace("[sweep]\nsparsity = [0.5, 0.90]\n", "")
}

fn with_layers(layers: &str) -> String {
    with_steps("{ train = {} }").replace(
        "preset = \"lenet-300-100\"",
        &format!("layers = [{layers}]"),
    )
}

#[test]
fn defaults_are_filled_in() {
    let experiment = good(GOOD);
    assert_eq!(experiment.name, "test");
    assert_eq!(experiment.title, "A test");
    assert_eq!(experiment.seeds, [0, 1]);
    assert_eq!(experiment.text, GOOD);
    let names: Vec<&str> = experiment
        .arms
        .iter()
        .map(|arm| arm.name.as_str())
        .collect();
    assert_eq!(names, ["mask from MNIST", "shuffled", "dense"]);
    let Step::Train(TrainStep { train, .. }) = &experiment.arms[2].variants[0].steps[0] else {
        panic!("not a train step");
    };
    assert_eq!(train.dataset, "fashion-mnist");
    assert_eq!(train.batch, 64);
    assert_eq!(train.length, Length::Epochs(2));
    assert_eq!(train.schedule, Schedule::CONSTANT);
    assert_eq!(train.clip_norm, None);
    assert_eq!(train.validation, 5000);
    assert_eq!(train.samples, None);
    assert_eq!(train.normalise, Normalise::Measured);
    let adadelta = Optimizer::Adadelta {
        lr: 1.0,
        rho: 0.9,
        eps: 1e-6,
        weight_decay: 0.0,
    };
    assert_eq!(train.optimizer, adadelta);
    assert_eq!(experiment.arms[2].variants[0].model.init, Init::Pytorch);
}

#[test]
fn optimizers_have_pytorchs_defaults() {
    let optimizer = |text: &str| {
        let text = with_steps(&format!("{{ train = {{ optimizer = {text} }} }}"));
        match &good(&text).arms[0].variants[0].steps[0] {
            Step::Train(step) => step.train.optimizer,
            _ => panic!("not a train step"),
        }
    };
    let sgd = Optimizer::Sgd {
        lr: 1.0,
        momentum: 0.0,
        nesterov: false,
        weight_decay: 0.0,
    };
    assert_eq!(optimizer("{ kind = 'sgd', lr = 1 }"), sgd);
    let adam = Optimizer::Adam {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.0,
    };
    assert_eq!(optimizer("{ kind = 'adam' }"), adam);
    let adamw = Optimizer::AdamW {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.01,
    };
    assert_eq!(optimizer("{ kind = 'adamw' }"), adamw);
}

#[test]
fn a_sweep_makes_variants_of_the_arms_that_use_it() {
    let experiment = good(GOOD);
    let counts: Vec<usize> = experiment
        .arms
        .iter()
        .map(|arm| arm.variants.len())
        .collect();
    assert_eq!(counts, [2, 2, 1]);
    let transferred = &experiment.arms[0];
    let points: Vec<_> = transferred
        .variants
        .iter()
        .map(|v| v.point.clone())
        .collect();
    let point = |value: &str| vec![("sparsity".to_string(), value.to_string())];
    assert_eq!(points, [point("0.5"), point("0.90")]);
    let Step::Prune(prune) = &transferred.variants[1].steps[1] else {
        panic!("not a prune step");
    };
    assert_eq!(prune.amount, Amount::Sparsity(0.9));
    assert_eq!(prune.criterion, Criterion::Magnitude);
    assert_eq!(prune.scope, Scope::Global);
    assert_eq!(prune.layers, None);
}

#[test]
fn a_default_that_sweeps_counts_only_where_it_is_not_overridden() {
    let text = GOOD
        .replace("\"fashion-mnist\"", "\"$target\"")
        .replace(
            "[sweep]",
            "[sweep]\ntarget = [\"kmnist\", \"fashion-mnist\"]",
        )
        .replace(
            "steps = [{ train = {} }]",
            "steps = [{ train = { dataset = \"mnist\" } }]",
        );
    let experiment = good(&text);
    let counts: Vec<usize> = experiment
        .arms
        .iter()
        .map(|arm| arm.variants.len())
        .collect();
    assert_eq!(counts, [4, 4, 1]);
    let point = &experiment.arms[0].variants[1].point;
    assert_eq!(point[0], ("target".to_string(), "kmnist".to_string()));
    assert_eq!(point[1], ("sparsity".to_string(), "0.90".to_string()));
}

/// Points of the sweep at which the first arm runs.
fn points(text: &str) -> usize {
    good(text).arms[0].variants.len()
}

fn with_sweep(text: &str, axes: &str) -> String {
    text.replace("[[arm]]", &format!("[sweep]\n{axes}\n[[arm]]"))
}

#[test]
fn a_default_that_sweeps_counts_for_every_step_that_takes_it() {
    let layers = r#"{ conv2d = 4, kernel = 3 }, "batch_norm", { linear = 10 }"#;
    let steps = "{ train = { batch = 32 } }, { recalibrate = { batches = 10 } }";
    let recalibrated = with_layers(layers)
        .replace("batch = 64", "batch = \"$batch\"")
        .replace("{ train = {} }", steps);
    assert_eq!(points(&with_sweep(&recalibrated, "batch = [64, 128]")), 2);

    let rates = |steps: &str, axes: &str| {
        let text = with_steps(steps).replace("\"adadelta\"", "\"sgd\", lr = \"$lr\"");
        points(&with_sweep(&text, &format!("lr = [0.1, 0.2]\n{axes}")))
    };
    let round = "[{ train = {} }, { prune = { remaining = 0.5 } }]";
    let body = format!("{{ rounds = 2, steps = {round} }}");
    let steps = "{ iterate = { rounds = 2, steps = \"$inner\" } }";
    assert_eq!(rates(steps, &format!("inner = [{round}]")), 2);
    assert_eq!(
        rates("{ iterate = \"$loop\" }", &format!("loop = [{body}]")),
        2
    );
    let whole = format!("loop = [{{ iterate = {body} }}]");
    assert_eq!(rates("\"$loop\"", &whole), 2);
    assert_eq!(rates("{ train = \"$how\" }", "how = [{ batch = 8 }]"), 2);
    // Rounds from the sweep count beside what they take.
    let rounds = format!("{{ iterate = {{ rounds = \"$n\", steps = {round} }} }}");
    assert_eq!(rates(&rounds, "n = [1, 2, 3]"), 6);
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
fn whole_tables_and_layers_can_be_swept() {
    let text = with_layers(r#"{ linear = "$width" }, "relu", { linear = 10 }"#)
        .replace("{ kind = \"adadelta\" }", "\"$how\"")
        .replace(
            "[[arm]]",
            "[sweep]\nwidth = [10, 20]\nhow = [{ kind = 'adam' }, { kind = 'sgd', lr = 0.1 }]\n[[arm]]",
        );
    let experiment = good(&text);
    assert_eq!(experiment.arms[0].variants.len(), 4);
    let layer = &experiment.arms[0].variants[3].model.layers[0].layer;
    let wide = Layer::Linear {
        features: 20,
        bias: true,
    };
    assert_eq!(*layer, wide);
}

#[test]
fn layers_are_named_by_kind() {
    let experiment = good(&with_layers(
        r#"{ conv2d = 4, kernel = 3 }, "relu", { max_pool = 2 }, { avg_pool = "global" }, "flatten",
           { dropout = 0.25, channels = true }, { linear = 9, bias = false, name = "middle" }, "relu", "tanh",
           "gelu", { leaky_relu = 0.1 }, { linear = 10 }"#,
    ));
    let model = &experiment.arms[0].variants[0].model;
    assert_eq!(model.name, "custom");
    let names: Vec<&str> = model
        .layers
        .iter()
        .map(|layer| layer.name.as_str())
        .collect();
    let expected = [
        "conv1",
        "relu1",
        "maxpool1",
        "avgpool1",
        "flatten1",
        "dropout1",
        "middle",
        "relu2",
        "tanh1",
        "gelu1",
        "leakyrelu1",
        "fc2",
    ];
    assert_eq!(names, expected);
    let pool = Layer::MaxPool {
        window: 2,
        stride: 2,
    };
    assert_eq!(model.layers[2].layer, pool);
}

#[test]
fn layers_read_earlier_ones_by_name() {
    let experiment = good(&with_layers(
        r#"{ conv2d = 4, kernel = 3, padding = 1 }, "relu", { conv2d = 4, kernel = 3, padding = 1, from = "conv1" },
           { add = "relu1" }, { layer = "relu", name = "out", from = "add1" }, { linear = 10 }"#,
    ));
    let layers = &experiment.arms[0].variants[0].model.layers;
    let read: Vec<_> = layers
        .iter()
        .map(|layer| (layer.name.as_str(), layer.from.as_deref()))
        .collect();
    let expected = [
        ("conv1", None),
        ("relu1", None),
        ("conv2", Some("conv1")),
        ("add1", None),
        ("out", Some("add1")),
        ("fc1", None),
    ];
    assert_eq!(read, expected);
    let add = Layer::Add {
        with: "relu1".to_owned(),
    };
    assert_eq!(layers[3].layer, add);

    let wrong = |layers: &str| only(errors(&with_layers(layers)));
    let unknown = wrong(r#""relu", { linear = 10, from = "rely1" }"#);
    says(
        &unknown,
        &[
            "no layer `rely1`",
            "did you mean `relu1`?",
            "layers[1].from",
        ],
    );
    let later = wrong(r#"{ linear = 9 }, { add = "fc2" }, { linear = 10 }"#);
    says(&later, &["`fc2` is not before this one", "layers[1].add"]);
    let itself = wrong(r#"{ linear = 9 }, { add = "add1" }, { linear = 10 }"#);
    says(&itself, &["`add1` is not before this one"]);
    let reserved = wrong(r#"{ linear = 9, name = "input" }, { linear = 10 }"#);
    says(&reserved, &["no layer can be named `input`"]);
    let word = wrong(r#"{ layer = "rulu" }, { linear = 10 }"#);
    says(&word, &["did you mean `relu`?"]);
}

#[test]
fn batch_normalisation_has_steps_and_settings_of_its_own() {
    let layers =
        r#"{ conv2d = 4, kernel = 3, bias = false }, "batch_norm", "relu", { linear = 10 }"#;
    let text = |step: &str| with_layers(layers).replace("{ train = {} }", step);
    let experiment = good(&text(
        "{ train = { freeze = [\"fc1\", \"bn1\"], optimizer = { kind = \"sgd\", lr = 0.1, weight_decay_on = \"weights\" } } }, { recalibrate = { batches = 7, batch = 32 } }",
    ));
    let steps = &experiment.arms[0].variants[0].steps;
    let Step::Train(TrainStep { train, .. }) = &steps[0] else {
        panic!("not a train step");
    };
    assert_eq!(train.freeze, ["bn1", "fc1"]);
    assert_eq!(train.weight_decay_on, DecayOn::Weights);
    let Step::Recalibrate(recalibrate) = &steps[1] else {
        panic!("not a recalibrate step");
    };
    assert_eq!(recalibrate.dataset, "fashion-mnist");
    assert_eq!(recalibrate.length, Length::Steps(7));
    assert_eq!(recalibrate.batch, 32);

    let wrong = |step: &str| only(errors(&text(step)));
    let unknown = wrong("{ train = { freeze = [\"bn2\"] } }");
    says(&unknown, &["did you mean `bn1`?", "train.freeze[0]"]);
    let all = wrong("{ train = { freeze = [\"conv1\", \"bn1\", \"fc1\"] } }");
    says(&all, &["leaves nothing to train"]);
    let number = wrong("{ train = {} }, { recalibrate = { batch = 3 } }");
    says(&number, &["this recalibrate step needs `batches`"]);
    let plain = only(errors(&with_steps(
        "{ train = {} }, { recalibrate = { batches = 3 } }",
    )));
    says(&plain, &["no batch normalisation"]);
}

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
        let plan = Plan::new(&good(text), "");
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

/// Rounds are the steps written out: the same stages, shared with an arm that stops earlier.
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
        let stages = Plan::new(experiment, "").stages;
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

/// The steps of a control of `GOOD`'s first arm, or of another text's.
fn controlled(text: &str, word: &str) -> Vec<Step> {
    let of = "of = \"mask from MNIST\"";
    let text = format!("{text}\n[[arm]]\nname = \"c\"\ncontrol = {{ {of}, mask = \"{word}\" }}\n");
    let experiment = good(&text);
    experiment.arms.last().unwrap().variants[0].steps.clone()
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

/// An arm `a` of these steps, and a control of it, `b`.
fn with_control(steps: &str, mask: &str) -> String {
    let control = format!("[[arm]]\nname = \"b\"\ncontrol = {{ of = \"a\", mask = \"{mask}\" }}\n");
    with_steps(steps) + &control
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
fn a_misspelt_step_is_told_of_every_step_there_is() {
    let mistake = only(errors(&with_steps(
        "{ iterat = { rounds = 2, steps = [] } }, { train = {} }",
    )));
    says(&mistake, &["did you mean `iterate`"]);
}

#[test]
fn on_collapse_is_said_once_and_changes_no_digest() {
    let of = |line: &str| good(&GOOD.replacen("seeds", &format!("{line}\nseeds"), 1));
    let stop = of("on_collapse = \"stop\"");
    assert_eq!(stop.on_collapse, OnCollapse::Stop);
    assert_eq!(of("").on_collapse, OnCollapse::Warn);
    assert_eq!(stop.digest(), of("").digest());
    let wrong = only(errors(&GOOD.replacen(
        "seeds",
        "on_collapse = \"stpo\"\nseeds",
        1,
    )));
    says(&wrong, &["did you mean `stop`"]);
}

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
fn swept_values_are_checked_where_they_are_written() {
    let found = mistake("[0.5, 0.90]", "[0.5, 1.5]");
    assert_eq!((found.line, found.column), (15, 18));
    assert_eq!(found.path, "sweep.sparsity[1]");
    assert_eq!(
        found.used_at.as_deref(),
        Some("arm[0].steps[1].prune.sparsity")
    );
    says(&found, &["1.5", "[0, 1]"]);
    says(
        &mistake("[0.5, 0.90]", "[0.5, 0.50]"),
        &["lists a value twice"],
    );
    says(&mistake("[0.5, 0.90]", "[]"), &["has no values"]);
    says(
        &mistake("[0.5, 0.90]", "[0.5, 0.9]\nspare = [1]"),
        &["no arm depends on the axis `spare`"],
    );
    says(
        &mistake("[0.5, 0.90]", "[0.5, \"$sparsity\"]"),
        &["cannot refer to another"],
    );
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
fn cyclic_controls_are_refused() {
    let text = format!(
        "{GOOD}\n[[arm]]\nname = \"a\"\ncontrol = {{ of = \"b\", mask = \"random\" }}\n\
         [[arm]]\nname = \"b\"\ncontrol = {{ of = \"a\", mask = \"random\" }}\n"
    );
    for mistake in errors(&text).mistakes() {
        says(mistake, &["control of itself"]);
    }
}

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
fn labels_of_the_sweep_follow_overrides() {
    let text = with_steps("{ train = {} }").replace("{ kind = \"adadelta\" }", "\"$how\"");
    let axis = "how = [{ kind = \"sgd\", lr = 0.1 }, { kind = 'sgd', lr = 0.20 }]";
    let experiment = with(&with_sweep(&text, axis), &["sweep.how[0].lr=0.5"]);
    let experiment = experiment.unwrap_or_else(|errors| panic!("{errors}"));
    let labels = [
        "{ kind = \"sgd\", lr = 0.5 }",
        "{ kind = 'sgd', lr = 0.20 }",
    ];
    assert_eq!(experiment.axes[0].values, labels);
    for (variant, label) in experiment.arms[0].variants.iter().zip(labels) {
        assert_eq!(variant.point, [("how".to_string(), label.to_string())]);
    }
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
fn equal_histories_share_their_stages() {
    let mut text = GOOD.to_string();
    for number in 0..8 {
        text.push_str(&format!(
            "[[arm]]\nname = \"more {number}\"\nsteps = [{{ train = {{ dataset = \"mnist\" }} }}, \
             {{ prune = {{ keep = {number} }} }}]\n"
        ));
    }
    let plan = Plan::new(&good(&text), "");
    let mnist = plan
        .stages
        .iter()
        .filter(|stage| matches!(&stage.step, Step::Train(step) if step.train.dataset == "mnist"));
    assert_eq!(mnist.count(), 2, "ten arms, one MNIST training per seed");
    assert_eq!(plan.runs.len(), 2 * (2 + 2 + 1 + 8));
    // Per seed: 12 runs start with the same training, and each shuffled run shares the pruning of its twin.
    assert_eq!(plan.shared(), 2 * (11 + 2));
    for (id, stage) in plan.stages.iter().enumerate() {
        assert_eq!(stage.id, id);
        assert!(stage.parent.is_none_or(|parent| parent < id));
    }
}

#[test]
fn stages_know_their_place_in_their_history() {
    let plan = Plan::new(&good(GOOD), "");
    let run = &plan.runs[0];
    assert_eq!((run.arm, run.variant, run.seed), (0, 0, 0));
    let counts: Vec<_> = run
        .stages
        .iter()
        .map(|id| {
            let stage = &plan.stages[*id];
            (stage.step_ordinal, stage.train_ordinal, stage.fresh_ordinal)
        })
        .collect();
    assert_eq!(counts, [(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 1, 1)]);
    let order: Vec<_> = plan
        .runs
        .iter()
        .map(|run| (run.arm, run.variant, run.seed))
        .collect();
    assert!(order.is_sorted());
}

#[test]
fn steps_that_change_nothing_make_no_stage() {
    let plain = "{ train = {} }, { prune = { sparsity = 0.5 } }, { train = {} }";
    let loud = "{ train = {} }, { prune = { sparsity = 0.5 } }, { mask = \"transfer\" }, \
                { restart = \"none\" }, { train = {} }";
    let plain = Plan::new(&good(&with_steps(plain)), "");
    let loud = Plan::new(&good(&with_steps(loud)), "");
    assert_eq!(plain, loud);
}

#[test]
fn context_model_seed_and_history_are_in_a_stages_digest() {
    let digests = |text: &str, context: &str| -> Vec<String> {
        let plan = Plan::new(&good(text), context);
        plan.stages.into_iter().map(|stage| stage.digest).collect()
    };
    let base = digests(GOOD, "a");
    assert_eq!(base, digests(&GOOD.replace("A test", "Another"), "a"));
    let mut unique = base.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), base.len());
    let differs = |other: Vec<String>| assert!(other.iter().all(|digest| !base.contains(digest)));
    differs(digests(GOOD, "b"));
    differs(digests(&GOOD.replace("lenet-300-100", "lenet-5"), "a"));
    differs(digests(&GOOD.replace("seeds = 2", "seeds = [5]"), "a"));
    differs(digests(&GOOD.replace("batch = 64", "batch = 65"), "a"));
}

#[test]
fn the_digest_is_of_meaning_only() {
    let digest = |text: &str| good(text).digest();
    let base = digest(GOOD);
    assert_eq!(base.len(), 64);
    assert_eq!(
        base,
        digest(&GOOD.replace("batch = 64", "batch = 0x40   # comment"))
    );
    assert_eq!(base, digest(&GOOD.replace("0.90", "0.9")));
    let moved = GOOD
        .replace("batch = 64\n", "")
        .replace("optimizer =", "batch = 64\noptimizer =");
    assert_eq!(base, digest(&moved));
    assert_eq!(base, digest(&GOOD.replace("seeds = 2", "seeds = [0, 1]")));
    let changes = [
        ("A test", "B test"),
        ("seeds = 2", "seeds = 3"),
        ("batch = 64", "batch = 63"),
        ("2ep", "2st"),
        ("0.90", "0.91"),
        ("[0.5, 0.90]", "[0.90, 0.5]"),
        ("\"dense\"", "\"plain\""),
        ("\"shuffle\"", "\"random\""),
        ("lenet-300-100", "lenet-5"),
        ("\"fresh\"", "\"init\""),
        (
            "{ kind = \"adadelta\" }",
            "{ kind = \"adadelta\", rho = 0.8 }",
        ),
    ];
    for (from, to) in changes {
        assert_ne!(base, digest(&GOOD.replacen(from, to, 1)), "{from} -> {to}");
    }
}

#[test]
fn the_order_of_axes_is_not_in_the_digest() {
    let swept = GOOD.replace("batch = 64", "batch = \"$batch\"");
    let one = swept.replace("[sweep]\n", "[sweep]\nbatch = [8, 16]\n");
    let other = swept.replace("0.90]\n", "0.90]\nbatch = [8, 16]\n");
    assert_eq!(good(&one).digest(), good(&other).digest());
    assert_ne!(good(&one).arms, good(&other).arms);
}

#[test]
fn mask_files_count_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let text = with_steps("{ mask = { load = \"mask.safetensors\" } }, { train = {} }");
    let read = |text: &str| Experiment::parse("test.toml", text, folder.path(), &[]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    says(
        &only(read(&text).unwrap_err()),
        &["cannot read the mask", "arm[0].steps[0].mask.load"],
    );
    write("masks.safetensors", b"one");
    says(
        &only(read(&text).unwrap_err()),
        &["did you mean", "masks.safetensors"],
    );
    write("mask.safetensors", b"one");
    let first = read(&text).unwrap();
    let renamed = read(&text.replace("mask.safe", "masks.safe")).unwrap();
    assert_eq!(first.digest(), renamed.digest());
    write("mask.safetensors", b"two");
    let changed = read(&text).unwrap();
    assert_ne!(first.digest(), changed.digest());
    let digest = |experiment: &Experiment| Plan::new(experiment, "").stages[0].digest.clone();
    assert_eq!(digest(&first), digest(&renamed));
    assert_ne!(digest(&first), digest(&changed));
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

fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            (
                path.display().to_string(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

#[test]
fn shipped_experiments_are_right() {
    let shipped = shipped();
    assert!(shipped.len() >= 3);
    for (name, text) in shipped {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let experiment = Experiment::parse(&name, &text, &folder, &[]);
        let experiment = experiment.unwrap_or_else(|errors| panic!("{errors}"));
        let plan = Plan::new(&experiment, "");
        assert!(plan.shared() > 0 || experiment.arms.len() == 1, "{name}");
        serde_json::from_str::<serde_json::Value>(&experiment.resolved_json()).unwrap();
    }
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
