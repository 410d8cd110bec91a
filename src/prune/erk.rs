//! Densities per layer by Erdős and Rényi: small layers keep more.

use crate::model::Tensor;

/// How many weights each layer keeps so that `keep` stay in all: layer l keeps the share min(1, e raw_l), e solved so that the sum
/// is right; layers that reach 1 are full and e is solved again for the rest. raw is (in + out) / (in out), with `kernels` (in +
/// out + height + width) / (in out height width) (Mocanu et al. 2018; Evci et al. 2020, section 3.1). Whole numbers by largest
/// remainder, ties to the earlier layer, so that the sum is exact. `keep` is at most the layers' sum.
pub fn er_shares(tensors: &[&Tensor], keep: u64, kernels: bool) -> Vec<u64> {
    let raw = |t: &Tensor| {
        let sides = if kernels {
            t.shape.as_slice()
        } else {
            &t.shape[..2]
        };
        sides.iter().sum::<usize>() as f64 / sides.iter().product::<usize>() as f64
    };
    let sizes: Vec<f64> = tensors.iter().map(|t| t.count as f64).collect();
    let mut full = vec![false; tensors.len()];
    let quotas = loop {
        let dense: f64 = (0..sizes.len())
            .filter(|&l| full[l])
            .map(|l| sizes[l])
            .sum();
        let open = || (0..sizes.len()).filter(|&l| !full[l]);
        let weight: f64 = open().map(|l| raw(tensors[l]) * sizes[l]).sum();
        let e = (keep as f64 - dense) / weight;
        let over: Vec<usize> = open().filter(|&l| e * raw(tensors[l]) > 1.0).collect();
        if over.is_empty() {
            let quota = |l: usize| {
                if full[l] {
                    sizes[l]
                } else {
                    e * raw(tensors[l]) * sizes[l]
                }
            };
            break (0..sizes.len()).map(quota).collect::<Vec<f64>>();
        }
        for l in over {
            full[l] = true;
        }
    };
    let mut shares: Vec<u64> = quotas
        .iter()
        .zip(tensors)
        .map(|(quota, t)| (quota.max(0.0) as u64).min(t.count as u64))
        .collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let rest = |l: usize| quotas[l] - shares[l] as f64;
    order.sort_by(|&a, &b| rest(b).total_cmp(&rest(a)).then(a.cmp(&b)));
    let mut missing = keep.saturating_sub(shares.iter().sum());
    // A second round only where rounding put a full layer first.
    for &l in order.iter().chain(&order) {
        if missing > 0 && shares[l] < tensors[l].count as u64 {
            shares[l] += 1;
            missing -= 1;
        }
    }
    shares
}
