//! The engine and the reference agree on cases made by chance, the same on every run. `cargo x differ` makes more of them.

use keyward_testkit::differ::{Comparison, compare, shrink};
use keyward_testkit::generate::{small, small_count, typed, wild};
use serde_json::Value;

#[test]
fn engine_and_reference_agree_on_sensible_cases() {
    agree((0..10_000).map(typed));
}

#[test]
fn engine_and_reference_agree_on_wild_cases() {
    agree((0..10_000).map(wild));
}

/// A step that shares no factor with any side of the universe, so that every side is walked.
#[test]
fn engine_and_reference_agree_in_the_small_universe() {
    const STEP: usize = 1009;
    agree((0..small_count()).step_by(STEP).map(small));
}

/// Allows, and every layer that can refuse: a generator that goes astray would leave the others untested.
#[test]
fn sensible_cases_reach_every_layer() {
    let layers = [
        "key-policy",
        "identity",
        "grant",
        "rcp",
        "scp",
        "endpoint",
        "boundary",
        "session",
        "operation",
        "identifier",
        "document",
        "lockout",
        "validation",
        "key-state",
        "key-material",
        "dry-run",
    ];
    let (mut allowed, mut total, mut reached) = (0, 0, std::collections::BTreeMap::new());
    for seed in 0..4_000 {
        if let Comparison::Same(answer) = compare(&typed(seed)) {
            total += 1;
            allowed += usize::from(answer.decision == "allow");
            *reached.entry(answer.layer).or_insert(0) += 1;
        }
    }
    assert!((total / 4..total * 3 / 5).contains(&allowed), "{allowed} of {total} are allowed");
    for layer in layers {
        let count = reached.get(layer).copied().unwrap_or(0);
        assert!(count * 200 >= total, "{layer} decides {count} of {total}");
    }
}

fn agree(cases: impl Iterator<Item = Value>) {
    for case in cases {
        if let Comparison::Different(_) = compare(&case) {
            let small = shrink(case);
            let shown = serde_json::to_string_pretty(&small).unwrap_or_default();
            assert!(matches!(compare(&small), Comparison::Same(_)), "{:?}\n{shown}", compare(&small));
        }
    }
}
