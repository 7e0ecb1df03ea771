//! The engine held against the reference, and a difference made small.

use std::panic::catch_unwind;

use serde_json::{Value, json};

use crate::reference::{Verdict, judge};
use keyward_cases::Case;
use keyward_cases::{Answer, decide};

/// What holding the two against each other gave.
#[derive(Clone, Debug)]
pub enum Comparison {
    /// Both say so.
    Same(Answer),
    /// The case cannot be read.
    Unreadable(String),
    /// They differ.
    Different(Box<Difference>),
}

/// Two answers to one case.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What the engine says, as far as the two are compared; its words when it fails.
    pub engine: Result<Verdict, String>,
    /// What the reference says.
    pub reference: Result<Verdict, String>,
}

/// Decides the case twice and compares decision, layer and statements.
#[must_use]
pub fn compare(case: &Value) -> Comparison {
    let case: Case = match serde_json::from_value(case.clone()) {
        Ok(case) => case,
        Err(error) => return Comparison::Unreadable(error.to_string()),
    };
    let answer = catch_unwind(|| decide(&case)).unwrap_or_else(|_| Err("the engine panicked".to_owned()));
    let reference = judge(&case);
    match (answer, reference) {
        (Ok(answer), Ok(verdict)) if comparable(&answer) == verdict => Comparison::Same(answer),
        (Err(error), Ok(_)) if error != "the engine panicked" => Comparison::Unreadable(error),
        (Err(error), Err(_)) if error != "the engine panicked" => Comparison::Unreadable(error),
        (answer, reference) => Comparison::Different(Box::new(Difference { engine: answer.map(|answer| comparable(&answer)), reference })),
    }
}

fn comparable(answer: &Answer) -> Verdict {
    let mut statements = answer.statements.clone();
    statements.sort();
    statements.dedup();
    Verdict { decision: answer.decision.clone(), layer: answer.layer.clone(), statements }
}

/// What makes a request one that the API has.
const KEPT: [&str; 4] = ["/request/authorize", "/request/params", "/request/grant", "/request/grant_id"];

impl Difference {
    /// Decisions and layers: a smaller case shows the same difference when these stay.
    fn kind(&self) -> [Option<(String, String)>; 2] {
        let told = |verdict: &Result<Verdict, String>| verdict.as_ref().ok().map(|verdict| (verdict.decision.clone(), verdict.layer.clone()));
        [told(&self.engine), told(&self.reference)]
    }
}

/// Leaves out of a differing case whatever it differs without, until nothing more can go.
#[must_use]
pub fn shrink(mut case: Value) -> Value {
    let same_difference = |case: &Value| match compare(case) {
        Comparison::Different(difference) => Some(difference.kind()),
        Comparison::Same(_) | Comparison::Unreadable(_) => None,
    };
    let kind = same_difference(&case);
    loop {
        let mut pointers = Vec::new();
        collect(&case, String::new(), &mut pointers);
        let before = pointers.len();
        // What holds most goes first; a pointer into something that went is skipped.
        for pointer in pointers {
            let mut smaller = case.clone();
            if !KEPT.contains(&pointer.as_str()) && remove(&mut smaller, &pointer) && same_difference(&smaller) == kind {
                case = smaller;
            }
        }
        let mut after = Vec::new();
        collect(&case, String::new(), &mut after);
        if after.len() == before {
            return case;
        }
    }
}

/// Pointers to all members and elements, the last elements of an array first, so that the earlier keep their places.
fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(values) => values.iter().enumerate().rev().map(|(at, value)| (at.to_string(), value)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (name, value) in inner {
        let pointer = format!("{pointer}/{name}");
        pointers.push(pointer.clone());
        collect(value, pointer, pointers);
    }
}

fn remove(case: &mut Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return false };
    match case.pointer_mut(parent) {
        Some(Value::Array(values)) => match name.parse::<usize>() {
            Ok(at) if at < values.len() => {
                values.remove(at);
                true
            }
            _ => false,
        },
        Some(Value::Object(members)) => members.remove(&name.replace("~1", "/").replace("~0", "~")).is_some(),
        _ => false,
    }
}

/// A file of one case that expects what the reference says, to be replayed.
#[must_use]
pub fn case_file(mut case: Value, difference: &Difference) -> Value {
    if let (Some(members), Ok(verdict)) = (case.as_object_mut(), &difference.reference) {
        let (expect, error) = match verdict.decision.as_str() {
            "allow" | "deny" => (verdict.decision.as_str(), None),
            error if ["document", "lockout", "identifier"].contains(&verdict.layer.as_str()) => ("deny", Some(error)),
            error => ("allow", Some(error)),
        };
        members.insert("expect".into(), json!(expect));
        if let Some(error) = error {
            members.insert("expect_error".into(), json!(error));
        }
        members.insert("expect_layer".into(), json!(verdict.layer));
        members.insert("expect_statements".into(), json!(verdict.statements));
        members.insert("why".into(), json!(format!("The engine says {:?}, the reference {:?}.", difference.engine, difference.reference)));
    }
    json!({ "schema": "authz-cases/1", "cases": [case] })
}
