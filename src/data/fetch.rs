//! Downloads the datasets that are files.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sources::{self, FILES, Source, Verdict};
use super::{DataError, drawn, idx, known_source};

/// The largest published file has 26 MB; a server that sends more is wrong.
const MOST_BYTES: u64 = 64 << 20;

/// How far a download has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Where it is read from.
    pub url: &'a str,
    /// Bytes received so far.
    pub received: u64,
    /// Bytes in all, if the server said so.
    pub total: Option<u64>,
}

/// What a download did.
#[derive(Clone, Debug)]
pub struct FetchReport {
    /// The dataset.
    pub name: String,
    /// The folder its files lie in now; `None` for a dataset that needs no files.
    pub folder: Option<PathBuf>,
    /// Each file; empty for a dataset that needs none.
    pub files: Vec<FetchedFile>,
    /// What else to tell the user.
    pub notes: Vec<String>,
}

/// One file of a [`FetchReport`].
#[derive(Clone, Debug)]
pub struct FetchedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Where it came from; `None` if a good copy was already there.
    pub url: Option<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether its checksum is the published one; if not, only its structure was checked.
    pub published: bool,
}

/// Downloads a dataset into `dest_root/NAME/`, each file from the first mirror that has a good copy.
///
/// A file appears under its name only when whole and checked; a good copy already there is kept. `mirrors` replaces the
/// built-in addresses (each ends before the file's name). `progress` is called as bytes arrive.
///
/// # Errors
/// An unknown name, [`DataError::Download`] with every mirror and its failure, [`DataError::Occupied`], or
/// [`DataError::Io`].
pub fn fetch(
    name: &str,
    dest_root: &Path,
    mirrors: Option<&[String]>,
    progress: &mut dyn FnMut(Progress),
) -> Result<FetchReport, DataError> {
    if drawn::find(name).is_some() {
        return Ok(FetchReport {
            name: name.to_string(),
            folder: None,
            files: Vec::new(),
            notes: vec![format!(
                "`{name}` is drawn by the program: there is nothing to download"
            )],
        });
    }
    let source = known_source(name)?;
    let built_in: Vec<String> = source
        .mirrors
        .iter()
        .map(|mirror| mirror.to_string())
        .collect();
    let mirrors = mirrors.unwrap_or(&built_in);
    let folder = dest_root.join(name);
    let mut report = FetchReport {
        name: name.to_string(),
        folder: Some(folder.clone()),
        files: Vec::new(),
        notes: Vec::new(),
    };
    let agent = agent();
    for i in 0..FILES.len() {
        let file = match present(source, i, &folder, &mut report.notes)? {
            Some(file) => file,
            None => download(source, i, &folder, mirrors, &agent, progress)?,
        };
        report.files.push(file);
    }
    Ok(report)
}

/// A good copy of `FILES[i]` that is already in the folder.
fn present(
    source: &Source,
    i: usize,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<FetchedFile>, DataError> {
    let Some(path) = sources::find_file(folder, &FILES[i]) else {
        return Ok(None);
    };
    let packed = sources::read_file(&path)?;
    let bytes = packed.len() as u64;
    let verdict = match sources::check(source, i, packed) {
        Ok(checked) => checked.verdict,
        Err(problem) => {
            notes.push(format!(
                "{} was damaged and is replaced: {problem}",
                path.display()
            ));
            return Ok(None);
        }
    };
    match verdict {
        Verdict::Published => {}
        // It may be somebody's own data: neither overwritten nor taken for the published file.
        Verdict::Different => return Err(DataError::Occupied { path }),
        Verdict::Unknown => notes.push(format!(
            "{} was kept: it is sound, but packed otherwise than the published file, so its checksum cannot be compared",
            path.display()
        )),
    }
    Ok(Some(FetchedFile {
        path,
        url: None,
        bytes,
        published: verdict == Verdict::Published,
    }))
}

/// Tries each mirror in turn.
fn download(
    source: &Source,
    i: usize,
    folder: &Path,
    mirrors: &[String],
    agent: &ureq::Agent,
    progress: &mut dyn FnMut(Progress),
) -> Result<FetchedFile, DataError> {
    let file = format!("{}.gz", FILES[i].name);
    let mut failures = Vec::new();
    for mirror in mirrors {
        let separator = if mirror.ends_with('/') { "" } else { "/" };
        let url = format!("{mirror}{separator}{file}");
        match attempt(source, i, agent, &file, &url, progress) {
            Ok(packed) => {
                // A server may unpack on the way; the name must still say what the file is.
                let saved_as = if idx::is_gzip(&packed) {
                    &file
                } else {
                    FILES[i].name
                };
                return Ok(FetchedFile {
                    path: save(folder, saved_as, &packed)?,
                    url: Some(url),
                    bytes: packed.len() as u64,
                    published: true,
                });
            }
            Err(failure) => failures.push(format!("{url}: {failure}")),
        }
    }
    Err(DataError::Download {
        name: source.name.to_string(),
        file,
        folder: folder.to_path_buf(),
        failures,
    })
}

/// The checked bytes behind one address, or why there are none.
fn attempt(
    source: &Source,
    i: usize,
    agent: &ureq::Agent,
    file: &str,
    url: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<u8>, String> {
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    let total = response.body().content_length();
    let mut reader = response.body_mut().with_config().limit(MOST_BYTES).reader();
    let mut packed = Vec::new();
    let mut buffer = [0; 1 << 16];
    let report = |received: usize| Progress {
        file,
        url,
        received: received as u64,
        total,
    };
    progress(report(0));
    loop {
        let count = reader.read(&mut buffer).map_err(|error| {
            format!(
                "the transfer broke off after {} bytes: {error}",
                packed.len()
            )
        })?;
        if count == 0 {
            break;
        }
        packed.extend_from_slice(&buffer[..count]);
        progress(report(packed.len()));
    }
    if let Some(total) = total
        && total != packed.len() as u64
    {
        return Err(format!(
            "the transfer broke off after {} of {total} bytes",
            packed.len()
        ));
    }
    let received = packed.clone();
    let checked = sources::check(source, i, packed)
        .map_err(|problem| format!("what was sent is wrong: {problem}"))?;
    match checked.verdict {
        Verdict::Published => Ok(received),
        Verdict::Different | Verdict::Unknown => Err(
            "what was sent is a sound file, but its sha256 is not the published one".to_string(),
        ),
    }
}

/// Writes a file so that it appears whole or not at all.
fn save(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, DataError> {
    let path = folder.join(name);
    let failed = |path: &Path, action| {
        let path = path.to_path_buf();
        move |source| DataError::Io {
            path,
            action,
            source,
        }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder, "create the folder"))?;
    // In the same folder, so that the rename stays within one file system. Dropped on failure, it deletes itself.
    let mut temporary =
        tempfile::NamedTempFile::new_in(folder).map_err(failed(folder, "write into it"))?;
    temporary
        .write_all(bytes)
        .map_err(failed(&path, "write it"))?;
    temporary
        .as_file()
        .sync_all()
        .map_err(failed(&path, "write it"))?;
    temporary
        .persist(&path)
        .map_err(|error| failed(&path, "put it in place")(error.error))?;
    Ok(path)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        // A stalled transfer ends; a slow one goes on.
        .timeout_recv_body(Some(Duration::from_secs(1800)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        // The files are gzip already, and their own bytes are what is checked.
        .accept_encoding("identity")
        .user_agent(concat!("secateur/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}
