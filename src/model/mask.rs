//! Masks off the GPU.

use super::{Model, Tensor};

/// Which floats of a replica's flat parameters exist: a bit for each, lowest bits first, as they lie on the GPU. Bits of what no
/// mask applies to are 1: those of biases and running statistics, and those between a tensor's end and the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(Vec<u32>);

impl Mask {
    /// All of so many floats exist.
    pub fn full(floats: usize) -> Self {
        Self(vec![u32::MAX; floats.div_ceil(32)])
    }

    /// A mask as it lies on the GPU: [`Model::mask_words`] words.
    pub fn from_words(words: Vec<u32>) -> Self {
        Self(words)
    }

    /// [`Mask::from_words`], back.
    pub fn words(&self) -> &[u32] {
        &self.0
    }

    /// Bits, those of padding too.
    pub fn bits(&self) -> usize {
        32 * self.0.len()
    }

    /// Whether float `i` exists.
    pub fn keeps(&self, i: usize) -> bool {
        self.0[i / 32] >> (i % 32) & 1 == 1
    }

    /// Takes float `i` out.
    pub fn remove(&mut self, i: usize) {
        self.0[i / 32] &= !(1 << (i % 32));
    }

    /// A tensor's bits from its first float on, 32 to a word; those past its end are 0.
    pub fn words_of<'a>(&'a self, tensor: &Tensor) -> impl Iterator<Item = u32> + use<'a> {
        let (first, count) = (tensor.offset, tensor.count);
        (0..count).step_by(32).map(move |at| {
            let (word, shift) = ((first + at) / 32, (first + at) % 32);
            let next = self.0.get(word + 1).copied().unwrap_or(0);
            let bits = u64::from(self.0[word]) | u64::from(next) << 32;
            (bits >> shift) as u32 & low_bits(count - at)
        })
    }

    /// Takes out the floats of a tensor whose bits are 0 in these words, as [`words_of`](Self::words_of) gives them.
    pub fn keep_in(&mut self, tensor: &Tensor, words: impl Iterator<Item = u32>) {
        for (i, kept) in words.enumerate() {
            let at = tensor.offset + 32 * i;
            let pruned = !kept & low_bits(tensor.count.saturating_sub(32 * i));
            let pruned = u64::from(pruned) << (at % 32);
            self.0[at / 32] &= !(pruned as u32);
            if let Some(next) = self.0.get_mut(at / 32 + 1) {
                *next &= !((pruned >> 32) as u32);
            }
        }
    }

    /// The floats of a tensor that exist, ascending.
    pub fn kept_in<'a>(&'a self, tensor: &Tensor) -> impl Iterator<Item = usize> + Clone + use<'a> {
        tensor.range().filter(|&i| self.keeps(i))
    }

    /// How many floats of a tensor exist.
    pub fn count_in(&self, tensor: &Tensor) -> u64 {
        let words = &self.0[tensor.offset / 32..tensor.range().end.div_ceil(32)];
        let ones: u64 = words.iter().map(|w| u64::from(w.count_ones())).sum();
        let tail = words.len() * 32 - tensor.count;
        ones - tail as u64
    }

    /// How many floats of a tensor exist by this mask and by another of the same model.
    pub fn common_in(&self, other: &Self, tensor: &Tensor) -> u64 {
        let words = tensor.offset / 32..tensor.range().end.div_ceil(32);
        let pairs = self.0[words.clone()].iter().zip(&other.0[words.clone()]);
        let ones: u64 = pairs.map(|(a, b)| u64::from((a & b).count_ones())).sum();
        let tail = words.len() * 32 - tensor.count;
        ones - tail as u64
    }

    /// [`Mask::count_in`] of every tensor; biases count whole.
    pub fn counts(&self, model: &Model) -> Vec<u64> {
        model.tensors.iter().map(|t| self.count_in(t)).collect()
    }

    /// How many of the weights that masks apply to exist.
    pub fn prunable_count(&self, model: &Model) -> u64 {
        let prunable = model.tensors.iter().filter(|t| t.prunable);
        prunable.map(|t| self.count_in(t)).sum()
    }

    /// The same as a share of them all; 1 where there are none.
    pub fn density(&self, model: &Model) -> f64 {
        match model.prunable() {
            0 => 1.0,
            all => self.prunable_count(model) as f64 / all as f64,
        }
    }

    /// What exists by this mask and by another of the same model.
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }
}

/// The lowest bits of a word, at most all of them.
fn low_bits(count: usize) -> u32 {
    match count {
        0..32 => (1 << count) - 1,
        _ => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Init, Layer, ModelSpec, NamedLayer, Shape};

    /// 40 weights in words 0 and 1, biases in 2 and 3, 10 weights in word 4, biases in 6.
    fn model() -> Model {
        let linear = |name: &str, features| NamedLayer {
            name: name.into(),
            layer: Layer::Linear {
                features,
                bias: true,
            },
            from: None,
        };
        let spec = ModelSpec {
            name: "test".into(),
            layers: vec![linear("a", 5), linear("b", 2)],
            init: Init::default(),
        };
        Model::new(&spec, Shape::flat(8), 2).unwrap()
    }

    #[test]
    fn counts_leave_out_what_lies_past_a_tensors_end() {
        let model = model();
        let full = Mask::full(model.floats);
        assert_eq!(full.words().len(), model.mask_words());
        assert_eq!(full.counts(&model), [40, 5, 10, 2]);
        assert_eq!(full.density(&model), 1.0);
        let mut mask = full;
        for i in [0, 31, 32, 39, 128] {
            assert!(mask.keeps(i));
            mask.remove(i);
            assert!(!mask.keeps(i));
        }
        assert_eq!(mask.counts(&model), [36, 5, 9, 2]);
        assert_eq!(mask.prunable_count(&model), 45);
        assert_eq!(mask.density(&model), 0.9);
        let second: Vec<usize> = mask.kept_in(&model.tensors[2]).collect();
        assert_eq!(second, (129..138).collect::<Vec<_>>());
    }

    #[test]
    fn two_masks_meet_in_what_both_keep() {
        let model = model();
        let (mut a, mut b) = (Mask::full(model.floats), Mask::full(model.floats));
        (0..30).for_each(|i| a.remove(i));
        (20..40).for_each(|i| b.remove(i));
        assert_eq!(a.and(&b).counts(&model), [0, 5, 10, 2]);
        assert_eq!(a.and(&a), a);
    }
}
