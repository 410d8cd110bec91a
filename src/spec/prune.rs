//! What `prune`, `mask` and `restart` steps ask for.

use super::names::LAYER;
use super::train::{Batches, DATA, IMAGES, UPDATES};
use super::{Length, Sap, TrainSpec};
use crate::config::{
    At, Choice, Description, Entry, Fields, Fits, Flat, Form, Key, Maybe, Node, Plain, Reader,
    Real, UNIT, Value, ValueShape, Whole, at_least, choice, one_of, peek, table, words,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

words! {
    /// How weights are scored; the largest scores stay, of equal ones the lower index. g is the gradient of the mean loss of a batch.
    pub enum Criterion {
        /// |w| (Han et al. 2015)
        Magnitude = "magnitude";
        /// a random number
        Random = "random";
        /// w² over the sum of the squares of its layer's weights that are no smaller; of equal weights the lower index is the larger
        /// (Lee et al. 2021, equation 1)
        Lamp = "lamp";
        /// |Σ g| over the batches
        Gradient = "gradient";
        /// |w Σ g| (Lee et al. 2019, equation 5; without the total, which no rank depends on)
        Snip = "snip";
        /// -w Σ g: by how much the loss grows without the weight, to first order
        Taylor = "taylor";
        /// Σ (w g)² (Molchanov et al. 2019, equation 8)
        TaylorSquared = "taylor-squared";
        /// w (H g), H the Hessian, by a difference of gradients along g in which ReLUs and maxima stay as they are at w: what double
        /// backward finds (Wang et al. 2020, equation 8, of which the smallest -w (H g) stay; without the temperature of its code)
        Grasp = "grasp";
        /// the flow through the weight of an input of ones, by |w| (Tanaka et al. 2020)
        Synflow = "synflow";
        /// Σ -w g over a training of `batches` steps, with the optimizer and all else of `[train]`, which is part of the step (Sanh
        /// et al. 2020, equation 3)
        Movement = "movement";
        /// what the program that runs the experiment says (`Engine::criterion` of the library,
        /// [examples/own_criterion.rs](../examples/own_criterion.rs)); the `secateur` command has none
        Custom = "custom";
    }
}

impl Criterion {
    /// Whether scores are measured on batches of a dataset.
    pub fn reads_data(self) -> bool {
        match self {
            Self::Magnitude | Self::Random | Self::Synflow | Self::Lamp | Self::Custom => false,
            Self::Gradient
            | Self::Snip
            | Self::Taylor
            | Self::TaylorSquared
            | Self::Grasp
            | Self::Movement => true,
        }
    }
}

words! {
    /// Over which set weights compete.
    pub enum Scope {
        /// all weights compete together for one total
        Global = "global";
        /// each layer within itself, and rounds its own count
        Layer = "layer";
        /// each output of a layer within itself: a row of a linear layer, the kernels of one channel of a convolution
        Neuron = "neuron";
        /// each layer within itself at the same density, and the counts add up exactly (largest remainder)
        Uniform = "uniform";
        /// each layer within itself, small layers denser: in proportion to (in + out) / (in out) (Mocanu et al. 2018). A layer that
        /// would be more than full is full, and the counts add up exactly
        Er = "er";
        /// the same with the kernel's sides: (in + out + height + width) / (in out height width) (Evci et al. 2020)
        Erk = "erk";
    }
}

/// The largest run of `n_of_m`; each weight is compared with all of its run.
const LONGEST_RUN: u32 = 1024;

choice! {
    /// How many prunable weights stay.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Amount as "an amount" {
        /// the fraction removed of all prunable weights, not of those still alive
        Sparsity(f64) = "sparsity" => Real(&UNIT);
        /// the fraction kept of all prunable weights
        Density(f64) = "density" => Real(&UNIT);
        /// the number of weights kept in all
        Keep(u64) = "keep" => Whole(0, u32::MAX as u64);
        /// the fraction kept of the weights still alive
        Remaining(f64) = "remaining" => Real(&UNIT);
        /// `{ fc1 = 0.1, fc2 = 0.5 }`: the fraction kept of each of these layers; the others are left alone
        PerLayer = "densities" => PerLayer;
        /// `"2:4"`: [of each so many consecutive inputs of an output](#n-of-m), so many stay
        NOfM {
            /// How many stay.
            n: u32,
            /// Of how many; the last run of a row may be shorter, and still keeps n if it has them.
            m: u32,
        } = "n_of_m" => Runs;
        /// as many as [the weights say](#sap)
        Sap(Sap) = "sap";
    }
}

/// The share that each layer keeps.
struct Densities;

impl Form<BTreeMap<String, f64>> for Densities {
    fn shape(&self) -> ValueShape {
        ValueShape::Map(Box::new(ValueShape::Real(&UNIT)))
    }

    fn read(
        &self,
        node: &Node,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Option<BTreeMap<String, f64>> {
        let names = reader.context.names(LAYER)?;
        Fields::open(node, &format!("`{key}`"), &names, reader)?;
        if node.entries().is_empty() {
            let help = "for example: densities = { fc1 = 0.1, fc2 = 0.5 }";
            reader.at(node, format!("`{key}` is empty"), help);
            return None;
        }
        let read = node.entries().iter().map(|entry| {
            let density = Real(&UNIT).read(&entry.node, &entry.key, reader)?;
            let known = names.contains(&entry.key.as_str());
            known.then(|| (entry.key.clone(), density))
        });
        let read: Vec<Option<(String, f64)>> = read.collect();
        read.into_iter().collect()
    }

    /// The key is described as an amount.
    fn describe(&self, _: Key, _: Option<BTreeMap<String, f64>>, _: &mut Description) {}
}

/// The amount where each layer has its own share.
struct PerLayer;

impl Form<Amount> for PerLayer {
    fn shape(&self) -> ValueShape {
        Densities.shape()
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Amount> {
        Densities.read(node, key, reader).map(|_| Amount::PerLayer)
    }
}

/// `"2:4"`.
struct Runs;

const RUNS: &str = "a string such as \"2:4\"";

impl Form<Amount> for Runs {
    fn shape(&self) -> ValueShape {
        ValueShape::Text(RUNS, "^[0-9]+:[0-9]+$")
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Amount> {
        let Some(text) = node.text() else {
            reader.wrong_type(node, key, RUNS);
            return None;
        };
        let parts = text.split_once(':');
        let read = parts.and_then(|(n, m)| Some((n.parse().ok()?, m.parse().ok()?)));
        match read {
            Some((n, m)) if n >= 1 && n <= m && m <= LONGEST_RUN => Some(Amount::NOfM { n, m }),
            _ => {
                let help = format!(
                    "for example \"2:4\": of each 4 consecutive inputs of an output 2 stay; from 1:1 to {LONGEST_RUN}:{LONGEST_RUN}"
                );
                let message = format!("`{key}` is {text:?}: not N:M with N <= M");
                reader.at(node, message, help);
                None
            }
        }
    }
}

/// Names of layers with weights, each once, in the model's order.
pub(super) struct LayerNames;

impl Form<Vec<String>> for LayerNames {
    fn shape(&self) -> ValueShape {
        ValueShape::List(Box::new(ValueShape::Name(LAYER)), 1)
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<String>> {
        let Value::Array(items) = &node.value else {
            reader.wrong_type(node, key, "a list of layer names such as [\"fc1\"]");
            return None;
        };
        if items.is_empty() {
            let help = "name at least one layer, or leave the key out";
            reader.at(node, format!("`{key}` is empty"), help);
            return None;
        }
        let known = reader.context.names(LAYER)?;
        let mut names: Vec<&str> = Vec::new();
        let mut good = true;
        for item in items {
            match one_of(item, LAYER, &known, reader) {
                Some(name) if names.contains(&name) => {
                    let message = format!("the layer `{name}` is listed twice");
                    reader.at(item, message, "name each layer once");
                    good = false;
                }
                Some(name) => names.push(name),
                None => good = false,
            }
        }
        // ["fc2", "fc1"] and ["fc1", "fc2"] are the same request.
        names.sort_by_key(|name| known.iter().position(|other| other == name));
        good.then(|| names.into_iter().map(str::to_string).collect())
    }
}

/// What scores are measured on, by a criterion of type C: whether it reads data, and whether it trains.
pub(super) struct Scored<C>(pub fn(C) -> (bool, bool));

/// A training, where there is one.
type ScoringBatches = Option<Box<TrainSpec>>;

impl<C: Choice> Form<ScoringBatches> for Scored<C> {
    fn take(
        &self,
        key: &Key,
        usual: Option<ScoringBatches>,
        table: &mut Fields<'_>,
    ) -> Option<ScoringBatches> {
        if !table.sees("batches") {
            return usual;
        }
        let (reads, trains) = match table.get("criterion") {
            Some(_) => (self.0)(peek(&Plain, "criterion", table)?),
            None => (false, false),
        };
        if !reads {
            let keys = TrainSpec::keys_of(MEASURED);
            let about_data = |entry: &&Entry| {
                let key = entry.key.as_str();
                !entry.inherited && (key == "batches" || keys.contains(&key))
            };
            let Some(first) = table.node.entries().iter().find(about_data) else {
                return usual;
            };
            let key = &first.key;
            let message = format!("`{key}` has no meaning here: this criterion reads no data");
            let help =
                "remove it, or choose a criterion that is measured on batches, such as \"snip\"";
            table.at(&first.node, message, help);
            return None;
        }
        if trains && table.get("batches").is_none() {
            let help =
                "for example: batches = 1000; they are a training, by the optimizer of [train]";
            table.at(table.node, "movement pruning needs `batches`", help);
            return None;
        }
        let spec = batches(if trains { TRAINED } else { MEASURED }).take(key, None, table)?;
        Some(Some(Box::new(spec)))
    }

    fn describe(&self, key: Key, _: Option<ScoringBatches>, into: &mut Description) {
        batches(MEASURED).describe(key, None, into);
    }
}

fn batches(parts: &'static [&'static str]) -> Batches {
    Batches {
        usual: Some(1),
        parts,
    }
}

/// What a step takes of `[train]` whose criterion is measured on batches, or on a training.
pub(crate) const MEASURED: &[&str] = &[DATA];
pub(crate) const TRAINED: &[&str] = &[DATA, UPDATES, IMAGES];

/// Iterations of SynFlow where the file does not say (Tanaka et al. 2020).
const SYNFLOW_ITERATIONS: u32 = 100;

table! {
    /// A `prune` step with every default filled in.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct PruneSpec as "this prune step" {
        /// [how weights are scored](#criteria)
        pub criterion: Criterion = Criterion::Magnitude;
        /// over which set weights compete
        pub scope: Scope = Scope::Global => Fits(Plain, has_one_total);
        /// How many stay.
        pub amount: Amount => Flat;
        /// names of the layers to prune, e.g. `["fc1", "fc2"]`; amounts count these layers only
        pub layers: Option<Vec<String>> = None => Fits(Maybe(LayerNames), has_a_say), usual "every layer with weights";
        /// With [`Amount::PerLayer`]: the fraction kept of each of `layers`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub densities: BTreeMap<String, f64> = BTreeMap::new() => Densities;
        /// names of layers, of those in `layers`, that keep all their weights; amounts count them, so the others keep the fewer. With
        /// scopes `"layer"` and `"neuron"`, `n_of_m` and `sap`, they are just left alone
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub keep_dense: Vec<String> = Vec::new() => Fits(LayerNames, has_a_say), usual "none";
        /// score and prune so many times on the way to the amount, each time by the same factor (Tanaka et al. 2020, algorithm 1); not
        /// with `"movement"`
        #[serde(default = "once", skip_serializing_if = "is_once")]
        pub iterations: u32 = once() => Fits(at_least(1), repeats), usual "100 for `\"synflow\"`, else 1";
        /// keep the lowest scores instead, as many in each layer as the criterion would have kept; for controls
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub invert: bool = false;
        /// batches that scores are measured on; needed by `"movement"`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub data: Option<Box<TrainSpec>> = None => Scored(|criterion: Criterion| {
            (criterion.reads_data(), criterion == Criterion::Movement)
        });
    }
    then PruneSpec::settled;
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_once(iterations: &u32) -> bool {
    *iterations == 1
}

/// Refuses a key beside an amount that leaves it nothing to say.
fn has_a_say<T>(value: T, at: At<'_>, table: &mut Fields<'_>) -> Option<T> {
    let silent: [(&str, &[&str], &str); 2] = [
        (
            "densities",
            &["scope", "layers", "keep_dense"],
            "every layer has its own density here",
        ),
        (
            "n_of_m",
            &["scope", "iterations"],
            "the weights of each run compete once, among themselves",
        ),
    ];
    for (amount, keys, why) in silent {
        if table.get(amount).is_some() && keys.contains(&at.key) {
            let message = format!("`{}` has no meaning here: {why}", at.key);
            table.at(at.node, message, "remove it");
            return None;
        }
    }
    Some(value)
}

fn has_one_total(scope: Scope, at: At<'_>, table: &mut Fields<'_>) -> Option<Scope> {
    let shares = matches!(scope, Scope::Uniform | Scope::Er | Scope::Erk);
    if shares && table.get("sap").is_some() {
        let word = at.node.text().unwrap_or_default();
        let message = format!("scope {word:?} shares a total, and `sap` has none");
        let help =
            "each set of weights says how many of it go: \"neuron\", \"layer\" or \"global\"";
        table.at(at.node, message, help);
        return None;
    }
    has_a_say(scope, at, table)
}

fn repeats(iterations: u32, at: At<'_>, table: &mut Fields<'_>) -> Option<u32> {
    let criterion = table.word("criterion");
    if criterion.and_then(Criterion::word) == Some(Criterion::Movement) {
        let help = "it scores by one training: remove `iterations`, or write several prune steps";
        table.at(at.node, "movement pruning has no iterations", help);
        return None;
    }
    has_a_say(iterations, at, table)
}

impl PruneSpec {
    /// What the replicas of a cohort must agree in, the amount replaced: each has its own.
    pub fn alike(&self) -> Self {
        Self {
            amount: match self.amount {
                // Runs are selected by a kernel of their own.
                Amount::NOfM { .. } => self.amount,
                _ => Amount::Keep(0),
            },
            densities: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// All layers at once, without data.
    pub fn new(criterion: Criterion, scope: Scope, amount: Amount) -> Self {
        Self {
            criterion,
            scope,
            amount,
            layers: None,
            densities: BTreeMap::new(),
            keep_dense: Vec::new(),
            iterations: 1,
            invert: false,
            data: None,
        }
    }

    /// Fills in what the criterion and the amount decide.
    fn settled(mut self, table: &mut Fields<'_>) -> Option<Self> {
        let runs = matches!(self.amount, Amount::NOfM { .. });
        if self.criterion == Criterion::Synflow && !runs && table.get("iterations").is_none() {
            self.iterations = SYNFLOW_ITERATIONS;
        }
        if let (Some(layers), Some(node)) = (&self.layers, table.get("keep_dense"))
            && let Some(name) = self.keep_dense.iter().find(|name| !layers.contains(name))
        {
            let message = format!("`keep_dense` names {name:?}, which `layers` does not");
            let help = "a layer that is not listed keeps all its weights anyway: remove it here, or list it there";
            table.at(node, message, help);
            return None;
        }
        if self.amount == Amount::PerLayer {
            let layers = table.reader.context.names(LAYER).unwrap_or_default();
            let named = layers
                .into_iter()
                .filter(|name| self.densities.contains_key(*name));
            self.layers = Some(named.map(str::to_owned).collect());
            self.scope = Scope::Layer;
        }
        Some(self)
    }
}

choice! {
    /// A `mask` step: replaces or frees the mask without looking at the weights.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum MaskStep as "a mask" {
        /// nothing: says that the mask stays, before training on another dataset
        Transfer = "transfer";
        /// permutes the mask within each layer
        Shuffle = "shuffle";
        /// a random mask with the same count in each layer
        Random = "random";
        /// a random mask with the same total, shared among all layers as scope `"uniform"` does
        RandomUniform = "random-uniform";
        /// the same, shared as scope `"erk"` does
        RandomErk = "random-erk";
        /// no mask from here on: weights keep their present values, so pruned ones start at 0 and are trained
        Release = "release";
        /// the mask of a file, relative to the experiment's folder
        Load(PathBuf) = "load" => MaskFile, like "\"mask.safetensors\"";
    }
}

/// The path of a file beside the experiment.
struct MaskFile;

impl Form<PathBuf> for MaskFile {
    fn shape(&self) -> ValueShape {
        ValueShape::Text("the path of a .safetensors file", r"\S")
    }
    fn read(&self, node: &Node, _: &str, reader: &mut Reader<'_>) -> Option<PathBuf> {
        reader.context.file(node, reader.problems)
    }
}

choice! {
    /// A `restart` step: where the weights go back to. The mask stays.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Restart as "where to" {
        /// new initial weights
        Fresh = "fresh";
        /// back to the weights this run started from: those of its last `fresh`, else its first
        Init = "init";
        /// the weights that this run had so far into its first training since they were fresh, which is trained that far again (Frankle
        /// et al. 2020)
        Rewind(Length) = "rewind", like "\"2ep\"";
        /// nothing: says that the weights stay as trained
        None = "none";
    }
}
