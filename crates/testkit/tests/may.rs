//! Answers over all requests, held against single requests made by chance: what is never allowed is refused each time, what is
//! always allowed is refused at no time, and all permissions at once come to what each comes to by itself.

use keyward_authz::{May, Request, Resource, authorize, may, reach, ways};
use keyward_cases::{Case, ask};
use keyward_policy::Action;
use keyward_testkit::generate::{typed, wild};
use serde_json::Value;

/// How many permissions were asked for, and how many of the answers were `Sometimes`.
fn check(cases: impl Iterator<Item = Value>) -> (u32, u32) {
    let (mut asked, mut open) = (0, 0);
    for document in cases {
        let Ok(case) = serde_json::from_value::<Case>(document.clone()) else { continue };
        for at in 0..case.request.authorize.len() {
            let answered = ask(&case, at, |subject, target, request| {
                let allowed = authorize(subject, target, request).is_allowed();
                // The same question, and one that says less.
                let vague = Request { encryption_context: None, alias: None, ..request.clone() };
                for question in [request, &vague] {
                    let answer = may(subject, target, question);
                    match (allowed, answer) {
                        (true, May::Never) | (false, May::Always) => return Err(format!("{answer:?}, but allowed: {allowed}")),
                        _ => {}
                    }
                    if ways(subject, target, question).is_empty() != (answer == May::Never) {
                        return Err(format!("{answer:?}, but its ways are {:?}", ways(subject, target, question)));
                    }
                }
                let answer = may(subject, target, &vague);
                if let (Resource::Key { .. }, Action::Kms(permission), false) = (&target.resource, &request.action, request.identity_only) {
                    let grid = reach(subject, target, &vague);
                    let reached = match (grid.always.contains(*permission), grid.sometimes.contains(*permission)) {
                        (true, _) => May::Always,
                        (_, true) => May::Sometimes,
                        _ => May::Never,
                    };
                    if permission.name() != "RetireGrant" && reached != answer {
                        return Err(format!("{answer:?}, but {reached:?} among all permissions"));
                    }
                }
                Ok(answer)
            });
            match answered {
                // What the case does not tell cannot be asked.
                Err(_) => {}
                Ok(Ok(answer)) => {
                    asked += 1;
                    open += u32::from(answer == May::Sometimes);
                }
                Ok(Err(fault)) => assert!(fault.is_empty(), "permission {at}: {fault}\n{document:#}"),
            }
        }
    }
    (asked, open)
}

#[test]
fn answers_over_all_requests_hold_for_each() {
    let (asked, open) = check((0..2_500).map(typed).chain((0..1_500).map(wild)));
    assert!(asked > 4_000 && open > 150, "{asked} asked, {open} open: too few to tell");
}
