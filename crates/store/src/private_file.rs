//! Files that nobody else may read: 0600 in a directory of 0700 (T91).

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

fn refuse(path: &Path, mode: u32, wanted: &str) -> io::Error {
    io::Error::other(format!("{} can be read by others (mode {mode:03o}); run: chmod {wanted} {}", path.display(), path.display()))
}

fn check(path: &Path, mode: u32, wanted: &str) -> io::Result<()> {
    if mode & 0o077 == 0 { Ok(()) } else { Err(refuse(path, mode & 0o777, wanted)) }
}

/// Makes the directory with mode 0700, or checks that it has none for others.
///
/// # Errors
/// When it cannot be made, or others may enter it; the message says what to run.
pub fn directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => check(path, path.metadata()?.mode(), "700"),
        Err(error) => Err(io::Error::other(format!("cannot make {}: {error}", path.display()))),
    }
}

/// Opens a file for writing, made with mode 0600 if it is not there; refuses one that others may read.
///
/// # Errors
/// As the operating system says, or for the mode.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    check(path, file.metadata()?.mode(), "600")?;
    Ok(file)
}

/// Takes a file that was just made, such as a socket, away from everybody else.
///
/// # Errors
/// As the operating system says.
pub fn restrict(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Writes a new file, durably with its directory entry.
///
/// # Errors
/// When it exists already, or cannot be written.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_parent(path)
}

/// Reads a file, wiped from memory when dropped; refuses one that others may read.
///
/// # Errors
/// As the operating system says, or for the mode.
pub fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut file = File::open(path)?;
    check(path, file.metadata()?.mode(), "600")?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A new name survives a power cut only with its directory.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
