//! Pooling. Images are `[R][channel][y][x][slots]`; windows lie wholly inside the image.

use super::number::Real;
use super::pointwise::gated;
use secateur::ops::PoolShape;

struct Layout {
    channels: usize,
    image: [usize; 2],
    result: [usize; 2],
    window: [usize; 2],
    stride: usize,
    slots: usize,
}

impl Layout {
    fn of(u: &PoolShape, replicas: u32) -> Self {
        Self {
            // Replicas are outermost, so they are more channels.
            channels: (replicas * u.channels) as usize,
            image: [u.in_height as usize, u.in_width as usize],
            result: [u.out_height as usize, u.out_width as usize],
            window: [u.window_height as usize, u.window_width as usize],
            stride: u.stride as usize,
            slots: 4 * u.columns as usize,
        }
    }
    fn x(&self, c: usize, [y, x]: [usize; 2]) -> usize {
        ((c * self.image[0] + y) * self.image[1] + x) * self.slots
    }
    fn y(&self, c: usize, [y, x]: [usize; 2]) -> usize {
        ((c * self.result[0] + y) * self.result[1] + x) * self.slots
    }
    /// Where p lies in the window of q, if it does.
    fn inside(&self, p: [usize; 2], q: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            p[axis]
                .checked_sub(q[axis] * self.stride)
                .filter(|&k| k < self.window[axis])
        };
        Some([along(0)?, along(1)?])
    }
}

fn grid(size: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    (0..size[0]).flat_map(move |y| (0..size[1]).map(move |x| [y, x]))
}

/// Y = the largest value of each window; `place` says which was the first to be it, as ky * window + kx; nowhere
/// (`u32::MAX`) where u.gate and it is not above 0.
pub fn max_pool_forward<T: Real>(
    u: &PoolShape,
    replicas: u32,
    x: &[T],
    y: &mut [T],
    place: &mut [u32],
) {
    let l = Layout::of(u, replicas);
    for c in 0..l.channels {
        for q in grid(l.result) {
            for b in 0..l.slots {
                let mut best: Option<(T, u32)> = None;
                for (code, k) in grid(l.window).enumerate() {
                    let p = [q[0] * l.stride + k[0], q[1] * l.stride + k[1]];
                    let v = x[l.x(c, p) + b];
                    if best.is_none_or(|(top, _)| v > top) {
                        best = Some((v, code as u32));
                    }
                }
                let (top, code) = best.expect("a window holds a pixel");
                y[l.y(c, q) + b] = top;
                let closed = u.gate != 0 && top <= T::ZERO;
                place[l.y(c, q) + b] = if closed { u32::MAX } else { code };
            }
        }
    }
}

/// Y = X at the place of each window, 0 where that is nowhere.
pub fn max_pool_held<T: Real>(u: &PoolShape, replicas: u32, x: &[T], place: &[u32], y: &mut [T]) {
    let l = Layout::of(u, replicas);
    for c in 0..l.channels {
        for q in grid(l.result) {
            for b in 0..l.slots {
                let at = l.y(c, q) + b;
                let k = [
                    place[at] as usize / l.window[1],
                    place[at] as usize % l.window[1],
                ];
                y[at] = if place[at] == u32::MAX {
                    T::ZERO
                } else {
                    x[l.x(c, [q[0] * l.stride + k[0], q[1] * l.stride + k[1]]) + b]
                };
            }
        }
    }
}

/// dX[p] = sum of dY[q] over the windows q whose maximum was at p, q row by row.
pub fn max_pool_backward<T: Real>(
    u: &PoolShape,
    replicas: u32,
    dy: &[T],
    place: &[u32],
    dx: &mut [T],
) {
    let l = Layout::of(u, replicas);
    spread(&l, dx, |c, q, k, b| {
        let at = l.y(c, q) + b;
        (place[at] as usize == k[0] * l.window[1] + k[1]).then_some(dy[at])
    });
}

/// The same where no two windows overlap: dX = 0, then 0 + dY[q] at each window's maximum.
pub fn max_pool_backward_apart<T: Real>(
    u: &PoolShape,
    replicas: u32,
    dy: &[T],
    place: &[u32],
    dx: &mut [T],
) {
    let l = Layout::of(u, replicas);
    dx[..l.channels * l.image[0] * l.image[1] * l.slots].fill(T::ZERO);
    for c in 0..l.channels {
        for q in grid(l.result) {
            for at in l.y(c, q)..l.y(c, q) + l.slots {
                if place[at] != u32::MAX {
                    let k = [
                        place[at] as usize / l.window[1],
                        place[at] as usize % l.window[1],
                    ];
                    let p = [q[0] * l.stride + k[0], q[1] * l.stride + k[1]];
                    dx[l.x(c, p) + at % l.slots] = T::ZERO + dy[at];
                }
            }
        }
    }
}

/// Y = share * sum of each window.
pub fn avg_pool_forward<T: Real>(u: &PoolShape, replicas: u32, x: &[T], y: &mut [T]) {
    let l = Layout::of(u, replicas);
    for c in 0..l.channels {
        for q in grid(l.result) {
            for b in 0..l.slots {
                let mut sum = T::ZERO;
                for k in grid(l.window) {
                    let p = [q[0] * l.stride + k[0], q[1] * l.stride + k[1]];
                    sum = sum + x[l.x(c, p) + b];
                }
                y[l.y(c, q) + b] = sum * T::of(u.share);
            }
        }
    }
}

/// dX[p] = share * sum of dY[q] over the windows q that hold p, q row by row; 0 where u.gate and X is not above 0.
pub fn avg_pool_backward<T: Real>(u: &PoolShape, replicas: u32, dy: &[T], x: &[T], dx: &mut [T]) {
    let l = Layout::of(u, replicas);
    spread(&l, dx, |c, q, _, b| Some(dy[l.y(c, q) + b]));
    for (v, &x) in dx.iter_mut().zip(x) {
        *v = gated(*v * T::of(u.share), x, u.gate);
    }
}

/// dX[p] = sum of what `from(channel, q, place of p in the window, b)` gives for the windows q that hold p.
fn spread<T: Real>(
    l: &Layout,
    dx: &mut [T],
    from: impl Fn(usize, [usize; 2], [usize; 2], usize) -> Option<T>,
) {
    for c in 0..l.channels {
        for p in grid(l.image) {
            for b in 0..l.slots {
                let mut sum = T::ZERO;
                for q in grid(l.result) {
                    if let Some(v) = l.inside(p, q).and_then(|k| from(c, q, k, b)) {
                        sum = sum + v;
                    }
                }
                dx[l.x(c, p) + b] = sum;
            }
        }
    }
}
