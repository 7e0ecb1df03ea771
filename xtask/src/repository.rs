//! The files of the repository, found by walking it, so that a forgotten one cannot stay silent.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// A file, by its path from the root with `/` between the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// For example `crates/authz/src/lib.rs`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Every text file below `folder` (a path from the root; empty for all), sorted by path. What is built or installed,
/// and files that are not UTF-8, are left out; a folder that does not exist has no files.
///
/// # Errors
/// When a folder or a file cannot be read.
pub fn files(folder: &str) -> Result<Vec<File>> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if is_made(&path, &root) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(text) = String::from_utf8(fs::read(&path).with_context(|| format!("reading {}", path.display()))?)
            {
                let path = path.strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The Rust files below `folder`; see [`files`].
///
/// # Errors
/// When a folder or a file cannot be read.
pub fn rust_files(folder: &str) -> Result<Vec<File>> {
    let mut files = files(folder)?;
    files.retain(|file| file.path.ends_with(".rs"));
    Ok(files)
}

/// Whether it was built or installed, not written. In a worktree of git, `.git` is a file.
fn is_made(path: &Path, root: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let at_the_root = path.parent() == Some(root);
    matches!(&*name, "__pycache__" | ".pytest_cache" | "node_modules") || (at_the_root && matches!(&*name, "target" | ".git" | ".venv"))
}
