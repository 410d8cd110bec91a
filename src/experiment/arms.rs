//! `[[arm]]` tables before the sweep: names, and steps or a control.

use super::control::CONTROLS;
use super::fields::Fields;
use super::scalars::{choice, line};
use crate::config::Problems;
use crate::config::{Node, Value};

/// An arm before any value of the sweep is put in.
pub(super) struct RawArm<'n> {
    pub node: &'n Node,
    pub name: Option<&'n str>,
    pub body: Option<Body<'n>>,
}

/// What an arm does.
pub(super) enum Body<'n> {
    Steps(&'n [Node]),
    Control { of: &'n Node, mask: &'n Node },
}

/// Reads names and bodies. Steps are read later, once per point of the sweep.
pub(super) fn read_arms<'n>(nodes: &'n [Node], problems: &mut Problems) -> Vec<RawArm<'n>> {
    let mut arms: Vec<RawArm<'n>> = Vec::new();
    for node in nodes {
        let mut arm = RawArm {
            node,
            name: None,
            body: None,
        };
        let keys = ["name", "steps", "control"];
        if let Some(fields) = Fields::open(node, "this [[arm]]", &keys, problems) {
            let name = fields.need("name", "name = \"dense\"", problems);
            arm.name = name.and_then(|name| arm_name(name, &arms, problems));
            arm.body = read_body(&fields, problems);
        }
        arms.push(arm);
    }
    arms
}

fn arm_name<'n>(node: &'n Node, arms: &[RawArm<'_>], problems: &mut Problems) -> Option<&'n str> {
    let name = line(node, "name", problems)?;
    if node.reference().is_some() {
        let help = "results name the point of the sweep themselves: give the arm a plain name";
        problems.at(node, "an arm's name cannot come from the sweep", help);
    }
    if arms.iter().any(|arm| arm.name == Some(name)) {
        let help = "tables and controls tell arms apart by name: choose another";
        problems.at(node, format!("two arms are named {name:?}"), help);
    }
    Some(name)
}

fn read_body<'n>(fields: &Fields<'n>, problems: &mut Problems) -> Option<Body<'n>> {
    let (key, node) = fields.one_of(&["steps", "control"], "something to do", problems)?;
    if key == "steps" {
        return match &node.value {
            Value::Array(steps) if !steps.is_empty() => Some(Body::Steps(steps)),
            Value::Array(_) => {
                let help = "for example: steps = [{ train = {} }]";
                problems.at(node, "this arm has no steps", help);
                None
            }
            _ => {
                let message = format!("`steps` must be a list of steps, not {}", node.describe());
                problems.at(node, message, "for example: steps = [{ train = {} }]");
                None
            }
        };
    }
    let control = Fields::open(node, "`control`", &["of", "mask"], problems)?;
    let of = control.need("of", "of = \"NAME OF AN ARM\"", problems);
    let mask = control.need("mask", "mask = \"shuffle\"", problems);
    if let Some(mask) = mask.filter(|mask| mask.reference().is_none()) {
        // Read again for each point; here so that it is reported even if the arm it controls has mistakes.
        choice(mask, "mask", &CONTROLS, problems)?;
    }
    Some(Body::Control {
        of: of?,
        mask: mask?,
    })
}

impl RawArm<'_> {
    /// The name of the arm that this one controls.
    pub fn control_of(&self) -> Option<String> {
        match &self.body {
            Some(Body::Control { of, .. }) => of.text().map(str::to_string),
            _ => None,
        }
    }
}
