//! Compilers of hardware GPUs, asked without a GPU: what RADV, Mesa's driver for AMD, makes of every kernel in every variant that
//! hardware may choose, against the budgets in `shaders/budgets.toml`; and what naga writes for Metal and Direct3D.
//!
//! `./x gpu-stats` shows the table and `./x gpu-stats --write` writes the budgets anew. The table is of the device that
//! `VK_DRIVER_FILES` and the driver's own variables name, where they are set; the test is always of RADV.

mod assembly;
mod budgets;
mod driver;
mod listed;
mod measure;
#[path = "../common/skip.rs"]
#[allow(dead_code, reason = "each test binary takes a part of it")]
mod skip;
mod spirv;
mod table;
mod texts;
mod vulkan;

use budgets::Budgets;
use std::path::PathBuf;

#[test]
fn kernels_keep_within_their_budgets() {
    const NAME: &str = "kernels_keep_within_their_budgets";
    if let Some(file) = std::env::var_os(driver::ANSWER) {
        // This is the process that measures for the one below.
        let answer = serde_json::to_vec(&measure::measure()).unwrap();
        return std::fs::write(file, answer).unwrap();
    }
    // A file for the table.
    let shown = std::env::var_os("SECATEUR_GPU_STATS").map(PathBuf::from);
    let named = shown.is_some() && std::env::var_os("VK_DRIVER_FILES").is_some();
    let report = if named {
        driver::apart(NAME, |_| {})
    } else {
        driver::radv(NAME)
    };
    let report = match report {
        Ok(report) => report,
        Err(why) => return skip::skip(&why),
    };
    if let Some(file) = shown {
        std::fs::write(file, table::table(&report)).unwrap();
    }
    if named {
        return;
    }
    if std::env::var("SECATEUR_WRITE_BUDGETS").is_ok_and(|v| v == "1") {
        return Budgets::write(&report);
    }
    let budgets = Budgets::read();
    if !budgets.are_of(&report) {
        let (own, other) = (&report.driver, &budgets.driver);
        let why = format!("the budgets are of {other}, and this is {own}");
        skip::skip_part("waves and loads of kernels", &why);
    }
    let broken = budgets.broken(&report);
    assert!(
        broken.is_empty(),
        "{}\nBudgets stand in shaders/budgets.toml. `./x gpu-stats` shows all numbers; where these are meant, `./x gpu-stats --write` \
         makes them the budgets.",
        broken.join("\n")
    );
}
