//! Ring two: the structs that host and shaders share agree field by field, and wgpu's no-op device accepts every kernel and
//! every preset's whole training program. No driver is needed.

mod common;

use common::dataset;
use naga::{AddressSpace, ScalarKind, TypeInner};
use secateur::gpu::{Gpu, GpuError, KERNELS, KernelSource, Program, assemble};
use secateur::model::{Model, presets};
use secateur::ops::Execution;
use secateur::prune::{self, Part, Segment};
use secateur::spec::{
    Amount, Criterion, Init, Length, ModelSpec, Optimizer, PruneSpec, Scope, TrainSpec,
};
use secateur::train::{self, Key, Replicas, ResidentDataset, Trainer};
use secateur::{bench, ops, train as t};
use std::collections::BTreeSet;
use std::mem::{offset_of, size_of};
use std::sync::Arc;

/// A number that a shader knows too.
trait Scalar {
    const NAME: &'static str;
}
impl Scalar for u32 {
    const NAME: &'static str = "u32";
}
impl Scalar for f32 {
    const NAME: &'static str = "f32";
}

fn scalar_of<S, T: Scalar>(_: impl Fn(&S) -> &T) -> &'static str {
    T::NAME
}

/// (name, offset, type) of every field.
type Fields = Vec<(String, usize, &'static str)>;

/// A struct of the host.
struct Layout {
    rust: &'static str,
    wgsl: &'static str,
    size: usize,
    fields: Fields,
}

macro_rules! layout {
    ($wgsl:literal, $path:path { $($field:ident),* $(,)? }) => {{
        type S = $path;
        Layout {
            rust: stringify!($path),
            wgsl: $wgsl,
            size: size_of::<S>(),
            fields: vec![$((
                stringify!($field).to_owned(),
                offset_of!(S, $field),
                scalar_of(|s: &S| &s.$field),
            )),*],
        }
    }};
}

/// Every struct that a shader reads from the host: the name in WGSL, and the Rust struct.
fn layouts() -> Vec<Layout> {
    vec![
        layout!(
            "DenseShape",
            ops::DenseShape {
                inputs,
                outputs,
                columns,
                weight_offset,
                bias_offset,
                param_stride,
                relu,
                gate,
                kept_stride
            }
        ),
        layout!(
            "ConvShape",
            ops::ConvShape {
                in_channels,
                in_height,
                in_width,
                out_channels,
                out_height,
                out_width,
                kernel,
                stride,
                padding,
                columns,
                weight_offset,
                bias_offset,
                param_stride,
                relu,
                gate,
                kept_stride,
            }
        ),
        layout!(
            "PoolShape",
            ops::PoolShape {
                channels,
                in_height,
                in_width,
                out_height,
                out_width,
                window_height,
                window_width,
                stride,
                columns,
                share,
                gate,
            }
        ),
        layout!(
            "Dropout",
            ops::DropoutShape {
                count,
                columns,
                first_column,
                batch_columns,
                plane,
                threshold,
                scale,
                layer
            }
        ),
        layout!("Span", ops::Span { count }),
        layout!("ActivationShape", ops::ActivationShape { count, slope }),
        layout!("AddShape", ops::AddShape { count, relu }),
        layout!(
            "BatchNormShape",
            ops::BatchNormShape {
                channels,
                parts,
                pixels,
                columns,
                weight_offset,
                bias_offset,
                mean_offset,
                variance_offset,
                param_stride,
                mode,
                learns,
                relu,
                momentum,
                eps
            }
        ),
        layout!(
            "Loss",
            ops::LossShape {
                classes,
                columns,
                first_column,
                batch_columns,
                own,
                other
            }
        ),
        layout!(
            "BiasShape",
            ops::BiasShape {
                outputs,
                parts,
                pixels,
                columns,
                offset,
                stride
            }
        ),
        layout!(
            "PartialShape",
            ops::PartialShape {
                count,
                parts,
                offset,
                param_stride
            }
        ),
        layout!(
            "State",
            t::State {
                step,
                epoch,
                position,
                count,
                lr,
                clip,
                beta1_power,
                beta2_power,
                loss_sum,
                correct,
                seen,
                broken,
            }
        ),
        layout!(
            "Hyper",
            t::Hyper {
                lr,
                momentum,
                beta2,
                eps,
                weight_decay,
                clip_norm,
                nesterov,
                decoupled
            }
        ),
        layout!(
            "ParamsShape",
            t::ParamsShape {
                quads,
                mask_words,
                kept_stride,
                traits
            }
        ),
        layout!("PrefixShape", ops::PrefixShape { count }),
        layout!(
            "ColumnsShape",
            ops::ColumnsShape {
                inputs,
                outputs,
                kernel,
                weight_offset,
                mask_words,
                stride
            }
        ),
        layout!(
            "KeptPartialShape",
            ops::KeptPartialShape {
                count,
                parts,
                weight_offset,
                param_stride,
                kept_stride
            }
        ),
        layout!(
            "TensorShape",
            ops::TensorShape {
                first,
                count,
                quads,
                mask_words
            }
        ),
        layout!(
            "Draw",
            t::Draw {
                total,
                base,
                samples,
                mode,
                slots,
                balanced
            }
        ),
        layout!(
            "Gather",
            t::Gather {
                features,
                words,
                plane,
                columns,
                first_column,
                batch_columns,
                first,
                samples
            }
        ),
        layout!(
            "AugmentDraw",
            t::AugmentDraw {
                slots,
                width,
                height,
                shift,
                flip,
                bend,
                turn,
                low,
                high,
                shear
            }
        ),
        layout!(
            "AugmentedGather",
            t::AugmentedGather {
                features,
                words,
                width,
                height,
                columns,
                first_column,
                batch_columns,
                first,
                samples,
                edge,
                cutout
            }
        ),
        layout!(
            "Warp",
            t::Warp {
                xx,
                xy,
                yx,
                yy,
                shift_x,
                shift_y,
                cut_x,
                cut_y
            }
        ),
        layout!(
            "Advance",
            t::Advance {
                samples,
                batch,
                columns,
                steps
            }
        ),
        layout!(
            "Init",
            t::InitShape {
                offset,
                count,
                kind,
                tensor,
                scale,
                param_stride
            }
        ),
        layout!(
            "Shuffle",
            prune::ShuffleShape {
                first_word,
                count,
                tensor,
                mask_words
            }
        ),
        layout!(
            "RowsShape",
            prune::RowsShape {
                offset,
                count,
                row,
                score_stride,
                mask_words,
                first,
                rows
            }
        ),
        layout!(
            "RunsShape",
            prune::RunsShape {
                offset,
                count,
                row,
                score_stride,
                mask_words,
                keep,
                run
            }
        ),
        layout!(
            "ScoreShape",
            prune::ScoreShape {
                offset,
                count,
                param_stride,
                mask_words,
                tensor,
                revive
            }
        ),
        layout!(
            "GrowthShape",
            prune::GrowthShape {
                offset,
                count,
                param_stride,
                mask_words,
                tensor,
                step
            }
        ),
        layout!(
            "Rescale",
            train::Rescale {
                count,
                nodes,
                source,
                to,
                floor
            }
        ),
        layout!(
            "Share",
            train::Share {
                offset,
                count,
                param_stride,
                nodes,
                input,
                gradient,
                output
            }
        ),
        layout!(
            "UnitShape",
            train::UnitShape {
                units,
                param_stride
            }
        ),
        layout!(
            "Run",
            train::UnitRun {
                start,
                outer,
                stride,
                len
            }
        ),
        layout!(
            "Shrink",
            train::ShrinkShape {
                offset,
                count,
                param_stride,
                units,
                row,
                row_len,
                column,
                column_len,
                width
            }
        ),
        layout!(
            "UnitPairs",
            train::UnitPairs {
                base,
                units,
                row,
                rows,
                param_stride
            }
        ),
        layout!(
            "ActivityShape",
            train::ActivityShape {
                units,
                len,
                columns,
                column,
                base,
                stride
            }
        ),
        layout!(
            "SelectShape",
            prune::SelectShape {
                blocks,
                groups,
                score_stride,
                mask_words,
                base
            }
        ),
        layout!("ProbeShape", bench::ProbeShape { count, rounds }),
        layout!(
            "Threshold",
            prune::Threshold {
                key,
                index,
                rank,
                round
            }
        ),
    ]
}

fn module_of(kernel: &KernelSource) -> naga::Module {
    let text = assemble(kernel, &[]).unwrap();
    naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|e| panic!("{}: {}", kernel.name, e.emit_to_string(&text)))
}

fn scalar_name(module: &naga::Module, ty: naga::Handle<naga::Type>) -> &'static str {
    match module.types[ty].inner {
        TypeInner::Scalar(s) | TypeInner::Atomic(s) if s.width == 4 => match s.kind {
            ScalarKind::Uint => "u32",
            ScalarKind::Float => "f32",
            _ => "another scalar",
        },
        _ => "no scalar",
    }
}

/// (name, size, fields) of the struct that a buffer holds, by itself or as an array.
fn struct_in(
    module: &naga::Module,
    ty: naga::Handle<naga::Type>,
) -> Option<(String, usize, Fields)> {
    match &module.types[ty].inner {
        TypeInner::Array { base, stride, .. } => {
            let (name, size, fields) = struct_in(module, *base)?;
            assert_eq!(*stride as usize, size, "{name}: the stride in arrays");
            Some((name, size, fields))
        }
        TypeInner::Struct { members, span } => {
            let fields = members
                .iter()
                .map(|m| {
                    let name = m.name.clone().unwrap_or_default();
                    (name, m.offset as usize, scalar_name(module, m.ty))
                })
                .collect();
            let name = module.types[ty].name.clone().unwrap_or_default();
            Some((name, *span as usize, fields))
        }
        _ => None,
    }
}

#[test]
fn shared_structs_agree_field_by_field() {
    let layouts = layouts();
    for layout in &layouts {
        // All fields are four bytes, so a field forgotten above shows.
        assert_eq!(layout.size, layout.fields.len() * 4, "{}", layout.rust);
    }
    let mut met = BTreeSet::new();
    for kernel in KERNELS {
        let module = module_of(kernel);
        for (_, variable) in module.global_variables.iter() {
            if !matches!(
                variable.space,
                AddressSpace::Uniform | AddressSpace::Storage { .. }
            ) {
                continue;
            }
            let Some((name, size, fields)) = struct_in(&module, variable.ty) else {
                continue;
            };
            let layout = layouts.iter().find(|l| l.wgsl == name);
            let layout = layout
                .unwrap_or_else(|| panic!("{}: no Rust struct is listed for {name}", kernel.name));
            let what = format!("{}: {name} and {}", kernel.name, layout.rust);
            assert_eq!(fields, layout.fields, "{what}");
            assert_eq!(size, layout.size, "{what}");
            met.insert(layout.wgsl);
        }
    }
    let unmet: Vec<_> = layouts.iter().filter(|l| !met.contains(l.wgsl)).collect();
    let unmet: Vec<_> = unmet.iter().map(|l| l.rust).collect();
    assert!(unmet.is_empty(), "no kernel uses {unmet:?}");
}

/// A key is a `vec4<u32>`: its fields are told apart by their order only.
#[test]
fn keys_are_four_words_in_the_order_that_shaders_say() {
    let layout = layout!(
        "",
        train::Key {
            seed,
            fresh,
            train,
            select
        }
    );
    let offsets: Vec<usize> = layout.fields.iter().map(|f| f.1).collect();
    assert_eq!((layout.size, offsets), (16, vec![0, 4, 8, 12]));
    let mut kernels = 0;
    for kernel in KERNELS {
        let module = module_of(kernel);
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

/// Uniforms and arrays of structs are declared where the table of kernels says; the first binding is always the uniform.
#[test]
fn the_first_binding_is_a_uniform_struct() {
    for kernel in KERNELS {
        let module = module_of(kernel);
        let first = module.global_variables.iter().find(|(_, v)| {
            v.binding
                .as_ref()
                .is_some_and(|b| b.binding == 0 && b.group == 0)
        });
        let (_, first) = first.unwrap_or_else(|| panic!("{}: no binding 0", kernel.name));
        assert_eq!(first.space, AddressSpace::Uniform, "{}", kernel.name);
        assert!(struct_in(&module, first.ty).is_some(), "{}", kernel.name);
    }
}

/// Kernels whose text asks for subgroups; the no-op device grants none.
fn needs_subgroups(kernel: &KernelSource) -> bool {
    kernel.source.contains("subgroup")
}

#[test]
fn the_no_op_device_accepts_every_kernel() {
    let gpu = Gpu::no_op();
    for kernel in KERNELS {
        if needs_subgroups(kernel) && gpu.adapter().subgroup.is_none() {
            continue;
        }
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

fn spec(optimizer: Optimizer, clip_norm: Option<f64>) -> TrainSpec {
    TrainSpec {
        clip_norm,
        validation: 7,
        ..TrainSpec::plain("spots", 22, Length::Steps(3), optimizer)
    }
}

fn preset(name: &str) -> Arc<Model> {
    let spec = ModelSpec {
        name: name.to_owned(),
        layers: presets::layers(name).expect("a preset"),
        init: Init::Pytorch,
    };
    Arc::new(Model::new(&spec, presets::input(name), 10).unwrap())
}

/// Records and submits all that a training, its evaluations, the audit and the mask steps consist of.
#[test]
fn the_no_op_device_accepts_every_presets_programs() {
    let gpu = Gpu::no_op();
    let grey = dataset(30, 20, 28);
    // Three of a kind make a colour.
    let mut colour = dataset(90, 60, 32);
    colour.channels = 3;
    for split in [&mut colour.train, &mut colour.test] {
        split.labels.truncate(split.labels.len() / 3);
    }
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
        let model = preset(name);
        let grey_one = presets::input(name).channels == 1;
        let data = if grey_one { &grey } else { &colour };
        let resident = ResidentDataset::upload(&gpu, data).unwrap();
        // Large models once: the no-op device has memory like any other.
        let counts: &[u32] = if model.floats < 3_000_000 {
            &[1, 3]
        } else {
            &[1]
        };
        for &replicas in counts {
            let keys: Vec<Key> = (0..replicas)
                .map(|seed| Key {
                    seed,
                    ..Key::default()
                })
                .collect();
            let on_gpu = Replicas::new(&gpu, model.clone(), &keys).unwrap();
            on_gpu.initialise(&gpu).unwrap();
            for spec in &optimizers {
                let specs = vec![spec; keys.len()];
                let scales = train::scales(&spec.normalise, data);
                let mut trainer = Trainer::new(
                    &gpu,
                    &on_gpu,
                    &resident,
                    &specs,
                    &scales,
                    &Execution::default(),
                )
                .unwrap();
                let points = trainer.train(None, &mut |_| true).unwrap();
                assert_eq!(points.len(), keys.len());
                trainer.evaluate(train::Part::Test, &mut |_| true).unwrap();
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
    let segments: Vec<Segment> = tensors
        .iter()
        .enumerate()
        .map(|(group, t)| Segment {
            start: t.offset as u32,
            count: t.count as u32,
            group: group as u32,
        })
        .collect();
    let scores = gpu.buffer("scores", replicas.params.bytes()).unwrap();
    let part = Part {
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
