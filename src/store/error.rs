//! What can go wrong on disk, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// A storage failure. Every message names the path, the cause and the next step.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {}: {error}\n  {next}", path.display())]
    Io {
        /// What was tried, e.g. `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
        /// What to do about it.
        next: &'static str,
    },
    /// The folder holds the results of another experiment.
    #[error(
        "{} already holds the results of another experiment\n  \
         there: \"{their_name}\" (digest {their_digest})\n  \
         this:  \"{our_name}\" (digest {our_digest})\n  \
         nothing was changed; choose another folder with `--out DIR`",
        dir.display()
    )]
    OtherExperiment {
        /// The run folder.
        dir: PathBuf,
        /// Name of the experiment it holds.
        their_name: String,
        /// Digest of the experiment it holds.
        their_digest: String,
        /// Name of the experiment that was to run.
        our_name: String,
        /// Digest of the experiment that was to run.
        our_digest: String,
    },
    /// The folder is in use for something else: writing would replace files that are not results.
    #[error(
        "{} is not a run folder, and its `{found}` would be in the way\n  \
         nothing was changed; choose a new or empty folder with `--out DIR`",
        dir.display()
    )]
    NotARunFolder {
        /// The folder.
        dir: PathBuf,
        /// The first entry in the way.
        found: String,
    },
    /// What should be read is no run folder.
    #[error(
        "{} is not a run folder: it has no `folder.json`\n  \
         name one that `secateur run` made; `secateur runs DIR` lists them",
        dir.display()
    )]
    NoResults {
        /// The folder.
        dir: PathBuf,
    },
    /// Another process holds the folder's lock.
    #[error(
        "another process works in {}\n  \
         wait until it ends, or choose another folder with `--out DIR`",
        dir.display()
    )]
    Busy {
        /// The run folder.
        dir: PathBuf,
    },
    /// A file exists but cannot be trusted. It is never replaced silently.
    #[error("{} is damaged: {reason}\n  {next}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do about it.
        next: &'static str,
    },
    /// The file exists with other contents, and results are never overwritten.
    #[error(
        "{} already exists with other contents, and results are never overwritten\n  \
         move it away, or choose another folder with `--out DIR`",
        path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Weights, mask and tensor list do not belong together (a defect of the program, not of the disk).
    #[error("cannot store {}: {reason}", path.display())]
    Layout {
        /// The file that was to be written.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

impl StoreError {
    /// Wraps an operating system error with the step that usually helps.
    pub(crate) fn io(action: &'static str, path: &Path, error: io::Error) -> Self {
        let next = match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => {
                "free some space and run the same command again: finished stages are kept"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "choose a folder you may write to with `--out DIR`, or change its permissions"
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "part of this path is a file; choose another folder with `--out DIR`"
            }
            io::ErrorKind::NotFound => "check that the path exists",
            _ => {
                "check the disk and run the same command again (`--out DIR` chooses another folder)"
            }
        };
        StoreError::Io {
            action,
            path: path.to_path_buf(),
            error,
            next,
        }
    }
}

/// Why a mask file was refused.
#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    /// The file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not a safetensors file, or a truncated one.
    #[error(
        "{} is not a complete safetensors file: {reason}\n  write masks with safetensors.torch.save_file, one bool tensor per weight", path.display()
    )]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// A safetensors file of this program that holds something else.
    #[error("{} holds {found}, not a mask\n  the masks of finished runs are in `masks/` of the run folder", path.display())]
    NotAMask {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// Written by a newer version of this program.
    #[error("{} is a mask of format version {found}; this program reads version {known}\n  use a newer version of the program", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: u32,
        /// The version this program writes.
        known: u32,
    },
    /// The model has a prunable tensor that the file lacks.
    #[error("{} has no mask for `{tensor}`; it holds {holds}\n  a mask must cover every prunable layer of the model", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The model's tensor.
        tensor: String,
        /// Names that the file does hold.
        holds: String,
    },
    /// The file has a tensor that is no prunable weight of the model.
    #[error("{} has a mask for `{tensor}`, which is no prunable tensor of this model\n  the model has {expected}", path.display())]
    UnexpectedTensor {
        /// The file.
        path: PathBuf,
        /// The file's tensor.
        tensor: String,
        /// Names that the model has.
        expected: String,
    },
    /// A tensor has another shape than the model's.
    #[error("{}: the mask of `{tensor}` has shape {found:?}, the model's weights have {expected:?}\n  use the model the mask was made for", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape in the model.
        expected: Vec<usize>,
    },
    /// A tensor has a type that masks cannot have.
    #[error("{}: the mask of `{tensor}` has type {found}; a mask is BOOL, U8 or F32\n  convert it with `.bool()` before saving", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// An element is neither 0 nor 1.
    #[error("{}: element {index} of `{tensor}` is {value}, and a mask holds only 0 and 1\n  if these are weights, save `w != 0` instead", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Flat index within the tensor.
        index: usize,
        /// The element.
        value: String,
    },
    /// Another file lies there than when the experiment was read.
    #[error("{} has changed since the experiment was read: its SHA-256 was {known} and is {found}\n  put the old file back and run the same command again, or begin anew with this one in another folder (`--out DIR`)", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its SHA-256 now.
        found: String,
        /// Its SHA-256 then.
        known: String,
    },
    /// The bits do not match the digest written beside them.
    #[error("{} is damaged: its mask has digest {found}, its header says {recorded}\n  restore it from a copy, or make the mask again", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Digest of the bits read.
        found: String,
        /// Digest in the header.
        recorded: String,
    },
}
