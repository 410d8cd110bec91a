//! Files appear whole or not at all.

use super::process::process_name;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Temporary files start with this; a killed process may leave one behind, and the next one to hold the lock removes it.
pub(crate) const TEMPORARY: &str = ".secateur-tmp-";

/// Writes a file through a temporary one in the same folder: write, fsync, rename, fsync the folder.
///
/// Whatever fails, `path` keeps its old contents (or stays absent) and the temporary file is removed.
///
/// # Errors
/// The operating system's reason, or the one `fill` returned.
pub fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    let temporary = temporary_in(folder)?;
    let mut file = BufWriter::new(temporary);
    fill(&mut file)?;
    let temporary = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// [`write_whole`], making the folder first where it is missing.
///
/// # Errors
/// As [`write_whole`], or why the folder cannot be made.
pub fn write_with_folder(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    write_whole(path, fill)
}

/// The folder a file lives in; a bare file name lives in the current one.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A new temporary file that becomes as readable as any file the user makes.
pub(crate) fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Others see by the name whether its writer is dead.
    let prefix = format!("{TEMPORARY}{}-", process_name());
    builder.prefix(&prefix);
    // tempfile's own default is 0600, which would hide results from the rest of a lab; the umask still applies.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Makes a rename survive a power cut. Windows has no such call and needs none.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        match fs::File::open(folder)?.sync_all() {
            // Some network file systems cannot sync folders; the file itself is already safe.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) => {}
            other => other?,
        }
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
