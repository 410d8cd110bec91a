//! Arms at every point of the sweep: values put in, steps read, controls applied.

use super::arms::{Body, Controlled, RawArm};
use super::control::{is_dense, put_control, without_masks};
use super::files::MaskFiles;
use super::iterate::unrolled;
use super::overlay::over_defaults;
use super::read_model::read_model;
use super::read_step::read_step;
use super::sense;
use super::step::Step;
use super::surroundings::{Alone, Surroundings};
use super::sweep::{Point, Sweep};
use super::types::{Arm, Configuration, StepOrigin};
use super::write::written;
use crate::config::{AnyText, Base, Form, Node, Problems, Reader, SourceText, suggest};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The steps an arm starts from, and the controls put upon them, innermost first.
pub(super) struct Chain<'n> {
    arm: &'n Node,
    steps: &'n [Node],
    controls: Vec<(&'n Node, &'n Node)>,
}

/// What every arm is laid out from.
pub(super) struct Roots<'a> {
    pub model: Option<&'a Node>,
    /// `[train]`.
    train: Arc<Base>,
    pub sweep: Sweep<'a>,
}

impl<'a> Roots<'a> {
    pub fn of(root: &'a Node, problems: &mut Problems) -> Roots<'a> {
        Roots {
            model: root.get("model"),
            train: Arc::new(Base {
                name: "[train]",
                under: "step",
                node: root.get("train").cloned(),
            }),
            sweep: Sweep::read(root.get("sweep"), problems),
        }
    }
}

/// What all arms share.
pub(super) struct Shared<'a> {
    pub roots: &'a Roots<'a>,
    pub files: &'a MaskFiles,
    /// Names that `dataset` may be.
    pub datasets: &'a [String],
    pub sources: &'a [SourceText],
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
        let size = shared.roots.sweep.size(&axes);
        if size > shared.most {
            let message = format!("this arm has {size} points of the sweep");
            let help = format!("at most {}: shorten the axes it uses", shared.most);
            problems.at(raw[index].node, message, help);
            continue;
        }
        let points = shared.roots.sweep.points(&axes);
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
pub(super) fn chain<'r>(
    raw: &'r [RawArm<'_>],
    start: usize,
    problems: &mut Problems,
) -> Option<Chain<'r>> {
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
            Body::Control(Controlled { of, mask }) => {
                controls.push((of, mask));
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
    let reader = &mut Reader {
        problems,
        context: &(),
    };
    let name = AnyText.read(of, "of", reader)?;
    let found = raw.iter().position(|arm| arm.name == Some(&name));
    if found.is_none() {
        let names: Vec<&str> = raw.iter().filter_map(|arm| arm.name).collect();
        let help = suggest::help(&name, &names);
        problems.at(of, format!("there is no arm named {name:?}"), help);
    }
    found
}

/// An arm with the values of a point in it, not yet read: all that its result depends on.
pub(super) struct Laid<'c> {
    pub model: Option<Node>,
    /// The steps, each over its defaults.
    steps: Vec<Node>,
    /// The controls that steps are changed by once they are read: of what, and how.
    controls: Vec<(&'c Node, Node)>,
    /// Whether the steps are those of the arm.
    as_written: bool,
}

impl Laid<'_> {
    /// What a step is written as: the value of its key, or the word of a control.
    pub fn origin(&self, origin: StepOrigin) -> Option<&Node> {
        match origin {
            StepOrigin::Step(step) => Some(&self.steps.get(step)?.entries().first()?.node),
            StepOrigin::Control(control) => Some(&self.controls.get(control)?.1),
        }
    }
}

impl Chain<'_> {
    /// The axes that the result depends on: those that stand in what is read at any point of them.
    fn axes(&self, shared: &Shared<'_>) -> BTreeSet<usize> {
        let mut axes = BTreeSet::new();
        loop {
            let mut found = axes.clone();
            if shared.roots.sweep.size(&axes) <= shared.most {
                for point in shared.roots.sweep.points(&axes) {
                    self.add_axes(&point, shared, &mut found);
                }
            }
            if found == axes {
                return axes;
            }
            axes = found;
        }
    }

    /// Adds the axes that the arm has left at a point of others.
    fn add_axes(&self, point: &Point, shared: &Shared<'_>, axes: &mut BTreeSet<usize>) {
        let mut add = |node: &Node| shared.roots.sweep.used_by(node, axes);
        match self.lay(point, shared.roots, &mut Problems::default()) {
            Some(laid) => {
                let masks = laid.controls.iter().map(|(_, mask)| mask);
                let nodes = laid.model.iter().chain(&laid.steps).chain(masks);
                nodes.for_each(&mut add);
            }
            // What is read here is not known before some of them are, or never.
            None => {
                let masks = self.controls.iter().map(|(_, mask)| *mask);
                let nodes = shared
                    .roots
                    .model
                    .into_iter()
                    .chain(&shared.roots.train.node);
                let nodes = nodes.chain(self.steps).chain(masks);
                nodes.for_each(|node| add(&shared.roots.sweep.substitute(node, point)));
            }
        }
    }

    /// Puts the values of a point in.
    pub fn lay(
        &self,
        point: &Point,
        roots: &Roots<'_>,
        problems: &mut Problems,
    ) -> Option<Laid<'_>> {
        let put = |node: &Node| roots.sweep.substitute(node, point);
        let steps: Vec<Node> = self.steps.iter().map(put).collect();
        let reader = &mut Reader {
            problems,
            context: &(),
        };
        let mut steps = unrolled(&steps, reader)?;
        let controls = self.controls.iter().map(|(of, mask)| (*of, put(mask)));
        let mut controls: Vec<(&Node, Node)> = controls.collect();
        let count = controls.len();
        // A dense control leaves nothing of what was done to the mask before, and there may be no value for it at this point.
        if let Some(last) = controls.iter().rposition(|(_, mask)| is_dense(mask)) {
            steps = without_masks(controls[last].0, &steps, reader)?;
            controls.drain(..=last);
        }
        let defaults = Arc::new(Base {
            node: roots.train.node.as_ref().map(put),
            ..*roots.train
        });
        let over = |step| over_defaults(step, &defaults);
        Some(Laid {
            model: roots.model.map(put),
            steps: steps.into_iter().map(over).collect(),
            as_written: controls.len() == count,
            controls,
        })
    }

    fn variant(
        &self,
        point: &Point,
        shared: &Shared<'_>,
        problems: &mut Problems,
    ) -> Option<Configuration> {
        let laid = self.lay(point, shared.roots, problems)?;
        let reader = &mut Reader {
            problems,
            context: &Alone,
        };
        let model = laid.model.and_then(|node| read_model(&node, reader));
        let around = Surroundings {
            model: model.as_ref(),
            files: shared.files,
            datasets: shared.datasets,
        };
        let reader = &mut Reader {
            problems: reader.problems,
            context: &around,
        };
        let nodes = &laid.steps;
        let read: Vec<Option<Step>> = nodes.iter().map(|node| read_step(node, reader)).collect();
        let mut steps = read.into_iter().collect::<Option<Vec<Step>>>()?;
        // What is left of an arm where nothing is pruned may restart without need, as the arm did.
        let sound = laid.as_written && sense::check_arm(self.arm, nodes, &steps, reader.problems);
        let mut origins: Vec<StepOrigin> = (0..steps.len()).map(StepOrigin::Step).collect();
        for (index, (of, mask)) in laid.controls.into_iter().enumerate() {
            let own = StepOrigin::Control(index);
            put_control((of, &mask, own), &mut steps, &mut origins, reader)?;
            // An arm that makes no sense itself is reported once.
            if sound {
                sense::check_control(&mask, &steps, reader.problems);
            }
        }
        let model = model?;
        let point = point
            .iter()
            .filter_map(|(axis, value)| {
                let axis = &shared.roots.sweep.axes[*axis];
                let written = written(axis.values.get(*value)?, shared.sources);
                Some((axis.name.to_string(), written))
            })
            .collect();
        Some(Configuration {
            point,
            model,
            steps,
            origins,
        })
    }
}
