//! Mask files that an experiment loads.

use crate::base::sha256;
use crate::config::{Form, Line, Node, Problems, Reader, suggest};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Finds mask files and remembers their digests, so that each is read once.
pub(super) struct MaskFiles {
    folder: PathBuf,
    digests: RefCell<BTreeMap<PathBuf, String>>,
}

impl MaskFiles {
    pub fn new(folder: &Path) -> MaskFiles {
        MaskFiles {
            folder: folder.to_path_buf(),
            digests: RefCell::default(),
        }
    }

    /// The path of a file named in the experiment, relative to the experiment's folder.
    pub fn find(&self, node: &Node, problems: &mut Problems) -> Option<PathBuf> {
        let name = Line.read(
            node,
            "load",
            &mut Reader {
                problems,
                context: &(),
            },
        )?;
        let path = self.folder.join(&name);
        if path.to_str().is_none() {
            let help = "move the experiment to a folder whose path is valid Unicode";
            problems.at(node, "the path of this mask is not valid Unicode", help);
            return None;
        }
        if self.digests.borrow().contains_key(&path) {
            return Some(path);
        }
        match std::fs::read(&path) {
            Ok(bytes) => {
                let digest = sha256(&bytes);
                self.digests.borrow_mut().insert(path.clone(), digest);
                Some(path)
            }
            Err(error) => {
                let message = format!("cannot read the mask {name:?}: {error}");
                let help = match nearest_file(&path, "safetensors") {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "the path is relative to the experiment file's folder".to_string(),
                };
                problems.at(node, message, help);
                None
            }
        }
    }

    /// SHA-256 of each file found.
    pub fn into_digests(self) -> BTreeMap<PathBuf, String> {
        self.digests.into_inner()
    }
}

/// The file beside a path that does not exist, with this extension and most like its name.
pub(super) fn nearest_file(path: &Path, extension: &str) -> Option<String> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return None,
    };
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|own| own == extension)
        })
        .collect();
    // The order of a folder differs between machines.
    names.sort();
    let wanted = path.file_stem()?.to_str()?;
    let stems = names
        .iter()
        .filter_map(|name| Path::new(name).file_stem()?.to_str());
    let stem = suggest::nearest(wanted, stems)?;
    let found = path.with_file_name(format!("{stem}.{extension}"));
    found.to_str().map(str::to_string)
}
