//! `magnitude_score`, `random_score`, `growth_score`, `score_invert`, `select_count`, `select_pick`, `select_write`: exact
//! top-k against a sort.

use crate::common::{Dice, gpu};
use crate::reference::device::Case;
use crate::reference::mask::bit;
use crate::reference::select::{
    chosen, growth_score, magnitude_score, random_score, score_invert, select_count, select_pick,
    select_write,
};
use bytemuck::Zeroable;
use secateur::gpu::{Buffer, Gpu, Program};
use secateur::ops::Span;
use secateur::prune::{self, GrowthShape, ScoreSegment, ScoreShape, SelectShape, Threshold};

/// What stands in masks before a selection; words outside the blocks must keep it.
const BEFORE: u32 = 0x5a5a_1234;

/// Keys in one buffer. Scores too large for one binding come as several.
struct Part {
    /// `[replica][stride]`
    keys: Vec<u32>,
    stride: u32,
    /// Index of the first key among those of all parts.
    base: u32,
    segments: Vec<ScoreSegment>,
}

impl Part {
    fn mask_words(&self) -> u32 {
        self.stride / 32
    }
    /// Blocks as the host cuts them, but at most `longest` keys each, so that small tests have many.
    fn blocks(&self, longest: u32) -> Vec<[u32; 4]> {
        let cut = |s: &ScoreSegment| {
            let s = *s;
            (0..s.count)
                .step_by(longest as usize)
                .map(move |at| [s.start + at, longest.min(s.count - at), s.group, 0])
        };
        self.segments.iter().flat_map(cut).collect()
    }
}

/// A part on the device.
struct Loaded<'a> {
    part: &'a Part,
    shape: SelectShape,
    blocks: Vec<[u32; 4]>,
    score: Buffer,
    on_gpu: Buffer,
    masks: Buffer,
}

/// Runs the whole selection through the raw kernels. After every kernel, what it wrote is compared with its twin; at the end
/// the masks are compared with a sort. `keep` is `[replica][group]`. Gives the masks of each part.
fn select(name: &str, parts: &[Part], keep: &[Vec<u32>], longest: u32) -> Vec<Vec<u32>> {
    let Some(gpu) = gpu() else { return Vec::new() };
    let size = (name, longest, keep);
    let case = |kernel| Case::new(gpu, kernel, &size);
    let replicas = keep.len() as u32;
    let groups = keep[0].len() as u32;
    let start = |&rank: &u32| Threshold {
        rank,
        ..Threshold::zeroed()
    };
    let mut thresholds: Vec<Threshold> = keep.iter().flatten().map(start).collect();
    let mut histogram = vec![0u32; thresholds.len() * 256];
    let count = case("select_count");
    let on_gpu = (count.with(&thresholds), count.with(&histogram));
    let loaded: Vec<Loaded<'_>> = parts
        .iter()
        .map(|part| {
            let blocks = part.blocks(longest);
            let masks = vec![BEFORE; (replicas * part.mask_words()) as usize];
            Loaded {
                part,
                shape: SelectShape {
                    blocks: blocks.len() as u32,
                    groups,
                    score_stride: part.stride,
                    mask_words: part.mask_words(),
                    base: part.base,
                },
                score: count.with(&part.keys),
                on_gpu: count.with(&blocks),
                masks: count.with(&masks),
                blocks,
            }
        })
        .collect();

    let pick = case("select_pick");
    for round in 0..8 {
        // Every part is counted before the digit is picked.
        for l in &loaded {
            let buffers = [&l.on_gpu, &l.score, &on_gpu.0, &on_gpu.1];
            // One workgroup of 256 a block.
            count.run(
                &l.shape,
                &buffers,
                u64::from(l.shape.blocks) * 256,
                replicas,
            );
            select_count(
                &l.shape,
                replicas,
                &l.blocks,
                &l.part.keys,
                &thresholds,
                &mut histogram,
            );
        }
        let what = format!("histogram of round {round}");
        count.check_words(&what, &count.words(&on_gpu.1, histogram.len()), &histogram);
        let buffers = [&on_gpu.0, &on_gpu.1];
        pick.run(&loaded[0].shape, &buffers, u64::from(groups), replicas);
        select_pick(&mut thresholds, &mut histogram);
        let flat: &[u32] = bytemuck::cast_slice(&thresholds);
        let what = format!("thresholds of round {round}");
        pick.check_words(&what, &pick.words(&on_gpu.0, flat.len()), flat);
        let cleared = pick.words(&on_gpu.1, histogram.len());
        pick.check_words("cleared histogram", &cleared, &histogram);
    }
    let write = case("select_write");
    let mut results = Vec::new();
    for l in &loaded {
        let buffers = [&l.on_gpu, &l.score, &on_gpu.0, &l.masks];
        write.run(
            &l.shape,
            &buffers,
            u64::from(l.shape.blocks) * 256,
            replicas,
        );
        let mut masks = vec![BEFORE; (replicas * l.part.mask_words()) as usize];
        select_write(
            &l.shape,
            replicas,
            &l.blocks,
            &l.part.keys,
            &thresholds,
            &mut masks,
        );
        let got = write.words(&l.masks, masks.len());
        write.check_words("masks", &got, &masks);
        results.push(got);
    }
    for r in 0..replicas {
        for g in 0..groups {
            check_against_sort(
                &write,
                parts,
                &results,
                (r, g),
                keep[r as usize][g as usize],
            );
        }
    }
    check_host(&write, gpu, &loaded, keep, &results);
    results
}

/// The host's selection records the same kernels and gives the same masks, where every group holds as many keys as it keeps.
fn check_host(
    case: &Case<'_>,
    gpu: &'static Gpu,
    loaded: &[Loaded<'_>],
    keep: &[Vec<u32>],
    masks: &[Vec<u32>],
) {
    for (r, groups) in keep.iter().enumerate() {
        for (group, &keep) in groups.iter().enumerate() {
            let there = |l: &Loaded<'_>| {
                let own = &l.part.keys[r * l.part.stride as usize..];
                let of_group = l.part.segments.iter().filter(|s| s.group == group as u32);
                let keys = of_group.flat_map(|s| &own[s.start as usize..][..s.count as usize]);
                keys.filter(|&&k| k != 0).count() as u32
            };
            if loaded.iter().map(there).sum::<u32>() < keep {
                return;
            }
        }
    }
    let before = |m: &Vec<u32>| case.with(&vec![BEFORE; m.len()]);
    let fresh: Vec<Buffer> = masks.iter().map(before).collect();
    let parts: Vec<prune::ScorePart<'_>> = loaded
        .iter()
        .zip(&fresh)
        .map(|(l, masks)| prune::ScorePart {
            score: &l.score,
            masks,
            score_stride: l.part.stride,
            mask_words: l.part.mask_words(),
            base: l.part.base,
            segments: &l.part.segments,
        })
        .collect();
    let mut program = Program::new("select");
    case.get(prune::select(gpu, &mut program, &parts, keep));
    case.get(gpu.run(&program));
    for (fresh, masks) in fresh.iter().zip(masks) {
        let got = case.words(fresh, masks.len());
        case.check_words("masks of the host's selection", &got, masks);
    }
}

/// The mask bits of one group are what a sort says, and as many as asked, or as there are keys.
fn check_against_sort(
    case: &Case<'_>,
    parts: &[Part],
    masks: &[Vec<u32>],
    (r, group): (u32, u32),
    keep: u32,
) {
    let mut candidates = Vec::new();
    let mut on = Vec::new();
    for (part, masks) in parts.iter().zip(masks) {
        for segment in part.segments.iter().filter(|s| s.group == group) {
            for k in segment.start..segment.start + segment.count {
                candidates.push((part.base + k, part.keys[(r * part.stride + k) as usize]));
                if bit(&masks[(r * part.mask_words()) as usize..], k as usize) {
                    on.push(part.base + k);
                }
            }
        }
    }
    let mut want = chosen(&candidates, keep);
    want.sort_unstable();
    on.sort_unstable();
    let what = format!(
        "replica {r}, group {group}, keep {keep} of {}",
        candidates.len()
    );
    case.check_words(&what, &on, &want);
    let there = candidates.iter().filter(|&&(_, key)| key != 0).count();
    assert_eq!(on.len(), there.min(keep as usize), "{what}");
}

/// One part and one group of `count` keys per replica, a word's worth of room behind them.
fn single(keys: &[Vec<u32>]) -> Part {
    let count = keys[0].len() as u32;
    let stride = count.next_multiple_of(32) + 32;
    let mut flat = Vec::new();
    for own in keys {
        flat.extend(own);
        // Keys behind the block must not compete.
        flat.resize(flat.len() + (stride - count) as usize, u32::MAX);
    }
    Part {
        keys: flat,
        stride,
        base: 0,
        segments: vec![ScoreSegment {
            start: 0,
            count,
            group: 0,
        }],
    }
}

/// The keys that `magnitude_score` makes of weights.
fn keys_of(weights: &[f32]) -> Vec<u32> {
    weights.iter().map(|w| w.abs().to_bits() + 1).collect()
}

/// keep 0, 1, some, all but one, all.
fn amounts(count: u32) -> [u32; 6] {
    [0, 1, count / 3, count / 2 + 1, count - 1, count]
}

#[test]
fn distinct_weights() {
    let mut dice = Dice(81);
    for count in [1u32, 31, 32, 33, 1000, 20_001] {
        let keys = keys_of(&(0..count).map(|_| dice.unit()).collect::<Vec<_>>());
        for keep in amounts(count) {
            select(
                "distinct",
                &[single(std::slice::from_ref(&keys))],
                &[vec![keep]],
                8192,
            );
        }
    }
}

/// Weights of which thousands are equal: the last rounds decide, by index.
#[test]
fn massive_ties() {
    let mut dice = Dice(82);
    for values in [1u32, 2, 5] {
        let weights: Vec<f32> = (0..9001).map(|_| dice.below(values) as f32 - 1.0).collect();
        for keep in [0, 1, 255, 256, 257, 4500, 9000, 9001] {
            let masks = select("ties", &[single(&[keys_of(&weights)])], &[vec![keep]], 8192);
            if let ([masks], 1) = (&masks[..], values) {
                // All equal: exactly the first `keep`.
                assert!(
                    (0..9001).all(|k| bit(masks, k) == (k < keep as usize)),
                    "keep {keep}"
                );
            }
        }
    }
}

/// Zeros of both signs tie; the smallest numbers, flushed by some drivers' arithmetic, still have an order; the largest end it.
#[test]
fn extreme_weights() {
    let mut dice = Dice(83);
    let special = [
        0.0,
        -0.0,
        f32::from_bits(1),
        -f32::from_bits(2),
        f32::from_bits(3),
        f32::MIN_POSITIVE,
        -f32::MIN_POSITIVE,
        f32::MAX,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e-30,
        1.0,
    ];
    let weights: Vec<f32> = (0..3000)
        .map(|_| special[dice.below(12) as usize])
        .collect();
    for keep in [1u32, 100, 250, 499, 500, 501, 1000, 1700, 2500, 2999, 3000] {
        select(
            "extreme",
            &[single(&[keys_of(&weights)])],
            &[vec![keep]],
            8192,
        );
    }
}

/// Keys that differ in one byte only, each byte in turn: every round must decide once.
#[test]
fn one_byte_decides() {
    let mut dice = Dice(84);
    for byte in 0..4 {
        let keys: Vec<u32> = (0..2000)
            .map(|_| 0x0101_0101 + (dice.below(255) << (8 * byte)))
            .collect();
        for keep in [1, 700, 1999] {
            select(
                "one byte",
                &[single(std::slice::from_ref(&keys))],
                &[vec![keep]],
                8192,
            );
        }
    }
    // The largest key there may be: keep 0 must not keep it, nor the index that inverts to the largest word.
    for keep in [0, 1, 2, 3] {
        let keys = vec![u32::MAX - 1, u32::MAX - 1, u32::MAX - 2, 1];
        select("largest", &[single(&[keys])], &[vec![keep]], 8192);
    }
}

/// Weights that are pruned already have key 0 and never come back, even when more are asked for than exist.
#[test]
fn pruned_weights_stay_pruned() {
    let mut dice = Dice(85);
    let key = |_| {
        if dice.below(3) == 0 {
            1 + dice.below(50)
        } else {
            0
        }
    };
    let keys: Vec<u32> = (0..5000).map(key).collect();
    let there = keys.iter().filter(|&&k| k != 0).count() as u32;
    for keep in [0, 1, there / 2, there - 1, there, there + 1, 5000] {
        select(
            "pruned",
            &[single(std::slice::from_ref(&keys))],
            &[vec![keep]],
            8192,
        );
    }
    select("none left", &[single(&[vec![0; 100]])], &[vec![10]], 8192);
}

/// Several groups in blocks of odd lengths, one of them in two pieces, several replicas that keep different amounts.
#[test]
fn groups_and_replicas() {
    let mut dice = Dice(86);
    let segments = vec![
        ScoreSegment {
            start: 0,
            count: 8193,
            group: 0,
        },
        ScoreSegment {
            start: 8256,
            count: 1,
            group: 1,
        },
        ScoreSegment {
            start: 8320,
            count: 777,
            group: 2,
        },
        // A gap that belongs to nobody, then more of group 0.
        ScoreSegment {
            start: 9600,
            count: 450,
            group: 0,
        },
    ];
    let stride = 10_240;
    let replicas = 3usize;
    for range in [3u32, 1000, u32::MAX] {
        let keys = (0..stride as usize * replicas)
            .map(|_| 1 + dice.below(range))
            .collect();
        let part = [Part {
            keys,
            stride,
            base: 0,
            segments: segments.clone(),
        }];
        let keep = [vec![1234, 1, 300], vec![0, 0, 777], vec![8643, 1, 0]];
        for longest in [8192, 96] {
            let masks = select("groups", &part, &keep, longest);
            if let [masks] = &masks[..] {
                // Words between the blocks are nobody's.
                let gap = 9120 / 32..9600 / 32;
                for r in 0..replicas {
                    let own = &masks[r * stride as usize / 32..];
                    assert!(own[gap.clone()].iter().all(|&w| w == BEFORE));
                }
            }
        }
    }
}

/// Scores that exceed one binding: two or three buffers share thresholds and histogram, and ties go by the index over all.
#[test]
fn parts_share_one_selection() {
    let mut dice = Dice(87);
    let segment = |start, count, group| ScoreSegment {
        start,
        count,
        group,
    };
    for range in [1u32, 4, u32::MAX] {
        let part = |dice: &mut Dice, base: u32, stride: u32, segments: Vec<ScoreSegment>| Part {
            keys: (0..stride * 2).map(|_| 1 + dice.below(range)).collect(),
            stride,
            base,
            segments,
        };
        let parts = [
            part(
                &mut dice,
                0,
                9000 - 9000 % 32 + 32,
                vec![segment(0, 8999, 0)],
            ),
            part(
                &mut dice,
                9024,
                640,
                vec![segment(0, 300, 0), segment(320, 301, 1)],
            ),
            // A base far along, as the last part of a very large model has.
            part(&mut dice, 4_000_000_000, 128, vec![segment(32, 95, 1)]),
        ];
        for keep in [[0, 1], [1, 301], [9000, 302], [9001, 396], [9299, 200]] {
            let keep = [keep.to_vec(), vec![4000, 150]];
            select("parts", &parts, &keep, 8192);
        }
    }
}

/// A replica's mask is the same whatever was selected beside it.
#[test]
fn replicas_do_not_disturb_each_other() {
    let mut dice = Dice(88);
    let keys: Vec<Vec<u32>> = (0..3)
        .map(|_| (0..700).map(|_| 1 + dice.below(40)).collect())
        .collect();
    let together = select(
        "together",
        &[single(&keys)],
        &[vec![5], vec![350], vec![699]],
        8192,
    );
    for (r, keep) in [5, 350, 699].into_iter().enumerate() {
        let alone = select("alone", &[single(&keys[r..=r])], &[vec![keep]], 8192);
        if let ([together], [alone]) = (&together[..], &alone[..]) {
            let words = alone.len();
            assert_eq!(&together[r * words..(r + 1) * words], &alone[..]);
        }
    }
}

/// Runs a score kernel; gives what it wrote.
fn score(
    gpu: &'static Gpu,
    kernel: &'static str,
    u: &ScoreShape,
    keys: &[[u32; 4]],
    masks: &[u32],
    params: &[f32],
) -> (Vec<u32>, Vec<u32>) {
    let case = Case::new(gpu, kernel, u);
    let replicas = keys.len() as u32;
    let inputs = [case.with(keys), case.with(masks), case.with(params)];
    let score = case.with(&vec![BEFORE; params.len()]);
    let unordered = case.with(&vec![0u32; keys.len()]);
    let buffers = [&inputs[0], &inputs[1], &inputs[2], &score, &unordered];
    case.run(u, &buffers, u64::from(u.count), replicas);
    let got = case.words(&score, params.len());
    let got_unordered = case.words(&unordered, keys.len());
    let mut want = vec![BEFORE; params.len()];
    let mut want_unordered = vec![0; keys.len()];
    match kernel {
        "magnitude_score" => magnitude_score(u, masks, params, &mut want, &mut want_unordered),
        _ => random_score(u, keys, masks, &mut want),
    }
    case.check_words("score", &got, &want);
    case.check_words("unordered", &got_unordered, &want_unordered);
    (got, got_unordered)
}

#[test]
fn scores_are_their_twins() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(89);
    for (offset, count, replicas, revive) in
        [(0u32, 1u32, 1u32, 0u32), (32, 450, 3, 0), (64, 1000, 2, 1)]
    {
        let param_stride = (offset + count + 1).next_multiple_of(32);
        let u = ScoreShape {
            offset,
            count,
            param_stride,
            mask_words: param_stride / 32,
            tensor: 4,
            revive,
        };
        let keys = dice.keys(replicas);
        let masks = dice.words((replicas * u.mask_words) as usize);
        let mut params = dice.values((replicas * param_stride) as usize);
        let special = [-0.0, f32::NAN, f32::INFINITY, -f32::from_bits(5), -f32::NAN];
        for (k, &v) in special.iter().enumerate().take(count as usize - 1) {
            params[offset as usize + 3 * k] = v;
        }
        let (_, unordered) = score(gpu, "magnitude_score", &u, &keys, &masks, &params);
        if revive == 1 {
            assert_eq!(unordered, [2, 0], "both NaN of the first replica are found");
        }
        let (first, _) = score(gpu, "random_score", &u, &keys, &masks, &params);
        // Another number of selections so far, and another tensor, are other numbers.
        let later: Vec<_> = keys.iter().map(|&[a, b, c, d]| [a, b, c, d + 1]).collect();
        let (second, _) = score(gpu, "random_score", &u, &later, &masks, &params);
        let other = ScoreShape { tensor: 5, ..u };
        let (third, _) = score(gpu, "random_score", &other, &keys, &masks, &params);
        if count > 100 {
            assert!(first != second && first != third);
        }
    }
}

#[test]
fn growth_scores_are_their_twins() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(90);
    for (offset, count, replicas) in [(0u32, 1u32, 1u32), (32, 450, 3)] {
        let param_stride = (offset + count + 1).next_multiple_of(32);
        let u = GrowthShape {
            offset,
            count,
            param_stride,
            mask_words: param_stride / 32,
            tensor: 4,
            step: 700,
        };
        let keys = dice.keys(replicas);
        let masks = dice.words((replicas * u.mask_words) as usize);
        let mut grads = dice.values((replicas * param_stride) as usize);
        let special = [-0.0, f32::NAN, f32::INFINITY, -f32::from_bits(5), -f32::NAN];
        for (k, &v) in special.iter().enumerate().take(count as usize - 1) {
            grads[offset as usize + 3 * k] = v;
        }
        for random in [false, true] {
            let which = (random, count);
            let case = Case::new(gpu, "growth_score", &which);
            let inputs = [case.with(&keys), case.with(&masks), case.with(&grads)];
            let score = case.with(&vec![BEFORE; grads.len()]);
            let unordered = case.with(&vec![0u32; keys.len()]);
            let buffers = [&inputs[0], &inputs[1], &inputs[2], &score, &unordered];
            let constants = [("GROW", u32::from(random))];
            case.run_with(&constants, &u, &buffers, u64::from(count), replicas);
            let (mut want, mut nans) = (vec![BEFORE; grads.len()], vec![0; keys.len()]);
            let inputs = (&keys[..], &masks[..], &grads[..]);
            growth_score(&u, random, inputs, &mut want, &mut nans);
            case.check_words("score", &case.words(&score, grads.len()), &want);
            case.check_words("unordered", &case.words(&unordered, keys.len()), &nans);
        }
    }
}

#[test]
fn inverted_scores_are_their_twin_and_their_own_inverse() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(90);
    for (count, replicas) in [(1u32, 1u32), (65, 3)] {
        let u = Span { count };
        let case = Case::new(gpu, "score_invert", &u);
        let mut keys = dice.words((4 * count * replicas) as usize);
        for (k, key) in [0, 1, u32::MAX - 1, 0].into_iter().enumerate() {
            keys[k] = key;
        }
        let score = case.with(&keys);
        case.run(&u, &[&score], u64::from(count), replicas);
        let mut want = keys.clone();
        score_invert(&u, replicas, &mut want);
        case.check_words("score", &case.words(&score, keys.len()), &want);
        assert_eq!(&want[..4], [0, u32::MAX - 1, 1, 0]);
        case.run(&u, &[&score], u64::from(count), replicas);
        case.check_words("score", &case.words(&score, keys.len()), &keys);
    }
}
