//! What people write who come from other tools, and the line that says it here.

use super::node::{Node, Value};

/// The line to write for a key that there is not, where it is another tool's name for one of `keys`.
pub fn line(key: &str, value: &Node, keys: &[&str]) -> Option<String> {
    let has = |key: &str| keys.contains(&key);
    let value = text(value)?;
    let key = key.to_lowercase().replace('-', "_");
    let line = match key.as_str() {
        "epochs" | "epoch" | "num_epochs" | "n_epochs" | "max_epochs" if has("length") => {
            format!("length = \"{value}ep\"")
        }
        "steps" | "max_steps" | "num_steps" | "iterations" | "iters" if has("length") => {
            format!("length = \"{value}st\"")
        }
        "learning_rate" | "lr" if has("optimizer") => {
            format!("optimizer = {{ kind = \"sgd\", lr = {value} }}")
        }
        "momentum" | "weight_decay" | "nesterov" if has("optimizer") => {
            format!("optimizer = {{ kind = \"sgd\", lr = 0.1, {key} = {value} }}")
        }
        "learning_rate" | "learningrate" if has("lr") => format!("lr = {value}"),
        "batch_size" | "batchsize" | "bs" if has("batch") => format!("batch = {value}"),
        "val" | "valid" | "validation_size" | "val_size" if has("validation") => {
            format!("validation = {value}")
        }
        "val_split" | "validation_split" | "val_fraction" if has("validation") => {
            return counts("validation", value.parse().ok()?);
        }
        "seed" if has("seeds") => format!("seeds = [{value}]"),
        "amount" | "ratio" | "pruning_ratio" | "prune_ratio" | "target_sparsity"
            if has("sparsity") =>
        {
            format!("sparsity = {value}")
        }
        _ => return None,
    };
    Some(format!("write {line}"))
}

/// What one of `words` is called elsewhere.
pub fn word<'w>(found: &str, words: &[&'w str]) -> Option<&'w str> {
    let found = found.to_lowercase().replace(['_', ' '], "-");
    let here: &[&str] = match found.as_str() {
        "l1"
        | "l2"
        | "abs"
        | "absolute"
        | "weight"
        | "weights"
        | "l1-norm"
        | "l2-norm"
        | "l1-unstructured"
        | "global-unstructured" => &["magnitude"],
        "he" | "kaiming" | "he-normal" | "msra" => &["kaiming-normal"],
        "he-uniform" => &["kaiming-uniform"],
        "xavier" | "glorot" | "xavier-normal" => &["glorot-normal"],
        "xavier-uniform" => &["glorot-uniform"],
        "default" | "torch" => &["pytorch"],
        _ => return None,
    };
    words.iter().copied().find(|word| here.contains(word))
}

/// The number to write where a share of 1 was written in percent.
pub fn share(key: &str, percent: f64) -> Option<String> {
    let share = (percent * 1e10).round() / 1e12;
    (percent > 1.0 && percent <= 100.0)
        .then(|| format!("`{key}` must be in [0, 1]: for {percent} % write {key} = {share}"))
}

/// What to write where samples are counted and a share was written.
pub fn counts(key: &str, share: f64) -> Option<String> {
    let counts = matches!(key, "validation" | "samples");
    (counts && share > 0.0 && share < 1.0).then(|| {
        format!(
            "`{key}` counts samples: {share} of 60000 training samples is {key} = {}",
            (share * 60_000.0).round()
        )
    })
}

fn text(value: &Node) -> Option<String> {
    match &value.value {
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}
