//! Arms at every point of the sweep: values put in, steps read, controls applied.

use super::arms::{Body, RawArm};
use super::control::{is_dense, put_control, without_masks};
use super::depends::Depends;
use super::files::MaskFiles;
use super::iterate::unrolled;
use super::read_model::read_model;
use super::read_step::read_step;
use super::surroundings::Surroundings;
use super::sweep::{Point, Sweep};
use super::write::written;
use super::{Arm, Step, Variant, sense};
use crate::config::Node;
use crate::config::Problems;
use crate::config::Source;
use crate::config::suggest;
use std::collections::BTreeSet;

/// The steps an arm starts from, and the controls put upon them, innermost first.
struct Chain<'n> {
    arm: &'n Node,
    steps: &'n [Node],
    controls: Vec<(&'n Node, &'n Node)>,
}

/// What all arms share.
pub(super) struct Shared<'a> {
    pub model: Option<&'a Node>,
    pub train: Option<&'a Node>,
    pub sweep: &'a Sweep<'a>,
    pub files: &'a MaskFiles,
    /// Names that `dataset` may be.
    pub datasets: &'a [String],
    pub sources: &'a [Source],
    /// More variants of one arm than this are refused.
    pub most: usize,
}

/// Expands every arm at every point of the sweep that it depends on; also says which axes are used at all, `None` if
/// that cannot be told.
pub(super) fn expand(
    raw: &[RawArm<'_>],
    shared: &Shared<'_>,
    problems: &mut Problems,
) -> (Vec<Arm>, Option<BTreeSet<usize>>) {
    let mut arms = Vec::new();
    let mut used = Some(BTreeSet::new());
    for index in 0..raw.len() {
        let Some(chain) = chain(raw, index, problems) else {
            used = None;
            continue;
        };
        let axes = chain.axes(shared);
        if let Some(used) = &mut used {
            used.extend(axes.iter().copied());
        }
        let size = shared.sweep.size(&axes);
        if size > shared.most {
            let message = format!("this arm has {size} points of the sweep");
            let help = format!("at most {}: shorten the axes it uses", shared.most);
            problems.at(raw[index].node, message, help);
            continue;
        }
        let points = shared.sweep.points(&axes);
        let mut variants = Vec::new();
        for point in &points {
            let variant = chain.variant(point, shared, problems);
            if variant.is_none() && problems.is_empty() {
                unread(raw[index].node, problems);
            }
            variants.extend(variant);
        }
        arms.push(Arm {
            name: raw[index].name.unwrap_or_default().to_string(),
            control_of: raw[index].control_of(),
            variants,
        });
    }
    (arms, used)
}

/// Reports an arm of which a point was lost without a mistake: no run may be missing in silence.
fn unread(arm: &Node, problems: &mut Problems) {
    let help = "this is a defect of secateur, not of the file: please report it. Writing the values of the sweep into the arm's steps goes around it";
    problems.at(arm, "a point of the sweep of this arm cannot be read", help);
}

/// Follows a control to the arm that has steps. `None` after a mistake.
fn chain<'n>(raw: &[RawArm<'n>], start: usize, problems: &mut Problems) -> Option<Chain<'n>> {
    let mut controls = Vec::new();
    let mut seen = vec![start];
    let mut at = start;
    loop {
        match raw[at].body.as_ref()? {
            Body::Steps(steps) => {
                controls.reverse();
                return Some(Chain {
                    arm: raw[at].node,
                    steps,
                    controls,
                });
            }
            Body::Control { of, mask } => {
                controls.push((*of, *mask));
                at = find_arm(raw, of, problems)?;
                if seen.contains(&at) {
                    let help = "a control must lead to an arm with steps";
                    problems.at(of, "this control is a control of itself", help);
                    return None;
                }
                seen.push(at);
            }
        }
    }
}

fn find_arm(raw: &[RawArm<'_>], of: &Node, problems: &mut Problems) -> Option<usize> {
    let name = super::scalars::string(of, "of", problems)?;
    let found = raw.iter().position(|arm| arm.name == Some(name));
    if found.is_none() {
        let names: Vec<&str> = raw.iter().filter_map(|arm| arm.name).collect();
        let help = suggest::help(name, &names);
        problems.at(of, format!("there is no arm named {name:?}"), help);
    }
    found
}

impl Chain<'_> {
    /// The axes that the result depends on.
    fn axes(&self, shared: &Shared<'_>) -> BTreeSet<usize> {
        let mut depends = Depends {
            sweep: shared.sweep,
            train: shared.train,
            dense: self.controls.iter().any(|(_, mask)| is_dense(mask)),
            axes: BTreeSet::new(),
        };
        let masks = self.controls.iter().map(|(_, mask)| *mask);
        for value in shared.model.into_iter().chain(masks) {
            depends.add_value(value);
        }
        for step in self.steps {
            depends.add_step(step);
        }
        depends.axes
    }

    fn variant(
        &self,
        point: &Point,
        shared: &Shared<'_>,
        problems: &mut Problems,
    ) -> Option<Variant> {
        let put = |node: &Node| shared.sweep.substitute(node, point);
        let model = shared
            .model
            .map(put)
            .and_then(|node| read_model(&node, problems));
        let defaults = shared.train.map(put);
        let around = Surroundings {
            defaults: defaults.as_ref(),
            model: model.as_ref(),
            files: shared.files,
            datasets: shared.datasets,
        };
        let nodes: Vec<Node> = self.steps.iter().map(put).collect();
        let mut nodes = unrolled(&nodes, problems)?;
        let mut controls = &self.controls[..];
        // A dense control leaves nothing of what was done to the mask before, and there may be no value for it at this point.
        if let Some(last) = controls.iter().rposition(|(_, mask)| is_dense(&put(mask))) {
            nodes = without_masks(controls[last].0, &nodes, problems)?;
            controls = &controls[last + 1..];
        }
        let read: Vec<Option<Step>> = nodes
            .iter()
            .map(|node| read_step(node, &around, problems))
            .collect();
        let mut steps = read.into_iter().collect::<Option<Vec<Step>>>()?;
        // What is left of an arm where nothing is pruned may restart without need, as the arm did.
        let as_written = controls.len() == self.controls.len();
        let sound = as_written && sense::check_arm(self.arm, &nodes, &steps, problems);
        for (of, mask) in controls {
            let mask = put(mask);
            put_control(of, &mask, &mut steps, problems)?;
            // An arm that makes no sense itself is reported once.
            if sound {
                sense::check_control(&mask, &steps, problems);
            }
        }
        let model = model?;
        let point = point
            .iter()
            .filter_map(|(axis, value)| {
                let axis = &shared.sweep.axes[*axis];
                let written = written(axis.values.get(*value)?, shared.sources);
                Some((axis.name.to_string(), written))
            })
            .collect();
        Some(Variant {
            point,
            model,
            steps,
        })
    }
}
