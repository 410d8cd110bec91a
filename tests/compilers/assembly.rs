//! The inner loop of a kernel, read off AMD's machine code as RADV writes it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the loop that multiplies the most executes in one pass, in instructions of one wave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerLoop {
    /// Fused multiply-adds of one lane; two where two are issued together.
    pub multiply_adds: u32,
    /// Vector arithmetic, these included; one where two are issued together.
    pub vector: u32,
    /// Loads from memory with an address for each lane.
    pub vector_loads: u32,
    /// Loads from memory with one address.
    pub scalar_loads: u32,
    /// Loads from workgroup memory.
    pub workgroup_loads: u32,
    /// Waits for loads.
    pub waits: u32,
}

impl InnerLoop {
    /// `count` for 64 multiply-adds.
    pub fn per_64(&self, count: u32) -> f64 {
        f64::from(count * 64) / f64::from(self.multiply_adds)
    }

    fn of(lines: &[&str]) -> Self {
        let mut found = Self::default();
        for line in lines {
            let mnemonic = line.split_whitespace().next().unwrap_or_default();
            let is = |starts: &[&str]| starts.iter().any(|start| mnemonic.starts_with(start));
            let memory = ["buffer_load", "global_load", "flat_load", "scratch_load"];
            found.vector += u32::from(is(&["v_"]));
            found.vector_loads += u32::from(is(&memory));
            found.scalar_loads += u32::from(is(&["s_load", "s_buffer_load"]));
            found.workgroup_loads += u32::from(is(&["ds_load", "ds_read"]));
            found.waits += u32::from(is(&["s_waitcnt"]));
            let multiplies = |word: &&str| word.starts_with("v_") && word.contains("fma");
            found.multiply_adds += line.split_whitespace().filter(multiplies).count() as u32;
        }
        found
    }
}

/// Of the loops that hold no other, the one with the most multiply-adds; `None` where no loop multiplies.
pub fn inner_loop(assembly: &str) -> Option<InnerLoop> {
    let lines: Vec<&str> = assembly
        .lines()
        .map(|line| line.split(';').next().unwrap_or(line).trim())
        .collect();
    let labels = lines.iter().enumerate();
    let labels: BTreeMap<&str, usize> = labels
        .filter_map(|(at, line)| Some((line.strip_suffix(':')?, at)))
        .collect();
    // Each loop from its label to the last branch back to it.
    let mut loops: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        let branches = line.starts_with("s_branch") || line.starts_with("s_cbranch");
        let target = line.split_whitespace().nth(1).filter(|_| branches);
        if let Some(&begin) = target.and_then(|label| labels.get(label))
            && begin <= at
        {
            loops.insert(begin, at);
        }
    }
    let holds_none = |&(&begin, &end): &(&usize, &usize)| {
        let mut inside = loops.range(begin + 1..end);
        inside.next().is_none()
    };
    let innermost = loops.iter().filter(holds_none);
    let counted = innermost.map(|(&begin, &end)| InnerLoop::of(&lines[begin..=end]));
    let multiplying = counted.filter(|found| found.multiply_adds > 0);
    multiplying.max_by_key(|found| found.multiply_adds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_within_is_counted_and_not_what_is_around_it() {
        let assembly = "\
BB0:
\ts_load_b128 s[0:3], s[4:5], null   ; f4080002
\tv_fma_f32 v0, v1, v2, v0           ; before the loops
BB1:
\tbuffer_load_b128 v[8:11], v0, s[0:3], 0 offen ; of the loop around
BB2:
\tbuffer_load_b128 v[4:7], v0, s[0:3], 0 offen
\ts_buffer_load_b32 s8, s[0:3], s9
\tds_load_b128 v[12:15], v3
\ts_waitcnt vmcnt(0)
\tv_fmac_f32_e32 v1, s8, v4
\tv_dual_fmac_f32 v2, s8, v5 :: v_dual_fmac_f32 v3, s8, v6
\tv_add_nc_u32_e32 v0, 16, v0
\ts_cbranch_scc1 BB2
\ts_cbranch_scc1 BB1
\ts_endpgm
";
        let want = InnerLoop {
            multiply_adds: 3,
            vector: 3,
            vector_loads: 1,
            scalar_loads: 1,
            workgroup_loads: 1,
            waits: 1,
        };
        assert_eq!(inner_loop(assembly), Some(want));
        assert_eq!(inner_loop("BB0:\n\tv_fma_f32 v0, v1, v2, v0\n"), None);
    }
}
