//! Sums over the lanes of a workgroup, as `shared/lanes.wgsl` adds them.

use super::number::Real;

/// Lanes l, l + 16, l + 32, ... ascending, from lane l on, for each l < 16; then those sixteen, ascending from 0.
pub fn sum_of_lanes<T: Real>(lanes: &[T]) -> T {
    (0..16).fold(T::ZERO, |all, l| {
        let later = lanes.iter().skip(l + 16).step_by(16);
        all + later.fold(lanes[l], |sum, &v| sum + v)
    })
}

/// The sum of four places.
pub fn across<T: Real>(v: &[T]) -> T {
    ((v[0] + v[1]) + v[2]) + v[3]
}
