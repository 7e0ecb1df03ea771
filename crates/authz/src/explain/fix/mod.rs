//! The smallest change that turns a refusal, found by trying.
//!
//! What decided says what to change; the change is made on a copy of the facts, and the decision asked again, until it allows. A
//! change that does not turn the answer is never told, nor a part of one that it does not need. First the request is looked at, for
//! what is wrong with a request should not be mended in a policy; then policies; then, where no policy is the way, grants.

mod grant;
mod policy;
mod remedy;
mod request;
mod write;

use crate::authorize::{Decision, decide};
use crate::facts::{Request, Subject, Target};
use crate::layers::consult;

use super::Teller;
use super::report::{Fix, FixChange, FixPart};

pub use remedy::Remedy;
use remedy::{Change, Part};

/// More parts than anybody would want to carry out.
const PARTS_MAX: usize = 8;

/// Changes that would allow a refused request, each tried, the one to think of first in front. Empty if it is allowed as it is.
pub fn remedies(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Vec<Remedy> {
    see_decision(subject, target, request, remedies_for)
}

/// The same for a decision that is at hand.
pub(super) fn remedies_for(teller: &Teller<'_>, decision: &Decision) -> Vec<Remedy> {
    if decision.is_allowed() {
        return Vec::new();
    }
    let seeker = Seeker { teller, decision };
    let mut found: Vec<Remedy> = Vec::new();
    for remedy in [seeker.by_request(), seeker.by_policy(), seeker.by_grant()].into_iter().flatten() {
        if !remedy.parts.is_empty() && !found.contains(&remedy) {
            found.push(remedy);
        }
    }
    found
}

struct Seeker<'a> {
    teller: &'a Teller<'a>,
    decision: &'a Decision,
}

impl Seeker<'_> {
    /// The request made differently, and whatever else it still needs.
    fn by_request(&self) -> Option<Remedy> {
        let parts = self.look(&self.remedy(), |teller, decision| teller.request_parts(decision));
        if parts.is_empty() {
            return None;
        }
        let remedy = self.completed(self.remedy().with(parts), true)?;
        remedy.parts.iter().any(|part| matches!(part.change, Change::Request { .. })).then_some(remedy)
    }

    /// Statements added and Denies narrowed, as few as turn the answer: with the conditions of the nearest statement, else without.
    fn by_policy(&self) -> Option<Remedy> {
        self.completed(self.remedy(), true).or_else(|| self.completed(self.remedy(), false))
    }

    /// A grant alone, where a policy of the caller cannot be the way, or would need another account besides.
    fn by_grant(&self) -> Option<Remedy> {
        let part = self.look(&self.remedy(), |teller, decision| teller.grant_part(decision))?;
        let remedy = self.remedy().with(vec![part]);
        self.is_allowed_after(&remedy).then_some(remedy)
    }

    fn remedy(&self) -> Remedy {
        Remedy::of(self.teller.subject, self.teller.target, self.teller.request)
    }

    /// Adds what the decision lacks until it allows.
    fn completed(&self, mut remedy: Remedy, pinned: bool) -> Option<Remedy> {
        while remedy.parts.len() <= PARTS_MAX {
            let next = self.look(&remedy, |teller, decision| match decision.is_allowed() {
                true => None,
                false => Some(teller.policy_parts(decision, pinned)),
            });
            let Some(next) = next else { return Some(self.pruned(remedy)) };
            // The same again would not help either.
            let next = next.filter(|parts| !parts.is_empty() && parts.iter().all(|part| !remedy.parts.contains(part)))?;
            remedy.parts.extend(next);
        }
        None
    }

    /// Without the parts that it does not need.
    fn pruned(&self, mut remedy: Remedy) -> Remedy {
        let mut at = 0;
        while remedy.parts.len() > 1 && at < remedy.parts.len() {
            let others = remedy.parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| part.clone()).collect();
            let without = remedy.clone().with(others);
            match self.is_allowed_after(&without) {
                true => remedy = without,
                false => at += 1,
            }
        }
        remedy
    }

    fn is_allowed_after(&self, remedy: &Remedy) -> bool {
        self.look(remedy, |_, decision| decision.is_allowed())
    }

    /// Looks at the decision as it would be after a change.
    fn look<T>(&self, remedy: &Remedy, see: impl FnOnce(&Teller<'_>, &Decision) -> T) -> T {
        let Teller { subject, target, request, .. } = self.teller;
        if remedy.parts.is_empty() {
            return see(self.teller, self.decision);
        }
        remedy.with_request_changed(subject, target, request, |subject, target, request| see_decision(subject, target, request, see))
    }
}

fn see_decision<T>(subject: &Subject, target: &Target<'_>, request: &Request<'_>, see: impl FnOnce(&Teller<'_>, &Decision) -> T) -> T {
    let layers = consult(subject, target, request);
    let decision = decide(subject, target, request, &layers);
    see(&Teller { subject, target, request, layers: &layers }, &decision)
}

impl Remedy {
    /// In words and JSON.
    pub fn fix(&self) -> Fix {
        let told = |part: &Part| FixPart {
            account: part.account.clone(),
            place: part.place.clone(),
            change: match &part.change {
                Change::Statement { text, .. } => FixChange::Statement(text.clone()),
                Change::Narrow { name, condition, .. } => FixChange::Narrow { statement: name.clone(), condition: condition.clone() },
                Change::Grant { parameters, .. } => FixChange::Grant(parameters.clone()),
                Change::Request { words, .. } => FixChange::Request(words.clone()),
            },
        };
        Fix { parts: self.parts.iter().map(told).collect() }
    }
}
