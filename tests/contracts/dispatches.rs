//! How many dispatches a training step is: each is a launch and a wait, and pointwise ones read and write whole arrays.

use crate::common::{World, dataset, keys, preset_model, trainer};
use secateur::gpu::Gpu;
use secateur::ops::Execution;
use secateur::spec::{Length, Optimizer, TrainSpec};
use secateur::train::Replicas;

/// The kernels of a step of a preset, in order.
fn step(name: &str) -> Vec<&'static str> {
    let gpu = Gpu::no_op();
    let model = preset_model(name);
    let mut data = dataset(90, 60, model.input.height);
    if model.input.channels == 3 {
        // Three of a kind make a colour.
        data.channels = 3;
        for split in [&mut data.train, &mut data.test] {
            split.labels.truncate(split.labels.len() / 3);
        }
    }
    let world = World::new(&gpu, data);
    let replicas = Replicas::new(&gpu, model, &keys(1)).unwrap();
    let spec = TrainSpec::plain("spots", 8, Length::Steps(1), Optimizer::sgd(0.1, 0.9));
    let specs = [&spec];
    let trainer = trainer(&gpu, &world, &replicas, &specs, Execution::default());
    let parts = trainer.training_program().unwrap().parts();
    parts.iter().map(|part| part.kernel).collect()
}

/// A change that needs more says why here; one that needs fewer lowers the number.
#[test]
fn a_training_step_is_this_many_dispatches() {
    for (name, count) in [("lenet-300-100", 13), ("mnist-cnn", 22), ("resnet-20", 144)] {
        let kernels = step(name);
        assert_eq!(kernels.len(), count, "{name}: {kernels:?}");
    }
}

/// Passes that neighbours do while they store are not there, on values that nobody else needs in between.
#[test]
fn pointwise_passes_are_done_on_the_way() {
    let count = |name, kernel| step(name).iter().filter(|&&k| k == kernel).count();
    assert_eq!(count("mnist-cnn", "relu_forward"), 0);
    assert_eq!(count("mnist-cnn", "relu_backward"), 0);
    assert_eq!(count("resnet-20", "relu_backward"), 0);
    assert_eq!(count("resnet-20", "values_copy"), 0);
    // One for each ReLU that a block and its shortcut read.
    assert_eq!(count("resnet-20", "values_add"), 9);
    // After a linear layer; pooling does the other.
    assert_eq!(count("mnist-cnn", "dropout_apply"), 2);
}
