//! No-op device: wgpu's no-op device accepts every kernel and every preset's whole training program. No driver is needed. (That the
//! structs which host and shaders share are the same is checked while the crate compiles, by `shader_struct!`.)

use crate::common::{World, dataset, keys, preset_model, trainer};
use naga::{ScalarKind, TypeInner};
use secateur::gpu::{Gpu, GpuError, KERNELS, Program};
use secateur::model::presets;
use secateur::ops::{AddShape, Execution};
use secateur::prune::{self, ScorePart, ScoreSegment};
use secateur::spec::{Amount, Criterion, Length, Optimizer, PruneSpec, Scope, TrainSpec};
use secateur::train::{self, RandomKey, Replicas};
use std::mem::{offset_of, size_of};

/// A key is a `vec4<u32>`: its fields differ by their order only.
#[test]
fn keys_are_four_words_in_the_order_that_shaders_say() {
    let offsets = [
        offset_of!(RandomKey, seed),
        offset_of!(RandomKey, fresh),
        offset_of!(RandomKey, train),
        offset_of!(RandomKey, select),
    ];
    assert_eq!((size_of::<RandomKey>(), offsets), (16, [0, 4, 8, 12]));
    let mut kernels = 0;
    for kernel in KERNELS {
        let module = naga::front::wgsl::parse_str(kernel.source).unwrap();
        for (_, variable) in module.global_variables.iter() {
            if variable.name.as_deref() != Some("keys") {
                continue;
            }
            let TypeInner::Array { base, stride, .. } = module.types[variable.ty].inner else {
                panic!("{}: keys are no array", kernel.name);
            };
            assert_eq!(stride, 16, "{}", kernel.name);
            assert!(
                matches!(module.types[base].inner, TypeInner::Vector { size: naga::VectorSize::Quad, scalar }
                    if scalar.kind == ScalarKind::Uint),
                "{}: keys are not vec4<u32>",
                kernel.name
            );
            let line = kernel.source.lines().find(|l| l.contains("keys: array"));
            let says = line.is_some_and(|l| l.contains("(seed, fresh, train, select)"));
            assert!(says, "{}: says another order of the key", kernel.name);
            kernels += 1;
        }
    }
    assert!(kernels >= 5, "only {kernels} kernels have keys");
}

#[test]
fn the_no_op_device_accepts_every_kernel() {
    let gpu = Gpu::no_op();
    for kernel in KERNELS {
        let made = gpu
            .kernel(kernel.name, &[])
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(made.workgroup <= 256, "{}", kernel.name);
        if kernel.source.contains("const ROWS: u32 =")
            && kernel.source.contains("const COLS: u32 =")
        {
            for (rows, cols) in [(1, 1), (4, 1), (2, 3), (8, 2), (64, 16)] {
                gpu.kernel(kernel.name, &[("ROWS", rows), ("COLS", cols)])
                    .unwrap_or_else(|e| panic!("{rows}x{cols}: {e}"));
            }
        }
    }
}

#[test]
fn a_wrong_constant_is_refused_by_name() {
    let gpu = Gpu::no_op();
    match gpu.kernel("mask_apply", &[("ROWS", 4)]) {
        Err(GpuError::Rejected { during, reason }) => {
            assert!(during.contains("mask_apply"), "{during}");
            assert!(reason.contains("ROWS"), "{reason}");
        }
        other => panic!("{:?}", other.map(|k| k.name)),
    }
}

#[test]
fn a_uniform_of_another_struct_is_refused() {
    let gpu = Gpu::no_op();
    let mut program = Program::new("a program");
    let buffer = gpu.buffer("a buffer", 16).unwrap();
    let kernel = gpu.kernel("relu_forward", &[]).unwrap();
    let shape = AddShape { count: 1, relu: 0 };
    let pushed = program.push(&gpu, kernel, &shape, &[&buffer], 1, 1);
    match pushed {
        Err(GpuError::Rejected { during, reason }) => {
            assert!(during.contains("relu_forward"), "{during}");
            assert!(reason.contains("AddShape instead of Span"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

fn spec(optimizer: Optimizer, clip_norm: Option<f64>) -> TrainSpec {
    TrainSpec {
        clip_norm,
        validation: 7,
        ..TrainSpec::plain("spots", 22, Length::Steps(3), optimizer)
    }
}

/// Records and submits all that a training, its evaluations, the audit and the mask steps consist of.
#[test]
fn the_no_op_device_accepts_every_presets_programs() {
    let gpu = Gpu::no_op();
    let grey = World::new(&gpu, dataset(30, 20, 28));
    // Three of a kind make a colour.
    let mut colour = dataset(90, 60, 32);
    colour.channels = 3;
    for split in [&mut colour.train, &mut colour.test] {
        split.labels.truncate(split.labels.len() / 3);
    }
    let colour = World::new(&gpu, colour);
    let optimizers = [
        spec(
            Optimizer::Sgd {
                lr: 0.1,
                momentum: 0.9,
                nesterov: true,
                weight_decay: 0.1,
            },
            Some(1.0),
        ),
        spec(
            Optimizer::AdamW {
                lr: 0.1,
                beta1: 0.9,
                beta2: 0.99,
                eps: 1e-8,
                weight_decay: 0.1,
            },
            None,
        ),
        spec(
            Optimizer::Adadelta {
                lr: 1.0,
                rho: 0.9,
                eps: 1e-6,
                weight_decay: 0.0,
            },
            None,
        ),
    ];
    for name in presets::names() {
        let model = preset_model(name);
        let grey_one = presets::input(name).channels == 1;
        let world = if grey_one { &grey } else { &colour };
        // Large models once: the no-op device has memory like any other.
        let counts: &[usize] = if model.floats < 3_000_000 {
            &[1, 3]
        } else {
            &[1]
        };
        for &replicas in counts {
            let keys = keys(replicas);
            let on_gpu = Replicas::new(&gpu, model.clone(), &keys).unwrap();
            on_gpu.initialise(&gpu).unwrap();
            for spec in &optimizers {
                let specs = vec![spec; keys.len()];
                let mut trainer = trainer(&gpu, world, &on_gpu, &specs, Execution::default());
                let points = trainer.train(None, &mut |_| true).unwrap();
                assert_eq!(points.len(), keys.len());
                trainer
                    .evaluate(train::EvalSplit::Test, &mut |_| true)
                    .unwrap();
                trainer.audit_now().unwrap();
            }
            record_selection(&gpu, &on_gpu);
            prune::shuffle_masks(&gpu, &on_gpu).unwrap();
        }
    }
}

/// One group per tensor, every criterion, by way of the public steps; the no-op device's answers are not looked at.
fn record_selection(gpu: &Gpu, replicas: &Replicas) {
    let model = &replicas.model;
    let tensors: Vec<_> = model.tensors.iter().filter(|t| t.prunable).collect();
    let segments: Vec<ScoreSegment> = tensors
        .iter()
        .enumerate()
        .map(|(group, t)| ScoreSegment {
            start: t.offset as u32,
            count: t.count as u32,
            group: group as u32,
        })
        .collect();
    let scores = gpu.buffer("scores", replicas.params.bytes()).unwrap();
    let part = ScorePart {
        score: &scores,
        masks: &replicas.masks,
        score_stride: model.floats as u32,
        mask_words: model.mask_words() as u32,
        base: 0,
        segments: &segments,
    };
    let keep = vec![vec![1; segments.len()]; replicas.count as usize];
    let mut program = Program::new("selection");
    prune::select(gpu, &mut program, &[part], &keep).unwrap();
    gpu.run(&program).unwrap();
    for criterion in [
        Criterion::Magnitude,
        Criterion::Random,
        Criterion::Synflow,
        Criterion::Lamp,
    ] {
        let spec = PruneSpec::new(criterion, Scope::Layer, Amount::Density(0.0));
        let specs = vec![&spec; replicas.count as usize];
        prune::prune(gpu, replicas, &specs).unwrap();
    }
    prune::randomise_masks(gpu, replicas, None).unwrap();
}
