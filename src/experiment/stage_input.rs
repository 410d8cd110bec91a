//! What a stage's digest covers, written out: kept beside the stage, so that it can be said why another one is not the same.

use super::plan::{Plan, PlanContext};
use super::step::Step;
use super::types::Experiment;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The input of a stage. Two stages with the same one have the same digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageInput {
    /// Version of the numbers, adapter and driver.
    pub everywhere: String,
    /// The seed.
    pub seed: u32,
    /// Channels, rows, columns and classes of the data that the first weights are drawn for.
    pub shape: Value,
    /// The model's layers and how they are initialised.
    pub model: Value,
    /// The steps up to this one.
    pub steps: Vec<StepInput>,
}

/// What a step adds to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepInput {
    /// The step, every default filled in.
    pub step: Value,
    /// Digest of the data that it reads.
    pub data: Option<String>,
}

/// A setting in which two stages differ. A value is `None` where one does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDifference {
    /// Keys from the outside in, with dots between, such as `train.optimizer.lr`.
    pub path: String,
    /// The step, from 0, if it is one's.
    pub step: Option<usize>,
    /// Its value in the one that is there.
    pub there: Option<String>,
    /// Its value in the one that is asked for.
    pub asked: Option<String>,
}

impl StageInput {
    /// The input of a stage of a plan that was made in this context; `None` if no run has it.
    pub fn of(
        experiment: &Experiment,
        context: &PlanContext,
        plan: &Plan,
        id: usize,
    ) -> Option<Self> {
        let (run, last) = plan.runs.iter().find_map(|run| {
            let at = run.stages.iter().position(|&stage| stage == id)?;
            Some((run, at))
        })?;
        let variant = &experiment.arms[run.arm].variants[run.variant];
        let data = |step: &Step| context.data.get(&step.data()?.dataset);
        let read = variant.steps.iter().find_map(data);
        let steps = variant.steps.iter().filter(|step| step.changes_anything());
        let steps = steps.take(last + 1).map(|step| StepInput {
            step: serde_json::from_str(&step.canonical(&experiment.mask_files)).unwrap_or_default(),
            data: data(step).map(|data| data.digest.clone()),
        });
        Some(Self {
            everywhere: context.everywhere.clone(),
            seed: run.seed,
            shape: json!(read.map(|data| data.shape)),
            model: json!({ "layers": variant.model.layers, "init": variant.model.init }),
            steps: steps.collect(),
        })
    }

    /// All settings in which the stage that is asked for differs from one that is there, in the order of the history.
    pub fn differences(&self, there: &Self) -> Vec<InputDifference> {
        let mut found = Vec::new();
        let everywhere = (json!(there.everywhere), json!(self.everywhere));
        let seeds = (json!(there.seed), json!(self.seed));
        for (path, (there, asked)) in [
            ("version of the numbers, adapter and driver", everywhere),
            ("seed", seeds),
            ("input", (there.shape.clone(), self.shape.clone())),
            ("model", (there.model.clone(), self.model.clone())),
        ] {
            walk(path, None, Some(&there), Some(&asked), &mut found);
        }
        for at in 0..self.steps.len().max(there.steps.len()) {
            let (old, new) = (there.steps.get(at), self.steps.get(at));
            let step = |input: Option<&StepInput>| input.map(|input| input.step.clone());
            walk(
                "",
                Some(at),
                step(old).as_ref(),
                step(new).as_ref(),
                &mut found,
            );
            let data = |input: Option<&StepInput>| input.map(|input| json!(input.data));
            if let (Some(old), Some(new)) = (data(old), data(new)) {
                walk(
                    "the data's digest",
                    Some(at),
                    Some(&old),
                    Some(&new),
                    &mut found,
                );
            }
        }
        found
    }
}

/// Where two values differ, down to values that have no parts.
fn walk(
    path: &str,
    step: Option<usize>,
    there: Option<&Value>,
    asked: Option<&Value>,
    found: &mut Vec<InputDifference>,
) {
    if there == asked {
        return;
    }
    let within = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match (there, asked) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let more = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(more) {
                walk(&within(key), step, old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                walk(&within(&at.to_string()), step, Some(old), Some(new), found);
            }
        }
        _ => found.push(InputDifference {
            path: path.to_owned(),
            step,
            there: there.map(Value::to_string),
            asked: asked.map(Value::to_string),
        }),
    }
}

/// Steps of a history that two stages have in common from the beginning on.
pub fn common_steps(a: &StageInput, b: &StageInput) -> usize {
    let same = |(a, b): &(&StepInput, &StepInput)| a == b;
    a.steps.iter().zip(&b.steps).take_while(same).count()
}
