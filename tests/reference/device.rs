//! Running one kernel.

use super::compare::{differs, differs_bits, differs_words};
use super::number::{Real, widen};
use crate::common::{has_subgroups_of_8, is_exact};
use bytemuck::Pod;
use secateur::gpu::{Buffer, Gpu, Program, ShaderStruct};
use std::fmt::Debug;

/// What output buffers hold before a kernel runs, so that a place it forgot, or should not have touched, shows.
pub const UNTOUCHED: f32 = -77_777.0;
/// Floats behind every output that no kernel may touch.
pub const GUARD: usize = 64;

/// A kernel under test, with what its failures should name.
pub struct Case<'a> {
    gpu: &'static Gpu,
    kernel: &'static str,
    shape: &'a dyn Debug,
}

impl<'a> Case<'a> {
    /// `shape` is anything that tells this case from others.
    pub fn new(gpu: &'static Gpu, kernel: &'static str, shape: &'a dyn Debug) -> Self {
        Self { gpu, kernel, shape }
    }

    /// Unwraps, naming the case.
    pub fn get<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> T {
        result.unwrap_or_else(|e| self.fail(&e.to_string()))
    }

    /// A buffer with these contents.
    pub fn with<T: Pod>(&self, data: &[T]) -> Buffer {
        self.get(self.gpu.buffer_with(self.kernel, data))
    }

    /// All of a buffer's floats.
    pub fn floats(&self, buffer: &Buffer, count: usize) -> Vec<f32> {
        self.get(self.gpu.read(buffer, 0, count))
    }

    /// All of a buffer's words.
    pub fn words(&self, buffer: &Buffer, count: usize) -> Vec<u32> {
        self.get(self.gpu.read(buffer, 0, count))
    }

    /// Runs the kernel once, as [`Case::run_with`].
    pub fn run<U: ShaderStruct>(
        &self,
        uniform: &U,
        buffers: &[&Buffer],
        invocations: u64,
        replicas: u32,
    ) {
        self.run_with(&[], uniform, buffers, invocations, replicas);
    }

    /// Runs the kernel once with other constants. The grid is folded after five workgroups, as large grids are after 65,535,
    /// so that every kernel's unfolding is tested on small shapes.
    pub fn run_with<U: ShaderStruct>(
        &self,
        constants: &[(&'static str, u32)],
        uniform: &U,
        buffers: &[&Buffer],
        invocations: u64,
        replicas: u32,
    ) {
        let kernel = self.get(self.gpu.kernel(self.kernel, constants));
        let groups = invocations.div_ceil(u64::from(kernel.workgroup)).max(1) as u32;
        let x = groups.min(5);
        let grid = [x, groups.div_ceil(x), replicas];
        let mut program = Program::new(self.kernel);
        self.get(program.push_groups(self.gpu, kernel, uniform, buffers, grid));
        self.get(self.gpu.run(&program));
    }

    /// The `count` floats that `run(tile, output)` computes with every tile; all must give the bits of the first, on every
    /// adapter (determinism: docs/determinism.md).
    pub fn with_tiles(
        &self,
        tiles: &[(u32, u32)],
        count: usize,
        run: impl Fn((u32, u32), &Buffer),
    ) -> Vec<f32> {
        let mut first: Option<Vec<f32>> = None;
        for &tile in tiles {
            let buffer = self.with(&output(count));
            run(tile, &buffer);
            let got = self.floats(&buffer, count + GUARD);
            if let Some(text) = first.as_ref().and_then(|f| differs_bits(&got, f)) {
                self.fail(&format!("tile {tile:?} is not tile {:?}: {text}", tiles[0]));
            }
            first.get_or_insert(got);
        }
        first.unwrap_or_default()
    }

    /// Checks the variant `kernel` of this case's kernel, which needs subgroups of 8: `run(case, rows, output)` must give the
    /// bits of `plain` with every number of rows per invocation, on every adapter that can run it.
    pub fn check_broadcast(
        &self,
        kernel: &'static str,
        plain: &[f32],
        run: impl Fn(&Case<'_>, u32, &Buffer),
    ) {
        for rows in [16, 8] {
            self.check_subgroup_variant(kernel, &format!("{rows} rows"), plain, |case, buffer| {
                run(case, rows, buffer);
            });
        }
    }

    /// Likewise the variant with tiles in workgroup memory: `run(case, tile, output)` with every tile.
    pub fn check_workgroup(
        &self,
        kernel: &'static str,
        tiles: &[(u32, u32)],
        plain: &[f32],
        run: impl Fn(&Case<'_>, (u32, u32), &Buffer),
    ) {
        for &tile in tiles {
            self.check_variant(kernel, &format!("{tile:?}"), plain, |case, buffer| {
                run(case, tile, buffer);
            });
        }
    }

    /// [`Case::check_variant`] of a variant that needs subgroups of 8.
    pub fn check_subgroup_variant(
        &self,
        kernel: &'static str,
        which: &str,
        plain: &[f32],
        run: impl Fn(&Case<'_>, &Buffer),
    ) {
        if has_subgroups_of_8(self.gpu, kernel) {
            self.check_variant(kernel, which, plain, run);
        }
    }

    /// Checks that one variant, which `which` tells from others of its name, gives the bits of `plain`.
    fn check_variant(
        &self,
        kernel: &'static str,
        which: &str,
        plain: &[f32],
        run: impl Fn(&Case<'_>, &Buffer),
    ) {
        let case = Case { kernel, ..*self };
        let buffer = case.with(&output(plain.len() - GUARD));
        run(&case, &buffer);
        let got = case.floats(&buffer, plain.len());
        case.check_same(&format!("{} ({which})", self.kernel), &got, plain);
    }

    /// Checks that `got` has the bits that `kernel` computed, on every adapter (determinism: docs/determinism.md).
    pub fn check_same(&self, kernel: &str, got: &[f32], computed: &[f32]) {
        if let Some(text) = differs_bits(got, computed) {
            self.fail(&format!("not the bits of {kernel}: {text}"));
        }
    }

    /// Compares with the `f64` twin within `allowed`, and with the `f32` twin to the bit where the adapter is a software one.
    pub fn check(&self, what: &str, got: &[f32], exact: &[f64], allowed: &[f64], twin: &[f32]) {
        // A twin that is wrong the same way twice would hide; one that is wrong once is our bug, not the shader's.
        if let Some(text) = differs(twin, exact, allowed) {
            self.fail(&format!(
                "{what}: the f32 twin is not the f64 twin rounded: {text}"
            ));
        }
        if let Some(text) = differs(got, exact, allowed) {
            self.fail(&format!("{what}, against the f64 twin: {text}"));
        }
        self.check_bits(what, got, twin);
    }

    /// Compares to the bit where the adapter is a software one.
    pub fn check_bits(&self, what: &str, got: &[f32], twin: &[f32]) {
        let twin: Vec<f32> = match self.gpu.traits().flushes_subnormals {
            // A driver may flush what goes in or what comes out, here or there.
            true => got.iter().zip(twin).map(|(&g, &t)| flushed(g, t)).collect(),
            false => twin.to_vec(),
        };
        if is_exact(self.gpu)
            && let Some(text) = differs_bits(got, &twin)
        {
            self.fail(&format!("{what}, bits against the f32 twin: {text}"));
        }
    }

    /// Compares words, on every adapter.
    pub fn check_words(&self, what: &str, got: &[u32], want: &[u32]) {
        if let Some(text) = differs_words(got, want) {
            self.fail(&format!("{what}: {text}"));
        }
    }

    /// Ends the test, naming kernel, shape and adapter.
    pub fn fail(&self, text: &str) -> ! {
        panic!(
            "{} {:?} on {}\n{text}",
            self.kernel,
            self.shape,
            self.gpu.adapter().line()
        )
    }
}

/// `twin`, or what was got in its place where that is 0 for a subnormal number.
fn flushed(got: f32, twin: f32) -> f32 {
    match got == 0.0 && twin.is_subnormal() {
        true => got,
        false => twin,
    }
}

/// Room for `count` results and the guard behind them.
pub fn output(count: usize) -> Vec<f32> {
    vec![UNTOUCHED; count + GUARD]
}

/// Likewise for words, which hold 0xffffffff before a kernel runs.
pub fn word_output(count: usize) -> Vec<u32> {
    vec![u32::MAX; count + GUARD]
}

/// The constants of a register tile.
pub fn tile_constants((rows, cols): (u32, u32)) -> [(&'static str, u32); 2] {
    [("ROWS", rows), ("COLS", cols)]
}

/// What a twin makes of an [`output`].
pub fn twin<T: Real>(count: usize, run: impl Fn(&mut [T])) -> Vec<T> {
    let mut out = widen(&output(count));
    run(&mut out);
    out
}

/// Checks `got`, sums of `terms` products, against a twin that takes `values`: over `f64`, as near as rounding allows by the sum
/// of the products' magnitudes, and over `f32` to the bit.
macro_rules! check_twins {
    ($case:expr, $what:expr, $got:expr, $terms:expr, $values:expr, |$inputs:ident, $out:ident| $run:expr) => {{
        use $crate::reference::{compare, device, number};
        let count = $got.len() - device::GUARD;
        let over_f64 = |number: fn(&[f32]) -> Vec<f64>| {
            let values: Vec<Vec<f64>> = $values.iter().map(|v| number(v)).collect();
            let $inputs: Vec<&[f64]> = values.iter().map(|v| &v[..]).collect();
            let $inputs = &$inputs[..];
            device::twin::<f64>(count, |$out| $run)
        };
        let [exact, bound] = [number::widen, number::magnitudes].map(over_f64);
        let $inputs: Vec<&[f32]> = $values.iter().map(|v| &v[..]).collect();
        let $inputs = &$inputs[..];
        let equal = device::twin::<f32>(count, |$out| $run);
        let allowed = compare::sum_bound($terms, &bound);
        $case.check($what, &$got, &exact, &allowed, &equal);
    }};
}
pub(crate) use check_twins;

/// Invocations of the `*_broadcast` kernels that own `tile` rows x one vec4 of samples of a pixel, 8 vec4s a subgroup.
pub fn broadcast_data(tile: u32, rows: u32, pixels: u32, columns: u32) -> u64 {
    u64::from(rows.div_ceil(tile)) * u64::from(pixels) * u64::from(columns.next_multiple_of(8))
}

/// Invocations of the `*_broadcast` kernels that own `tile` outputs x 4 inputs of a part, 32 inputs a subgroup.
pub fn broadcast_weight(tile: u32, parts: u32, outputs: u32, inputs: u32) -> u64 {
    let lanes = inputs.div_ceil(4).next_multiple_of(8);
    u64::from(parts) * u64::from(outputs.div_ceil(tile)) * u64::from(lanes)
}

/// Invocations of the `*_workgroup` kernels: workgroups of 16 x 16 with `tile` rows x columns each, for `pixels` pixels.
pub fn workgroups(tile: (u32, u32), rows: u32, pixels: u32, columns: u32) -> u64 {
    256 * u64::from(rows.div_ceil(16 * tile.0) * pixels * columns.div_ceil(16 * tile.1))
}
