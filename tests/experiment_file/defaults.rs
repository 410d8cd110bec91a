//! What a file says, and what is filled in where it says nothing.

use super::setup::{GOOD, errors, good, only, says, with_steps};
use secateur::experiment::{OnCollapse, Step};
use secateur::spec::{Init, LearningRateSchedule, Length, Normalise, Optimizer, TrainStep};

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
    assert_eq!(train.schedule, LearningRateSchedule::CONSTANT);
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
