//! 2-D convolutions. `x` is `[R][in_channels][in_height][in_width][slots]`, `y` likewise with the output's sizes.

use super::number::{Real, fma};
use super::pointwise::{gated, rectified};
use secateur::ops::{ConvShape, PartialShape};

/// Sizes as `usize`, and where things are.
struct Layout {
    inputs: usize,
    outputs: usize,
    image: [usize; 2],
    result: [usize; 2],
    kernel: usize,
    slots: usize,
}

impl Layout {
    fn of(u: &ConvShape) -> Self {
        Self {
            inputs: u.in_channels as usize,
            outputs: u.out_channels as usize,
            image: [u.in_height as usize, u.in_width as usize],
            result: [u.out_height as usize, u.out_width as usize],
            kernel: u.kernel as usize,
            slots: 4 * u.columns as usize,
        }
    }
    fn x(&self, r: usize, c: usize, [y, x]: [usize; 2]) -> usize {
        (((r * self.inputs + c) * self.image[0] + y) * self.image[1] + x) * self.slots
    }
    fn y(&self, r: usize, o: usize, [y, x]: [usize; 2]) -> usize {
        (((r * self.outputs + o) * self.result[0] + y) * self.result[1] + x) * self.slots
    }
    fn weight(&self, o: usize, c: usize, [ky, kx]: [usize; 2]) -> usize {
        ((o * self.inputs + c) * self.kernel + ky) * self.kernel + kx
    }
}

/// The input coordinate that tap `k` of output `q` reads, if it is inside the image.
fn reads(u: &ConvShape, q: usize, k: usize, size: usize) -> Option<usize> {
    let padded = q as i64 * i64::from(u.stride) + k as i64 - i64::from(u.padding);
    usize::try_from(padded).ok().filter(|&p| p < size)
}

/// The image pixel that tap (ky, kx) of output pixel q reads, if there is one.
fn pixel(u: &ConvShape, l: &Layout, q: [usize; 2], k: [usize; 2]) -> Option<[usize; 2]> {
    let y = reads(u, q[0], k[0], l.image[0])?;
    let x = reads(u, q[1], k[1], l.image[1])?;
    Some([y, x])
}

/// The two coordinates of every point of a `size` grid, row by row.
fn grid(size: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    (0..size[0]).flat_map(move |y| (0..size[1]).map(move |x| [y, x]))
}

/// Y[r][o][q][b] = bias[o] + sum_{c,ky,kx} W[r][o][c][ky][kx] X[r][c][q stride + (ky,kx) - padding][b].
pub fn conv_forward<T: Real>(u: &ConvShape, replicas: u32, params: &[T], x: &[T], y: &mut [T]) {
    let l = Layout::of(u);
    for r in 0..replicas as usize {
        let own = &params[r * u.param_stride as usize..];
        for o in 0..l.outputs {
            for q in grid(l.result) {
                for b in 0..l.slots {
                    let mut sum = match u.bias_offset {
                        u32::MAX => T::ZERO,
                        offset => own[offset as usize + o],
                    };
                    for c in 0..l.inputs {
                        for k in grid([l.kernel; 2]) {
                            if let Some(p) = pixel(u, &l, q, k) {
                                let weight = own[u.weight_offset as usize + l.weight(o, c, k)];
                                sum = fma(weight, x[l.x(r, c, p) + b], sum);
                            }
                        }
                    }
                    y[l.y(r, o, q) + b] = rectified(sum, u.relu);
                }
            }
        }
    }
}

/// dX[r][c][p][b] = sum over o, ky, kx and the output q that reads p with that tap: W[r][o][c][ky][kx] dY[r][o][q][b];
/// 0 where u.gate and X is not above 0.
pub fn conv_backward_data<T: Real>(
    u: &ConvShape,
    replicas: u32,
    params: &[T],
    dy: &[T],
    x: &[T],
    dx: &mut [T],
) {
    let l = Layout::of(u);
    let stride = u.stride as usize;
    let padding = u.padding as usize;
    // The output coordinate whose tap k reads p, if there is one.
    let writes = |p: usize, k: usize, size: usize| {
        let from = (p + padding).checked_sub(k)?;
        (from.is_multiple_of(stride) && from / stride < size).then_some(from / stride)
    };
    for r in 0..replicas as usize {
        let own = &params[r * u.param_stride as usize..];
        for c in 0..l.inputs {
            for p in grid(l.image) {
                for b in 0..l.slots {
                    let mut sum = T::ZERO;
                    for o in 0..l.outputs {
                        for k in grid([l.kernel; 2]) {
                            let qy = writes(p[0], k[0], l.result[0]);
                            let qx = writes(p[1], k[1], l.result[1]);
                            if let (Some(qy), Some(qx)) = (qy, qx) {
                                let weight = own[u.weight_offset as usize + l.weight(o, c, k)];
                                sum = fma(weight, dy[l.y(r, o, [qy, qx]) + b], sum);
                            }
                        }
                    }
                    let at = l.x(r, c, p) + b;
                    dx[at] = gated(sum, x[at], u.gate);
                }
            }
        }
    }
}

/// part[r][qy][o][c][ky][kx] = sum_{qx,b} dY[r][o][qy,qx][b] X[r][c][(qy,qx) stride + (ky,kx) - padding][b]: 32 samples of
/// every qx, then the next 32. Behind those of a replica part[r][qy][o] = sum_{qx,b} dY[r][o][qy,qx][b] likewise, where there is a bias.
/// `onto` goes on from what is in `part`.
pub fn conv_backward_weight<T: Real>(
    u: &ConvShape,
    onto: bool,
    replicas: u32,
    x: &[T],
    dy: &[T],
    part: &mut [T],
) {
    let l = Layout::of(u);
    let weights = l.outputs * l.inputs * l.kernel * l.kernel;
    let stride = l.result[0] * (weights + l.outputs);
    for r in 0..replicas as usize {
        for qy in 0..l.result[0] {
            for o in 0..l.outputs {
                if u.bias_offset != u32::MAX {
                    let to = r * stride + l.result[0] * weights + qy * l.outputs + o;
                    let mut sum = if onto { part[to] } else { T::ZERO };
                    for chunk in (0..l.slots).step_by(32) {
                        for q in (0..l.result[1]).map(|qx| [qy, qx]) {
                            for b in chunk..l.slots.min(chunk + 32) {
                                sum = sum + dy[l.y(r, o, q) + b];
                            }
                        }
                    }
                    part[to] = sum;
                }
                for c in 0..l.inputs {
                    for k in grid([l.kernel; 2]) {
                        let to = r * stride + qy * weights + l.weight(o, c, k);
                        let mut sum = if onto { part[to] } else { T::ZERO };
                        for chunk in (0..l.slots).step_by(32) {
                            for q in (0..l.result[1]).map(|qx| [qy, qx]) {
                                if let Some(p) = pixel(u, &l, q, k) {
                                    for b in chunk..l.slots.min(chunk + 32) {
                                        sum = fma(dy[l.y(r, o, q) + b], x[l.x(r, c, p) + b], sum);
                                    }
                                }
                            }
                        }
                        part[to] = sum;
                    }
                }
            }
        }
    }
}

/// Floats of the parts of all replicas that [`conv_backward_weight`] fills: of each weight, and of each bias whether there is one or not.
pub fn part_floats(u: &ConvShape, replicas: u32) -> usize {
    let taps = u.in_channels * u.kernel * u.kernel;
    (replicas * u.out_height * u.out_channels * (taps + 1)) as usize
}

/// How the parts are added.
pub fn partial_shape(u: &ConvShape) -> PartialShape {
    PartialShape {
        weights: u.out_channels * u.in_channels * u.kernel * u.kernel,
        outputs: u.out_channels,
        parts: u.out_height,
        weight_offset: u.weight_offset,
        bias_offset: u.bias_offset,
        param_stride: u.param_stride,
    }
}
