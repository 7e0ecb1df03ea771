//! A second opinion on decision cases, written from `spec/authorization.md` alone.
//!
//! It shares no code with the engine and is meant to be read beside the specification: small and obvious before
//! fast, each step with the number of its rule. `cargo x differ` holds the two against each other.

mod caller;
mod condition;
mod facts;
mod grant;
mod later;
mod operations;
mod pattern;
mod permission;
mod save;
mod statement;

use keyward_cases::{Case, CaseKey, CasePermission};

use self::caller::Caller;
use self::later::Stop;
use self::permission::NewPolicy;
use self::statement::Document;

/// What the reference says about a case, in the words of `cases/README.md`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// `allow`, `deny`, or the name of another error.
    pub decision: String,
    /// Which layer decided.
    pub layer: String,
    /// JSON Pointers to the statements and grants that decided, sorted.
    pub statements: Vec<String>,
}

/// Decides a case as the specification says.
///
/// # Errors
/// What of the case cannot be read.
pub fn judge(case: &Case) -> Result<Verdict, String> {
    let caller = Caller::of(case)?;
    let request = &case.request;
    // [A908] [A909] An identifier that resolves to nothing.
    if request.authorize.is_empty() {
        return Ok(verdict("NotFoundException", "identifier", Vec::new()));
    }
    // [A300] Each permission by itself, all must be allowed, the first that fails is reported.
    let (mut layer, mut statements) = ("", Vec::new());
    for permission in &request.authorize {
        let outcome = permission::decide(case, &caller, permission, None);
        if !outcome.allowed {
            return Ok(verdict("deny", outcome.layer, outcome.statements));
        }
        layer = outcome.layer;
        statements.extend(outcome.statements);
    }
    // [A901] What is checked after authorization; [A707] the new policy's document, then the lockout check.
    if let Some(Stop { error, layer }) = later::parameters(case) {
        return Ok(verdict(error, layer, statements));
    }
    if let Some(sent) = &request.new_policy {
        const REFUSED: &str = "MalformedPolicyDocumentException";
        let key_arn = key_arn(case);
        let Some(policy) = save::read(case, sent, key_arn) else { return Ok(verdict(REFUSED, "document", Vec::new())) };
        if !request.bypass && !locks_in(case, &caller, &policy, key_arn) {
            return Ok(verdict(REFUSED, "lockout", Vec::new()));
        }
    }
    if let Some(Stop { error, layer }) = later::key_and_rest(case) {
        return Ok(verdict(error, layer, statements));
    }
    Ok(verdict("allow", layer, statements))
}

fn verdict(decision: &str, layer: &str, mut statements: Vec<String>) -> Verdict {
    statements.sort();
    statements.dedup();
    Verdict { decision: decision.to_owned(), layer: layer.to_owned(), statements }
}

/// The key that the new policy will belong to.
fn key_arn(case: &Case) -> &str {
    let request = &case.request;
    request.new_key_arn.as_deref().unwrap_or_else(|| request.authorize.first().map(|permission| permission.resource.as_str()).unwrap_or_default())
}

/// [A701] [A702] [A703] Whether this caller could put the next policy under the new one.
fn locks_in(case: &Case, caller: &Caller<'_>, policy: &serde_json::Value, key_arn: &str) -> bool {
    let put = CasePermission {
        op: "PutKeyPolicy".into(),
        resource: key_arn.to_owned(),
        encryption_context: None,
        alias: None,
        from_ciphertext: false,
        identity_only: false,
        context: [("kms:PolicyName".to_owned(), "default".into())].into(),
    };
    let document = Document { pointer: "/request/new_policy".into(), body: policy };
    permission::decide(case, caller, &put, Some(&NewPolicy { document, key: key_to_be(case, key_arn) })).allowed
}

/// The key that the new policy is for: the one that is there, or one as the request asks for it (A406, A407).
fn key_to_be(case: &Case, key_arn: &str) -> CaseKey {
    let request = &case.request;
    let named = request.authorize.first().map(|permission| permission.resource.as_str());
    let there = case.setup.keys.iter().find(|key| Some(key.arn.as_str()) == named);
    if request.operation == "PutKeyPolicy"
        && let Some(key) = there
    {
        return key.clone();
    }
    let param = |name: &str| request.params.get(name).and_then(statement::text);
    let replica = request.operation == "ReplicateKey";
    let tags = request.params.get("Tags").and_then(serde_json::Value::as_object);
    CaseKey {
        arn: key_arn.to_owned(),
        policy: serde_json::Value::Null,
        ram_policy: None,
        key_spec: if replica { there.and_then(|key| key.key_spec.clone()) } else { param("KeySpec") },
        key_usage: if replica { there.and_then(|key| key.key_usage.clone()) } else { param("KeyUsage") },
        origin: if replica { there.and_then(|key| key.origin.clone()) } else { param("Origin") },
        manager: None,
        multi_region_key_type: replica.then(|| "REPLICA".to_owned()),
        aliases: Vec::new(),
        tags: tags.map(|tags| tags.iter().filter_map(|(name, value)| Some((name.clone(), statement::text(value)?))).collect()).unwrap_or_default(),
        state: None,
    }
}

/// The condition keys of a permission of a case and their values, for the generators, which aim at them.
pub(crate) fn known(case: &Case, permission: &CasePermission) -> Vec<(String, Vec<String>)> {
    let key = case.setup.keys.iter().find(|key| key.arn == permission.resource);
    Caller::of(case).map(|caller| facts::context(case, &caller, permission, key).entries).unwrap_or_default()
}
