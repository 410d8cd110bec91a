//! Arms at every point of the sweep: values put in, steps read, controls applied.

use super::arms::{Body, MASKS, RawArm};
use super::errors::Source;
use super::files::MaskFiles;
use super::iterate::{flattened, unrolled};
use super::node::Node;
use super::problem::{Problem, Problems};
use super::read_model::read_model;
use super::read_step::{Surroundings, may_read_data, read_step};
use super::scalars::choice;
use super::sweep::{Point, Sweep};
use super::{Arm, Step, Variant, sense, suggest};
use crate::prune::MaskStep;
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
        let variants = points
            .iter()
            .filter_map(|point| chain.variant(point, shared, problems))
            .collect();
        arms.push(Arm {
            name: raw[index].name.unwrap_or_default().to_string(),
            control_of: raw[index].control_of(),
            variants,
        });
    }
    (arms, used)
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
        let mut axes = BTreeSet::new();
        if let Some(model) = shared.model {
            shared.sweep.used_by(model, &mut axes);
        }
        for step in self.steps {
            shared.sweep.used_by(step, &mut axes);
        }
        for step in flattened(self.steps) {
            defaults_used(step, shared, &mut axes);
        }
        for (_, mask) in &self.controls {
            shared.sweep.used_by(mask, &mut axes);
        }
        axes
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
        let nodes = unrolled(&nodes, problems)?;
        let read: Vec<Option<Step>> = nodes
            .iter()
            .map(|node| read_step(node, &around, problems))
            .collect();
        let mut steps = read.into_iter().collect::<Option<Vec<Step>>>()?;
        sense::check_arm(self.arm, &nodes, &steps, problems);
        for (of, mask) in &self.controls {
            put_control(of, &put(mask), &mut steps, problems)?;
        }
        let model = model?;
        let point = point
            .iter()
            .filter_map(|(axis, value)| {
                let axis = &shared.sweep.axes[*axis];
                let written = super::document::written(axis.values.get(*value)?, shared.sources);
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

/// The axes in those defaults of `[train]` that a step does not override.
fn defaults_used(step: &Node, shared: &Shared<'_>, axes: &mut BTreeSet<usize>) {
    // A step, or its settings, may stand in the sweep: then whatever any of the values leaves to the defaults.
    let meanings = |node: &Node| -> Vec<Node> {
        match node.reference().and_then(|name| shared.sweep.find(name)) {
            Some(axis) => shared.sweep.axes[axis].values.to_vec(),
            None => vec![node.clone()],
        }
    };
    let steps = meanings(step);
    let under = |key: &str| {
        let settings = steps.iter().filter_map(|step| step.get(key));
        settings.flat_map(&meanings).collect::<Vec<Node>>()
    };
    let mut settings = under("train");
    let measured = |prune: &Node| prune.get("criterion").is_some_and(may_read_data);
    settings.extend(under("prune").into_iter().filter(measured));
    for settings in settings {
        let defaults = shared.train.map_or(&[][..], Node::entries);
        for entry in defaults {
            if settings.get(&entry.key).is_none() {
                shared.sweep.used_by(&entry.node, axes);
            }
        }
    }
}

/// Puts `{ mask = ... }` after the last step that makes a mask, and after shuffles that already follow it: a control of
/// a control changes that control's mask.
fn put_control(
    of: &Node,
    mask: &Node,
    steps: &mut Vec<Step>,
    problems: &mut Problems,
) -> Option<()> {
    let mask = choice(mask, "mask", &MASKS, problems)?;
    let makes = |step: &Step| {
        let loads = matches!(step, Step::Mask(MaskStep::Load(_)));
        loads || matches!(step, Step::Prune(_) | Step::PruneUnits(_))
    };
    let Some(last) = steps.iter().rposition(makes) else {
        problems.add(Problem {
            message: format!(
                "the arm {:?} never makes a mask",
                of.text().unwrap_or_default()
            ),
            place: of.place.clone(),
            path: of.path.clone(),
            used_at: None,
            help: Some(
                "a control changes a mask: it needs an arm with { prune = ... } or { mask = { load = FILE } }"
                    .into(),
            ),
        });
        return None;
    };
    let shuffles = |step: &&Step| {
        MASKS
            .iter()
            .any(|(_, mask)| **step == Step::Mask(mask.clone()))
    };
    let following = steps[last + 1..].iter().take_while(shuffles).count();
    steps.insert(last + 1 + following, Step::Mask(mask));
    Some(())
}
