//! What a step asks for that cannot be, and which of its keys ask for it.

use crate::config::Choice;
use crate::prune::{CountError, PruneError, UnitError};
use crate::spec::Amount;
use std::fmt::Display;

/// What is wrong with a step, or with the model that it is about.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// Whether it is the model.
    pub of_model: bool,
    /// The keys that say so, the most telling first; the file may leave any of them out.
    pub keys: Vec<String>,
    /// In words.
    pub message: String,
}

impl Wrong {
    /// A mistake in these keys of a step.
    pub fn new(keys: &[&str], message: impl Display) -> Wrong {
        Wrong {
            of_model: false,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            message: message.to_string(),
        }
    }

    /// The same of keys that lie in a table of the step.
    pub fn within(self, table: &str) -> Wrong {
        let keys = self.keys.iter().map(|key| format!("{table}.{key}"));
        Wrong {
            keys: keys.chain([table.to_owned()]).collect(),
            ..self
        }
    }
}

impl From<CountError> for Wrong {
    fn from(error: CountError) -> Self {
        let keys: &[&str] = match &error {
            CountError::NoSuchLayer { .. } => &["layers", "keep_dense"],
            CountError::TooMany { .. } | CountError::TotalPerLayer { .. } => &["keep", "scope"],
            CountError::AllDense | CountError::DenseTooLarge { .. } => &["keep_dense"],
        };
        Wrong::new(keys, error)
    }
}

impl From<UnitError> for Wrong {
    fn from(error: UnitError) -> Self {
        let keys: &[&str] = match &error {
            UnitError::NoSuchLayer { .. } | UnitError::NothingInScope => &["layers", "keep_dense"],
            UnitError::NoScale { .. } => &["criterion"],
            UnitError::TotalPerLayer { .. } => &["keep", "scope"],
            UnitError::TooFewLeft { .. } => &["sparsity", "density", "keep"],
        };
        Wrong::new(keys, error)
    }
}

impl From<PruneError> for Wrong {
    fn from(error: PruneError) -> Self {
        match error {
            PruneError::Count(error) => error.into(),
            PruneError::Unit(error) => error.into(),
            PruneError::Schedule(misfit) => Wrong::new(&[misfit.key], PruneError::Schedule(misfit)),
            error => Wrong::new(&Amount::keys(), error),
        }
    }
}
