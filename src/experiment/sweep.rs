//! The `[sweep]` table, and putting its values where `"$axis"` stands.

use crate::config::{Entry, Node, Problem, Problems, Value, ValueShape, is_bare, suggest};
use std::collections::BTreeSet;

/// The key of axes that go together.
const ZIP: &str = "zip";

/// What `[sweep]` may be.
pub(super) fn shape() -> ValueShape {
    ValueShape::Map(Box::new(ValueShape::List(Box::new(ValueShape::Any), 1)))
}

pub(super) struct Sweep<'n> {
    pub axes: Vec<SweepAxis<'n>>,
    /// Axes of which the first values go together, the second, and so on.
    zipped: Vec<Vec<usize>>,
}

pub(super) struct SweepAxis<'n> {
    pub name: &'n str,
    pub entry: &'n Entry,
    /// Empty if the axis was refused.
    pub values: &'n [Node],
}

/// What stands in the place of a reference to an axis, `None` if there is no such axis; itself where it says nothing.
type Replace<'a> = dyn Fn(&Node, Option<usize>) -> Option<Node> + 'a;

/// One value for each of some axes: (axis, value), both by index.
pub(super) type Point = Vec<(usize, usize)>;

impl<'n> Sweep<'n> {
    pub fn read(node: Option<&'n Node>, problems: &mut Problems) -> Sweep<'n> {
        let mut axes = Vec::new();
        if let Some(node) = node {
            if !matches!(node.value, Value::Table(_)) {
                let message = format!("[sweep] must be a table, not {}", node.describe());
                problems.at(node, message, "for example: [sweep] sparsity = [0.5, 0.9]");
            }
            for entry in node.entries().iter().filter(|entry| entry.key != ZIP) {
                axes.push(SweepAxis {
                    name: &entry.key,
                    entry,
                    values: axis_values(entry, problems),
                });
            }
        }
        let mut sweep = Sweep {
            axes,
            zipped: Vec::new(),
        };
        if let Some(zip) = node.and_then(|node| node.get(ZIP)) {
            sweep.read_zip(zip, problems);
        }
        sweep
    }

    /// `["a", "b"]`, or a list of such lists.
    fn read_zip(&mut self, zip: &Node, problems: &mut Problems) {
        let groups = match zip.items() {
            [first, ..] if first.text().is_none() => zip.items(),
            _ => std::slice::from_ref(zip),
        };
        for group in groups {
            if group.items().len() < 2 {
                let help = "for example: zip = [\"width\", \"lr\"]";
                problems.at(group, "`zip` takes a list of at least two axes", help);
                continue;
            }
            let mut axes: Vec<usize> = Vec::new();
            for item in group.items() {
                let name = item.text().unwrap_or_default();
                let Some(axis) = self.find(name) else {
                    let names: Vec<&str> = self.axes.iter().map(|axis| axis.name).collect();
                    let message = format!("there is no axis {} in [sweep]", item.describe());
                    problems.at(item, message, suggest::help(name, &names));
                    continue;
                };
                let earlier = self.zipped.iter().flatten().chain(&axes);
                if earlier.copied().any(|other| other == axis) {
                    let message = format!("the axis `{name}` is zipped twice");
                    problems.at(item, message, "name each axis once");
                    continue;
                }
                let length = |axis: usize| self.axes[axis].values.len();
                if let Some(&first) = axes.first()
                    && length(first) != length(axis)
                {
                    let message = format!(
                        "the axis `{name}` has {} values, and `{}` has {}",
                        length(axis),
                        self.axes[first].name,
                        length(first)
                    );
                    let help = "axes that go together have as many values";
                    problems.at(item, message, help);
                    continue;
                }
                axes.push(axis);
            }
            self.zipped.push(axes);
        }
    }

    /// Whether two axes go together.
    fn go_together(&self, a: usize, b: usize) -> bool {
        let both = |group: &Vec<usize>| group.contains(&a) && group.contains(&b);
        self.zipped.iter().any(both)
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.axes.iter().position(|axis| axis.name == name)
    }

    /// The axes that a value refers to, anywhere below it.
    pub fn used_by(&self, node: &Node, used: &mut BTreeSet<usize>) {
        if let Some(name) = node.reference() {
            used.extend(self.find(name));
        }
        for item in node.items() {
            self.used_by(item, used);
        }
        for entry in node.entries() {
            self.used_by(&entry.node, used);
        }
    }

    /// Reports every `"$axis"` below `node` that no axis has.
    pub fn check_references(&self, node: &Node, problems: &mut Problems) {
        if let Some(name) = node.reference()
            && self.find(name).is_none()
        {
            let names: Vec<&str> = self.axes.iter().map(|axis| axis.name).collect();
            let help = if names.is_empty() {
                format!("a string that starts with `$` names an axis: write [sweep] {name} = [...]")
            } else {
                suggest::help(name, &names)
            };
            problems.at(node, format!("there is no axis `{name}` in [sweep]"), help);
        }
        for item in node.items() {
            self.check_references(item, problems);
        }
        for entry in node.entries() {
            self.check_references(&entry.node, problems);
        }
    }

    /// A copy of `node` with the values of `point` in place of references to its axes. References to other axes stay; those to
    /// none are unknown values.
    pub fn substitute(&self, node: &Node, point: &Point) -> Node {
        let unknown = |node: &Node| Some(Node::new(Value::Unknown, node.place.clone()));
        self.replaced(node, &|reference, axis| {
            let Some(axis) = axis else {
                return unknown(reference);
            };
            let (_, value) = point.iter().find(|(at, _)| *at == axis)?;
            match self.axes[axis].values.get(*value) {
                // A value of the sweep may not refer to others: what does so is unknown.
                Some(value) => Some(self.replaced(value, &|reference, _| unknown(reference))),
                None => unknown(reference),
            }
        })
    }

    /// A copy of `node` in which the reference to an axis, or to one that there is not, is what `by` says, if it says any.
    fn replaced(&self, node: &Node, by: &Replace<'_>) -> Node {
        if let Some(name) = node.reference() {
            return match by(node, self.find(name)) {
                Some(value) => Node {
                    used_at: Some(node.path.clone()),
                    ..value
                },
                None => node.clone(),
            };
        }
        let mut copy = Node {
            value: Value::Unknown,
            place: node.place.clone(),
            path: node.path.clone(),
            used_at: node.used_at.clone(),
            overridden: node.overridden,
            base: node.base.clone(),
        };
        copy.value = match &node.value {
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.replaced(item, by)).collect())
            }
            Value::Table(entries) => Value::Table(
                entries
                    .iter()
                    .map(|entry| Entry {
                        key: entry.key.clone(),
                        key_place: entry.key_place.clone(),
                        inherited: entry.inherited,
                        node: self.replaced(&entry.node, by),
                    })
                    .collect(),
            ),
            plain => plain.clone(),
        };
        copy
    }

    /// How many points the given axes span. An axis without values counts as one: its mistake is reported elsewhere.
    pub fn size(&self, axes: &BTreeSet<usize>) -> usize {
        // Of axes that go together the first alone counts.
        let follows = |&&axis: &&usize| axes.range(..axis).any(|&a| self.go_together(a, axis));
        axes.iter()
            .filter(|axis| !follows(axis))
            .map(|axis| self.axes[*axis].values.len().max(1))
            .fold(1, usize::saturating_mul)
    }

    /// All combinations of the given axes' values, one for each of those that go together; the last axis changes fastest.
    pub fn points(&self, axes: &BTreeSet<usize>) -> Vec<Point> {
        let mut points: Vec<Point> = vec![Vec::new()];
        for &axis in axes {
            let count = self.axes[axis].values.len().max(1);
            points = points
                .iter()
                .flat_map(|point| {
                    let told = point
                        .iter()
                        .find(|(other, _)| self.go_together(*other, axis));
                    let values = told.map_or(0..count, |&(_, value)| value..value + 1);
                    values.map(move |value| {
                        let mut longer = point.clone();
                        longer.push((axis, value));
                        longer
                    })
                })
                .collect();
        }
        points
    }
}

fn axis_values<'n>(entry: &'n Entry, problems: &mut Problems) -> &'n [Node] {
    let name = &entry.key;
    let node = &entry.node;
    if !is_bare(name) {
        problems.add(Problem {
            message: format!("`{name}` cannot name an axis"),
            place: entry.key_place.clone(),
            path: node.path.clone(),
            used_at: None,
            help: Some("letters, digits, `_` and `-` only: it is written as \"$name\"".into()),
        });
    }
    let values = match &node.value {
        Value::Array(values) if !values.is_empty() => values,
        Value::Array(_) => {
            let help = "list at least one value, or remove the axis";
            problems.at(node, format!("the axis `{name}` has no values"), help);
            return &[];
        }
        _ => {
            let message = format!(
                "the axis `{name}` must be a list of values, not {}",
                node.describe()
            );
            problems.at(node, message, format!("for example: {name} = [0.5, 0.9]"));
            return &[];
        }
    };
    for (index, value) in values.iter().enumerate() {
        if let Some(other) = reference_below(value) {
            let help = "an axis cannot refer to another; write the values themselves";
            let message = format!("{:?} inside [sweep]", other.text().unwrap_or_default());
            problems.at(other, message, help);
        }
        if values[..index].iter().any(|earlier| earlier.same(value)) {
            let help = "each value is its own point: remove the repetition";
            problems.at(
                value,
                format!("the axis `{name}` lists a value twice"),
                help,
            );
        }
    }
    values
}

fn reference_below(node: &Node) -> Option<&Node> {
    if node.reference().is_some() {
        return Some(node);
    }
    let items = node.items().iter();
    let entries = node.entries().iter().map(|entry| &entry.node);
    items.chain(entries).find_map(reference_below)
}
