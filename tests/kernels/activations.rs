//! `activation_forward` and `activation_backward`, against the twins and the twins against `std`.

use crate::common::{Dice, gpu};
use crate::reference::activation::{activation_backward, activation_forward};
use crate::reference::compare::{ROUNDING, TINY};
use crate::reference::device::{Case, output};
use crate::reference::number::widen;
use secateur::ops::ActivationShape;

const KINDS: [(u32, &str); 3] = [(0, "tanh"), (1, "leaky ReLU"), (2, "GELU")];

#[test]
fn activations_are_their_twins() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(26);
    for (count, replicas) in [(1, 1), (63, 2), (1000, 3)] {
        for (kind, name) in KINDS {
            let u = ActivationShape { count, slope: 0.01 };
            let values = (4 * count * replicas) as usize;
            let mut x: Vec<f32> = dice.values(values).iter().map(|v| 6.0 * v).collect();
            x[..4].copy_from_slice(&[0.0, -0.0, 60.0, -60.0]);
            let dy = dice.values(values);
            let size = (count, replicas, name);
            let constants = [("KIND", kind)];
            // e^x is right to 3e-7, five roundings, of an argument that four roundings of its own size shift; a few
            // operations on numbers of at most 1 and |x| follow.
            let bound = |x: f32, factor: f32| {
                let x = f64::from(x).abs().min(20.0);
                let argument = 2.0 * x + 0.1 * x * x * x;
                24.0 * ROUNDING * (1.0 + x) * (1.0 + argument) * f64::from(factor).abs() + TINY
            };

            let case = Case::new(gpu, "activation_forward", &size);
            let buffer = case.with(&output(values));
            let buffers = [&case.with(&x), &buffer];
            case.run_with(&constants, &u, &buffers, u64::from(count), replicas);
            let (mut exact, mut equal) = (widen::<f64>(&output(values)), output(values));
            activation_forward(&u, kind, replicas, &widen(&x), &mut exact);
            activation_forward(&u, kind, replicas, &x, &mut equal);
            let mut allowed: Vec<f64> = x.iter().map(|&x| bound(x, 1.0)).collect();
            allowed.resize(exact.len(), 0.0);
            let got = case.floats(&buffer, exact.len());
            case.check("y", &got, &exact, &allowed, &equal);

            let case = Case::new(gpu, "activation_backward", &size);
            let buffer = case.with(&output(values));
            let buffers = [&case.with(&x), &case.with(&dy), &buffer];
            case.run_with(&constants, &u, &buffers, u64::from(count), replicas);
            let (mut exact, mut equal) = (widen::<f64>(&output(values)), output(values));
            activation_backward(&u, kind, replicas, &widen(&x), &widen(&dy), &mut exact);
            activation_backward(&u, kind, replicas, &x, &dy, &mut equal);
            let mut allowed: Vec<f64> = x.iter().zip(&dy).map(|(&x, &g)| bound(x, g)).collect();
            allowed.resize(exact.len(), 0.0);
            let got = case.floats(&buffer, exact.len());
            case.check("dx", &got, &exact, &allowed, &equal);
        }
    }
}

/// The formulas are the functions they are called by, and the derivatives theirs.
#[test]
fn activations_are_what_they_are_called() {
    let u = ActivationShape {
        count: 1,
        slope: 0.25,
    };
    for x in [-5.0f64, -1.5, -0.3, 0.2, 1.0, 4.0] {
        let f = |kind: u32, x: f64| {
            let mut y = [0.0; 4];
            activation_forward(&u, kind, 1, &[x; 4], &mut y);
            y[0]
        };
        assert!((f(0, x) - x.tanh()).abs() < 1e-12);
        assert!((f(1, x) - x.max(0.25 * x)).abs() < 1e-12);
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        // Constants of the formula are rounded to f32.
        assert!((f(2, x) - 0.5 * x * (1.0 + inner.tanh())).abs() < 1e-6);
        for (kind, name) in KINDS {
            let mut dx = [0.0; 4];
            activation_backward(&u, kind, 1, &[x; 4], &[1.0; 4], &mut dx);
            let slope = (f(kind, x + 1e-5) - f(kind, x - 1e-5)) / 2e-5;
            assert!(
                (slope - dx[0]).abs() < 1e-6,
                "{name}'({x}) is {slope}, not {}",
                dx[0]
            );
        }
    }
}
