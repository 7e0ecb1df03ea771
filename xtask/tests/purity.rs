//! The pure crates decide and compute: they have no clock, no chance of their own, no I/O, no async and no logging.

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};
use xtask::{banned::banned, repository::rust_files};

/// A pure crate and what it may depend on outside its tests. Everything here computes; none of it reads the world unasked.
const PURE: &[(&str, &str, &[&str])] = &[
    ("keyward-policy", "crates/policy/src", &["data-encoding", "ipnet", "jiff", "serde", "thiserror"]),
    ("keyward-authz", "crates/authz/src", &["jiff", "keyward-policy", "serde", "thiserror"]),
    ("keyward-analysis", "crates/analysis/src", &["keyward-authz", "keyward-policy", "serde"]),
    ("keyward-cases", "crates/cases/src", &["jiff", "keyward-authz", "keyward-policy", "serde", "serde_json"]),
    (
        "keyward-crypto",
        "crates/crypto/src",
        &["aws-lc-rs", "aws-lc-sys", "ciborium", "data-encoding", "rustls-pki-types", "rustls-webpki", "serde", "subtle", "thiserror", "zeroize"],
    ),
];

/// A file, what it names all the same, and why it may. An entry that is no longer needed fails.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

#[test]
fn pure_crates_name_nothing_impure() -> Result<()> {
    let mut wrong = Vec::new();
    for (name, folder, _) in PURE {
        let files = rust_files(folder)?;
        assert!(!files.is_empty(), "{name} has no sources in {folder}");
        for file in files.iter().filter(|file| !file.path.ends_with("/tests.rs")) {
            for (line, path, way) in banned(&file.text) {
                if !EXCEPTIONS.iter().any(|(excepted, what, _)| *excepted == file.path && *what == path) {
                    wrong.push(format!("{}:{line} names `{path}`: {way}", file.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_exception_is_needed() -> Result<()> {
    let files = rust_files("crates")?;
    for (path, what, _) in EXCEPTIONS {
        // A file that is gone takes its exception with it only once somebody removes the line.
        let file = files.iter().find(|file| file.path == *path).with_context(|| format!("EXCEPTIONS names {path}, which is gone"))?;
        assert!(banned(&file.text).iter().any(|(_, path, _)| path == what), "{path} no longer names `{what}`: remove the exception");
    }
    Ok(())
}

#[test]
fn pure_crates_depend_on_nothing_else() -> Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    for (name, _, allowed) in PURE {
        let package = metadata.packages.iter().find(|package| package.name == *name).with_context(|| format!("{name} is gone"))?;
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development) {
            assert!(allowed.contains(&dependency.name.as_str()), "{name} is pure and may not depend on {}: see PURE", dependency.name);
        }
    }
    Ok(())
}
