//! The same decisions counted in instructions, which do not hang on what else the machine does: `cargo x bench instructions`.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]
#![expect(missing_docs, reason = "the macros make items that nobody reads")]

mod questions;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use questions::{Asked, across_accounts, article_allowed, article_denied};

#[library_benchmark]
#[bench::article_allowed(article_allowed())]
#[bench::article_denied(article_denied())]
#[bench::across_accounts_12_grants(across_accounts())]
fn authorize(asked: Asked) -> Asked {
    asked.ask(|s, t, r| black_box(keyward_authz::authorize(s, t, r)));
    asked
}

#[library_benchmark]
#[bench::article_denied(article_denied())]
fn reasons(asked: Asked) -> Asked {
    asked.ask(|s, t, r| black_box(keyward_authz::reasons(s, t, r)));
    asked
}

#[library_benchmark]
#[bench::article_denied(article_denied())]
fn explain(asked: Asked) -> Asked {
    asked.ask(|s, t, r| black_box(keyward_authz::explain(s, t, r)));
    asked
}

library_benchmark_group!(name = decisions; benchmarks = authorize, reasons, explain);
main!(library_benchmark_groups = decisions);
