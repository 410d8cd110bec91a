//! The budgets of kernels: what a compiler may make of each, in `shaders/budgets.toml`.

use super::measure::{Measured, Report};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The file.
#[derive(Deserialize)]
pub struct Budgets {
    /// The driver that they were measured on, with its version.
    pub driver: String,
    /// The device that it compiled for.
    pub device: String,
    kernels: BTreeMap<String, Budget>,
}

#[derive(Clone, Copy, Deserialize)]
struct Budget {
    /// Waves per SIMD, at least.
    waves: u32,
    /// Spilled registers, at most.
    spills: u32,
    /// Vector loads for 64 multiply-adds of the inner loop, at most; none where no loop multiplies.
    loads: Option<f64>,
    /// Likewise loads from workgroup memory (LDS); none where the kernel has no such memory.
    lds: Option<f64>,
}

const HEAD: &str = "\
# What a hardware GPU's compiler may make of each kernel, in every variant that hardware may choose: waves per SIMD at least, spilled
# registers at most, and where a loop multiplies, for 64 multiply-adds of the inner one, vector loads (loads) and loads from workgroup
# memory (lds) at most. `./x gpu-stats` shows what the compiler makes of them now; `./x gpu-stats --write` writes this file anew.
";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/budgets.toml")
}

impl Budgets {
    /// Reads the file.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(path()).expect("shaders/budgets.toml");
        toml::from_str(&text).unwrap_or_else(|e| panic!("shaders/budgets.toml: {e}"))
    }

    /// Writes the file: what was measured becomes the budget.
    pub fn write(report: &Report) {
        let mut text = HEAD.to_owned();
        let (driver, device) = (&report.driver, &report.device);
        let _ = writeln!(
            text,
            "driver = {driver:?}\ndevice = {device:?}\n\n[kernels]"
        );
        for (kernel, measured) in &report.kernels {
            let (waves, spills) = (measured.waves(), measured.spills());
            let _ = write!(text, "{kernel:?} = {{ waves = {waves}, spills = {spills}");
            for (key, loads) in [("loads", measured.loads()), ("lds", measured.lds_loads())] {
                if let Some(loads) = loads {
                    let _ = write!(text, ", {key} = {loads:?}");
                }
            }
            text += " }\n";
        }
        std::fs::write(path(), text).expect("shaders/budgets.toml can be written");
    }

    /// Whether these are of the same compiler. Another version counts registers differently.
    pub fn are_of(&self, report: &Report) -> bool {
        self.driver == report.driver && self.device == report.device
    }

    /// A sentence for each budget that is broken, each kernel without one, and each without a kernel.
    pub fn broken(&self, report: &Report) -> Vec<String> {
        let same = self.are_of(report);
        let mut sentences = Vec::new();
        for (kernel, measured) in &report.kernels {
            match self.kernels.get(kernel) {
                Some(budget) => sentences.extend(budget.broken(kernel, measured, same)),
                None => sentences.push(format!("{kernel} has no budget")),
            }
        }
        let gone = self.kernels.keys();
        let gone = gone.filter(|kernel| !report.kernels.contains_key(*kernel));
        sentences.extend(
            gone.map(|kernel| format!("{kernel} has a budget, and hardware never runs it")),
        );
        sentences
    }
}

impl Budget {
    fn broken(&self, kernel: &str, measured: &Measured, same: bool) -> Vec<String> {
        let mut sentences = Vec::new();
        let spills = measured.spills();
        // Another version spills other numbers, but is to spill none where this one does not.
        if spills > self.spills && (same || self.spills == 0) {
            let budget = self.spills;
            sentences.push(format!(
                "{kernel} spills {spills} registers; its budget is {budget}"
            ));
        }
        let waves = measured.waves();
        if same && waves < self.waves {
            let budget = self.waves;
            sentences.push(format!(
                "{kernel} runs in {waves} waves per SIMD; its budget is {budget} or more"
            ));
        }
        let kinds = [
            ("vector loads", self.loads, measured.loads()),
            (
                "loads from workgroup memory",
                self.lds,
                measured.lds_loads(),
            ),
        ];
        for (kind, budget, now) in kinds {
            // A loop that is found no longer is as bad as one that loads more.
            let worse = match (budget, now) {
                (Some(budget), Some(now)) => now > budget,
                (None, None) => false,
                _ => true,
            };
            if same && worse {
                let say = |loads: Option<f64>| loads.map_or("none".to_owned(), |l| l.to_string());
                let (now, budget) = (say(now), say(budget));
                sentences.push(format!(
                    "{kernel} issues {now} {kind} for 64 multiply-adds of its inner loop; its budget is {budget}"
                ));
            }
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::InnerLoop;

    fn report(driver: &str, waves: f64, spilled: f64, loads: u32) -> Report {
        let statistics = [("Subgroups per SIMD", waves), ("Spilled VGPRs", spilled)];
        let statistics = statistics.map(|(name, value)| (name.to_owned(), value));
        let inner = InnerLoop {
            multiply_adds: 64,
            vector_loads: loads,
            ..InnerLoop::default()
        };
        let measured = Measured {
            statistics: statistics.into(),
            inner: Some(inner),
        };
        Report {
            device: "RDNA3".to_owned(),
            driver: driver.to_owned(),
            kernels: BTreeMap::from([("a ROWS=8".to_owned(), measured)]),
        }
    }

    #[test]
    fn a_broken_budget_names_kernel_budget_and_what_is() {
        let budgets: Budgets = toml::from_str(
            "driver = \"radv 1\"\ndevice = \"RDNA3\"\n[kernels]\n\"a ROWS=8\" = { waves = 16, spills = 0, loads = 4.0 }",
        )
        .unwrap();
        assert!(budgets.broken(&report("radv 1", 16.0, 0.0, 4)).is_empty());
        assert!(budgets.broken(&report("radv 1", 20.0, 0.0, 2)).is_empty());
        let broken = budgets.broken(&report("radv 1", 12.0, 3.0, 5));
        let want = [
            "a ROWS=8 spills 3 registers; its budget is 0",
            "a ROWS=8 runs in 12 waves per SIMD; its budget is 16 or more",
            "a ROWS=8 issues 5 vector loads for 64 multiply-adds of its inner loop; its budget is 4",
        ];
        assert_eq!(broken, want);
        // Of another version it counts alone whether there are spills.
        let broken = budgets.broken(&report("radv 2", 12.0, 3.0, 5));
        assert_eq!(broken, want[..1]);
    }

    #[test]
    fn kernels_without_a_budget_and_budgets_without_a_kernel_are_told() {
        let budgets: Budgets = toml::from_str(
            "driver = \"radv 1\"\ndevice = \"RDNA3\"\n[kernels]\n\"b\" = { waves = 16, spills = 0 }",
        )
        .unwrap();
        let broken = budgets.broken(&report("radv 1", 16.0, 0.0, 4));
        let want = [
            "a ROWS=8 has no budget",
            "b has a budget, and hardware never runs it",
        ];
        assert_eq!(broken, want);
    }
}
