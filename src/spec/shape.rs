//! The shape of one sample's activations.

use serde::Serialize;
use std::fmt;

/// Channels, rows and columns of one sample. A flat vector of n features is (n, 1, 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Channels, or features once flat.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// A shape from its three sizes.
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }
    /// A flat vector.
    pub fn flat(features: usize) -> Self {
        Self::new(features, 1, 1)
    }
    /// Numbers per sample.
    pub fn features(&self) -> usize {
        self.channels * self.height * self.width
    }
    /// Pixels per channel.
    pub fn plane(&self) -> usize {
        self.height * self.width
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.height == 1 && self.width == 1 {
            write!(f, "{}", self.channels)
        } else {
            write!(f, "{}x{}x{}", self.channels, self.height, self.width)
        }
    }
}
