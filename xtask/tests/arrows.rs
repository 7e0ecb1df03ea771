//! Which crate may use which: the table of the architecture as data, held against `cargo metadata`.

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// A crate of the workspace and the crates of the workspace it may name. A boundary is there for what it forbids; an
/// arrow is added here by whoever can say why, in the same commit.
const ARROWS: &[(&str, &[&str])] = &[
    ("keyward-policy", &[]),
    ("keyward-authz", &["keyward-policy"]),
    ("keyward-cases", &["keyward-policy", "keyward-authz"]),
    ("keyward-analysis", &["keyward-policy", "keyward-authz"]),
    ("keyward-crypto", &[]),
    ("keyward-service", &["keyward-policy", "keyward-authz", "keyward-crypto"]),
    // The store keeps the root key's check value, a noun of crypto.
    ("keyward-store", &["keyward-policy", "keyward-authz", "keyward-crypto", "keyward-service"]),
    // The listener fills in how a call came (`CallFacts`) and knows operations by name: nouns of authz, never its decisions.
    // The protocol of external key stores carries the parts of a ciphertext, a noun of crypto.
    ("keyward-wire", &["keyward-policy", "keyward-authz", "keyward-crypto", "keyward-service"]),
    (
        "keyward",
        &[
            "keyward-policy",
            "keyward-authz",
            "keyward-cases",
            "keyward-analysis",
            "keyward-crypto",
            "keyward-service",
            "keyward-store",
            "keyward-wire",
        ],
    ),
    (
        TESTKIT,
        &[
            "keyward-policy",
            "keyward-authz",
            "keyward-cases",
            "keyward-analysis",
            "keyward-crypto",
            "keyward-service",
            "keyward-store",
            "keyward-wire",
        ],
    ),
];

/// May be used by the tests of every crate and by nothing else.
const TESTKIT: &str = "keyward-testkit";

/// May use everything; nothing may use it.
const XTASK: &str = "xtask";

#[test]
fn every_arrow_is_allowed() -> Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let members: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|dependency| members.contains(&dependency.name.as_str())) {
            wrong.extend(objection(&package.name, &dependency.name, dependency.kind));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_crate_is_in_the_table() -> Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    for package in &metadata.packages {
        let name = package.name.as_str();
        assert!(name == XTASK || row(name).is_some(), "{name} has no row in ARROWS: say what it may use");
    }
    for (name, _) in ARROWS {
        metadata.packages.iter().find(|package| package.name == *name).with_context(|| format!("ARROWS has a row for {name}, which is gone"))?;
    }
    Ok(())
}

#[test]
fn forbidden_arrows_are_found() {
    let check = |from, to, kind| objection(from, to, kind).unwrap_or_default();
    assert_eq!(check("keyward-authz", "keyward-policy", DependencyKind::Normal), "");
    assert_eq!(check("keyward-authz", TESTKIT, DependencyKind::Development), "");
    assert_eq!(check("keyward-policy", "keyward-authz", DependencyKind::Normal), "keyward-policy must not use keyward-authz");
    assert_eq!(check("keyward-crypto", "keyward-authz", DependencyKind::Development), "keyward-crypto must not use keyward-authz");
    assert_eq!(check("keyward", TESTKIT, DependencyKind::Normal), "keyward must not use keyward-testkit outside [dev-dependencies]");
    assert_eq!(check("keyward", XTASK, DependencyKind::Build), "keyward must not use xtask");
}

/// Why an arrow is wrong, if it is.
fn objection(from: &str, to: &str, kind: DependencyKind) -> Option<String> {
    let for_tests = kind == DependencyKind::Development;
    let allowed = from == XTASK || (to == TESTKIT && for_tests) || row(from).is_some_and(|allowed| allowed.contains(&to));
    let place = if to == TESTKIT { " outside [dev-dependencies]" } else { "" };
    (!allowed).then(|| format!("{from} must not use {to}{place}"))
}

fn row(name: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(from, _)| *from == name).map(|(_, allowed)| *allowed)
}
