//! Layers, by kind and by name.

use super::setup::{errors, good, only, says, with_layers, with_steps};
use secateur::experiment::Step;
use secateur::spec::{DecayOn, Layer, Length, TrainStep};

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
