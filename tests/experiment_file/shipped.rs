//! The files of `experiments/`.

use super::setup::shipped;
use secateur::experiment::{Experiment, Plan, PlanContext};
use std::path::Path;

#[test]
fn shipped_experiments_are_right() {
    let shipped = shipped();
    assert!(shipped.len() >= 3);
    for (name, text) in shipped {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let experiment = Experiment::parse(&name, &text, &folder, &[]);
        let experiment = experiment.unwrap_or_else(|errors| panic!("{errors}"));
        let plan = Plan::new(&experiment, &PlanContext::default());
        assert!(plan.shared() > 0 || experiment.arms.len() == 1, "{name}");
        serde_json::from_str::<serde_json::Value>(&experiment.resolved_json()).unwrap();
    }
}
