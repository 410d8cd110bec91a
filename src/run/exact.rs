//! Numbers in JSON, all of them.

use serde::{Deserialize, Serialize};

/// A number that survives JSON when it is NaN or infinite: the text of the shortest exact decimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Exact(pub f64);

impl From<Exact> for String {
    fn from(value: Exact) -> String {
        value.0.to_string()
    }
}

impl TryFrom<String> for Exact {
    type Error = std::num::ParseFloatError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Exact)
    }
}
