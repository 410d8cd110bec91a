//! `mask_audit` and `mask_shuffle`.

use crate::common::{Dice, gpu};
use crate::reference::device::Case;
use crate::reference::mask::{bit, mask_audit, mask_shuffle};
use secateur::prune::ShuffleShape;
use secateur::train::ParamsShape;

/// Violations planted in each tensor, of every kind of bits, are counted once a position; what is kept, and -0, is not.
#[test]
fn mask_audit_counts_what_was_planted() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(61);
    for (words, replicas) in [(1u32, 1u32), (5, 3), (300, 2)] {
        let size = (words, replicas);
        let u = ParamsShape {
            quads: 8 * words,
            mask_words: words,
            kept_stride: 0,
            flags: 0,
        };
        let case = Case::new(gpu, "mask_audit", &size);
        let count = 32 * words as usize;
        let masks = dice.words((words * replicas) as usize);
        let total = count * replicas as usize;
        let pruned = |i: usize| !bit(&masks, i);
        // A clean model: anything where weights are kept, NaN too, and zeros of both signs where they are pruned.
        let mut tensors = [(); 5].map(|()| dice.values(total));
        for tensor in &mut tensors {
            for (i, v) in tensor.iter_mut().enumerate() {
                if pruned(i) {
                    *v = [0.0, -0.0][dice.below(2) as usize];
                } else if dice.below(50) == 0 {
                    *v = f32::NAN;
                }
            }
        }
        let audit = |tensors: &[Vec<f32>; 5], already: u32| {
            let start = vec![already; replicas as usize];
            let violations = case.with(&start);
            let [a, b, c, d, e] = tensors.each_ref().map(|t| case.with(t));
            let buffers = [&case.with(&masks), &a, &b, &c, &d, &e, &violations];
            case.run(&u, &buffers, u64::from(u.quads), replicas);
            let got = case.words(&violations, replicas as usize);
            let mut want = start;
            mask_audit(&u, &masks, &tensors.each_ref().map(|t| &t[..]), &mut want);
            case.check_words("violations", &got, &want);
            got
        };
        assert!(
            audit(&tensors, 0).iter().all(|&v| v == 0),
            "a clean model has no violation"
        );
        assert!(audit(&tensors, 7).iter().all(|&v| v == 7), "counts add up");

        // The smallest denormal counts: an integer test sees it even where the driver flushes it.
        let smallest = f32::from_bits(1);
        let bad = [
            1.0,
            -1.0,
            smallest,
            -smallest,
            f32::NAN,
            -f32::NAN,
            f32::INFINITY,
            1e-30,
        ];
        let mut planted = vec![0; replicas as usize];
        for (k, &value) in bad.iter().cycle().take(40).enumerate() {
            let at = dice.below(total as u32) as usize;
            let clean = tensors.iter().all(|t| t[at] == 0.0);
            if pruned(at) {
                tensors[k % 5][at] = value;
                // One position is one violation, in however many tensors.
                planted[at / count] += u32::from(clean);
            }
        }
        assert_eq!(audit(&tensors, 0), planted);
        for k in 0..5 {
            // One violation in one tensor alone.
            let mut only = [(); 5].map(|()| vec![0.0f32; total]);
            let Some(at) = (0..total).rev().find(|&i| pruned(i)) else {
                continue;
            };
            only[k][at] = f32::NAN;
            assert_eq!(audit(&only, 0).iter().sum::<u32>(), 1, "tensor {k}");
        }
    }
}

#[test]
fn mask_shuffle_is_its_twin_and_keeps_the_count() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(62);
    // (words before the tensor, weights, replicas)
    for size in [
        (0u32, 1u32, 1u32),
        (2, 32, 2),
        (1, 450, 3),
        (3, 20_001, 2),
        (0, 31, 1),
    ] {
        let (first_word, count, replicas) = size;
        let u = ShuffleShape {
            first_word,
            count,
            tensor: 3,
            mask_words: first_word + count.div_ceil(32) + 2,
        };
        let case = Case::new(gpu, "mask_shuffle", &size);
        let keys = dice.keys(replicas);
        let masks = dice.words((replicas * u.mask_words) as usize);
        let before = dice.words(masks.len());
        let shuffled = case.with(&before);
        let invocations = u64::from(count.div_ceil(32));
        let buffers = [&case.with(&keys), &case.with(&masks), &shuffled];
        case.run(&u, &buffers, invocations, replicas);
        let got = case.words(&shuffled, masks.len());
        let mut want = before;
        mask_shuffle(&u, &keys, &masks, &mut want);
        case.check_words("shuffled", &got, &want);
        for r in 0..replicas {
            let first = (r * u.mask_words + first_word) as usize;
            let kept = |words: &[u32]| {
                (0..count as usize)
                    .filter(|&k| bit(&words[first..], k))
                    .count()
            };
            assert_eq!(kept(&got), kept(&masks), "{size:?}, replica {r}");
            let tail = count as usize..count.next_multiple_of(32) as usize;
            assert!(
                tail.clone().all(|k| bit(&got[first..], k)),
                "{size:?}, replica {r}"
            );
        }
        if count > 1000 {
            assert_ne!(got[first_word as usize + 1], masks[first_word as usize + 1]);
        }
    }
}
