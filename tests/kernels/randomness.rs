//! The counter-based numbers, as their twins. That shaders draw the same ones is tested where they are used.

use crate::reference::random::{pcg4d, permuted, stream};
use std::collections::HashMap;

#[test]
fn permuted_is_a_permutation() {
    let small = 1..=300u32;
    let large = [
        511, 512, 513, 1000, 1023, 1025, 4095, 4096, 4097, 50_000, 60_000, 65_536, 65_537,
    ];
    for n in small.chain(large) {
        for (seed, step) in [(0, 0), (1, 0), (u32::MAX, 7)] {
            let mut seen = vec![false; n as usize];
            for position in 0..n {
                let to = permuted(n, seed, stream(3, 0, 0), step, position);
                assert!(
                    !std::mem::replace(&mut seen[to as usize], true),
                    "n = {n}: {to} twice"
                );
            }
        }
    }
}

/// The shader gives up after 65,536 walks and would leave the range; the domain is below 4 n, so a walk of 100 is already
/// rarer than once in 10^12 positions.
#[test]
fn walks_are_short() {
    for n in [3u32, 5, 17, 65, 257, 1025, 16_385, 65_537] {
        let half = (32 - (n - 1).leading_zeros()).div_ceil(2);
        assert!(1u64 << (2 * half) < 4 * u64::from(n), "n = {n}");
    }
}

/// Each position goes everywhere equally often over seeds and over epochs, and neighbours are not kept together.
#[test]
fn permutations_are_even() {
    let n = 10u32;
    let draws = 20_000u32;
    let each = f64::from(draws) / f64::from(n);
    for (name, by_seed) in [("seeds", true), ("epochs", false)] {
        let to = |draw: u32, position: u32| {
            let (seed, step) = if by_seed { (draw, 0) } else { (5, draw) };
            permuted(n, seed, stream(3, 0, 0), step, position)
        };
        for position in [0, 3, 9] {
            let mut counts = vec![0u32; n as usize];
            (0..draws).for_each(|d| counts[to(d, position) as usize] += 1);
            let chi: f64 = counts
                .iter()
                .map(|&c| (f64::from(c) - each).powi(2) / each)
                .sum();
            // Chi squared with 9 degrees of freedom exceeds 33.7 once in 10,000.
            assert!(chi < 33.7, "{name}, position {position}: {chi} {counts:?}");
        }
        let neighbours = (0..draws)
            .filter(|&d| to(d, 4) == (to(d, 3) + 1) % n)
            .count() as f64;
        let expected = f64::from(draws) / f64::from(n - 1);
        assert!(
            (neighbours - expected).abs() < 5.0 * expected.sqrt(),
            "{name}: {neighbours}"
        );
    }
    // Small sets too: all six orders of three turn up.
    let mut orders: HashMap<Vec<u32>, u32> = HashMap::new();
    for seed in 0..6000 {
        let order = (0..3)
            .map(|p| permuted(3, seed, stream(3, 0, 0), 0, p))
            .collect();
        *orders.entry(order).or_default() += 1;
    }
    assert_eq!(orders.len(), 6, "{orders:?}");
    assert!(
        orders.values().all(|&c| (700..1300).contains(&c)),
        "{orders:?}"
    );
}

/// Keys that differ in one word only, and by little, as ours do. Asked of the upper 24 bits: the lowest few of pcg4d are
/// uneven, and nothing of ours hangs on them.
#[test]
fn pcg4d_is_even() {
    let n = 1u32 << 16;
    for word in 0..4 {
        let draw = |k: u32| {
            let mut key = [12, stream(1, 3, 0), 0, 5];
            key[word] = k;
            pcg4d(key)
        };
        let mut ones = [[0u32; 32]; 4];
        let mut bytes = vec![[0u32; 256]; 12];
        let mut flipped = [[0u32; 32]; 4];
        for k in 0..n {
            let (now, next) = (draw(k), draw(k + 1));
            for lane in 0..4 {
                for bit in 8..32 {
                    ones[lane][bit] += now[lane] >> bit & 1;
                    flipped[lane][bit] += (now[lane] ^ next[lane]) >> bit & 1;
                }
                for byte in 1..4 {
                    let value = now[lane] >> (8 * byte) & 255;
                    bytes[3 * lane + byte - 1][value as usize] += 1;
                }
            }
        }
        let n = f64::from(n);
        // Five standard deviations of a fair coin's count; neighbouring keys must not agree either.
        let room = 5.0 * n.sqrt() / 2.0;
        for lane in 0..4 {
            for bit in 8..32 {
                let off = [ones, flipped].map(|c| (f64::from(c[lane][bit]) - n / 2.0).abs());
                let name = format!("key word {word}, lane {lane}, bit {bit}");
                assert!(
                    off.iter().all(|&o| o < room),
                    "{name}: off by {off:?}, allowed {room}"
                );
            }
        }
        for (at, counts) in bytes.iter().enumerate() {
            let each = n / 256.0;
            let chi: f64 = counts
                .iter()
                .map(|&c| (f64::from(c) - each).powi(2) / each)
                .sum();
            // Chi squared with 255 degrees of freedom exceeds 370 about once in 200,000.
            assert!(chi < 370.0, "key word {word}, byte {at}: {chi}");
        }
    }
}

/// Streams of different uses, layers and counts never share a key.
#[test]
fn streams_are_distinct() {
    let mut seen = HashMap::new();
    for kind in 1..=7 {
        for layer in [0, 1, 255, 4095] {
            for ordinal in [0, 1, 4095] {
                let name = (kind, layer, ordinal);
                let other = seen.insert(stream(kind, layer, ordinal), name);
                assert_eq!(other, None, "{name:?}");
            }
        }
    }
}
