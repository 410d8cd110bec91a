//! What lies in a folder of images, by the names alone.

use std::path::{Path, PathBuf};

/// How a folder of images is laid out, for those whose is not.
pub const LAYOUT: &str = "a folder of images holds train/CLASS/ and test/CLASS/, the same classes in both; without test/, val/ is the test set; \
without either, or with classes alone, a share of each class is";

/// Labels are bytes.
const MOST_CLASSES: usize = 256;
const TRAIN: &str = "train";
/// What holds the test images, the first of these that is there.
const TEST: [&str; 4] = ["test", "val", "valid", "validation"];
/// Folders that programs leave behind.
const FOREIGN: [&str; 3] = ["__MACOSX", "@eaDir", "lost+found"];

/// Where the classes of a folder of images lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFolder {
    /// The folder in it that holds the classes of the training images; empty where it holds them itself.
    pub train: String,
    /// The folder in it that holds those of the test images, if one does.
    pub test: Option<String>,
    /// The classes of the training images, in order.
    train_classes: Vec<String>,
    /// Those of the test images.
    test_classes: Vec<String>,
}

impl ImageFolder {
    /// Looks at the names of folders alone. Names that begin with a dot and folders that other programs leave behind are not seen.
    ///
    /// # Errors
    /// What is wrong with the folder, in words.
    pub fn look(folder: &Path) -> Result<Self, String> {
        let names = folder_names(folder)?;
        let has = |name: &str| names.iter().any(|own| own == name);
        let test = TEST.into_iter().find(|name| has(name)).map(str::to_string);
        let train = match (has(TRAIN), &test) {
            (true, _) => TRAIN,
            (false, Some(test)) => return Err(format!("it holds {test}/ but no {TRAIN}/")),
            (false, None) => "",
        };
        let train_classes = folder_names(&folder.join(train))?;
        let test_classes = match &test {
            Some(test) => folder_names(&folder.join(test))?,
            None => Vec::new(),
        };
        if train_classes.is_empty() {
            let place = Some(train).filter(|train| !train.is_empty());
            let place = place.map_or("it".to_string(), |train| format!("{train}/"));
            return Err(format!("{place} holds no folders: each class is one"));
        }
        Ok(Self {
            train: train.to_string(),
            test,
            train_classes,
            test_classes,
        })
    }

    /// All classes that there are, in order.
    pub fn classes(&self) -> Vec<String> {
        let mut all = [&self.train_classes[..], &self.test_classes].concat();
        all.sort();
        all.dedup();
        all
    }

    /// Whether these classes can be read.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn check(&self, classes: &[String]) -> Result<(), String> {
        if classes.len() > MOST_CLASSES {
            return Err(format!(
                "it has {} classes, at most {MOST_CLASSES} are possible",
                classes.len()
            ));
        }
        let Some(test) = &self.test else {
            return Ok(());
        };
        for class in classes {
            let (here, there) = match (
                self.train_classes.contains(class),
                self.test_classes.contains(class),
            ) {
                (true, true) => continue,
                (true, false) => (self.train.as_str(), test.as_str()),
                (false, _) => (test.as_str(), self.train.as_str()),
            };
            return Err(format!(
                "the class {class:?} is in {here}/ but not in {there}/"
            ));
        }
        Ok(())
    }
}

/// The folders in a folder, in order. What cannot be looked at may be a class, so it is an error and not left out.
fn folder_names(folder: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for (name, path) in entries(folder)? {
        if name.starts_with('.') || FOREIGN.contains(&name.as_str()) {
            continue;
        }
        let failed = |error: std::io::Error| {
            format!(
                "cannot tell whether {} is a class: {error}; mend it, or remove it if it is none",
                path.display()
            )
        };
        if std::fs::metadata(&path).map_err(failed)?.is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Names and paths in a folder, in no order.
pub(super) fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut list = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(format!("{} is not valid Unicode", path.display()));
        };
        list.push((name.to_string(), path));
    }
    Ok(list)
}
