//! What tests of linear layers and convolutions have in common: a product of weights and inputs, pass by pass, over all weights
//! and over those that are kept.

use crate::common::{Dice, gpu};
use crate::reference::device::{
    Case, broadcast_data, broadcast_weight, check_twins, tile_constants, workgroups,
};
use crate::reference::number::Real;
use crate::reference::sparse::masked;
use crate::sparse_layer::{Layer, Round, TILES};
use secateur::gpu::Buffer;

/// (ROWS, COLS) of tiles in workgroup memory.
const DATA_WORKGROUPS: &[(u32, u32)] = &[(8, 2), (4, 2), (4, 1)];
const WEIGHT_WORKGROUPS: &[(u32, u32)] = &[(4, 4), (8, 8), (2, 2)];
/// vec4s of samples per invocation of the sparse broadcast variants.
const BROADCAST_COLS: [u32; 3] = [1, 2, 4];

/// A pass that makes values of values; the third pass makes gradients of weights.
#[derive(Clone, Copy, PartialEq)]
pub enum Pass {
    Forward,
    BackwardData,
}

/// The kernels of a pass; variants that a product does not have are `None`.
pub struct Kernels {
    pub plain: &'static str,
    pub workgroup: Option<&'static str>,
    pub sparse: &'static str,
    pub sparse_broadcast: &'static str,
}

/// What a pass reads or makes: so many rows of so many pixels.
#[derive(Clone, Copy)]
pub struct Side {
    pub rows: u32,
    pub pixels: u32,
}

impl Side {
    /// Invocations that own `tile` rows x vec4s of samples of a pixel each.
    fn tiles(self, tile: (u32, u32), columns: u32) -> u64 {
        tiled(self.rows, columns, tile) * u64::from(self.pixels)
    }
}

/// A layer whose passes are products. Twins take what kernels bind: `[params, x]`, or `[params, dy, x]`.
pub trait Product: Layer {
    /// (ROWS, COLS) of the register tiles; the first are the shader's own.
    const DATA_TILES: &'static [(u32, u32)];
    const WEIGHT_TILES: &'static [(u32, u32)];
    const FORWARD: Kernels;
    const BACKWARD_DATA: Kernels;
    const BACKWARD_WEIGHT: Kernels;
    const BACKWARD_WEIGHT_BROADCAST: &'static str;

    /// vec4s of samples.
    fn columns(&self) -> u32;
    fn input(&self) -> Side;
    fn output(&self) -> Side;
    /// The broadcast variants of a pass that suit the shape, each with its constants beside `ROWS`.
    fn broadcast(&self, pass: Pass) -> Vec<(&'static str, Vec<(&'static str, u32)>)>;
    /// What the sparse forward kernel binds beside the lists.
    fn taps(&self, case: &Case<'_>) -> Option<Buffer>;
    /// Constants that the shape asks for in this pass.
    fn constants(&self, _: Pass) -> Vec<(&'static str, u32)> {
        Vec::new()
    }

    /// Outputs whose bias's gradient the kernels of weight gradients find too, in workgroups before the others.
    fn biases(&self) -> u32;
    /// Parts in which weight gradients come, products in a sum of each, and floats of them all.
    fn weight_parts(&self, replicas: u32) -> (u32, u32, usize);
    fn twin<T: Real>(&self, pass: Pass, replicas: u32, inputs: &[&[T]], out: &mut [T]);
    fn weight_twin<T: Real>(&self, replicas: u32, x: &[T], dy: &[T], out: &mut [T]);
}

/// Invocations of a kernel with register tiles.
pub fn tiled(rows: u32, columns: u32, tile: (u32, u32)) -> u64 {
    u64::from(rows.div_ceil(tile.0)) * u64::from(columns.div_ceil(tile.1))
}

/// Floats of the values on a side of all replicas.
pub fn floats<P: Product>(u: &P, side: Side, replicas: u32) -> usize {
    (replicas * side.rows * side.pixels * u.columns() * 4) as usize
}

fn kernels<P: Product>(pass: Pass) -> Kernels {
    match pass {
        Pass::Forward => P::FORWARD,
        Pass::BackwardData => P::BACKWARD_DATA,
    }
}

/// What a pass reads, what it makes, and products in a sum.
fn sides<P: Product>(u: &P, pass: Pass) -> (Side, Side, u32) {
    let taps = u.grid().kernel * u.grid().kernel;
    match pass {
        // The bias is a term too.
        Pass::Forward => (u.input(), u.output(), u.input().rows * taps + 1),
        Pass::BackwardData => (u.output(), u.input(), u.output().rows * taps),
    }
}

/// Numbers for what a pass binds: parameters, values, and, where the gradient goes back through a ReLU, its output.
fn inputs<P: Product>(u: &P, replicas: u32, pass: Pass, dice: &mut Dice) -> Vec<Vec<f32>> {
    let (from, to, _) = sides(u, pass);
    let mut all = vec![
        dice.values((replicas * u.place().2) as usize),
        dice.values(floats(u, from, replicas)),
    ];
    if pass == Pass::BackwardData {
        all.push(dice.values(floats(u, to, replicas)));
    }
    all
}

/// The kernel of a pass with every tile, and its variants, against the twin.
pub fn check_pass<P: Product>(pass: Pass, layers: &[(P, u32)], seed: u64) {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(seed);
    let kernels = kernels::<P>(pass);
    for &(u, replicas) in layers {
        let shape = (u, replicas);
        let case = Case::new(gpu, kernels.plain, &shape);
        let (_, to, terms) = sides(&u, pass);
        let (count, columns) = (floats(&u, to, replicas), u.columns());
        let inputs = inputs(&u, replicas, pass, &mut dice);
        let buffers: Vec<Buffer> = inputs.iter().map(|v| case.with(v)).collect();
        let run = |case: &Case<'_>, constants: &[_], out: &Buffer, invocations: u64| {
            let buffers: Vec<&Buffer> = buffers.iter().chain([out]).collect();
            let constants = [constants, &u.constants(pass)].concat();
            case.run_with(&constants, &u, &buffers, invocations, replicas);
        };
        let got = case.with_tiles(P::DATA_TILES, count, |tile, out| {
            run(&case, &tile_constants(tile), out, to.tiles(tile, columns));
        });
        // Workgroups that stand in one row of tiles each.
        case.check_workgroup(kernels.plain, P::DATA_TILES, &got, |case, tile, out| {
            let columns = columns.div_ceil(32 * tile.1) * 32 * tile.1;
            let constants = [&tile_constants(tile)[..], &[("WIDE", 1)]].concat();
            run(case, &constants, out, to.tiles(tile, columns));
        });
        for (kernel, constants) in u.broadcast(pass) {
            case.check_broadcast(kernel, &got, |case, rows, out| {
                let invocations = broadcast_data(rows, to.rows, to.pixels, columns);
                let constants = [&[("ROWS", rows)], &constants[..]].concat();
                run(case, &constants, out, invocations);
            });
        }
        if let Some(kernel) = kernels.workgroup {
            case.check_workgroup(kernel, DATA_WORKGROUPS, &got, |case, tile, out| {
                let invocations = workgroups(tile, to.rows, to.pixels, columns);
                run(case, &tile_constants(tile), out, invocations);
            });
        }
        check_twins!(case, "values", got, terms, inputs, |inputs, out| u
            .twin(pass, replicas, inputs, out));
    }
}

/// Likewise of the weight gradients.
pub fn check_weight<P: Product>(layers: &[(P, u32)], seed: u64) {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(seed);
    for &(u, replicas) in layers {
        let shape = (u, replicas);
        let case = Case::new(gpu, P::BACKWARD_WEIGHT.plain, &shape);
        let (parts, terms, count) = u.weight_parts(replicas);
        let (outputs, taps) = (u.grid().outputs, u.grid().weights() / u.grid().outputs);
        let biases = |workgroup: u32| u64::from(u.biases().next_multiple_of(workgroup));
        let inputs = [u.input(), u.output()].map(|side| dice.values(floats(&u, side, replicas)));
        let buffers = inputs.each_ref().map(|v| case.with(v));
        let run = |case: &Case<'_>, constants: &[_], out: &Buffer, invocations: u64| {
            let buffers = [&buffers[0], &buffers[1], out];
            case.run_with(constants, &u, &buffers, invocations, replicas);
        };
        let got = case.with_tiles(P::WEIGHT_TILES, count, |tile, out| {
            let invocations = biases(64) + tiled(outputs, taps, tile) * u64::from(parts);
            run(&case, &tile_constants(tile), out, invocations);
        });
        case.check_broadcast(P::BACKWARD_WEIGHT_BROADCAST, &got, |case, rows, out| {
            let invocations = biases(64) + broadcast_weight(rows, parts, outputs, taps);
            run(case, &[("ROWS", rows)], out, invocations);
        });
        if let Some(kernel) = P::BACKWARD_WEIGHT.workgroup {
            case.check_workgroup(kernel, WEIGHT_WORKGROUPS, &got, |case, tile, out| {
                let invocations = biases(256) + workgroups(tile, outputs, parts, taps);
                let depth = ("DEPTH", if tile == (2, 2) { 8 } else { 4 });
                let constants = [&tile_constants(tile)[..], &[depth]].concat();
                run(case, &constants, out, invocations);
            });
        }
        check_twins!(case, "gradients", got, terms, inputs, |inputs, out| u
            .weight_twin(replicas, inputs[0], inputs[1], out));
    }
}

/// The sparse kernel of a pass, and its variant, against the dense kernel over parameters that are 0 where pruned, and against
/// the twin. At pruned places stand other numbers here, which no sparse kernel may read.
pub fn check_sparse_pass<P: Product>(pass: Pass, layers: &[Round<P>], seed: u64) {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(seed);
    let kernels = kernels::<P>(pass);
    for round in layers {
        let (u, replicas) = (round.shape, round.replicas);
        let case = Case::new(gpu, kernels.sparse, round);
        let masks = round.masks(&mut dice);
        let (_, to, terms) = sides(&u, pass);
        let (count, columns) = (floats(&u, to, replicas), u.columns());
        let inputs = inputs(&u, replicas, pass, &mut dice);
        let values: Vec<Buffer> = inputs.iter().map(|v| case.with(v)).collect();
        let (sparse, lists) = match pass {
            Pass::Forward => {
                let (sparse, lists) = round.by_row(&case, &masks);
                (
                    sparse,
                    u.taps(&case).into_iter().chain(lists).collect::<Vec<_>>(),
                )
            }
            Pass::BackwardData => {
                let (sparse, lists) = round.by_column(&case, &masks);
                (sparse, lists.into())
            }
        };
        let run = |case: &Case<'_>, constants: &[_], out: &Buffer, invocations: u32| {
            let buffers: Vec<&Buffer> = values.iter().chain(&lists).chain([out]).collect();
            let constants = [constants, &u.constants(pass)].concat();
            case.run_with(
                &constants,
                &sparse,
                &buffers,
                u64::from(invocations),
                replicas,
            );
        };
        let got = case.with_tiles(TILES, count, |(_, cols), out| {
            let invocations = to.rows * to.pixels * columns.div_ceil(cols);
            run(&case, &[("COLS", cols)], out, invocations);
        });
        // Workgroups that stand in one row each.
        case.check_workgroup(kernels.sparse, TILES, &got, |case, (_, cols), out| {
            let lanes = columns.div_ceil(32 * cols) * 32;
            let constants = [("COLS", cols), ("WIDE", 1)];
            run(case, &constants, out, to.rows * to.pixels * lanes);
        });
        for cols in BROADCAST_COLS {
            let (kernel, which) = (kernels.sparse_broadcast, format!("{cols} vec4s"));
            case.check_subgroup_variant(kernel, &which, &got, |case, out| {
                let lanes = (to.pixels * columns.div_ceil(cols)).next_multiple_of(8);
                run(case, &[("COLS", cols)], out, to.rows * lanes);
            });
        }
        // The same sums with parameters that are 0 where pruned.
        let mut inputs = inputs;
        inputs[0] = masked(u.place().2, replicas, &masks, &inputs[0]);
        let zeroed = case.with(&inputs[0]);
        let whole: Vec<&Buffer> = [&zeroed].into_iter().chain(&values[1..]).collect();
        let dense = round.dense(
            (kernels.plain, &u.constants(pass)),
            &whole,
            count,
            to.tiles((8, 2), columns),
        );
        case.check_same(kernels.plain, &got, &dense);
        check_twins!(case, "values", got, terms, inputs, |inputs, out| u
            .twin(pass, replicas, inputs, out));
    }
}
