//! Which settings two experiments have differently, from what their run folders say of them (`resolved.json`).

use super::text_table::{Align, TextColumn, draw};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An experiment with every default filled in, as its run folder has it.
#[derive(Clone, Debug, Deserialize)]
pub struct ResolvedExperiment {
    /// One line for people.
    pub title: String,
    axes: Vec<ResolvedAxis>,
    /// In the order of the file.
    pub(super) arms: Vec<ResolvedArm>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct ResolvedAxis {
    name: String,
    values: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ResolvedArm {
    pub name: String,
    pub variants: Vec<ResolvedVariant>,
}

/// An arm at one point of the sweep.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ResolvedVariant {
    pub point: Vec<(String, String)>,
    model: Value,
    steps: Vec<Value>,
}

/// An arm at a point of the sweep that both experiments have: its name, and what it is in each.
pub(super) type Matched<'a> = (&'a str, &'a ResolvedVariant, &'a ResolvedVariant);

/// A setting that differs, and where. A value is `None` where the experiment has no such setting.
#[derive(Clone, Debug, PartialEq)]
pub struct DifferingSetting {
    /// Keys from the outside in, with dots between. That of a step begins with what the step does, e.g. `train.batch`.
    pub path: String,
    /// Its value in the first experiment.
    pub a: Option<Value>,
    /// Its value in the second.
    pub b: Option<Value>,
    /// The arms and points it stands in; none for what is the whole experiment's.
    pub places: Vec<SettingPlace>,
}

/// An arm at a point of the sweep, in which a setting differs.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingPlace {
    /// The arm.
    pub arm: String,
    /// Its axes, with their values.
    pub point: Vec<(String, String)>,
    /// Steps in which it differs, from 0; none for what is no step's.
    pub steps: Vec<usize>,
    /// Whether these are all steps that do the same.
    pub all_steps: bool,
}

/// Settings that differ: those of the whole experiment, then those of arms. Names and titles are no settings.
pub(super) fn differing_settings(
    a: &ResolvedExperiment,
    b: &ResolvedExperiment,
    matched: &[Matched<'_>],
) -> Vec<DifferingSetting> {
    let mut all = Vec::new();
    let mut found = Found::default();
    found.walk("", Some(&a.top()), Some(&b.top()));
    for (path, a, b) in found.0 {
        add(&mut all, (path, a, b), None);
    }
    for (arm, a, b) in matched {
        for (found, steps, all_steps) in in_variant(a, b) {
            let place = SettingPlace {
                arm: (*arm).to_owned(),
                point: a.point.clone(),
                steps,
                all_steps,
            };
            add(&mut all, found, Some(place));
        }
    }
    all
}

/// Path, and both values.
type Differing = (String, Option<Value>, Option<Value>);

fn add(all: &mut Vec<DifferingSetting>, found: Differing, place: Option<SettingPlace>) {
    let (path, a, b) = found;
    let same = |other: &&mut DifferingSetting| other.path == path && other.a == a && other.b == b;
    match all.iter_mut().find(same) {
        Some(known) => known.places.extend(place),
        None => all.push(DifferingSetting {
            path,
            a,
            b,
            places: place.into_iter().collect(),
        }),
    }
}

impl ResolvedExperiment {
    /// What is the whole experiment's, with the sweep as the file has it.
    fn top(&self) -> Value {
        let mut top: Map<String, Value> = self.rest.clone().into_iter().collect();
        top.remove("name");
        let axes = self.axes.iter();
        let sweep: Map<String, Value> = axes.map(|a| (a.name.clone(), json!(a.values))).collect();
        top.insert("sweep".to_owned(), Value::Object(sweep));
        Value::Object(top)
    }
}

/// What differs in an arm at one point: each with the steps in which it does, and whether those are all of their kind.
fn in_variant(a: &ResolvedVariant, b: &ResolvedVariant) -> Vec<(Differing, Vec<usize>, bool)> {
    let mut found = Found::default();
    found.walk("model", Some(&a.model), Some(&b.model));
    let kinds = |steps: &[Value]| steps.iter().map(|step| kind(step).to_owned()).collect();
    let (kinds_a, kinds_b): (Vec<String>, Vec<String>) = (kinds(&a.steps), kinds(&b.steps));
    if kinds_a != kinds_b {
        let (a, b) = (Some(json!(kinds_a)), Some(json!(kinds_b)));
        found.0.push(("steps".to_owned(), a, b));
    }
    let mut all: Vec<_> = found.0.into_iter().map(|f| (f, Vec::new(), true)).collect();
    if kinds_a != kinds_b {
        return all;
    }
    for (step, (a, b)) in a.steps.iter().zip(&b.steps).enumerate() {
        let mut found = Found::default();
        found.walk("", Some(a), Some(b));
        for differing in found.0 {
            match all.iter_mut().find(|(known, ..)| *known == differing) {
                Some((_, steps, _)) => steps.push(step),
                None => all.push((differing, vec![step], true)),
            }
        }
    }
    for (_, steps, all_steps) in &mut all {
        let Some(first) = steps.first().map(|&step| &kinds_a[step]) else {
            continue;
        };
        *all_steps = steps.len() == kinds_a.iter().filter(|kind| *kind == first).count();
    }
    all
}

/// What a step does: its key, or the word that it is.
fn kind(step: &Value) -> &str {
    let key = step.as_object().and_then(|step| step.keys().next());
    key.map(String::as_str).or(step.as_str()).unwrap_or("")
}

#[derive(Default)]
struct Found(Vec<Differing>);

impl Found {
    fn walk(&mut self, path: &str, a: Option<&Value>, b: Option<&Value>) {
        if a == b {
            return;
        }
        match (a, b) {
            (Some(Value::Object(a)), Some(Value::Object(b))) if !are_others(a, b) => {
                // Beside another kind, keys that only one kind has say nothing more.
                let others = a.get("kind") != b.get("kind");
                let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                for key in keys {
                    let (a, b) = (a.get(key), b.get(key));
                    if !others || (a.is_some() && b.is_some()) {
                        let dot = if path.is_empty() { "" } else { "." };
                        self.walk(&format!("{path}{dot}{key}"), a, b);
                    }
                }
            }
            (Some(Value::Array(a)), Some(Value::Array(b)))
                if a.len() == b.len() && a.iter().chain(b).any(Value::is_object) =>
            {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    self.walk(&format!("{path}[{index}]"), Some(a), Some(b));
                }
            }
            _ => self.0.push((path.to_owned(), a.cloned(), b.cloned())),
        }
    }
}

/// Whether two tables of one key are two words of a choice, such as a length in epochs and one in steps.
fn are_others(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == 1 && b.len() == 1 && a.keys().ne(b.keys())
}

/// Longest value in a table, in characters.
const LONGEST: usize = 40;

/// Plain-text table, one line per setting; `arms` are all that both experiments have. Values that are long are cut off.
pub(super) fn settings_table(settings: &[DifferingSetting], arms: &[Matched<'_>]) -> String {
    let column = |heading: &str, cell: &dyn Fn(&DifferingSetting) -> String| TextColumn {
        heading: heading.to_owned(),
        align: Align::Left,
        cells: settings.iter().map(cell).collect(),
    };
    let columns = [
        column("setting", &|s| s.path.clone()),
        column("A", &|s| short(s.a.as_ref())),
        column("B", &|s| short(s.b.as_ref())),
        column("where", &|s| place_in_words(&s.places, arms)),
    ];
    draw(&columns, usize::MAX)
}

/// A value in words, cut off where it is long.
fn short(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "not there".to_owned(), in_words);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => counted(items).unwrap_or_else(|| {
            let each: Vec<String> = items.iter().map(in_words).collect();
            each.join(", ")
        }),
        Value::Object(table) => {
            let name = ["kind", "name"]
                .iter()
                .find_map(|key| table.get(*key)?.as_str());
            let each = table.iter().map(|(key, value)| match value {
                Value::Object(_) => key.clone(),
                value => format!("{key} {}", in_words(value)),
            });
            name.map_or_else(|| each.collect::<Vec<_>>().join(", "), str::to_owned)
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// `0 to 9`, of three or more whole numbers that follow one another.
fn counted(items: &[Value]) -> Option<String> {
    let numbers: Vec<u64> = items.iter().map(Value::as_u64).collect::<Option<_>>()?;
    let (first, last) = (numbers.first()?, numbers.last()?);
    let follow = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    (numbers.len() > 2 && follow).then(|| format!("{first} to {last}"))
}

/// Arms, with the points and steps of them where these are not all.
fn place_in_words(places: &[SettingPlace], all: &[Matched<'_>]) -> String {
    if places.is_empty() {
        return String::new();
    }
    let mut words = Vec::new();
    if places.len() == all.len() {
        words.push("all arms".to_owned());
    } else {
        let mut arms: BTreeMap<&str, usize> = BTreeMap::new();
        for place in places {
            *arms.entry(&place.arm).or_default() += 1;
        }
        // In the order of the experiment.
        let mut seen = BTreeSet::new();
        for arm in places.iter().map(|place| place.arm.as_str()) {
            if seen.insert(arm) {
                let points = all.iter().filter(|(name, ..)| *name == arm).count();
                let own = arms[arm];
                words.push(match own == points {
                    true => arm.to_owned(),
                    false => format!("{arm} at {own} of {points} points"),
                });
            }
        }
    }
    if places.iter().any(|place| !place.all_steps) {
        let steps: BTreeSet<usize> = places.iter().flat_map(|p| p.steps.clone()).collect();
        words.extend(steps.iter().map(|step| format!("steps[{step}]")));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(a: Value, b: Value) -> Vec<(String, String, String)> {
        let mut found = Found::default();
        found.walk("", Some(&a), Some(&b));
        let words = |(path, a, b): Differing| (path, short(a.as_ref()), short(b.as_ref()));
        found.0.into_iter().map(words).collect()
    }

    fn line(path: &str, a: &str, b: &str) -> (String, String, String) {
        (path.to_owned(), a.to_owned(), b.to_owned())
    }

    #[test]
    fn what_differs_has_a_path_and_short_values() {
        let found = differing(
            json!({ "train": { "batch": 64, "length": { "steps": 20 }, "clip": null, "same": [1] } }),
            json!({ "train": { "batch": 32, "length": { "epochs": 2 }, "clip": 1.5, "same": [1] } }),
        );
        let expected = [
            line("train.batch", "64", "32"),
            line("train.clip", "none", "1.5"),
            line("train.length", "steps 20", "epochs 2"),
        ];
        assert_eq!(found, expected);
        // Of another kind, what both kinds have.
        let found = differing(
            json!({ "kind": "adam", "lr": 0.001, "beta1": 0.9 }),
            json!({ "kind": "sgd", "lr": 0.1, "momentum": 0.9 }),
        );
        assert_eq!(
            found,
            [line("kind", "adam", "sgd"), line("lr", "0.001", "0.1")]
        );
        let layers =
            |width: u32| json!([{ "name": "fc1", "layer": { "linear": { "features": width } } }]);
        let found = differing(layers(10), layers(20));
        assert_eq!(found, [line("[0].layer.linear.features", "10", "20")]);
        let found = differing(
            json!({ "a": [0, 1, 2, 3] }),
            json!({ "a": [5, 7], "b": [] }),
        );
        let expected = [line("a", "0 to 3", "5, 7"), line("b", "not there", "none")];
        assert_eq!(found, expected);
        let long = short(Some(&json!("x".repeat(100))));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
