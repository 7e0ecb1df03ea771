//! Policy text: statements written anew, and policies changed in place, in the author's own layout.

use keyward_policy::{Effect, Policy, Statement, Version};

/// A condition as it is written: operator, key, values.
pub(super) type Written = (String, String, Vec<String>);

/// One Allow statement. `principal` is JSON; a trust policy's statement has no resource.
pub(super) fn allow(principal: Option<&str>, action: &str, resource: Option<&str>, conditions: &[Written]) -> String {
    let mut text = r#"{"Effect":"Allow""#.to_owned();
    if let Some(principal) = principal {
        text.push_str(&format!(r#","Principal":{principal}"#));
    }
    text.push_str(&format!(r#","Action":{}"#, quoted(action)));
    if let Some(resource) = resource {
        text.push_str(&format!(r#","Resource":{}"#, quoted(resource)));
    }
    if !conditions.is_empty() {
        text.push_str(&format!(r#","Condition":{}"#, condition_block(conditions)));
    }
    text + "}"
}

/// `{"StringEquals":{"a":"1","b":["2","3"]},"Bool":{…}}`
pub(super) fn condition_block(conditions: &[Written]) -> String {
    let mut operators: Vec<&str> = Vec::new();
    for (operator, ..) in conditions {
        if !operators.contains(&operator.as_str()) {
            operators.push(operator);
        }
    }
    let of = |operator: &str| {
        let keys: Vec<String> = conditions
            .iter()
            .filter(|(other, ..)| other == operator)
            .map(|(_, key, values)| format!("{}:{}", quoted(key), value_list(values)))
            .collect();
        format!("{}:{{{}}}", quoted(operator), keys.join(","))
    };
    format!("{{{}}}", operators.into_iter().map(of).collect::<Vec<_>>().join(","))
}

fn value_list(values: &[String]) -> String {
    match values {
        [one] => quoted(one),
        many => format!("[{}]", many.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(",")),
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\u{0}'..='\u{1f}' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn document_of(version: Version, statement: &str) -> String {
    let version = match version {
        Version::V2008 => "2008-10-17",
        Version::V2012 => "2012-10-17",
    };
    format!(r#"{{"Version":"{version}","Statement":[{statement}]}}"#)
}

/// The policy with one statement more.
pub(super) fn with_statement(policy: &Policy, statement: &str) -> Policy {
    let text = policy.text();
    let single = policy.pointer(0) == "/Statement";
    let whole = policy.statements().last().map(|last| (last.span().start as usize, last.span().end as usize));
    let parts = whole.and_then(|(start, end)| Some((text.get(..start)?, text.get(start..end)?, text.get(end..)?)));
    let changed = match parts {
        Some((before, last, after)) if single => format!("{before}[{last},{statement}]{after}"),
        Some((before, last, after)) => format!("{before}{last},{statement}{after}"),
        None => document_of(policy.version(), statement),
    };
    Policy::parse(policy.kind(), changed)
}

/// The policy with one more condition in one of its Deny statements.
pub(super) fn with_condition(policy: &Policy, at: usize, (operator, key, value): (&str, &str, &str)) -> Option<Policy> {
    let statement = policy.statements().get(at).filter(|statement| statement.effect() == Effect::Deny)?;
    let text = policy.text();
    let (from, to, insert) = insertion(text, statement, operator, key, value)?;
    let changed = format!("{}{insert}{}", text.get(..from)?, text.get(to..)?);
    let changed = Policy::parse(policy.kind(), changed);
    // A Deny that no longer reads would deny nobody.
    let reads = changed.statements().get(at).is_some_and(|statement| !statement.is_inert()) && changed.issues().len() <= policy.issues().len();
    reads.then_some(changed)
}

/// Which bytes of the text give way to what.
fn insertion(text: &str, statement: &Statement, operator: &str, key: &str, value: &str) -> Option<(usize, usize, String)> {
    let conditions = statement.conditions();
    let bytes = |condition: &keyward_policy::Condition| (condition.span().start as usize, condition.span().end as usize);
    let same_operator = || conditions.iter().filter(|condition| condition.operator_text() == operator);
    // Values of a negated operator add up to a longer list of exemptions (A150).
    if let Some(condition) = same_operator().find(|condition| condition.key().as_str().eq_ignore_ascii_case(key)) {
        let (from, to) = bytes(condition);
        let values: Vec<String> = condition.values().map(str::to_owned).chain([value.to_owned()]).collect();
        return Some((from, to, format!("{}:{}", quoted(condition.key().as_str()), value_list(&values))));
    }
    let member = format!("{}:{}", quoted(key), quoted(value));
    if let Some(condition) = same_operator().next() {
        let (from, _) = bytes(condition);
        return Some((from, from, format!("{member},")));
    }
    let block = format!("{}:{{{member}}}", quoted(operator));
    match conditions.iter().min_by_key(|condition| condition.span().start) {
        Some(first) => {
            // Before the first key stand `"Operator": {`.
            let before = text.get(..bytes(first).0)?.trim_end().strip_suffix('{')?.trim_end().strip_suffix(':')?.trim_end();
            let from = before.strip_suffix(&quoted(first.operator_text()))?.len();
            Some((from, from, format!("{block},")))
        }
        None => {
            let end = statement.span().end as usize;
            let from = text.get(..end)?.strip_suffix('}')?.trim_end().len();
            Some((from, from, format!(r#","Condition":{{{block}}}"#)))
        }
    }
}
