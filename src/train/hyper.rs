//! Which kernel an optimizer is, and its numbers.

use super::state::Hyper;
use crate::spec::{Optimizer, TrainSpec};

/// The kernel of an optimizer.
pub(super) fn optimizer_kernel(optimizer: &Optimizer) -> &'static str {
    match optimizer {
        Optimizer::Sgd { .. } if optimizer.moments() == 0 => "sgd_step",
        Optimizer::Sgd { .. } => "sgd_momentum_step",
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } => "adam_step",
        Optimizer::Adadelta { .. } => "adadelta_step",
    }
}

/// The numbers of an optimizer as its kernel reads them.
pub(super) fn hyper(spec: &TrainSpec) -> Hyper {
    let clip_norm = spec.clip_norm.unwrap_or(0.0) as f32;
    match spec.optimizer {
        Optimizer::Sgd {
            lr,
            momentum,
            nesterov,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: momentum as f32,
            weight_decay: weight_decay as f32,
            nesterov: u32::from(nesterov),
            clip_norm,
            ..Hyper::default()
        },
        Optimizer::Adam {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
        }
        | Optimizer::AdamW {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: beta1 as f32,
            beta2: beta2 as f32,
            eps: eps as f32,
            weight_decay: weight_decay as f32,
            decoupled: u32::from(matches!(spec.optimizer, Optimizer::AdamW { .. })),
            clip_norm,
            ..Hyper::default()
        },
        Optimizer::Adadelta {
            lr,
            rho,
            eps,
            weight_decay,
        } => Hyper {
            lr: lr as f32,
            momentum: rho as f32,
            eps: eps as f32,
            weight_decay: weight_decay as f32,
            clip_norm,
            ..Hyper::default()
        },
    }
}
