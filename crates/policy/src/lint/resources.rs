//! Resources that cannot match what the actions are about.

use super::view::{StatementView, Text, View};
use super::{Lint, Mark, Report, Severity};
use crate::action::{ActionPattern, KmsPermission};
use crate::arn::{AccountId, Arn};
use crate::condition::{ArnPattern, Padding};
use crate::document::PolicyKind;
use crate::glob::Glob;
use crate::key::MapContext;
use crate::permission::ResourceKind;

pub(super) const ALIAS_AS_RESOURCE: Lint = Lint {
    id: "alias-as-resource",
    severity: Severity::Warning,
    finds: "an alias ARN as the resource of actions on keys",
    why: "An alias ARN names the alias, never the key behind it: only CreateAlias, UpdateAlias and DeleteAlias are about aliases. Name the key by its key \
          ARN, or allow by alias with a condition on kms:RequestAlias or kms:ResourceAliases.",
    rules: &["A136", "A405", "A568"],
};

pub(super) const RESOURCE_NOT_STAR: Lint = Lint {
    id: "resource-not-star",
    severity: Severity::Note,
    finds: "a key policy whose Resource is not \"*\"",
    why: "In a key policy \"*\" means this key. A key ARN works for the key that has it and makes the policy useless for every other one, replicas included; \
          AWS has announced to refuse it.",
    rules: &["A134", "A135"],
};

pub(super) const RESOURCE_NEVER_MATCHES: Lint = Lint {
    id: "resource-never-matches",
    severity: Severity::Warning,
    finds: "a resource that the statement's actions never meet",
    why: "ARNs are compared segment by segment, exactly but for `*` and `?`: a key is `arn:aws:kms:REGION:ACCOUNT:key/ID` and nothing else. Key ids are lower \
          case. Fewer than six segments match nothing unless there is a wildcard; the service segment takes none.",
    rules: &["A134", "A136", "A137", "A138", "A139"],
};

pub(super) const NO_RESOURCE_OPERATION: Lint = Lint {
    id: "no-resource-operation",
    severity: Severity::Warning,
    finds: "an action that is about no key, with key ARNs as resources",
    why: "ListKeys, ListAliases, CreateKey, GenerateRandom and the other operations without a key are asked about the resource `*`; a key ARN does not match \
          that. Give them a statement of their own with \"Resource\": \"*\".",
    rules: &["A141", "A403"],
};

pub(super) const NOT_RESOURCE_ALLOW: Lint = Lint {
    id: "not-resource-allow",
    severity: Severity::Warning,
    finds: "Allow with NotResource",
    why: "It allows the actions on everything but what is listed, keys of other accounts and keys that are made later included. List the resources that are \
          meant.",
    rules: &["A136"],
};

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    if let Some(span) = statement.not_resource.filter(|_| statement.allows()) {
        report.add(
            &NOT_RESOURCE_ALLOW,
            statement,
            span,
            "this allows the actions on everything else, wherever it is",
            "list the resources in Resource",
        );
    }
    if statement.not_resource.is_some() || view.kind == PolicyKind::Trust {
        return;
    }
    let permissions = statement.permissions(view.kind);
    if permissions.is_empty() {
        return;
    }
    for resource in &statement.resources {
        judge(view, statement, &permissions, resource, report);
    }
    without_key(view, statement, report);
}

fn judge(view: &View<'_>, statement: &StatementView<'_>, permissions: &[KmsPermission], resource: &Text, report: &mut Report) {
    let on_aliases = permissions.iter().filter(|permission| permission.resource() == ResourceKind::AliasAndKey).count();
    match shape(&resource.text) {
        Shape::Any => {}
        Shape::Alias if view.kind == PolicyKind::Key => {
            let message = format!("`{}` names an alias; a key policy is about its key, so this never matches", resource.text);
            report.add(&ALIAS_AS_RESOURCE, statement, resource.span, message, "write \"Resource\": \"*\", which means this key");
        }
        Shape::Alias if on_aliases == permissions.len() => {}
        Shape::Alias => {
            let message = match permissions.iter().find(|permission| permission.resource() != ResourceKind::AliasAndKey) {
                Some(other) if on_aliases == 0 => format!("`{}` names an alias, not its key: kms:{} never matches", resource.text, other.name()),
                _ => format!("`{}` names an alias, not its key: only CreateAlias, UpdateAlias and DeleteAlias match", resource.text),
            };
            let help = "name the key by its key ARN, or test kms:RequestAlias or kms:ResourceAliases in a condition";
            report.add(&ALIAS_AS_RESOURCE, statement, resource.span, message, help);
        }
        Shape::Key if view.kind == PolicyKind::Key && view.key.is_some_and(|key| !names(&resource.text, key)) => {
            let message = format!("`{}` is not this key", resource.text);
            report.add(&RESOURCE_NEVER_MATCHES, statement, resource.span, message, "write \"Resource\": \"*\", which means this key");
        }
        Shape::Key if view.kind == PolicyKind::Key => {
            let message = "this matches the key with that ARN only; in a key policy \"*\" means the key itself";
            report.add(&RESOURCE_NOT_STAR, statement, resource.span, message, "write \"Resource\": \"*\"");
        }
        Shape::Key => {}
        // Another service's resource, beside another service's action.
        Shape::OtherService if statement.covers_other_services() && view.kind != PolicyKind::Key => {}
        Shape::OtherService => {
            let message = format!("`{}` is no resource of KMS, so the kms actions here never match", resource.text);
            report.add(&RESOURCE_NEVER_MATCHES, statement, resource.span, message, "name a key ARN, or \"*\"");
        }
        // Refused already [A111].
        Shape::Never(..) if view.kind == PolicyKind::Identity && !resource.text.starts_with("arn:") => {}
        Shape::Never(why, help) => {
            report.add(&RESOURCE_NEVER_MATCHES, statement, resource.span, format!("`{}` matches no key: {why}", resource.text), help);
        }
    }
}

/// Whether a resource of a key policy matches its key; what variables stand for is not known.
fn names(resource: &str, key: &Arn) -> bool {
    resource.contains("${")
        || ArnPattern::new(resource, false, Padding::Star).is_some_and(|pattern| pattern.matches(key.as_str(), &MapContext::new()))
}

enum Shape {
    /// May name keys of any kind, or aliases too.
    Any,
    Key,
    Alias,
    OtherService,
    /// Why, and the way out.
    Never(&'static str, &'static str),
}

fn shape(text: &str) -> Shape {
    const KEY_ARN: &str = "write arn:aws:kms:REGION:ACCOUNT:key/ID, or \"*\"";
    if text == "*" {
        return Shape::Any;
    }
    let segments: Vec<&str> = text.splitn(6, ':').collect();
    let &[arn, _, service, region, account, rest] = segments.as_slice() else {
        return match segments.as_slice() {
            _ if !text.contains(['*', '?']) => Shape::Never("it has fewer than six segments", KEY_ARN), // [A138]
            ["arn", _, service] | ["arn", _, service, ..] if service.contains(['*', '?']) => Shape::Never("the service takes no wildcard", KEY_ARN),
            ["arn", _, "kms", ..] | ["arn", "*"] => Shape::Any,
            ["arn", _, ..] if segments.len() > 2 => Shape::OtherService,
            _ => Shape::Never("it is no ARN", KEY_ARN),
        };
    };
    let variable = |segment: &str| segment.contains("${");
    let wild = |segment: &str| segment.contains(['*', '?']);
    match service {
        _ if arn != "arn" && !wild(arn) => Shape::Never("it does not begin with `arn`", KEY_ARN),
        _ if wild(service) => Shape::Never("the service takes no wildcard", KEY_ARN), // [A137]
        "kms" if variable(region) || variable(account) => Shape::Never("variables are substituted in the last segment only", KEY_ARN), // [A140]
        "kms" if region.is_empty() => Shape::Never("its Region is empty", "write the Region, or `*` for all"),
        "kms" if !wild(account) && account.parse::<AccountId>().is_err() => {
            Shape::Never("its account is not twelve digits", "write the account id, or `*` for all")
        }
        "kms" => key_or_alias(rest),
        _ => Shape::OtherService,
    }
}

fn key_or_alias(rest: &str) -> Shape {
    if rest.starts_with("alias/") {
        return Shape::Alias;
    }
    if let Some(id) = rest.strip_prefix("key/") {
        return match id {
            _ if id.contains("${") || !id.bytes().any(|b| b.is_ascii_uppercase()) => Shape::Key,
            _ => Shape::Never("key ids are lower case and compared exactly", "write the id as DescribeKey prints it"), // [A139]
        };
    }
    let pattern = Glob::new(rest, true);
    // Would the pattern reach some key or alias? Any text can stand where a wildcard or a variable does.
    let reaches = |prefix: &str| {
        let literal = rest.find(['*', '?', '$']).map_or(rest, |end| rest.get(..end).unwrap_or_default());
        prefix.starts_with(literal) && literal.len() < rest.len()
    };
    match pattern.is_any() || reaches("key/") || reaches("alias/") {
        true => Shape::Any,
        false => Shape::Never("a key's last segment is `key/ID`", "write key/ and the id"),
    }
}

fn without_key(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    let key_only = |resource: &Text| matches!(shape(&resource.text), Shape::Key | Shape::Alias | Shape::Never(..));
    if view.kind == PolicyKind::Key || statement.resources.is_empty() || !statement.resources.iter().all(key_only) {
        return;
    }
    let without_key = |pattern: &ActionPattern| {
        let covered = pattern.kms_permissions();
        !covered.is_empty() && covered.iter().all(|permission| permission.resource() == ResourceKind::None)
    };
    let found: Vec<_> = statement.actions.iter().filter(|(pattern, _)| statement.not_action.is_none() && without_key(pattern)).collect();
    if let Some((first, _)) = found.first() {
        let others = if found.len() > 1 { " and others here are" } else { " is" };
        let message = format!("`{}`{others} asked about the resource `*`, which no resource of this statement matches", first.as_str());
        let marks = found.iter().map(|(_, span)| Mark { span: *span, label: String::new() }).collect();
        report.push(&NO_RESOURCE_OPERATION, Some(statement.at), marks, message, "give them a statement of their own with \"Resource\": \"*\"");
    }
}
