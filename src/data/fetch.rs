//! Downloads the datasets that are files of the publishers.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cifar::{self, Cifar};
use super::error::DataError;
use super::idx;
use super::known::{PublishedDataset, known};
use super::source::{ChecksumVerdict, PublishedSource};
use super::sources;
use crate::base::write_whole;

/// The largest published file has 170 MB; a server that sends more is wrong.
const MOST_BYTES: u64 = 256 << 20;

/// How far a download has come.
#[derive(Clone, Copy, Debug)]
pub struct DownloadProgress<'a> {
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
/// An unknown name, [`DataError::Download`] with every mirror and its failure, [`DataError::ByHand`],
/// [`DataError::Occupied`], or [`DataError::Io`].
pub fn fetch(
    name: &str,
    dest_root: &Path,
    mirrors: Option<&[String]>,
    progress: &mut dyn FnMut(DownloadProgress<'_>),
) -> Result<FetchReport, DataError> {
    let mut report = FetchReport {
        name: name.to_string(),
        folder: Some(dest_root.join(name)),
        files: Vec::new(),
        notes: Vec::new(),
    };
    match known(name)? {
        PublishedDataset::Drawn(_) => {
            report.folder = None;
            report.notes.push(format!(
                "`{name}` is drawn by the program: there is nothing to download"
            ));
        }
        PublishedDataset::Idx(source) => {
            fetch_idx(source, dest_root, mirrors, progress, &mut report)?;
        }
        PublishedDataset::Cifar(cifar) => {
            fetch_cifar(cifar, dest_root, mirrors, progress, &mut report)?;
        }
    }
    Ok(report)
}

fn fetch_idx(
    source: &PublishedSource,
    dest_root: &Path,
    mirrors: Option<&[String]>,
    progress: &mut dyn FnMut(DownloadProgress<'_>),
    report: &mut FetchReport,
) -> Result<(), DataError> {
    let folder = dest_root.join(source.name);
    let from = Mirrors::new(mirrors, source.mirrors);
    for i in 0..source.files.len() {
        let mut folders = source.folders.iter().map(|folder| dest_root.join(folder));
        let holds = |folder: &PathBuf| sources::find_file(folder, &source.files[i]).is_some();
        let near = folders.find(holds);
        let near = near.as_deref().unwrap_or(&folder);
        let file = match present(source, i, near, &mut report.notes)? {
            Some(file) => file,
            None if from.list.is_empty() => {
                return Err(DataError::ByHand {
                    name: source.name.to_string(),
                    how: source.by_hand,
                    folder: dest_root.join("emnist"),
                });
            }
            None => {
                let mut check = |packed: &[u8]| {
                    let checked =
                        sources::check(source, i, packed.to_vec()).map_err(|e| e.to_string())?;
                    Ok(checked.verdict)
                };
                let file = format!("{}.gz", source.files[i].name);
                let got = from.download(source.name, &file, &folder, &mut check, progress)?;
                // A server may unpack on the way; the name must still say what the file is.
                let packed = idx::is_gzip(&got.bytes);
                let name = if packed { &file } else { source.files[i].name };
                got.save(&folder, name)?
            }
        };
        report.files.push(file);
    }
    Ok(())
}

/// CIFAR is one archive, and is read from it.
fn fetch_cifar(
    cifar: &Cifar,
    dest_root: &Path,
    mirrors: Option<&[String]>,
    progress: &mut dyn FnMut(DownloadProgress<'_>),
    report: &mut FetchReport,
) -> Result<(), DataError> {
    let folder = dest_root.join(cifar.name);
    let path = folder.join(cifar.archive);
    if path.is_file() {
        let packed = sources::read_file(&path)?;
        if cifar::is_published(cifar, &packed) {
            report.files.push(FetchedFile {
                path,
                url: None,
                bytes: packed.len() as u64,
                published: true,
            });
            return Ok(());
        }
        match cifar::from_archive(cifar, &path, &packed) {
            // It may be somebody's own data.
            Ok(_) => return Err(DataError::Occupied { path }),
            Err(problem) => report.notes.push(format!(
                "{} was damaged and is replaced: {problem}",
                path.display()
            )),
        }
    }
    let mut check = |packed: &[u8]| {
        if cifar::is_published(cifar, packed) {
            return Ok(ChecksumVerdict::Published);
        }
        cifar::from_archive(cifar, Path::new(cifar.archive), packed)
            .map(|_| ChecksumVerdict::Different)
            .map_err(|error| error.to_string())
    };
    let from = Mirrors::new(mirrors, &[cifar.mirror]);
    let got = from.download(cifar.name, cifar.archive, &folder, &mut check, progress)?;
    report.files.push(got.save(&folder, cifar.archive)?);
    Ok(())
}

/// A good copy of file `i` that is already in the folder.
fn present(
    source: &PublishedSource,
    i: usize,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<FetchedFile>, DataError> {
    let Some(path) = sources::find_file(folder, &source.files[i]) else {
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
        ChecksumVerdict::Published | ChecksumVerdict::Unlisted => {}
        // It may be somebody's own data: neither overwritten nor taken for the published file.
        ChecksumVerdict::Different => return Err(DataError::Occupied { path }),
        ChecksumVerdict::Unknown => notes.push(format!(
            "{} was kept: it is sound, but packed otherwise than the published file, so its checksum cannot be compared",
            path.display()
        )),
    }
    Ok(Some(FetchedFile {
        path,
        url: None,
        bytes,
        published: verdict == ChecksumVerdict::Published,
    }))
}

/// What is wrong with downloaded bytes, or how they compare with the published ones.
type CheckBytes<'c> = dyn FnMut(&[u8]) -> Result<ChecksumVerdict, String> + 'c;

/// Addresses to try, in order.
struct Mirrors {
    list: Vec<String>,
    agent: ureq::Agent,
}

/// A file that was sent and found good.
struct Downloaded {
    bytes: Vec<u8>,
    url: String,
    published: bool,
}

impl Mirrors {
    fn new(given: Option<&[String]>, built_in: &[&str]) -> Self {
        let built_in = || built_in.iter().map(|mirror| mirror.to_string()).collect();
        Self {
            list: given.map_or_else(built_in, <[String]>::to_vec),
            agent: agent(),
        }
    }

    /// Tries each mirror in turn. `folder` is where the file would go.
    fn download(
        &self,
        name: &str,
        file: &str,
        folder: &Path,
        check: &mut CheckBytes<'_>,
        progress: &mut dyn FnMut(DownloadProgress<'_>),
    ) -> Result<Downloaded, DataError> {
        let mut failures = Vec::new();
        for mirror in &self.list {
            let separator = if mirror.ends_with('/') { "" } else { "/" };
            let url = format!("{mirror}{separator}{file}");
            let sent = transfer(&self.agent, file, &url, progress);
            let checked = sent.and_then(|bytes| match check(&bytes) {
                Ok(verdict @ (ChecksumVerdict::Published | ChecksumVerdict::Unlisted)) => {
                    Ok((bytes, verdict == ChecksumVerdict::Published))
                }
                Ok(ChecksumVerdict::Different | ChecksumVerdict::Unknown) => Err(
                    "what was sent is a sound file, but its sha256 is not the published one".into(),
                ),
                Err(problem) => Err(format!("what was sent is wrong: {problem}")),
            });
            match checked {
                Ok((bytes, published)) => {
                    return Ok(Downloaded {
                        bytes,
                        url,
                        published,
                    });
                }
                Err(failure) => failures.push(format!("{url}: {failure}")),
            }
        }
        Err(DataError::Download {
            name: name.to_string(),
            file: file.to_string(),
            folder: folder.to_path_buf(),
            failures,
        })
    }
}

impl Downloaded {
    fn save(self, folder: &Path, name: &str) -> Result<FetchedFile, DataError> {
        Ok(FetchedFile {
            path: save(folder, name, &self.bytes)?,
            url: Some(self.url),
            bytes: self.bytes.len() as u64,
            published: self.published,
        })
    }
}

/// All the bytes behind one address, or why not.
fn transfer(
    agent: &ureq::Agent,
    file: &str,
    url: &str,
    progress: &mut dyn FnMut(DownloadProgress<'_>),
) -> Result<Vec<u8>, String> {
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    let total = response.body().content_length();
    let mut reader = response.body_mut().with_config().limit(MOST_BYTES).reader();
    let mut packed = Vec::new();
    let mut buffer = [0; 1 << 16];
    let report = |received: usize| DownloadProgress {
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
    match total {
        Some(total) if total != packed.len() as u64 => Err(format!(
            "the transfer broke off after {} of {total} bytes",
            packed.len()
        )),
        _ => Ok(packed),
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
    write_whole(&path, |file| file.write_all(bytes)).map_err(failed(&path, "write it"))?;
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
