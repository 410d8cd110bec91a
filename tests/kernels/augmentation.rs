//! `augment_draw` and `batch_gather_augmented`.

use crate::common::{Dice, gpu};
use crate::reference::augment::{augment_draw, batch_gather_augmented};
use crate::reference::batch::EMPTY;
use crate::reference::compare::ROUNDING;
use crate::reference::device::{Case, GUARD, output, twin};
use secateur::train::{AugmentDraw, AugmentedGather, State, Warp};

const DRAW: AugmentDraw = AugmentDraw {
    slots: 68,
    width: 20,
    height: 12,
    shift: 4,
    flip: 1,
    resample: 1,
    turn: 15.0 / 360.0,
    low: 0.9,
    high: 1.1,
    shear: 0.2,
};

/// Runs `augment_draw` and compares it with its twins.
fn draw(u: AugmentDraw, keys: &[[u32; 4]], steps: &[u32], index: &[u32]) -> Option<Vec<Warp>> {
    let gpu = gpu()?;
    let case = Case::new(gpu, "augment_draw", &u);
    let count = 8 * keys.len() * u.slots as usize;
    let state = |&step: &u32| State {
        step,
        ..State::default()
    };
    let states: Vec<State> = steps.iter().map(state).collect();
    let warps = case.with(&output(count));
    let buffers = [
        &case.with(keys),
        &case.with(&states),
        &case.with(index),
        &warps,
    ];
    case.run(&u, &buffers, u64::from(u.slots), keys.len() as u32);
    let exact = twin::<f64>(count, |w| augment_draw(&u, keys, steps, index, w));
    let equal = twin::<f32>(count, |w| augment_draw(&u, keys, steps, index, w));
    let got = case.floats(&warps, count + GUARD);
    // The cosine polynomial's 3e-7, times 1.2 / 0.9, and three roundings; shifts and cuts are whole.
    let allowed: Vec<f64> = (0..exact.len())
        .map(|i| if i % 8 < 4 { 2e-6 } else { 0.0 })
        .collect();
    case.check("warps", &got, &exact, &allowed, &equal);
    Some(bytemuck::cast_slice(&got[..count]).to_vec())
}

#[test]
fn augment_draw_is_its_twin() {
    let mut dice = Dice(75);
    let keys = dice.keys(3);
    let steps = [0, 7, 12_345];
    let mut index: Vec<u32> = (0..3 * DRAW.slots).map(|_| dice.below(60_000)).collect();
    index[5] = EMPTY;
    for (flip, resample, shift) in [(1, 1, 4), (0, 0, 0), (1, 0, 28), (0, 1, 0)] {
        let u = AugmentDraw {
            flip,
            resample,
            shift,
            ..DRAW
        };
        let Some(warps) = draw(u, &keys, &steps, &index) else {
            return;
        };
        let shifts = warps.iter().flat_map(|w| [w.shift_x, w.shift_y]);
        assert!(shifts.into_iter().all(|s| s.abs() <= shift as f32));
        assert!(warps.iter().all(|w| w.cut_x < 20.0 && w.cut_y < 12.0));
        let mirrored = warps.iter().filter(|w| w.xx < 0.0).count();
        match flip {
            0 => assert_eq!(mirrored, 0),
            _ => assert!((60..144).contains(&mirrored), "{mirrored} of 204 mirrored"),
        }
        if resample == 0 {
            let plain = |w: &Warp| [w.xx.abs(), w.xy, w.yx, w.yy];
            // -0 equals 0.
            assert!(warps.iter().all(|w| plain(w) == [1.0, 0.0, 0.0, 1.0]));
        }
    }
}

/// A sample's fate is its own: not its slot's, nor its replica's place among others.
#[test]
fn a_warp_depends_on_seed_training_step_and_sample_alone() {
    let index: Vec<u32> = (100..168).collect();
    let key = [9, 4, 2, 7];
    let Some(alone) = draw(DRAW, &[key], &[31], &index) else {
        return;
    };
    let turned: Vec<u32> = index.iter().rev().copied().collect();
    let both = [index.clone(), turned].concat();
    let cohort = draw(DRAW, &[[8, 4, 2, 7], key], &[31, 31], &both).unwrap();
    let mut second = cohort[68..].to_vec();
    second.reverse();
    assert_eq!(second, alone);
    let differs = |other: Vec<Warp>| other.iter().zip(&alone).all(|(a, b)| a != b);
    assert!(differs(cohort[..68].to_vec()), "another seed");
    assert!(
        differs(draw(DRAW, &[key], &[32], &index).unwrap()),
        "another step"
    );
    let again = draw(DRAW, &[[9, 4, 3, 7]], &[31], &index).unwrap();
    assert!(differs(again), "another training");
}

/// The uniform, the images, the scales, what is drawn, and how it is bent.
struct World {
    u: AugmentedGather,
    images: Vec<u8>,
    scales: Vec<[f32; 2]>,
    index: Vec<u32>,
    warps: Vec<Warp>,
}

const REPLICAS: u32 = 2;
const SAMPLES: u32 = 23;
/// Where in its batch the window begins that is gathered.
const FIRST_COLUMN: u32 = 2;

impl World {
    /// `channels` of 9 rows of 7, some slots empty, warps as `augment_draw` would make them.
    fn new(channels: u32, resample: bool, edge: u32, cutout: u32) -> Self {
        let mut dice = Dice(76);
        let (width, height, columns) = (7, 9, 5);
        let features = channels * width * height;
        let words = features.div_ceil(4);
        let batch_columns = FIRST_COLUMN + columns + 1;
        let slots = (REPLICAS * batch_columns * 4) as usize;
        let slot = |dice: &mut Dice| match dice.below(6) {
            0 => EMPTY,
            _ => dice.below(SAMPLES),
        };
        let warp = |dice: &mut Dice| {
            let pixels = |dice: &mut Dice, below| dice.below(below) as f32;
            let mut warp = Warp {
                xx: 1.0,
                yy: 1.0,
                shift_x: pixels(dice, 9) - 4.0,
                shift_y: pixels(dice, 9) - 4.0,
                cut_x: pixels(dice, width),
                cut_y: pixels(dice, height),
                ..Warp::default()
            };
            if resample {
                warp.xx += dice.unit();
                warp.xy = dice.unit();
                warp.yx = dice.unit();
                warp.yy += dice.unit();
            }
            if dice.below(2) == 1 {
                warp.xx *= -1.0;
                warp.xy *= -1.0;
            }
            warp
        };
        Self {
            u: AugmentedGather {
                features,
                words,
                width,
                height,
                columns,
                first_column: FIRST_COLUMN,
                batch_columns,
                first: 0,
                samples: SAMPLES,
                edge,
                cutout,
            },
            images: (0..SAMPLES * words * 4)
                .map(|_| dice.word() as u8)
                .collect(),
            scales: (0..channels)
                .map(|c| [0.013, 0.1 * c as f32 - 0.6])
                .collect(),
            index: (0..slots).map(|_| slot(&mut dice)).collect(),
            warps: (0..slots).map(|_| warp(&mut dice)).collect(),
        }
    }

    /// Gathers in parts of so many samples, each compared with the twins; gives the values.
    fn gather(&self, smooth: bool, per_part: u32) -> Option<Vec<f32>> {
        let gpu = gpu()?;
        let size = (self.u, smooth, per_part);
        let case = Case::new(gpu, "batch_gather_augmented", &size);
        let count = (REPLICAS * self.u.features * self.u.columns * 4) as usize;
        let [scales, index] = [case.with(&self.scales), case.with(&self.index)];
        let [warps, x] = [case.with(&self.warps), case.with(&output(count))];
        let mut exact = twin::<f64>(count, |_| ());
        let mut equal = twin::<f32>(count, |_| ());
        for first in (0..SAMPLES).step_by(per_part as usize) {
            let samples = per_part.min(SAMPLES - first);
            let u = AugmentedGather {
                first,
                samples,
                ..self.u
            };
            let bytes = |sample: u32| (sample * u.words * 4) as usize;
            let part = &self.images[bytes(first)..bytes(first + samples)];
            let buffers = [&case.with(part), &scales, &index, &warps, &x];
            let constants = [("SMOOTH", u32::from(smooth))];
            let invocations = u64::from(u.words * u.columns);
            case.run_with(&constants, &u, &buffers, invocations, REPLICAS);
            let (s, i, w) = (&self.scales, &self.index, &self.warps);
            batch_gather_augmented(&u, smooth, REPLICAS, part, s, i, w, &mut exact);
            batch_gather_augmented(&u, smooth, REPLICAS, part, s, i, w, &mut equal);
        }
        let got = case.floats(&x, equal.len());
        // One multiply-add of numbers up to 3.4 and 0.6; between pixels, places up to 32 are rounded a few times, and a step
        // of one pixel changes a value by up to 2 * 3.4.
        let rounding = if smooth { 6.8 * 8.0 * 32.0 } else { 2.0 * 5.0 };
        let allowed = vec![rounding * ROUNDING; exact.len()];
        case.check("x", &got, &exact, &allowed, &equal);
        Some(got[..count].to_vec())
    }
}

#[test]
fn batch_gather_augmented_is_its_twin() {
    for (channels, edge, cutout) in [(1, 0, 0), (3, 0, 4), (3, 1, 3), (2, 1, 0)] {
        for resample in [false, true] {
            let world = World::new(channels, resample, edge, cutout);
            let Some(whole) = world.gather(resample, SAMPLES) else {
                return;
            };
            for per_part in [1, 9] {
                let parts = world.gather(resample, per_part).unwrap();
                assert!(
                    parts
                        .iter()
                        .zip(&whole)
                        .all(|(a, b)| a.to_bits() == b.to_bits())
                );
            }
        }
        // Where nothing falls between pixels, both ways are one.
        let world = World::new(channels, false, edge, cutout);
        assert_eq!(world.gather(false, SAMPLES), world.gather(true, SAMPLES));
    }
}

/// By hand: a shift to the right by 2 brings in two columns of the fill, a mirror turns rows round, a cut is a square of 0.
#[test]
fn shift_mirror_fill_and_cutout_are_what_they_say() {
    for edge in [0, 1] {
        let mut world = World::new(1, false, edge, 2);
        world.scales = vec![[1.0, 0.5]];
        world.index.fill(3);
        let plain = Warp {
            xx: 1.0,
            yy: 1.0,
            shift_x: 2.0,
            // Columns 4 and 5 of rows 0 and 1.
            cut_x: 5.0,
            cut_y: 1.0,
            ..Warp::default()
        };
        world.warps.fill(plain);
        let second = &mut world.warps[4 * FIRST_COLUMN as usize + 1];
        second.xx = -1.0;
        second.shift_x = 0.0;
        second.shift_y = -1.0;
        let Some(got) = world.gather(false, SAMPLES) else {
            return;
        };
        let image = &world.images[(3 * world.u.words * 4) as usize..];
        let pixel = |y: usize, x: usize| f32::from(image[y * 7 + x]) + 0.5;
        let at = |b: usize, y: usize, x: usize| got[(y * 7 + x) * 20 + b];
        let zero = 0.5;
        for y in 0..9 {
            for x in 0..7 {
                let cut = (4..6).contains(&x) && y < 2;
                let filled = if edge == 1 { pixel(y, 0) } else { zero };
                let want = if x < 2 { filled } else { pixel(y, x - 2) };
                assert_eq!(at(0, y, x), if cut { 0.0 } else { want }, "{y} {x}");
                let below = if edge == 1 { pixel(8, 6 - x) } else { zero };
                let want = if y == 8 { below } else { pixel(y + 1, 6 - x) };
                assert_eq!(at(1, y, x), if cut { 0.0 } else { want }, "{y} {x}");
            }
        }
    }
}
