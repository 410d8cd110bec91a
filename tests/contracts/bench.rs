//! `secateur bench`: what it counts, and that its report holds together. No test looks at how long something took.

use crate::common::{
    World, bare, build, conv, dataset, gpu, linear, model, preset, preset_model, trainer, usual,
};
use secateur::bench::{StepWork, crossover};
use secateur::gpu::{Gpu, KernelWork, Program, ProgramPart};
use secateur::model::{Mask, presets};
use secateur::ops::{Execution, Span, SparseRule};
use secateur::spec::{Layer, Length, Normalise, Optimizer, Shape, TrainSpec};
use secateur::train::{RandomKey, Replicas};

// ------------------------------------------------------------------------------------------------------------- crossover

#[test]
fn the_crossover_lies_between_the_densities_around_it() {
    // 5 % more than 100 is reached a quarter of the way from 0.5 to 0.1.
    let at = crossover(&[(1.0, 100.0), (0.5, 100.0), (0.1, 120.0)]).unwrap();
    assert!((at - 0.4).abs() < 1e-9, "{at}");
    let at = crossover(&[(1.0, 100.0), (0.2, 150.0), (0.1, 300.0)]).unwrap();
    assert!((at - 0.92).abs() < 1e-9, "{at}");
}

#[test]
fn what_is_not_faster_from_there_on_is_no_crossover() {
    assert_eq!(crossover(&[]), None);
    assert_eq!(crossover(&[(1.0, 100.0)]), None);
    assert_eq!(crossover(&[(1.0, 100.0), (0.5, 104.0), (0.1, 99.0)]), None);
    // One lucky measurement in the middle.
    assert_eq!(crossover(&[(1.0, 100.0), (0.5, 150.0), (0.1, 99.0)]), None);
    // Nothing to compare with.
    assert_eq!(crossover(&[(0.5, 100.0), (0.1, 200.0)]), None);
}

// ------------------------------------------------------------------------------------------------------------------ work

/// The kinds of layers that no preset has, and activations without a neighbour that does them on the way.
fn odd_layers() -> Vec<Layer> {
    vec![
        conv(3, 3, 2, 1),
        Layer::AvgPool {
            window: Some(2),
            stride: 2,
        },
        Layer::Relu,
        Layer::Tanh,
        Layer::Dropout {
            p: 0.5,
            channels: false,
        },
        Layer::Flatten,
        bare(linear(10)),
    ]
}

fn spec(optimizer: Optimizer, clip_norm: Option<f64>) -> TrainSpec {
    TrainSpec {
        clip_norm,
        normalise: Normalise::None,
        ..TrainSpec::plain("spots", 22, Length::Steps(1), optimizer)
    }
}

/// A kernel that a training step runs and that nobody counts would show in reports as an empty cell.
#[test]
fn every_kernel_of_a_training_step_is_counted() {
    let gpu = Gpu::no_op();
    let data = dataset(30, 20, 28);
    let world = World::new(&gpu, data);
    let mut models = vec![model(odd_layers(), Shape::new(1, 28, 28))];
    // Shapes are those of 28x28 images; a residual network takes them too.
    let small = |name: &&&str| presets::input(name).channels == 1 || **name == "resnet-20";
    for name in presets::names().iter().filter(small) {
        models.push(build(&preset(name), Shape::new(1, 28, 28)));
    }
    let (lr, eps, weight_decay) = (0.1, 1e-8, 0.0);
    let specs = [
        spec(
            Optimizer::Sgd {
                lr,
                momentum: 0.9,
                nesterov: false,
                weight_decay,
            },
            Some(1.0),
        ),
        spec(
            Optimizer::Adam {
                lr,
                beta1: 0.9,
                beta2: 0.99,
                eps,
                weight_decay,
            },
            None,
        ),
        spec(
            Optimizer::Adadelta {
                lr,
                rho: 0.9,
                eps,
                weight_decay,
            },
            None,
        ),
    ];
    let mut met = std::collections::BTreeSet::new();
    for model in &models {
        let replicas = Replicas::new(&gpu, model.clone(), &[RandomKey::default(); 2]).unwrap();
        for spec in &specs {
            for sparse in [SparseRule::Never, SparseRule::Always] {
                let execution = Execution {
                    sparse,
                    ..Execution::default()
                };
                let both = [spec, spec];
                let trainer = trainer(&gpu, &world, &replicas, &both, execution);
                for part in trainer.training_program().unwrap().parts() {
                    let what = format!("{} of {} in {}", part.kernel, part.place, model.name);
                    match part.work {
                        // The no-op device counts no kept weights.
                        Some(KernelWork::Flops(n) | KernelWork::Bytes(n)) => {
                            assert!(n > 0 || sparse == SparseRule::Always, "{what}");
                        }
                        None => panic!("nobody says what {what} has to do"),
                    }
                    met.insert(part.kernel);
                }
            }
        }
    }
    // The loop above went over what it was meant to go over.
    for kernel in [
        "dense_forward",
        "dense_forward_sparse",
        "conv_backward_weight_sparse",
        "kept_partial_sum",
        "relu_forward",
        "dropout_apply",
        "activation_backward",
        "batch_norm_backward",
        "partial_sum",
        "values_add",
        "avg_pool_backward",
        "max_pool_backward_apart",
        "gradient_clip",
        "adadelta_step",
    ] {
        assert!(met.contains(kernel), "no program ran {kernel}");
    }
}

/// The largest layer of LeNet-300-100 by hand: 784 x 300 weights, batch 128, 3 replicas of which one keeps half.
#[test]
fn work_is_what_it_is_by_hand() {
    let Some(gpu) = gpu() else { return };
    let model = preset_model("lenet-300-100");
    let full = Mask::full(model.floats);
    let mut half = full.clone();
    let fc1 = &model.tensors[0];
    assert_eq!((fc1.layer.as_str(), fc1.count), ("fc1", 784 * 300));
    (0..784 * 300 / 2).for_each(|i| half.remove(i));
    let replicas = Replicas::new(gpu, model.clone(), &[RandomKey::default(); 3]).unwrap();
    let masks = [&full, &full, &half].map(|mask| mask.words()).concat();
    gpu.write(&replicas.masks, 0, &masks).unwrap();
    let world = World::new(gpu, dataset(150, 20, 28));
    let spec = TrainSpec {
        batch: 128,
        ..spec(Optimizer::sgd(0.1, 0.9), None)
    };
    let specs = [&spec; 3];
    let run = |sparse| {
        let execution = Execution {
            sparse,
            ..usual(gpu)
        };
        let trainer = trainer(gpu, &world, &replicas, &specs, execution);
        trainer.training_program().unwrap().parts()
    };
    let of = |parts: &[ProgramPart], kernel: &str, place: &str| {
        let mut found = parts
            .iter()
            .filter(|part| part.kernel.starts_with(kernel) && &*part.place == place);
        found.next().and_then(|part| part.work)
    };
    let dense = 2 * 784 * 300 * 128 * 3;
    let parts = run(SparseRule::Never);
    for kernel in ["dense_forward", "dense_backward_weight"] {
        assert_eq!(of(&parts, kernel, "fc1"), Some(KernelWork::Flops(dense)));
    }
    // Indices and images in, activations out.
    let images = KernelWork::Bytes(3 * 128 * (784 + 4 * 784));
    assert_eq!(of(&parts, "batch_gather", "batch"), Some(images));
    // Weight and momentum read and written, the gradient read, and the mask's bits.
    let floats = 3 * model.floats as u64;
    let update = KernelWork::Bytes(20 * floats + floats / 8);
    let everywhere = "all weights";
    assert_eq!(of(&parts, "sgd_momentum_step", everywhere), Some(update));
    let parts = run(SparseRule::Always);
    let kept = KernelWork::Flops(dense / 6 * 5);
    for kernel in ["dense_forward_sparse", "dense_backward_weight_sparse"] {
        assert_eq!(of(&parts, kernel, "fc1"), Some(kept), "{kernel}");
    }
}

/// A whole step of one linear layer by hand: 784 x 10 weights and 10 biases, batch 22, which is padded to 24, 2 replicas.
#[test]
fn the_work_of_a_step_is_what_it_is_by_hand() {
    let gpu = Gpu::no_op();
    let world = World::new(&gpu, dataset(30, 20, 28));
    let model = model(vec![Layer::Flatten, linear(10)], Shape::new(1, 28, 28));
    let replicas = Replicas::new(&gpu, model.clone(), &[RandomKey::default(); 2]).unwrap();
    let spec = spec(Optimizer::sgd(0.1, 0.9), None);
    let execution = Execution {
        sparse: SparseRule::Never,
        ..Execution::default()
    };
    let specs = [&spec, &spec];
    let trainer = trainer(&gpu, &world, &replicas, &specs, execution);
    let parts = trainer.training_program().unwrap().parts();
    let work = StepWork::of(&parts, &model, 22, 2);
    // Forward and the gradient of the weights; nothing below learns.
    let pass = 2 * 784 * 10 * 24 * 2;
    assert_eq!(work.flops, 2 * pass);
    let moved: u64 = parts
        .iter()
        .filter_map(|part| match part.work {
            Some(KernelWork::Bytes(bytes)) => Some(bytes),
            _ => None,
        })
        .sum();
    // Weights, inputs and outputs, in both passes.
    let operands = 4 * 2 * (784 * 10 + 784 * 24 + 10 * 24);
    assert_eq!(work.bytes, moved + 2 * operands);
}

// ---------------------------------------------------------------------------------------------------------------- memory

#[test]
fn allocated_bytes_come_and_go_with_their_last_owner() {
    let gpu = Gpu::no_op();
    let nothing = gpu.allocated();
    let buffer = gpu.buffer("a buffer", 100).unwrap();
    assert_eq!(gpu.allocated() - nothing, buffer.bytes());
    let clone = buffer.clone();
    drop(buffer);
    assert_eq!(gpu.allocated() - nothing, clone.bytes());

    // A recorded program keeps what it binds, and its own shape.
    let mut program = Program::new("a program");
    let kernel = gpu.kernel("relu_forward", &[]).unwrap();
    let shape = Span { count: 1 };
    program.push(&gpu, kernel, &shape, &[&clone], 1, 1).unwrap();
    let bytes = clone.bytes();
    drop(clone);
    assert!(gpu.allocated() - nothing > bytes);
    let parts = program.parts();
    drop(program);
    assert!(gpu.allocated() - nothing > bytes);
    drop(parts);
    assert_eq!(gpu.allocated(), nothing);

    // A buffer that was refused was never there.
    assert!(gpu.buffer("too large", u64::MAX / 2).is_err());
    assert_eq!(gpu.allocated(), nothing);
}
