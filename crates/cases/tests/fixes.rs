//! The fixes that explanations offer, over every denied case: each turns the answer, and opens no more than it says.
//!
//! Around each case lies a neighbourhood of requests that differ a little: other principals, actions, keys, contexts, another way in.
//! A fix names one principal, one action, one resource; whatever in the neighbourhood it does not name must be decided as before.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly; JSON values are indexed")]

use std::collections::BTreeMap;
use std::path::Path;

use keyward_authz::{Fix, FixChange, FixPart, Principal, Remedy, Request, Subject, Target, authorize, explain, remedies};
use keyward_cases::{Case, CaseFile, ask};
use serde_json::{Value, json};

#[test]
fn every_fix_turns_its_case_and_changes_nothing_else() {
    let mut tally = Tally::default();
    let mut faults = Vec::new();
    for value in denied_cases() {
        let case: Case = serde_json::from_value(value.clone()).unwrap();
        let Some(at) = (0..case.request.authorize.len()).find(|at| !ask(&case, *at, |s, t, r| authorize(s, t, r).is_allowed()).unwrap()) else {
            continue; // Refused by something else than authorization.
        };
        tally.denied += 1;
        let found = ask(&case, at, |subject, target, request| {
            let explanation = explain(subject, target, request);
            let situation = explanation.situation.unwrap();
            let told: Vec<Fix> = explanation.fix.into_iter().chain(explanation.alternatives).collect();
            let remedies = remedies(subject, target, request);
            assert_eq!(told, remedies.iter().map(Remedy::fix).collect::<Vec<_>>(), "{}", case.id);
            for remedy in &remedies {
                if !remedy.decide_refused(subject, target, request).is_allowed() {
                    faults.push(format!("{}: does not turn the answer: {:?}", case.id, remedy.fix()));
                }
            }
            (remedies, Spot::of(subject, target, request), situation)
        });
        let (remedies, spot, situation) = found.unwrap();
        // Only what no statement and no grant can mend is left without advice.
        let hopeless = ["not-across-accounts", "not-of-the-grant", "aws-managed-key"].contains(&situation.as_str());
        if remedies.is_empty() && !hopeless {
            faults.push(format!("{}: {situation}, and no fix", case.id));
        }
        for remedy in remedies {
            let fix = remedy.fix();
            tally.count(&fix);
            faults.extend(fix.parts.iter().filter_map(|part| not_minimal(part, &spot)).map(|fault| format!("{}: {fault}", case.id)));
            for neighbour in neighbours(&value, at) {
                let neighbour: Case = serde_json::from_value(neighbour).unwrap();
                let fault = ask(&neighbour, at, |subject, target, request| opens_more(&remedy, &fix, &spot, subject, target, request)).unwrap();
                faults.extend(fault.map(|fault| format!("{}: {fault}", case.id)));
                tally.neighbours += 1;
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(tally.is_broad(), "{tally:#?}");
}

/// Cases whose request is refused, whatever the name of the error.
fn denied_cases() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let files = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let cases = files.flat_map(|path| serde_json::from_str::<CaseFile>(&std::fs::read_to_string(path).unwrap()).unwrap().cases);
    cases.filter(|case| case["expect"] == "deny").collect()
}

/// How much the test has seen: that it cannot pass by looking at nothing.
#[derive(Debug, Default)]
struct Tally {
    denied: usize,
    statements: usize,
    narrowed: usize,
    requests: usize,
    grants: usize,
    of_two_accounts: usize,
    neighbours: usize,
}

impl Tally {
    fn count(&mut self, fix: &Fix) {
        for part in &fix.parts {
            match &part.change {
                FixChange::Statement(_) => self.statements += 1,
                FixChange::Narrow { .. } => self.narrowed += 1,
                FixChange::Request(_) => self.requests += 1,
                FixChange::Grant(_) => self.grants += 1,
            }
        }
        self.of_two_accounts += usize::from(fix.parts.iter().any(|part| part.account != fix.parts[0].account));
    }

    fn is_broad(&self) -> bool {
        let kinds = self.statements > 150 && self.narrowed > 40 && self.requests > 5 && self.grants > 5 && self.of_two_accounts > 2;
        self.denied > 250 && self.neighbours > 5000 && kinds
    }
}

/// Who asked what, where.
struct Spot {
    holder: String,
    action: String,
    resource: String,
    /// A resource that the request does not have is `*`.
    has_resource: bool,
}

impl Spot {
    fn of(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Self {
        let resource = explain(subject, target, request).resource;
        Self { holder: holder(subject), action: request.action.to_string(), has_resource: resource != "*", resource }
    }
}

fn holder(subject: &Subject) -> String {
    match &subject.principal {
        Principal::RoleSession { role, .. } => role.to_string(),
        other => other.caller_arn().into_owned(),
    }
}

/// A statement means one principal, one action, one resource.
fn not_minimal(part: &FixPart, spot: &Spot) -> Option<String> {
    let FixChange::Statement(text) = &part.change else { return None };
    let statement: Value = serde_json::from_str(text).unwrap();
    let named = match (&statement["Principal"]["AWS"], &statement["Principal"]["Service"], part.place.as_str()) {
        (Value::String(one), Value::Null, _) | (Value::Null, Value::String(one), _) => *one == spot.holder,
        // Who holds the policy is the place's to say, or a condition's.
        (Value::Null, Value::Null, place) => !place.contains("key policy") && !place.contains("endpoint"),
        _ => false,
    };
    let of_root = spot.holder.ends_with(":root") && part.place == "the key policy";
    let root_only = !of_root || statement["Condition"]["ArnEquals"]["aws:PrincipalArn"] == spot.holder.as_str();
    let one_resource = match part.place.as_str() {
        "the key policy" => statement["Resource"] == "*",
        _ => statement["Resource"] == spot.resource.as_str() || !spot.has_resource,
    };
    let minimal = named && root_only && statement["Action"] == spot.action.as_str() && one_resource && statement["Effect"] == "Allow";
    (!minimal).then(|| format!("means more than {} {} {}: {text} in {}", spot.holder, spot.action, spot.resource, part.place))
}

/// Whether the fix changes what is decided about somebody or something that it does not name.
fn opens_more(remedy: &Remedy, fix: &Fix, spot: &Spot, subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Option<String> {
    let (before, after) = (authorize(subject, target, request).is_allowed(), remedy.decide(subject, target, request).is_allowed());
    if before == after {
        return None;
    }
    let here = Spot::of(subject, target, request);
    let said = after && fix.parts.iter().any(|part| says(part, spot, &here, request));
    (!said).then(|| {
        format!("{fix:?} changes {before} to {after} for {} {} {} {:?}", here.holder, here.action, here.resource, request.encryption_context)
    })
}

fn says(part: &FixPart, spot: &Spot, here: &Spot, request: &Request<'_>) -> bool {
    let same_cell = here.holder == spot.holder && here.action == spot.action && here.resource == spot.resource;
    match &part.change {
        FixChange::Statement(text) => same_cell && meets(&serde_json::from_str::<Value>(text).unwrap()["Condition"], request),
        // It exempts the caller from a Deny, whatever that denies; one of a key policy denies on that key only.
        FixChange::Narrow { condition, .. } => {
            let same_key = part.place != "the key policy" || here.resource == spot.resource;
            here.holder == spot.holder && condition.contains(&here.holder) && same_key
        }
        FixChange::Grant(parameters) => {
            let parameters: Value = serde_json::from_str(parameters).unwrap();
            let wanted = parameters["Constraints"]["EncryptionContextSubset"].as_object();
            same_cell && wanted.into_iter().flatten().all(|(name, value)| has(request, name, value))
        }
        FixChange::Request(_) => false,
    }
}

/// Whether a request meets what a statement pins of encryption context and way in; the rest of the conditions is the same all around.
fn meets(condition: &Value, request: &Request<'_>) -> bool {
    let equals = condition["StringEquals"].as_object();
    equals.into_iter().flatten().all(|(key, value)| match key.strip_prefix("kms:EncryptionContext:") {
        Some(name) => value.is_array() || has(request, name, value),
        None if key.eq_ignore_ascii_case("kms:ViaService") => request.call.via.as_ref().map(|via| via.service()) == value.as_str(),
        None => true,
    })
}

fn has(request: &Request<'_>, name: &str, value: &Value) -> bool {
    request.encryption_context.into_iter().flatten().any(|(other, found)| other.eq_ignore_ascii_case(name) && Some(found.as_str()) == value.as_str())
}

/// The case with one thing about its request changed; some differ in what the case says by the by, and are as good neighbours.
fn neighbours(case: &Value, at: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut add = |edit: &dyn Fn(&mut Value)| {
        let mut neighbour = case.clone();
        edit(&mut neighbour);
        all.push(neighbour);
    };
    for principal in principals(case) {
        add(&|case: &mut Value| {
            case["request"]["principal"] = json!(principal);
            case["request"].as_object_mut().unwrap().remove("session");
        });
    }
    for action in ["Encrypt", "Decrypt", "GenerateDataKey", "DescribeKey", "CreateGrant", "ListGrants", "PutKeyPolicy", "ScheduleKeyDeletion"] {
        add(&|case: &mut Value| case["request"]["authorize"][at]["op"] = json!(action));
    }
    for context in contexts(&case["request"]["authorize"][at]["encryption_context"]) {
        add(&|case: &mut Value| case["request"]["authorize"][at]["encryption_context"] = json!(context));
    }
    for via in [Value::Null, json!("sqs.us-east-1.amazonaws.com"), json!("s3.us-east-1.amazonaws.com")] {
        add(&|case: &mut Value| case["request"]["via_service"] = via.clone());
    }
    let asked = case["request"]["authorize"][at]["resource"].as_str().unwrap();
    let keys = case["setup"]["keys"].as_array().cloned().unwrap_or_default();
    // What has no resource is asked on no key.
    for key in keys.iter().filter(|key| key["arn"] != asked && asked != "*") {
        add(&|case: &mut Value| case["request"]["authorize"][at]["resource"] = key["arn"].clone());
    }
    // A twin: another key with the same policy.
    if let Some(key) = keys.iter().find(|key| key["arn"] == asked) {
        let twin = format!("{}/00000000-0000-4000-8000-000000000000", asked.rsplit_once('/').unwrap().0);
        add(&|case: &mut Value| {
            let mut key = key.clone();
            key["arn"] = json!(twin);
            case["setup"]["keys"].as_array_mut().unwrap().push(key);
            case["request"]["authorize"][at]["resource"] = json!(twin);
        });
    }
    all
}

fn principals(case: &Value) -> Vec<String> {
    let mut all: Vec<String> = ["111122223333", "444455556666"]
        .iter()
        .flat_map(|account| [format!("arn:aws:iam::{account}:root"), format!("arn:aws:sts::{account}:assumed-role/stranger/s")])
        .chain(["logs.us-east-1.amazonaws.com".to_owned()])
        .collect();
    for principal in case["setup"]["principals"].as_array().into_iter().flatten() {
        let arn = principal["arn"].as_str().unwrap();
        all.push(match arn.split_once(":role/") {
            Some((account, name)) => {
                format!("arn:aws:sts::{}:assumed-role/{}/neighbour", account.rsplit(':').next().unwrap(), name.rsplit('/').next().unwrap())
            }
            None => arn.to_owned(),
        });
    }
    all
}

fn contexts(context: &Value) -> Vec<BTreeMap<String, String>> {
    let pairs: BTreeMap<String, String> = context.as_object().map(|_| serde_json::from_value(context.clone()).unwrap()).unwrap_or_default();
    let mut all = vec![BTreeMap::new()];
    for name in pairs.keys() {
        let mut other = pairs.clone();
        other.insert(name.clone(), "other".to_owned());
        all.push(other);
        let mut less = pairs.clone();
        less.remove(name);
        all.push(less);
    }
    let mut more = pairs;
    more.insert("further".to_owned(), "pair".to_owned());
    all.push(more);
    all
}
