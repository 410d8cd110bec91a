//! What changes no bit: cohort mates, tiles, parts, micro-batches, sparse execution.

use super::setup::{
    SIDE, assert_same, cohort, conv_model, drawn, flat_model, optimizers, residual_model, score,
    sgd, train, training,
};
use crate::common::{
    World, add, conv, dataset, gpu, has_subgroups_of_8, keys, linear, model, no_gpu, own_gpu,
    preset_model, trainer, unchecked_gpu, usual,
};
use secateur::model::Model;
use secateur::ops::{Execution, KernelVariant, SparseRule};
use secateur::spec::{Augment, Fill, Layer, Length, Shape, TrainSpec};
use secateur::train::{Memory, MemoryRequest, Replicas, ResidentDataset};
use std::sync::Arc;

/// Kernels that do not check their indices read and write nothing else than those that do.
#[test]
fn checks_change_no_bit() {
    let Some(gpu) = gpu() else { return };
    let unchecked = &unchecked_gpu();
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let other = World::new(unchecked, dataset(150, 40, SIDE));
    for (model, clipped) in [
        (flat_model(), true),
        (conv_model(), false),
        (residual_model(), false),
    ] {
        for sparse in [SparseRule::Never, SparseRule::Always] {
            let on = |gpu| Execution {
                sparse,
                ..usual(gpu)
            };
            let with = train(gpu, &world, &model, &cohort(gpu, &model, clipped), on(gpu));
            let members = cohort(unchecked, &model, clipped);
            let without = train(unchecked, &other, &model, &members, on(unchecked));
            assert_same(&with, &without, "with and without checks");
        }
    }
}

#[test]
fn company_changes_no_bit() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    for (model, clipped) in [
        (flat_model(), true),
        (conv_model(), false),
        (residual_model(), false),
    ] {
        let members = cohort(gpu, &model, clipped);
        let together = train(gpu, &world, &model, &members, usual(gpu));
        let alone: Vec<_> = members
            .iter()
            .map(|m| train(gpu, &world, &model, std::slice::from_ref(m), usual(gpu)).remove(0))
            .collect();
        assert_same(&together, &alone, "together and alone");
        let backwards: Vec<_> = members.iter().rev().cloned().collect();
        let mut turned = train(gpu, &world, &model, &backwards, usual(gpu));
        turned.reverse();
        assert_same(&together, &turned, "in another order");
        for (r, one) in together.iter().enumerate() {
            for other in &together[r + 1..] {
                assert_ne!(one.0.weights, other.0.weights, "replicas must differ");
            }
        }
        if clipped {
            // Not only the same, but learning: the linear model's loss falls within two passes.
            let [first, last] = together[0].1[..] else {
                panic!("two passes")
            };
            assert!(last.train.loss < first.train.loss, "{first:?} {last:?}");
        }
    }
}

/// A dataset larger than one binding lies in parts; how many there are is nobody's business.
#[test]
fn parts_of_a_dataset_change_no_bit() {
    let Some(gpu) = gpu() else { return };
    let mut world = World::new(gpu, dataset(150, 40, SIDE));
    for model in [flat_model(), conv_model()] {
        let members = &cohort(gpu, &model, false)[..2];
        world.resident = ResidentDataset::upload(gpu, &world.data).unwrap();
        assert_eq!(world.resident.train.parts.len(), 1);
        let want = train(gpu, &world, &model, members, usual(gpu));
        let scored = score(gpu, &world, &model, members);
        // 64 and 1 samples a part; less than a sample is one.
        for (bytes, parts) in [(64 * 100 + 99, [3, 1]), (7, [150, 40])] {
            world.resident = ResidentDataset::upload_in_parts(gpu, &world.data, bytes).unwrap();
            let resident = &world.resident;
            assert_eq!(
                [&resident.train, &resident.test].map(|s| s.parts.len()),
                parts
            );
            let got = train(gpu, &world, &model, members, usual(gpu));
            assert_same(&got, &want, &format!("{parts:?} parts"));
            assert_eq!(score(gpu, &world, &model, members), scored, "the test set");
        }
    }
}

/// Every kind of change at once.
fn bent() -> Augment {
    Augment {
        shift: 2,
        flip: true,
        rotate: 15.0,
        scale: [0.9, 1.1],
        shear: 0.1,
        cutout: 3,
        fill: Fill::Edge,
    }
}

/// Augmented, a sample's fate is still its own, and what is measured is never changed.
#[test]
fn augmentation_changes_training_alone_and_in_company_alike() {
    let Some(gpu) = gpu() else { return };
    let mut world = World::new(gpu, dataset(150, 40, SIDE));
    let changes = bent();
    // Whole pixels only: the kernel's other variant.
    let whole = Augment {
        rotate: 0.0,
        scale: [1.0, 1.0],
        shear: 0.0,
        fill: Fill::Zero,
        ..changes
    };
    let model = flat_model();
    let plain: Vec<_> = cohort(gpu, &model, false)[..3].to_vec();
    let without = train(gpu, &world, &model, &plain, usual(gpu));
    for augment in [changes, whole] {
        let mut members = plain.clone();
        for (_, _, spec) in &mut members {
            spec.augment = Some(augment);
        }
        let together = train(gpu, &world, &model, &members, usual(gpu));
        for (got, other) in together.iter().zip(&without) {
            assert_ne!(got.0.weights, other.0.weights, "nothing was changed");
        }
        let one = |m| train(gpu, &world, &model, std::slice::from_ref(m), usual(gpu)).remove(0);
        let alone: Vec<_> = members.iter().map(one).collect();
        assert_same(&together, &alone, "together and alone");
        let scored = score(gpu, &world, &model, &members);
        assert_eq!(scored, score(gpu, &world, &model, &plain), "the test set");

        world.resident = ResidentDataset::upload_in_parts(gpu, &world.data, 6499).unwrap();
        let parts = train(gpu, &world, &model, &members, usual(gpu));
        assert_same(&parts, &together, "in parts");
        world.resident = ResidentDataset::upload(gpu, &world.data).unwrap();
    }
}

#[test]
fn tiles_change_no_bit() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    for model in [flat_model(), conv_model(), residual_model()] {
        let members = cohort(gpu, &model, false);
        let want = train(gpu, &world, &model, &members, usual(gpu));
        let tile = |r, c| KernelVariant::Tile(r, c);
        for (data, weight) in [
            (tile(1, 1), tile(1, 1)),
            (tile(4, 1), tile(2, 3)),
            (tile(8, 2), tile(4, 4)),
            (tile(3, 5), tile(7, 2)),
            (
                KernelVariant::Workgroup(4, 1),
                KernelVariant::Workgroup(2, 2),
            ),
            (
                KernelVariant::Workgroup(8, 2),
                KernelVariant::Workgroup(8, 8),
            ),
        ] {
            let execution = Execution {
                data,
                weight,
                ..Execution::default()
            };
            let got = train(gpu, &world, &model, &members, execution);
            assert_same(&got, &want, &format!("{execution:?}"));
        }
    }
}

/// A value with two readers, one of which works on it in place, and no layer that needs the whole batch.
fn shortcut_model() -> Arc<Model> {
    let layers = vec![
        conv(4, 3, 1, 1),
        Layer::Relu,
        conv(4, 3, 1, 1),
        add("conv1"),
        Layer::Tanh,
        Layer::AvgPool {
            window: None,
            stride: 1,
        },
        linear(10),
    ];
    model(layers, Shape::new(1, SIDE, SIDE))
}

/// Batches whose samples come onto the GPU a few at a time: sums go on from one to the next. Of the 130 samples of a pass 34
/// are left for the last batch, so that it has full, partial and empty micro-batches; validation and test end with partial ones.
#[test]
fn micro_batches_change_no_bit() {
    let Some(gpu) = gpu() else { return };
    const BATCH: u32 = 96;
    let mut world = World::new(gpu, dataset(150, 40, SIDE));
    let augment = bent();
    let sparse = |sparse_variant| Execution {
        sparse: SparseRule::Always,
        sparse_variant,
        ..usual(gpu)
    };
    let dense = |data, weight| Execution {
        data,
        weight,
        sparse: SparseRule::Never,
        ..Execution::default()
    };
    let mut executions = vec![
        usual(gpu),
        sparse(KernelVariant::Sparse(3)),
        dense(KernelVariant::Tile(3, 5), KernelVariant::Tile(7, 2)),
        dense(
            KernelVariant::Workgroup(4, 1),
            KernelVariant::Workgroup(2, 2),
        ),
    ];
    if has_subgroups_of_8(gpu, "sparse layers by broadcast") {
        executions.push(sparse(KernelVariant::SparseBroadcast(4)));
    }
    for (model, augment) in [
        (flat_model(), Some(augment)),
        (conv_model(), None),
        (shortcut_model(), Some(augment)),
    ] {
        let mut members = cohort(gpu, &model, true);
        for (_, _, spec) in &mut members {
            (spec.batch, spec.augment) = (BATCH, augment);
            spec.label_smoothing = 0.1;
        }
        let split = |micro_batch: u32| {
            let mut members = members.clone();
            for (_, _, spec) in &mut members {
                spec.micro_batch = Some(micro_batch);
            }
            members
        };
        let want = train(gpu, &world, &model, &members, usual(gpu));
        let scored = score(gpu, &world, &model, &members);
        for micro_batch in [32, 64, 96] {
            let members = split(micro_batch);
            for execution in &executions {
                let got = train(gpu, &world, &model, &members, *execution);
                let what = format!("{}, {micro_batch} of {BATCH}, {execution:?}", model.name);
                assert_same(&got, &want, &what);
            }
            assert_eq!(score(gpu, &world, &model, &members), scored, "the test set");
        }
        // A batch that ends within a vec4 of samples, and a dataset in parts.
        for (_, _, spec) in &mut members {
            spec.batch = 41;
        }
        let want = train(gpu, &world, &model, &members, usual(gpu));
        world.resident = ResidentDataset::upload_in_parts(gpu, &world.data, 6499).unwrap();
        for (_, _, spec) in &mut members {
            spec.micro_batch = Some(32);
        }
        let got = train(gpu, &world, &model, &members, usual(gpu));
        assert_same(&got, &want, "32 of 41");
        world.resident = ResidentDataset::upload(gpu, &world.data).unwrap();
    }
}

/// Micro-batches are for memory: the plan is smaller by the activations, and what is allocated is what was planned.
#[test]
fn micro_batches_take_less_memory_and_no_more_than_planned() {
    if no_gpu() {
        return;
    }
    let gpu = &own_gpu();
    let request = |batch, micro_batch| MemoryRequest {
        micro_batch,
        ..MemoryRequest::of_batch(batch)
    };
    let lenet = preset_model("lenet-5");
    let bytes = |micro_batch| Memory::plan(&lenet, &request(512, micro_batch)).bytes(1);
    assert!(bytes(256) < bytes(512));
    assert!(bytes(32) < bytes(256));
    // Of what a batch of 32 takes, sums that go on, indices, labels and losses are all there is on top.
    let least = Memory::plan(&lenet, &MemoryRequest::of_batch(32)).bytes(1);
    assert!((bytes(32) - least) * 2 < least, "{} {least}", bytes(32));
    let batches = |name: &str, micro_batch| {
        let memory = Memory::plan(&lenet, &request(512, micro_batch));
        let found = memory.buffers.iter().find(|(n, _)| n == name);
        found.map(|(_, words)| *words)
    };
    assert_eq!(batches("input batch", 32), Some(32 * 28 * 28));
    assert_eq!(batches("labels", 32), Some(512));
    assert_eq!(
        batches("partial sums of conv1", 32),
        Some(28 * (6 * 25 + 6))
    );
    assert_eq!(batches("partial sums of conv1", 512), None);

    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = conv_model();
    let spec = TrainSpec {
        batch: 96,
        micro_batch: Some(32),
        ..training(sgd(0.1, 0.9, false, 0.0), Length::Epochs(1))
    };
    let before = gpu.allocated();
    let replicas = Replicas::new(gpu, model.clone(), &keys(2)).unwrap();
    let specs = [&spec, &spec];
    let trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
    let taken = gpu.allocated() - before;
    let planned = Memory::plan(&model, &MemoryRequest::of(&spec, 1.0)).bytes(2);
    // Keys, states and the like, and the least size of a buffer.
    assert!(taken < planned + 8192, "{taken} of {planned}");
    drop(trainer);
}

/// Dense and sparse kernels, optimizers over all parameters and over the kept ones: the same bits (determinism: docs/determinism.md).
#[test]
fn sparse_execution_changes_no_bit() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let with = |sparse, sparse_variant| Execution {
        sparse,
        sparse_variant,
        ..usual(gpu)
    };
    let plain = |columns| KernelVariant::Sparse(columns);
    let mut variants = vec![plain(1), plain(3), plain(4)];
    if has_subgroups_of_8(gpu, "sparse layers by broadcast") {
        variants.extend([1, 2, 4].map(KernelVariant::SparseBroadcast));
    }
    for (model, clipped) in [
        (flat_model(), true),
        (conv_model(), false),
        (residual_model(), false),
    ] {
        let mut members = cohort(gpu, &model, clipped);
        // Layers that keep next to nothing, and a replica that keeps everything.
        members[5].1 = drawn(gpu, &model, members[5].0, 0.01);
        for optimizer in optimizers() {
            for member in &mut members {
                member.2.optimizer = optimizer;
            }
            let want = train(
                gpu,
                &world,
                &model,
                &members,
                with(SparseRule::Never, plain(1)),
            );
            for &variant in &variants {
                let always = with(SparseRule::Always, variant);
                let got = train(gpu, &world, &model, &members, always);
                assert_same(&got, &want, &format!("{optimizer:?}, {variant}"));
            }
            // Low densities without cohort mates: some layers run sparse, some dense.
            for member in &members[4..] {
                let own = std::slice::from_ref(member);
                let got = train(gpu, &world, &model, own, with(SparseRule::Auto, plain(2)));
                let want = train(gpu, &world, &model, own, with(SparseRule::Never, plain(2)));
                assert_same(&got, &want, &format!("{optimizer:?}, automatic"));
            }
        }
    }
}
