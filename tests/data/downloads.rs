//! Downloads, from a server inside the test.

use super::idx::{images, small_mnist};
use crate::common::{MNIST_FILES, gzip, published, skip};
use secateur::data::{DataError, DownloadProgress, SearchPath, fetch, load};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What the server does with a request for a path.
#[derive(Clone)]
enum Answer {
    Send(Vec<u8>),
    /// Announces all of it, sends half and hangs up.
    Half(Vec<u8>),
    NotFound,
}

/// Serves on a free port until the test process ends; returns its address and the paths asked for.
fn serve(answer: impl Fn(&str) -> Answer + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that hangs up early is part of the test.
            let _ = reply(stream, &answer, &log);
        }
    });
    (address, asked)
}

fn reply(
    stream: TcpStream,
    answer: &impl Fn(&str) -> Answer,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("").to_string();
    log.lock().unwrap().push(path.clone());
    let mut out = stream;
    let mut send = |status: &str, length: usize, body: &[u8]| {
        write!(
            out,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )?;
        out.write_all(body)
    };
    match answer(&path) {
        Answer::Send(body) => send("200 OK", body.len(), &body),
        Answer::Half(body) => send("200 OK", body.len(), &body[..body.len() / 2]),
        Answer::NotFound => send("404 Not Found", 0, b""),
    }
}

/// No made-up file has the published checksum, so a good download needs the real files; `None` without them.
fn real_mnist() -> Option<Vec<(String, Vec<u8>)>> {
    let folder = published("mnist")?.join("mnist");
    let names = MNIST_FILES.map(|file| format!("{file}.gz"));
    if !folder.join(&names[0]).is_file() {
        skip("the files in SECATEUR_DATA/mnist are not packed");
        return None;
    }
    let read = |name: String| {
        let bytes = fs::read(folder.join(&name)).unwrap();
        (name, bytes)
    };
    Some(names.map(read).to_vec())
}

fn answer_from(files: &[(String, Vec<u8>)], path: &str) -> Answer {
    let found = files.iter().find(|(name, _)| path.ends_with(name.as_str()));
    found.map_or(Answer::NotFound, |(_, bytes)| Answer::Send(bytes.clone()))
}

/// Everything under a folder.
fn everything_in(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|entry| {
            let path = entry.path();
            let below = everything_in(&path);
            [path].into_iter().chain(below)
        })
        .filter(|path| path.is_file())
        .collect()
}

/// The failures of a download that must leave nothing behind.
fn failures_of(mirrors: &[String]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let error = fetch("mnist", root.path(), Some(mirrors), &mut |_| {}).unwrap_err();
    assert!(
        everything_in(root.path()).is_empty(),
        "{:?}",
        everything_in(root.path())
    );
    let message = error.to_string();
    for mirror in mirrors {
        assert!(
            message.contains(mirror.as_str()),
            "names {mirror}: {message}"
        );
    }
    match error {
        DataError::Download { failures, .. } => failures,
        other => panic!("{other}"),
    }
}

#[test]
fn bad_downloads_leave_nothing_and_name_every_mirror() {
    let sound = |_: &str| Answer::Send(gzip(&images(3)));
    let garbage = |_: &str| Answer::Send(b"<html>Sorry!</html>".to_vec());
    let half = |_: &str| Answer::Half(gzip(&images(50)));
    let (sound, garbage, half) = (serve(sound).0, serve(garbage).0, serve(half).0);
    let (missing, asked) = serve(|_| Answer::NotFound);
    // A port that was free a moment ago: nobody answers.
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let failures = failures_of(&[sound, garbage, half, missing, closed]);
    assert_eq!(failures.len(), 5);
    let parts = [
        "sha256 is not the published one",
        "what was sent is wrong",
        "broke off",
        "404",
    ];
    for (failure, part) in failures.iter().zip(parts) {
        assert!(failure.contains(part), "{failure} / {part}");
    }
    assert_eq!(
        *asked.lock().unwrap(),
        ["/train-images-idx3-ubyte.gz"],
        "stops at the first file that fails"
    );
}

#[test]
fn a_second_mirror_helps_and_good_files_are_kept() {
    let Some(files) = real_mnist() else {
        return;
    };
    let (missing, _) = serve(|_| Answer::NotFound);
    let sent = files.clone();
    let (good, asked) = serve(move |path| answer_from(&sent, path));
    let mirrors = [missing, good.clone()];
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("mnist");

    let mut last = (String::new(), 0, None);
    let mut note = |progress: DownloadProgress<'_>| {
        last = (progress.file.to_string(), progress.received, progress.total);
    };
    let report = fetch("mnist", root.path(), Some(&mirrors), &mut note).unwrap();
    let size = files[3].1.len() as u64;
    assert_eq!(last, (files[3].0.clone(), size, Some(size)));
    assert!(
        report
            .files
            .iter()
            .all(|file| file.published && file.url.as_ref().unwrap().starts_with(&good))
    );
    assert_eq!(everything_in(root.path()).len(), 4);
    let search = SearchPath::of(vec![root.path().to_path_buf()]);
    assert!(load("mnist", &search).unwrap().warnings.is_empty());

    // One file is damaged: it alone is fetched again.
    fs::write(folder.join(&files[1].0), &files[1].1[..100]).unwrap();
    asked.lock().unwrap().clear();
    let report = fetch("mnist", root.path(), Some(&mirrors), &mut |_| {}).unwrap();
    assert_eq!(*asked.lock().unwrap(), [format!("/{}", files[1].0)]);
    assert_eq!(
        report
            .files
            .iter()
            .filter(|file| file.url.is_none())
            .count(),
        3
    );
    assert!(report.notes[0].contains("damaged"), "{:?}", report.notes);
    assert_eq!(fs::read(folder.join(&files[1].0)).unwrap(), files[1].1);
}

/// A lab shares its data folder: a file is as readable as any that its user makes.
#[cfg(unix)]
#[test]
fn what_is_fetched_is_as_readable_as_any_file() {
    use std::os::unix::fs::PermissionsExt;
    let Some(files) = real_mnist() else {
        return;
    };
    let (good, _) = serve(move |path| answer_from(&files, path));
    let root = tempfile::tempdir().unwrap();
    let report = fetch("mnist", root.path(), Some(&[good]), &mut |_| {}).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let own = root.path().join("own");
    fs::write(&own, "").unwrap();
    assert_eq!(report.files.len(), 4);
    for file in &report.files {
        assert_eq!(mode(&file.path), mode(&own), "{}", file.path.display());
    }
}

#[test]
fn a_failed_download_keeps_what_was_there() {
    let (root, _) = small_mnist(0, None);
    let own = root.path().join("mnist").join(MNIST_FILES[0]);
    let (missing, _) = serve(|_| Answer::NotFound);
    let mirrors = [missing];
    // Sound, but not the published file: perhaps the user's own.
    let error = fetch("mnist", root.path(), Some(&mirrors), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&error, DataError::Occupied { path } if *path == own),
        "{error}"
    );
    fs::write(&own, b"damaged").unwrap();
    fetch("mnist", root.path(), Some(&mirrors), &mut |_| {}).unwrap_err();
    assert_eq!(fs::read(&own).unwrap(), b"damaged");
}

#[test]
fn fetching_what_needs_no_files_or_does_not_exist() {
    let root = tempfile::tempdir().unwrap();
    let report = fetch("drawn-digits", root.path(), None, &mut |_| {}).unwrap();
    assert!(report.files.is_empty() && report.notes[0].contains("nothing to download"));
    assert!(fetch("cifar", root.path(), None, &mut |_| {}).is_err());
    assert!(everything_in(root.path()).is_empty());
}
