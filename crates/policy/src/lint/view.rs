//! A policy as written: each element with its place, beside what the engine made of it.

use crate::action::{ActionPattern, KmsPermission};
use crate::arn::Arn;
use crate::condition::{Comparison, Operator};
use crate::document::{Effect, Policy, PolicyKind, Statement};
use crate::json::{Member, Node, Span, Value, parse};
use crate::key::{ConditionKey, KeyName};
use crate::permission::ResourceKind;
use crate::principal::{PrincipalElement, PrincipalKind};

/// A string and its place.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) span: Span,
}

pub(super) struct View<'p> {
    pub(super) policy: &'p Policy,
    pub(super) kind: PolicyKind,
    /// The key that the policy is about, where it is known.
    pub(super) key: Option<&'p Arn>,
    /// The `Version` element, if there is one.
    pub(super) version: Option<Text>,
    pub(super) statements: Vec<StatementView<'p>>,
}

pub(super) struct StatementView<'p> {
    pub(super) at: usize,
    pub(super) compiled: &'p Statement,
    pub(super) span: Span,
    pub(super) sid: Option<Text>,
    pub(super) actions: Vec<(ActionPattern, Span)>,
    /// `NotAction`, with its place.
    pub(super) not_action: Option<Span>,
    pub(super) resources: Vec<Text>,
    /// `NotResource`, with its place.
    pub(super) not_resource: Option<Span>,
    pub(super) tests: Vec<Test>,
    /// Operators without any key under them.
    pub(super) empty_operators: Vec<Text>,
}

/// One `operator: { key: values }`.
pub(super) struct Test {
    pub(super) operator: Operator,
    pub(super) operator_text: Text,
    pub(super) key: ConditionKey,
    pub(super) key_span: Span,
    pub(super) values: Vec<Text>,
    /// Key and values together.
    pub(super) span: Span,
}

impl<'p> View<'p> {
    /// `None` where the text is not a JSON object.
    pub(super) fn of(policy: &'p Policy, key: Option<&'p Arn>) -> Option<Self> {
        let Value::Object(members) = parse(policy.text()).ok()?.value else { return None };
        let mut compiled = policy.statements().iter().enumerate();
        let mut statements = Vec::new();
        let holds_statements = |member: &&Member| member.name == "Statement" && matches!(member.node.value, Value::Array(_) | Value::Object(_));
        for member in members.iter().filter(holds_statements) {
            statements.extend(items(&member.node).iter().zip(&mut compiled).map(|(node, (at, compiled))| statement(node, at, compiled)));
        }
        let version = members.iter().find(|member| member.name == "Version").and_then(|member| string(&member.node));
        Some(Self { policy, kind: policy.kind(), key, version, statements })
    }

    /// Whether `${…}` is substituted (A102).
    pub(super) fn substitutes(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.text == "2012-10-17")
    }
}

impl StatementView<'_> {
    pub(super) fn allows(&self) -> bool {
        self.compiled.effect() == Effect::Allow
    }

    pub(super) fn principal(&self) -> Option<&PrincipalElement> {
        self.compiled.principal()
    }

    /// Whether everybody is named (A125).
    pub(super) fn names_everyone(&self) -> bool {
        self.principal().is_some_and(|principal| !principal.negated && principal.entries.iter().any(|entry| entry.kind == PrincipalKind::Everyone))
    }

    /// The KMS permissions that it covers, and that a policy of this kind can be about (A403).
    pub(super) fn permissions(&self, kind: PolicyKind) -> Vec<KmsPermission> {
        // No policy that somebody writes is about KMS's own permission (A401).
        let reachable = |permission: &KmsPermission| {
            permission.name() != "SynchronizeMultiRegionKey" && (kind != PolicyKind::Key || permission.resource() != ResourceKind::None)
        };
        self.compiled.permissions().iter().filter(reachable).collect()
    }

    /// Whether it covers actions of other services, too.
    pub(super) fn covers_other_services(&self) -> bool {
        self.not_action.is_some() || self.actions.iter().any(|(pattern, _)| pattern.service() != Some("kms"))
    }

    /// The tests on a key, whatever their operators.
    pub(super) fn tests_on(&self, name: KeyName) -> impl Iterator<Item = &Test> {
        self.tests.iter().filter(move |test| test.key.name() == name)
    }
}

impl Test {
    /// Whether it holds when the request does not carry the key; `None` for a `Null` that says neither.
    pub(super) fn holds_when_absent(&self) -> bool {
        if self.operator.is_null() {
            return self.values.iter().any(|value| value.text.eq_ignore_ascii_case("true")); // [A163]
        }
        self.operator.holds_when_absent()
    }

    /// Compares text with text, in whichever way.
    pub(super) fn is_string(&self) -> bool {
        matches!(self.operator.comparison(), Comparison::StringEquals | Comparison::StringEqualsIgnoreCase | Comparison::StringLike)
    }

    pub(super) fn same_key(&self, other: &Self) -> bool {
        self.key.as_str().eq_ignore_ascii_case(other.key.as_str()) // [A151]
    }
}

fn statement<'p>(node: &Node, at: usize, compiled: &'p Statement) -> StatementView<'p> {
    let members: &[Member] = if let Value::Object(members) = &node.value { members } else { &[] };
    let member = |names: [&str; 2]| members.iter().find(|member| names.contains(&member.name.as_str()));
    let texts = |names: [&str; 2]| member(names).map(|member| items(&member.node).iter().filter_map(string).collect::<Vec<_>>()).unwrap_or_default();
    let span = |name: &str| members.iter().find(|member| member.name == name).map(|member| member.name_span);
    let (mut tests, mut empty_operators) = (Vec::new(), Vec::new());
    for member in members.iter().filter(|member| member.name == "Condition") {
        if let Value::Object(operators) = &member.node.value {
            operators.iter().for_each(|operator| read_tests(operator, &mut tests, &mut empty_operators));
        }
    }
    StatementView {
        at,
        compiled,
        span: node.span,
        sid: members.iter().find(|member| member.name == "Sid").and_then(|member| string(&member.node)),
        actions: texts(["Action", "NotAction"]).into_iter().map(|text| (ActionPattern::new(&text.text), text.span)).collect(),
        not_action: span("NotAction"),
        resources: texts(["Resource", "NotResource"]),
        not_resource: span("NotResource"),
        tests,
        empty_operators,
    }
}

fn read_tests(member: &Member, tests: &mut Vec<Test>, empty_operators: &mut Vec<Text>) {
    let (Some(operator), Value::Object(keys)) = (Operator::parse(&member.name), &member.node.value) else { return };
    let operator_text = || Text { text: member.name.clone(), span: member.name_span };
    if keys.is_empty() {
        empty_operators.push(operator_text());
    }
    tests.extend(keys.iter().map(|key| Test {
        operator,
        operator_text: operator_text(),
        key: ConditionKey::new(&key.name),
        key_span: key.name_span,
        values: items(&key.node).iter().filter_map(scalar).collect(),
        span: Span { start: key.name_span.start, end: key.node.span.end },
    }));
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn string(node: &Node) -> Option<Text> {
    match &node.value {
        Value::String(text) => Some(Text { text: text.clone(), span: node.span }),
        _ => None,
    }
}

/// (A105)
fn scalar(node: &Node) -> Option<Text> {
    let text = match &node.value {
        Value::String(text) | Value::Number(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(Text { text, span: node.span })
}
