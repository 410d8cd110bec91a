//! A failed command: what to print and the exit code.

use secateur::data::DataError;
use secateur::experiment::ExperimentErrors;
use secateur::gpu::GpuError;
use secateur::run::RunError;
use secateur::store::{MaskError, StoreError};
use std::fmt;
use std::io::IsTerminal;

/// Exit codes: 2 the experiment or the command line is wrong; 3 no usable adapter; 4 data; 5 storage; 128 and its number, a signal that
/// stopped it; 1 else.
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    pub fn experiment(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
        }
    }
    /// Mistakes in an experiment file: whole diagnostics, with their excerpts.
    pub fn mistakes(errors: &ExperimentErrors) -> Self {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self::experiment(errors.render(colour))
    }
    pub fn storage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 5,
        }
    }
    /// A run that a signal ended, in this folder.
    pub fn interrupted(folder: &str, code: u8) -> Self {
        Self {
            message: format!(
                "interrupted. Finished stages are in {folder}; the same command goes on from there and ends with the same results."
            ),
            code,
        }
    }
    /// Runs that ended without a result, of all in this folder.
    pub fn runs(failed: usize, of: usize, folder: &str) -> Self {
        Self {
            message: format!(
                "{failed} of {of} runs failed; the column `failure` of {folder}/results.csv says why"
            ),
            code: 1,
        }
    }
    /// Stages that came out otherwise than they were saved.
    pub fn differs(message: String) -> Self {
        Self { message, code: 1 }
    }
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Messages of the experiment checker are whole diagnostics already.
        if self.message.starts_with("  ") {
            f.write_str(self.message.trim_end())
        } else {
            write!(f, "error: {}", self.message)
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        if let RunError::Mistakes(errors) = &error {
            return Self::mistakes(errors);
        }
        Self {
            message: error.to_string(),
            code: error.exit_code(),
        }
    }
}

impl From<GpuError> for Failure {
    fn from(error: GpuError) -> Self {
        RunError::from(error).into()
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        RunError::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        RunError::from(error).into()
    }
}

impl From<MaskError> for Failure {
    fn from(error: MaskError) -> Self {
        RunError::from(error).into()
    }
}
