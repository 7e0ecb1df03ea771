//! Statements of policies: what they are about, and whom they mean (A101–A141, A201–A221).

use serde_json::Value;

use super::caller::{Caller, Kind};
use super::condition::{Context, expand, holds, is_torn, variable};
use super::pattern::{covers, pieces, segment, segments};
use super::save::is_well_formed;

/// A policy document and where it stands in the case.
#[derive(Clone)]
pub(super) struct Document<'c> {
    pub(super) pointer: String,
    pub(super) body: &'c Value,
}

/// A statement, where it stands, and whether its document has variables.
#[derive(Clone)]
pub(super) struct Statement<'c> {
    pub(super) pointer: String,
    pub(super) body: &'c Value,
    pub(super) effect: Effect,
    variables: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// How an entry of a Principal element means the caller (A201).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum As {
    Anyone,
    Account,
    User,
    Role,
    Session,
    FederatedUser,
    /// The user who made the federated session.
    UserBehind,
    Service,
}

/// What is asked of a statement.
pub(super) struct Question<'q> {
    /// `kms:…`
    pub(super) action: String,
    /// The text that resource patterns are matched against.
    pub(super) resource: String,
    pub(super) context: &'q Context,
}

/// All statements of a document that have an effect.
pub(super) fn statements<'c>(document: &Document<'c>) -> Vec<Statement<'c>> {
    // [A102]
    let variables = document.body.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let statement = |pointer: String, body: &'c Value| {
        // [A103]
        let effect = match body.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return None,
        };
        // [A110] What could not be saved has none.
        is_well_formed(body).then_some(Statement { pointer, body, effect, variables })
    };
    // [A101]
    match document.body.get("Statement") {
        Some(Value::Array(list)) => {
            list.iter().enumerate().filter_map(|(at, body)| statement(format!("{}/Statement/{at}", document.pointer), body)).collect()
        }
        Some(body) => statement(format!("{}/Statement", document.pointer), body).into_iter().collect(),
        None => Vec::new(),
    }
}

/// A string, number or boolean, or an array of them (A105).
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Statement<'_> {
    /// Action, Resource and Condition; whom the statement means is asked apart.
    pub(super) fn is_about(&self, question: &Question<'_>) -> bool {
        self.action_fits(&question.action) && self.resource_fits(question) && self.condition_holds(question.context)
    }

    fn elements(&self, name: &str) -> Option<Vec<String>> {
        // [A111] A list without entries is no element.
        self.body.get(name).map(|value| strings(value).unwrap_or_default()).filter(|patterns| !patterns.is_empty())
    }

    /// [A132] [A135]
    fn action_fits(&self, action: &str) -> bool {
        match (self.elements("Action"), self.elements("NotAction")) {
            (Some(patterns), None) => patterns.iter().any(|pattern| action_covered(pattern, action)),
            (None, Some(patterns)) => !patterns.iter().any(|pattern| action_covered(pattern, action)),
            _ => false,
        }
    }

    /// [A134] [A135] [A136] [A140]
    fn resource_fits(&self, question: &Question<'_>) -> bool {
        let torn = |pattern: &String| resource_torn(pattern, self.variables, question.context);
        let covered = |pattern: &String| !torn(pattern) && resource_covered(pattern, &question.resource, self.variables, question.context);
        let (patterns, excepted) = match (self.elements("Resource"), self.elements("NotResource")) {
            (Some(patterns), None) => (patterns, false),
            (None, Some(patterns)) => (patterns, true),
            _ => return false,
        };
        match (patterns.iter().any(covered), patterns.iter().any(torn)) {
            (true, _) => !excepted,
            // [A168]
            (false, true) => self.effect == Effect::Deny,
            (false, false) => excepted,
        }
    }

    fn condition_holds(&self, context: &Context) -> bool {
        self.body.get("Condition").is_none_or(|condition| holds(condition, self.effect, self.variables, context))
    }

    /// [A109] Whether an RCP can be saved with it: everyone, no exceptions, a Deny of actions of services.
    pub(super) fn rcp_can_hold(&self) -> bool {
        let everyone = self.body.get("Principal").is_some_and(|principal| entries(principal).iter().all(|entry| entry.value == "*"));
        let of_service = |pattern: &String| pattern.split_once(':').is_some_and(|(service, _)| service != "*");
        let of_services = self.elements("Action").is_some_and(|patterns| patterns.iter().all(of_service));
        everyone && self.body.get("NotAction").is_none() && (self.effect == Effect::Allow || of_services)
    }

    pub(super) fn has_principal(&self) -> bool {
        self.body.get("Principal").or(self.body.get("NotPrincipal")).is_some()
    }

    /// The ways in which a statement that applies by its Principal means the caller.
    pub(super) fn means(&self, caller: &Caller<'_>, stored: bool) -> Vec<As> {
        self.body
            .get("Principal")
            .map(|principal| entries(principal).iter().filter_map(|entry| means(entry, caller, stored)).collect())
            .unwrap_or_default()
    }

    /// Whether a Deny reaches the caller (A128, A220, A221).
    pub(super) fn denies(&self, caller: &Caller<'_>, stored: bool) -> bool {
        let Some(exempted) = self.body.get("NotPrincipal") else { return !self.means(caller, stored).is_empty() };
        // [A221]
        if caller.has_boundary() {
            return true;
        }
        let listed: Vec<As> = entries(exempted).iter().filter_map(|entry| means(entry, caller, stored)).collect();
        // [A220]
        let exempt = listed.contains(&As::Anyone) || caller.levels().iter().all(|level| listed.contains(level));
        !exempt
    }
}

/// An entry of a Principal element: its type and its value.
pub(super) struct Entry {
    pub(super) of: String,
    pub(super) value: String,
}

/// [A120]
pub(super) fn entries(principal: &Value) -> Vec<Entry> {
    match principal {
        Value::String(value) if value == "*" => vec![Entry { of: "AWS".into(), value: value.clone() }],
        Value::Object(types) => {
            let entry = |of: &String, values: &Value| {
                strings(values).unwrap_or_default().into_iter().map(|value| Entry { of: of.clone(), value }).collect::<Vec<_>>()
            };
            types.iter().flat_map(|(of, values)| entry(of, values)).collect()
        }
        _ => Vec::new(),
    }
}

/// [A121] [A125] [A126] [A127] `stored`: ARNs of users and roles were replaced by unique ids when the policy was saved (A206).
fn means(entry: &Entry, caller: &Caller<'_>, stored: bool) -> Option<As> {
    let value = entry.value.as_str();
    match entry.of.as_str() {
        "AWS" if value == "*" => Some(As::Anyone),
        "AWS" => names(value, caller, stored),
        "Service" => (caller.kind == Kind::Service && caller.arn == value).then_some(As::Service),
        _ => None,
    }
}

/// Whether an ARN, an account id or a unique id is one of the names of the caller.
pub(super) fn names(value: &str, caller: &Caller<'_>, stored: bool) -> Option<As> {
    if caller.kind == Kind::Service {
        return None;
    }
    // [A127]
    if value == caller.account || value == format!("arn:{}:iam::{}:root", segment(caller.arn, 1), caller.account) {
        return Some(As::Account);
    }
    // [A206] Who was made anew bears the name of somebody else in what was stored.
    let name = caller.lasting_arn.as_deref().filter(|_| !(stored && caller.made_anew()));
    // [A207]
    let id = caller.record.and_then(|record| record.unique_id.as_deref());
    let lasting = name == Some(value) || id == Some(value);
    match caller.kind {
        Kind::User => lasting.then_some(As::User),
        Kind::RoleSession if value == caller.arn => Some(As::Session),
        Kind::RoleSession => lasting.then_some(As::Role),
        Kind::FederatedUser if value == caller.arn => Some(As::FederatedUser),
        Kind::FederatedUser => lasting.then_some(As::UserBehind),
        Kind::Root | Kind::Service => None,
    }
}

/// [A131]
pub(super) fn action_covered(pattern: &str, action: &str) -> bool {
    if pattern == "*" || pattern == "*:*" {
        return true;
    }
    let (Some((prefix, name)), Some((service, operation))) = (pattern.split_once(':'), action.split_once(':')) else { return false };
    prefix.eq_ignore_ascii_case(service) && covers(&pieces(&name.to_lowercase()), &operation.to_lowercase())
}

/// [A137] [A138] [A140]
fn resource_covered(pattern: &str, resource: &str, variables: bool, context: &Context) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some(wanted) = resource_pattern(pattern, variables) else { return false };
    let found = segments(resource);
    found.len() == 6
        && wanted.iter().zip(found).enumerate().all(|(at, (wanted, found))| match at {
            5 => expand(wanted, true, variables, context).is_some_and(|wanted| covers(&wanted, found)),
            _ => covers(&pieces(wanted), found),
        })
}

/// [A168] Whether nobody can say what the pattern covers. [A140] One that can never cover anything leaves no doubt.
fn resource_torn(pattern: &str, variables: bool, context: &Context) -> bool {
    resource_pattern(pattern, variables).is_some_and(|wanted| wanted.last().is_some_and(|name| is_torn(name, variables, context)))
}

/// The six segments of a pattern that can cover something.
fn resource_pattern(pattern: &str, variables: bool) -> Option<Vec<String>> {
    let mut wanted = pattern_segments(pattern, variables);
    if wanted.len() < 6 && pattern.contains(['*', '?']) {
        wanted.resize(6, "*".to_owned());
    }
    // No wildcard in the service segment, nor what was padded to one, unless nothing but wildcards was written.
    let service_is_plain = wanted.get(2).is_some_and(|service| !service.contains(['*', '?'])) || !pattern.contains(':');
    let no_variables = wanted.iter().take(5).all(|segment| !variables || !segment.contains("${"));
    (wanted.len() == 6 && service_is_plain && no_variables).then_some(wanted)
}

/// Six segments; a colon inside `${…}` ends none.
fn pattern_segments(pattern: &str, variables: bool) -> Vec<String> {
    let mut segments = vec![String::new()];
    let mut rest = pattern;
    while let Some(char) = rest.chars().next() {
        let inside = rest.strip_prefix("${").filter(|_| variables).and_then(variable);
        let len = inside.map_or(char.len_utf8(), |(_, after)| rest.len() - after.len());
        let (piece, after) = rest.split_at(len);
        rest = after;
        if piece == ":" && segments.len() < 6 {
            segments.push(String::new());
        } else if let Some(last) = segments.last_mut() {
            last.push_str(piece);
        }
    }
    segments
}
