//! `[[arm]]` tables before the sweep: names, and steps or a control.

use super::control::Control;
use super::read_step::StepList;
use crate::config::{
    AnyText, At, Fields, Fits, Flat, Form, FromNode, Later, Line, Node, Part, Reader, Table,
    ValueShape, choice, table,
};

table! {
    /// One method under comparison.
    pub(super) struct ArmTable as "this [[arm]]" {
        /// unique in the experiment: tables and controls tell arms apart by it
        name: String => Line, like "\"dense\"";
        /// What it does.
        body: Body => Flat;
    }
}

choice! {
    /// What an arm does.
    #[derive(Clone, PartialEq)]
    #[expect(clippy::large_enum_variant, reason = "there are few arms")]
    pub(super) enum Body as "something to do" {
        /// what it does, in order
        Steps(Vec<Node>) = "steps" => StepList, like "[{ train = {} }]";
        /// another arm with one change to its mask
        Control(Controlled) = "control", like "{ of = \"NAME OF AN ARM\", mask = \"shuffle\" }";
    }
}

table! {
    /// Another arm with one change to its mask. A control of a control changes that control's steps.
    #[derive(Clone, PartialEq)]
    pub(super) struct Controlled as "`control`" {
        /// the name of the other arm
        pub of: Node => Later(|| AnyText.shape()), like "\"NAME OF AN ARM\"";
        /// what is changed
        pub mask: Node => Fits(Later(|| ValueShape::swept(Control::shape())), is_control), like "\"shuffle\"";
    }
}

/// Read again for each point; here so that it is reported even if the arm it controls has mistakes.
fn is_control(mask: Node, at: At<'_>, table: &mut Fields<'_>) -> Option<Node> {
    if mask.reference().is_none() {
        Control::read(&mask, at.key, &mut table.reader)?;
    }
    Some(mask)
}

/// An arm before any value of the sweep is put in.
pub(super) struct RawArm<'n> {
    pub node: &'n Node,
    pub name: Option<&'n str>,
    pub body: Option<Body>,
}

/// Reads names and bodies. Steps are read later, once per point of the sweep.
pub(super) fn read_arms<'n>(nodes: &'n [Node], reader: &mut Reader<'_>) -> Vec<RawArm<'n>> {
    let mut arms: Vec<RawArm<'n>> = Vec::new();
    for node in nodes {
        let mut arm = RawArm {
            node,
            name: None,
            body: None,
        };
        let keys = ArmTable::description().keys(None);
        if let Some(mut table) = Fields::open(node, ArmTable::WHAT, &keys, reader) {
            table.need("name", "\"dense\"");
            let name = node.get("name");
            arm.name = name.and_then(|name| arm_name(name, &arms, &mut table.reader));
            arm.body = Body::take(&mut table, None);
        }
        arms.push(arm);
    }
    arms
}

fn arm_name<'n>(node: &'n Node, arms: &[RawArm<'_>], reader: &mut Reader<'_>) -> Option<&'n str> {
    Line.read(node, "name", reader)?;
    let name = node.text()?;
    if node.reference().is_some() {
        let help = "results name the point of the sweep themselves: give the arm a plain name";
        reader.at(node, "an arm's name cannot come from the sweep", help);
    }
    if arms.iter().any(|arm| arm.name == Some(name)) {
        let help = "tables and controls tell arms apart by name: choose another";
        reader.at(node, format!("two arms are named {name:?}"), help);
    }
    Some(name)
}

impl RawArm<'_> {
    /// The name of the arm that this one controls.
    pub fn control_of(&self) -> Option<String> {
        match &self.body {
            Some(Body::Control(control)) => control.of.text().map(str::to_string),
            _ => None,
        }
    }
}
