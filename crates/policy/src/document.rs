//! Policy documents: from text to statements, with everything that is wrong about them.
//!
//! Reading never stops at the first fault: a [`Policy`] is what can be judged, and its [`Issue`]s are what AWS
//! would have refused to save. Stored policies are read leniently, new ones through [`Policy::parse_strict`].

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionPattern, PermissionSet};
use crate::condition::{ArnPattern, Condition, Operator, Padding, SetOperator, Truth};
use crate::json::{Member, Node, Span, Value, parse};
use crate::key::{ConditionKey, Context, KeyName, Presumption};
use crate::principal::{PrincipalElement, PrincipalEntry, PrincipalKind};

/// Largest key policy, in bytes; not adjustable (A107).
pub const KEY_POLICY_BYTES_MAX: usize = 32_768;

/// Largest managed policy of IAM, in characters without white space (A108).
pub const IAM_POLICY_CHARS_MAX: usize = 6_144;

/// Largest SCP and RCP, in characters (A108).
pub const ORGANIZATION_POLICY_CHARS_MAX: usize = 5_120;

/// (A135) The switch between the API's text, which accepts statements of a key policy that lack Action or Resource, and the notice of
/// 2025, which announced to refuse them. Stored ones have no effect either way.
const KEY_POLICY_NEEDS_ACTION_AND_RESOURCE: bool = false;

/// What a policy is attached to, which decides what its grammar allows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum PolicyKind {
    /// The policy of a KMS key.
    Key,
    /// Inline or managed, of a user, group or role; also permissions boundaries and session policies.
    Identity,
    /// A service control policy.
    Scp,
    /// A resource control policy.
    Rcp,
    /// A role's trust policy.
    Trust,
    /// A VPC endpoint's policy.
    Endpoint,
}

impl PolicyKind {
    /// (A101) Whether it hangs on a resource, and may have an `Id`.
    fn is_resource_based(self) -> bool {
        matches!(self, Self::Key | Self::Trust | Self::Endpoint)
    }

    /// Whether IAM keeps it, which is stricter about Sids (A106).
    fn is_iams(self) -> bool {
        matches!(self, Self::Identity | Self::Trust)
    }

    /// Whether a principal element of it may hold such a name (A122) (A123).
    fn admits(self, principal: &PrincipalKind) -> bool {
        match principal {
            PrincipalKind::Invalid | PrincipalKind::CanonicalUser => false,
            PrincipalKind::Federated => self == Self::Trust,
            _ => true,
        }
    }

    /// (A104) Whether its statements name principals.
    fn names_principals(self) -> bool {
        matches!(self, Self::Key | Self::Rcp | Self::Trust | Self::Endpoint)
    }
}

/// The `Version` element (A102).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Version {
    /// `2008-10-17`, also when the element is missing: `${…}` is literal text.
    #[default]
    V2008,
    /// `2012-10-17`: variables are substituted.
    V2012,
}

/// `Allow` or `Deny`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Effect {
    /// The statement allows.
    Allow,
    /// The statement denies.
    Deny,
}

/// A fault for which AWS would refuse to save the document (A110).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issue {
    /// Where it is.
    pub span: Span,
    /// The sentence: AWS's own where it is known, else one that names the element.
    pub message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A policy document: its text as stored, byte for byte, and what it says.
#[derive(Clone)]
pub struct Policy {
    kind: PolicyKind,
    text: Arc<str>,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    version: Version,
    id: Option<Box<str>>,
    statements: Vec<Statement>,
    single: bool,
    issues: Vec<Issue>,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    sid: Option<Box<str>>,
    effect: Effect,
    principal: Option<PrincipalElement>,
    actions: Vec<ActionPattern>,
    /// The permissions of KMS among `actions`.
    listed: PermissionSet,
    not_action: bool,
    resources: Vec<ResourcePattern>,
    not_resource: bool,
    conditions: Vec<Condition>,
    span: Span,
    /// It can never match: faulty, or a key policy's statement without action or resource (A135).
    inert: bool,
    /// A trust policy's statement has no resource: it means the role it is attached to.
    any_resource: bool,
}

#[derive(Clone, Debug)]
struct ResourcePattern {
    written: Box<str>,
    /// `None`: matches nothing.
    pattern: Option<Resource>,
}

#[derive(Clone, Debug)]
enum Resource {
    /// `*`
    Any,
    Arn(ArnPattern),
}

impl ResourcePattern {
    fn new(written: &str, variables: bool) -> Self {
        let pattern = if written == "*" { Some(Resource::Any) } else { ArnPattern::new(written, variables, Padding::Star).map(Resource::Arn) };
        Self { written: written.into(), pattern }
    }

    fn matches(&self, arn: &str, context: &dyn Context) -> Truth {
        let Some(pattern) = &self.pattern else { return Truth::No };
        match pattern {
            Resource::Any => Truth::Yes,
            // [A168] Or unknown: what it names cannot be told.
            Resource::Arn(pattern) => {
                pattern.doubt(context).unwrap_or_else(|| Truth::from_bool(pattern.resolvable(context) && pattern.matches(arn, context)))
            }
        }
    }
}

impl Statement {
    /// Its `Sid`.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Its `Effect`.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Its `Principal` or `NotPrincipal`.
    pub fn principal(&self) -> Option<&PrincipalElement> {
        self.principal.as_ref()
    }

    /// The entries of `Action` or `NotAction`.
    pub fn actions(&self) -> &[ActionPattern] {
        &self.actions
    }

    /// Whether its actions stand in `NotAction`.
    pub fn negates_actions(&self) -> bool {
        self.not_action
    }

    /// Whether its resources stand in `NotResource`.
    pub fn negates_resources(&self) -> bool {
        self.not_resource
    }

    /// The entries of `Resource` or `NotResource`, as written.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(|resource| &*resource.written)
    }

    /// Its conditions, all of which must hold.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Every condition key that it asks for, in conditions and in variables.
    pub fn keys(&self) -> impl Iterator<Item = &ConditionKey> {
        let resources = self.resources.iter().filter_map(|resource| match &resource.pattern {
            Some(Resource::Arn(pattern)) => Some(pattern.variables()),
            Some(Resource::Any) | None => None,
        });
        self.conditions.iter().flat_map(Condition::keys).chain(resources.flatten())
    }

    /// Where it stands in the document.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Whether it can never match: faulty, or lacking what it needs (A135).
    pub fn is_inert(&self) -> bool {
        self.inert
    }

    /// The permissions of KMS that `Action` or `NotAction` covers.
    pub fn permissions(&self) -> PermissionSet {
        match (self.inert, self.not_action) {
            (true, _) => PermissionSet::EMPTY,
            (false, false) => self.listed,
            (false, true) => PermissionSet::ALL.without(self.listed),
        }
    }

    /// Whether `Action` or `NotAction` covers the action (A131) (A132).
    pub fn matches_action(&self, action: &Action) -> bool {
        if self.inert {
            return false;
        }
        let listed = match action.kms() {
            Some(permission) => self.listed.contains(permission),
            None => self.actions.iter().any(|pattern| pattern.matches(action)),
        };
        listed != self.not_action
    }

    /// Whether `Resource` or `NotResource` covers the resource (A134) (A136) (A140).
    pub fn matches_resource(&self, arn: &str, context: &dyn Context) -> Truth {
        if self.any_resource {
            return Truth::Yes;
        }
        if self.inert {
            return Truth::No;
        }
        // [A140] An entry of NotResource with an unresolved variable excludes nothing, which is what not matching means.
        match (self.resources.iter().map(|resource| resource.matches(arn, context)).max(), self.not_resource) {
            (Some(doubt @ (Truth::Open | Truth::Unsure)), _) => doubt,
            (listed, not_resource) => Truth::from_bool((listed == Some(Truth::Yes)) != not_resource),
        }
    }

    /// Whether all conditions hold (A150).
    pub fn conditions_hold(&self, context: &dyn Context) -> Truth {
        let mut truth = Truth::Yes;
        for condition in &self.conditions {
            truth = self.both(truth, condition.holds(context));
            if truth == Truth::No {
                break;
            }
        }
        truth
    }

    /// What is unsure makes an Allow fail and a Deny hold (A168), so what is open beside it decides a Deny alone.
    fn both(&self, one: Truth, other: Truth) -> Truth {
        match (one.min(other), one.max(other), self.effect) {
            (Truth::Unsure, Truth::Open, Effect::Deny) => Truth::Open,
            (least, ..) => least,
        }
    }

    /// Whether action, resource and conditions all fit; doubt counts against the caller (A168), and what hangs on unknown values as
    /// the context presumes. Principals are `authz`'s business.
    pub fn applies(&self, action: &Action, resource: &str, context: &dyn Context) -> bool {
        match (self.fit(action, resource, context), self.effect) {
            (Truth::Yes, _) | (Truth::Unsure, Effect::Deny) => true,
            (Truth::No, _) | (Truth::Unsure, Effect::Allow) => false,
            (Truth::Open, Effect::Allow) => context.presumption() == Presumption::Favourable,
            (Truth::Open, Effect::Deny) => context.presumption() == Presumption::Adverse,
        }
    }

    /// Whether action, resource and conditions all fit.
    pub fn fit(&self, action: &Action, resource: &str, context: &dyn Context) -> Truth {
        if !self.matches_action(action) {
            return Truth::No;
        }
        match self.matches_resource(resource, context) {
            Truth::No => Truth::No,
            resource => self.both(resource, self.conditions_hold(context)),
        }
    }
}

impl Policy {
    /// Reads a stored document: whatever can be judged is, and a statement that cannot never matches.
    pub fn parse(kind: PolicyKind, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let inner = Arc::new(Reader { kind, variables: false, issues: Vec::new(), faulty: false }.document(&text));
        Self { kind, text, inner }
    }

    /// Reads a document that somebody wants to save.
    ///
    /// # Errors
    /// The first fault for which AWS refuses it (A110).
    pub fn parse_strict(kind: PolicyKind, text: &str) -> Result<Self, Issue> {
        let policy = Self::parse(kind, text);
        match policy.issues().first() {
            None => Ok(policy),
            Some(issue) => Err(issue.clone()),
        }
    }

    /// Whether every ARN among its principals is of this partition (A121).
    pub fn is_of_partition(&self, partition: &str) -> bool {
        let elements = self.statements().iter().filter_map(|statement| statement.principal());
        let mut arns = elements.flat_map(|element| &element.entries).filter_map(|entry| entry.text.strip_prefix("arn:"));
        arns.all(|rest| rest.split(':').next() == Some(partition))
    }

    /// What kind of policy it was read as.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The text, byte for byte as given (T26).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The `Version` element, or what its absence means (A102).
    pub fn version(&self) -> Version {
        self.inner.version
    }

    /// The `Id` element.
    pub fn id(&self) -> Option<&str> {
        self.inner.id.as_deref()
    }

    /// The statements in order.
    pub fn statements(&self) -> &[Statement] {
        &self.inner.statements
    }

    /// What AWS would refuse, in the order of the text.
    pub fn issues(&self) -> &[Issue] {
        &self.inner.issues
    }

    /// The JSON Pointer of a statement: `/Statement/2`, or `/Statement` where it is a single object.
    pub fn pointer(&self, statement: usize) -> String {
        if self.inner.single { "/Statement".into() } else { format!("/Statement/{statement}") }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.text == other.text
    }
}

impl Eq for Policy {}

/// Stored as kind and text: `{"kind":"Key","text":"…"}`.
impl Serialize for Policy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored { kind: self.kind, text: Cow::Borrowed(&self.text) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        Ok(Self::parse(stored.kind, stored.text.into_owned()))
    }
}

#[derive(Deserialize, Serialize)]
struct Stored<'a> {
    kind: PolicyKind,
    text: Cow<'a, str>,
}

struct Reader {
    kind: PolicyKind,
    /// Whether `${…}` is substituted (A102).
    variables: bool,
    issues: Vec<Issue>,
    /// Whether the statement that is being read has a [`fault`](Self::fault).
    faulty: bool,
}

impl Reader {
    fn issue(&mut self, span: Span, message: impl Into<String>) {
        self.issues.push(Issue { span, message: message.into() });
    }

    /// An issue that leaves it open what the statement means.
    fn fault(&mut self, span: Span, message: impl Into<String>) {
        self.faulty = true;
        self.issue(span, message);
    }

    fn document(mut self, text: &str) -> Inner {
        let mut inner = Inner::default();
        // [A107]
        if self.kind == PolicyKind::Key
            && let Some((at, c)) = text.char_indices().find(|(_, c)| !matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FF}'))
        {
            self.issue(Span::new(at, at + c.len_utf8()), "Policy contains a character outside tab, line feed, carriage return and U+0020 to U+00FF.");
        }
        match parse(text) {
            Err(error) => self.issue(error.at, format!("Policy is not valid JSON: {}.", error.message)),
            Ok(Node { value: Value::Object(members), .. }) => self.policy(&members, &mut inner),
            Ok(node) => self.issue(node.span, "Policy is not a JSON object."),
        }
        // The first is what the caller is told (A110).
        self.issues.sort_by_key(|issue| issue.span.start);
        inner.issues = self.issues;
        inner
    }

    /// (A101)
    fn policy(&mut self, members: &[Member], inner: &mut Inner) {
        self.refuse_duplicates(members);
        self.variables = members.iter().any(|member| member.name == "Version" && self.version(member) == Version::V2012);
        inner.version = if self.variables { Version::V2012 } else { Version::V2008 };
        let mut has_statement = false;
        for member in members {
            match member.name.as_str() {
                "Version" => {}
                "Id" => match &member.node.value {
                    Value::String(id) if self.kind.is_resource_based() => inner.id = Some(id.as_str().into()),
                    Value::String(_) => self.issue(member.name_span, "Policy contains the element Id, which only resource-based policies have."),
                    _ => self.issue(member.node.span, "Policy element Id is not a string."),
                },
                "Statement" => {
                    has_statement = true;
                    match &member.node.value {
                        Value::Array(items) => inner.statements.extend(items.iter().map(|item| self.statement(item))),
                        Value::Object(_) => {
                            inner.single = true;
                            inner.statements.push(self.statement(&member.node));
                        }
                        _ => self.issue(member.node.span, "Policy element Statement is neither an object nor an array of objects."),
                    }
                }
                other => self.issue(member.name_span, format!("Policy contains an unknown element: {other}.")),
            }
        }
        if !has_statement {
            self.issue(Span::default(), "Policy contains no statement.");
        }
        self.refuse_repeated_sids(&inner.statements);
    }

    /// (A111)
    fn refuse_repeated_sids(&mut self, statements: &[Statement]) {
        if !self.kind.is_iams() {
            return;
        }
        let mut seen = BTreeSet::new();
        for statement in statements {
            if statement.sid().is_some_and(|sid| !sid.is_empty() && !seen.insert(sid.to_owned())) {
                self.issue(statement.span, "Statement IDs (SID) in a single policy must be unique.");
            }
        }
    }

    fn version(&mut self, member: &Member) -> Version {
        match &member.node.value {
            Value::String(version) if version == "2012-10-17" => Version::V2012,
            Value::String(version) if version == "2008-10-17" => Version::V2008,
            _ => {
                self.issue(member.node.span, "Policy element Version is neither 2012-10-17 nor 2008-10-17.");
                Version::V2008
            }
        }
    }

    /// (A103)
    fn statement(&mut self, node: &Node) -> Statement {
        self.faulty = false;
        let mut statement = Statement {
            sid: None,
            effect: Effect::Deny,
            principal: None,
            actions: Vec::new(),
            listed: PermissionSet::EMPTY,
            not_action: false,
            resources: Vec::new(),
            not_resource: false,
            conditions: Vec::new(),
            span: node.span,
            inert: false,
            any_resource: false,
        };
        let Value::Object(members) = &node.value else {
            self.fault(node.span, "Policy contains a statement that is not an object.");
            statement.inert = true;
            return statement;
        };
        self.refuse_duplicates(members);
        let has = |name: &str| members.iter().any(|member| member.name == name);
        for (one, other) in [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")] {
            if has(one) && has(other) {
                self.fault(node.span, format!("Policy contains a statement with both {one} and {other}."));
            }
        }
        let mut effect = None;
        for member in members {
            match member.name.as_str() {
                "Sid" => statement.sid = self.sid(&member.node),
                "Effect" => effect = self.effect(&member.node),
                // Of a pair that excludes each other one is read, whichever comes first.
                "NotPrincipal" if has("Principal") => {}
                "NotAction" if has("Action") => {}
                "NotResource" if has("Resource") => {}
                "Principal" => statement.principal = Some(self.principal(&member.node, false)),
                "NotPrincipal" => statement.principal = Some(self.principal(&member.node, true)),
                "Action" | "NotAction" => {
                    statement.not_action = member.name == "NotAction";
                    statement.actions = self.actions(member);
                }
                "Resource" | "NotResource" => {
                    statement.not_resource = member.name == "NotResource";
                    let resources = self.strings(&member.node, &member.name);
                    self.refuse_resources(member, &resources);
                    statement.resources = resources.iter().map(|(text, _)| ResourcePattern::new(text, self.variables)).collect();
                }
                "Condition" => statement.conditions = self.conditions(&member.node),
                other => self.fault(member.name_span, format!("Policy contains a statement with an unknown element: {other}.")),
            }
        }
        match effect {
            Some(effect) => statement.effect = effect,
            None if !has("Effect") => self.issue(node.span, "Policy contains a statement with no effect."),
            None => {}
        }
        // An empty list is as good as none; one that could not be read has been told about.
        let has_action = !statement.actions.is_empty() || self.faulty;
        let has_resource = !statement.resources.is_empty() || self.faulty;
        self.require(node, &mut statement, has_action, has_resource);
        statement.listed = statement.actions.iter().fold(PermissionSet::EMPTY, |all, pattern| all.or(pattern.kms_permissions()));
        // [A110] What AWS could not have saved is never taken as permission, nor as a Deny nobody wrote.
        statement.inert |= effect.is_none() || self.faulty || names_nobody(&statement);
        statement
    }

    fn require(&mut self, node: &Node, statement: &mut Statement, has_action: bool, has_resource: bool) {
        // [A104]
        match (&statement.principal, self.kind.names_principals()) {
            (None, true) => {
                self.issue(node.span, "Policy contains a statement with no principal.");
                statement.inert = true;
            }
            (Some(principal), false) => {
                let span = principal.span;
                self.issue(span, "Policy contains a statement with a principal, which this type of policy does not have.");
                statement.inert = true;
            }
            (Some(_), true) | (None, false) => {}
        }
        if statement.principal.as_ref().is_some_and(|principal| principal.negated) && statement.effect == Effect::Allow {
            // [A129]
            self.issue(node.span, "Policy contains a statement with NotPrincipal and the effect Allow.");
            statement.inert = true;
        }
        if self.kind == PolicyKind::Rcp {
            self.require_of_rcp(node, statement);
        }
        match (self.kind, has_action, has_resource) {
            (_, true, true) => {}
            (PolicyKind::Key, _, _) => {
                if KEY_POLICY_NEEDS_ACTION_AND_RESOURCE {
                    self.issue(node.span, "Policy contains a statement with no action or no resource.");
                }
                statement.inert = true; // [A135]
            }
            (PolicyKind::Trust, true, false) => statement.any_resource = true,
            (_, false, _) => {
                self.issue(node.span, "Policy contains a statement with no action.");
                statement.inert = true;
            }
            (_, true, false) => {
                self.issue(node.span, "Policy contains a statement with no resource.");
                statement.inert = true;
            }
        }
    }

    /// (A109) What customers may not write into an RCP.
    fn require_of_rcp(&mut self, node: &Node, statement: &Statement) {
        if statement.effect == Effect::Allow {
            // Allow counts for nothing in RCPs, and RCPFullAWSAccess itself has it.
            self.issue(node.span, "Policy contains a statement with the effect Allow, which resource control policies do not have.");
        }
        if let Some(principal) = &statement.principal {
            let everyone = principal.entries.iter().all(|entry| entry.kind == PrincipalKind::Everyone);
            if principal.negated || !everyone {
                self.fault(principal.span, "Policy contains a statement with a principal other than *, which resource control policies do not have.");
            }
        }
        if statement.not_action {
            self.fault(node.span, "Policy contains a statement with NotAction, which resource control policies do not have.");
        }
        if statement.effect == Effect::Deny && statement.actions.iter().any(|action| action.service().is_none()) {
            self.fault(node.span, "Policy contains a statement with an action that names no service.");
        }
    }

    /// (A111)
    fn refuse_resources(&mut self, member: &Member, resources: &[(String, Span)]) {
        match self.kind {
            PolicyKind::Trust => self.issue(member.name_span, format!("Has prohibited field {}", member.name)),
            PolicyKind::Identity => {
                for (text, span) in resources.iter().filter(|(text, _)| text != "*" && !text.starts_with("arn:")) {
                    self.issue(*span, format!("Resource {text} must be in ARN format or \"*\"."));
                }
            }
            PolicyKind::Key | PolicyKind::Scp | PolicyKind::Rcp | PolicyKind::Endpoint => {}
        }
    }

    /// (A101)
    fn refuse_duplicates(&mut self, members: &[Member]) {
        let mut seen = BTreeSet::new();
        for member in members {
            if !seen.insert(member.name.as_str()) {
                self.fault(member.name_span, format!("Policy contains the element {} twice in one object.", member.name));
            }
        }
    }

    /// (A106)
    fn sid(&mut self, node: &Node) -> Option<Box<str>> {
        let Value::String(sid) = &node.value else {
            self.issue(node.span, "Policy contains a statement whose Sid is not a string.");
            return None;
        };
        let plain = sid.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain && self.kind.is_iams() {
            self.issue(node.span, "Policy contains a statement whose Sid has characters other than A-Z, a-z, 0-9.");
        }
        Some(sid.as_str().into())
    }

    fn effect(&mut self, node: &Node) -> Option<Effect> {
        match &node.value {
            Value::String(effect) if effect == "Allow" => Some(Effect::Allow),
            Value::String(effect) if effect == "Deny" => Some(Effect::Deny),
            _ => {
                self.issue(node.span, "Policy contains a statement whose Effect is neither Allow nor Deny.");
                None
            }
        }
    }

    /// (A120)
    fn principal(&mut self, node: &Node, negated: bool) -> PrincipalElement {
        // Whatever is wrong with a name, the others mean whom they mean.
        let faulty = self.faulty;
        let mut entries = Vec::new();
        match &node.value {
            Value::String(text) if text == "*" => entries.push(PrincipalEntry::aws("*", node.span)),
            Value::Object(members) => {
                self.refuse_duplicates(members);
                for member in members {
                    for (text, span) in self.strings(&member.node, &member.name) {
                        let entry = match member.name.as_str() {
                            "AWS" => PrincipalEntry::aws(&text, span),
                            "Service" => PrincipalEntry::service(&text, span),
                            "Federated" => PrincipalEntry { kind: PrincipalKind::Federated, text: text.into(), span },
                            "CanonicalUser" => PrincipalEntry { kind: PrincipalKind::CanonicalUser, text: text.into(), span },
                            _ => PrincipalEntry { kind: PrincipalKind::Invalid, text: text.into(), span },
                        };
                        if !self.kind.admits(&entry.kind) {
                            self.issue(span, self.invalid_principal(&member.name, &entry.text));
                        }
                        entries.push(entry);
                    }
                    if !matches!(member.name.as_str(), "AWS" | "Service" | "Federated" | "CanonicalUser") {
                        self.issue(member.name_span, self.invalid_principal(&member.name, ""));
                    }
                }
                if entries.is_empty() {
                    self.issue(node.span, self.invalid_principal("AWS", ""));
                }
            }
            _ => self.issue(node.span, self.invalid_principal("AWS", node_text(node))),
        }
        self.faulty = faulty;
        PrincipalElement { negated, entries, span: node.span }
    }

    /// As KMS words it (A110), and as IAM does (K267).
    fn invalid_principal(&self, kind: &str, text: &str) -> String {
        match kind {
            _ if self.kind == PolicyKind::Trust => {
                let kind = if kind == "Service" { "SERVICE" } else { kind };
                format!("Invalid principal in policy: \"{kind}\":\"{text}\"")
            }
            "Service" => INVALID_SERVICE_PRINCIPALS.to_owned(),
            _ => INVALID_PRINCIPALS.to_owned(),
        }
    }

    fn actions(&mut self, member: &Member) -> Vec<ActionPattern> {
        let texts = self.strings(&member.node, &member.name);
        texts
            .into_iter()
            .map(|(text, span)| {
                let pattern = ActionPattern::new(&text);
                if !pattern.well_formed() {
                    // An exception that excepts nothing would make the statement larger than it was meant.
                    self.fault(span, format!("Policy contains a statement with an invalid action: {text}."));
                } else if self.kind == PolicyKind::Trust && pattern.service() != Some("sts") {
                    self.issue(span, "AssumeRole policy may only specify STS AssumeRole actions."); // [A111]
                }
                pattern
            })
            .collect()
    }

    /// A string or an array of strings (A105).
    fn strings(&mut self, node: &Node, element: &str) -> Vec<(String, Span)> {
        let items = match &node.value {
            Value::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut strings = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Value::String(text) => strings.push((text.clone(), item.span)),
                _ => self.fault(item.span, format!("Policy element {element} is neither a string nor an array of strings.")),
            }
        }
        strings
    }

    fn conditions(&mut self, node: &Node) -> Vec<Condition> {
        let mut conditions = Vec::new();
        let Value::Object(operators) = &node.value else {
            self.fault(node.span, "Policy element Condition is not an object.");
            return conditions;
        };
        self.refuse_duplicates(operators);
        for member in operators {
            let Some(operator) = Operator::parse(&member.name) else {
                self.fault(member.name_span, format!("Policy contains an unknown condition operator: {}.", member.name));
                continue;
            };
            let Value::Object(keys) = &member.node.value else {
                self.fault(member.node.span, format!("Policy condition {} is not an object of keys and values.", member.name));
                continue;
            };
            self.refuse_duplicates(keys);
            for key in keys {
                let values = self.condition_values(&key.node);
                let span = Span { start: key.name_span.start, end: key.node.span.end };
                let condition = Condition::new(operator, &member.name, &key.name, &values, self.variables, span);
                self.refuse_overly_permissive(&condition);
                conditions.push(condition);
            }
        }
        conditions
    }

    /// (A105) Numbers and booleans stand for their text.
    fn condition_values<'n>(&mut self, node: &'n Node) -> Vec<Cow<'n, str>> {
        let items = match &node.value {
            Value::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Value::String(text) | Value::Number(text) => values.push(Cow::Borrowed(text.as_str())),
                Value::Bool(flag) => values.push(Cow::Borrowed(if *flag { "true" } else { "false" })),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    self.fault(item.span, "Policy contains a condition value that is neither a string nor a number nor a boolean.")
                }
            }
        }
        values
    }

    /// (A167) In key policies ForAllValues on these single-valued keys lets through what it seems to forbid.
    fn refuse_overly_permissive(&mut self, condition: &Condition) {
        let what = match condition.key().name() {
            KeyName::EncryptionContext => ("EncryptionContext", "encryption context"),
            KeyName::RequestTag => ("RequestTag", "tag"),
            _ => return,
        };
        if self.kind == PolicyKind::Key && condition.operator().set() == Some(SetOperator::All) {
            let (name, noun) = what;
            self.issue(
                condition.span(),
                format!(
                    "OverlyPermissiveCondition:{name}: Using the ForAllValues set operator with a single-valued condition key matches requests \
                     without the specified {noun} or with an unspecified {noun}. To fix, remove ForAllValues."
                ),
            );
        }
    }
}

/// A NotPrincipal of invalid names alone would mean everybody. Beside valid ones, invalid names mean nobody (A130).
fn names_nobody(statement: &Statement) -> bool {
    let well_named = |entry: &PrincipalEntry| entry.kind != PrincipalKind::Invalid;
    statement.principal.as_ref().is_some_and(|principal| principal.negated && !principal.entries.iter().any(well_named))
}

fn node_text(node: &Node) -> &str {
    match &node.value {
        Value::String(text) => text,
        _ => "",
    }
}

/// (A110) As AWS words it, also for malformed ARNs and for principals that do not exist (A130).
pub(crate) const INVALID_PRINCIPALS: &str = "Policy contains a statement with one or more invalid principals.";
const INVALID_SERVICE_PRINCIPALS: &str = "Policy contains a statement with one or more invalid service principals.";

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "2012-10-17" => Ok(Self::V2012),
            "2008-10-17" => Ok(Self::V2008),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::MapContext;

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1";

    fn check(kind: PolicyKind, text: &str, issue: &str) {
        let issues: Vec<String> = Policy::parse(kind, text).issues().iter().map(ToString::to_string).collect();
        match issue {
            "" => assert!(issues.is_empty(), "{text}: {issues:?}"),
            start => assert!(issues.iter().any(|found| found.starts_with(start)), "{text}: {issues:?}"),
        }
    }

    fn key(statement: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
    }

    #[test]
    fn what_a_key_policy_may_not_contain() {
        let good = r#"{"Sid":"a b","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#;
        check(PolicyKind::Key, &key(good), "");
        check(PolicyKind::Key, "{", "Policy is not valid JSON"); // [A110]
        check(PolicyKind::Key, "[]", "Policy is not a JSON object.");
        check(PolicyKind::Key, "{}", "Policy contains no statement.");
        check(PolicyKind::Key, r#"{"Statement":[],"statement":[]}"#, "Policy contains an unknown element: statement."); // [A101]
        check(PolicyKind::Key, r#"{"Statement":[],"Statement":[]}"#, "Policy contains the element Statement twice");
        check(PolicyKind::Key, r#"{"Version":"2012-10-18","Statement":[]}"#, "Policy element Version"); // [A102]
        check(
            PolicyKind::Key,
            &key(r#"{"Effect":"allow","Principal":"*","Action":"kms:*","Resource":"*"}"#),
            "Policy contains a statement whose Effect",
        ); // [A103]
        check(PolicyKind::Key, &key(r#"{"Effect":"Allow","Action":"kms:*","Resource":"*"}"#), "Policy contains a statement with no principal."); // [A104]
        check(
            PolicyKind::Key,
            &key(r#"{"Effect":"Allow","NotPrincipal":"*","Action":"kms:*","Resource":"*"}"#),
            "Policy contains a statement with NotPrincipal",
        ); // [A129]
        check(
            PolicyKind::Key,
            &key(r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/a-*"},"Action":"kms:*","Resource":"*"}"#),
            INVALID_PRINCIPALS,
        ); // [A122]
        check(
            PolicyKind::Key,
            &key(r#"{"Effect":"Allow","Principal":{"Service":"evil.example.com"},"Action":"kms:*","Resource":"*"}"#),
            INVALID_SERVICE_PRINCIPALS,
        );
        check(
            PolicyKind::Key,
            &key(r#"{"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"Action":"kms:*","Resource":"*"}"#),
            INVALID_PRINCIPALS,
        ); // [A123]
        check(
            PolicyKind::Key,
            &key(r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringIs":{"a":"b"}}}"#),
            "Policy contains an unknown condition operator",
        );
        check(
            PolicyKind::Key,
            &key(r#"{"Effect":"Allow","Principal":"*","Action":"Decrypt","Resource":"*"}"#),
            "Policy contains a statement with an invalid action",
        );
        check(PolicyKind::Key, &format!(r#"{{"Id":"{}","Statement":[]}}"#, '\u{100}'), "Policy contains a character"); // [A107]
        check(
            PolicyKind::Key,
            &key(
                r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContext:a":"b"}}}"#,
            ),
            "OverlyPermissiveCondition:EncryptionContext: Using the ForAllValues", // [A167]
        );
    }

    #[test]
    fn what_an_identity_policy_may_not_contain() {
        check(PolicyKind::Identity, &key(r#"{"Sid":"a b","Effect":"Allow","Action":"*","Resource":"*"}"#), "Policy contains a statement whose Sid"); // [A106]
        check(
            PolicyKind::Identity,
            &key(r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#),
            "Policy contains a statement with a principal",
        ); // [A104]
        check(PolicyKind::Identity, &key(r#"{"Effect":"Allow","Action":"*"}"#), "Policy contains a statement with no resource.");
        check(PolicyKind::Identity, r#"{"Id":"x","Statement":[]}"#, "Policy contains the element Id"); // [A101]
    }

    #[test]
    fn what_iam_words_its_own_way() {
        let repeated = r#"{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}"#;
        let repeated = key(&format!("{repeated},{repeated}"));
        check(PolicyKind::Identity, &repeated, "Statement IDs (SID) in a single policy must be unique."); // [A111]
        check(PolicyKind::Scp, &repeated, "");
        let bare = key(r#"{"Effect":"Allow","Action":"*","Resource":["arn:aws:kms:*","1234"]}"#);
        check(PolicyKind::Identity, &bare, "Resource 1234 must be in ARN format or \"*\"."); // [A111] [A136]
        let trust = key(r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#);
        check(PolicyKind::Trust, &trust, "Has prohibited field Resource"); // [A111]
        let other = key(r#"{"Effect":"Allow","Principal":"*","Action":["sts:AssumeRole","*"]}"#);
        check(PolicyKind::Trust, &other, "AssumeRole policy may only specify STS AssumeRole actions."); // [A111]
        let nobody = key(r#"{"Effect":"Allow","Principal":{"AWS":"nobody"},"Action":"sts:AssumeRole"}"#);
        check(PolicyKind::Trust, &nobody, "Invalid principal in policy: \"AWS\":\"nobody\""); // [K267]
        let web = key(r#"{"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"Action":"sts:AssumeRoleWithWebIdentity"}"#);
        check(PolicyKind::Trust, &web, ""); // [A123]
    }

    #[test]
    fn what_a_resource_control_policy_may_not_contain() {
        let good = r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}"#;
        check(PolicyKind::Rcp, &key(good), ""); // [A109]
        let with = |from: &str, to: &str| key(&good.replace(from, to));
        check(PolicyKind::Rcp, &with("Deny", "Allow"), "Policy contains a statement with the effect Allow");
        check(PolicyKind::Rcp, &with("\"*\",\"Action", "{\"AWS\":\"111122223333\"},\"Action"), "Policy contains a statement with a principal other");
        check(PolicyKind::Rcp, &with("Principal", "NotPrincipal"), "Policy contains a statement with a principal other");
        check(PolicyKind::Rcp, &with("Action", "NotAction"), "Policy contains a statement with NotAction");
        check(PolicyKind::Rcp, &with("kms:*", "*"), "Policy contains a statement with an action that names no service");
        check(PolicyKind::Rcp, &good.replace("{\"Effect", "{\"Id\":\"x\",\"Effect"), "Policy contains"); // [A101]
        check(PolicyKind::Scp, r#"{"Id":"x","Statement":[]}"#, "Policy contains the element Id"); // [A101]
        // Allow counts for nothing there, the rest could not have been saved.
        for (text, inert) in [(with("Deny", "Allow"), false), (with("Action", "NotAction"), true), (with("kms:*", "*"), true)] {
            assert_eq!(Policy::parse(PolicyKind::Rcp, text.clone()).statements()[0].is_inert(), inert, "{text}");
        }
    }

    #[test]
    fn an_empty_list_is_no_list() {
        let allow = |element: &str| key(&format!(r#"{{"Effect":"Allow",{element}}}"#));
        check(PolicyKind::Identity, &allow(r#""Action":[],"Resource":"*""#), "Policy contains a statement with no action.");
        check(PolicyKind::Identity, &allow(r#""NotAction":[],"Resource":"*""#), "Policy contains a statement with no action.");
        check(PolicyKind::Identity, &allow(r#""Action":"*","NotResource":[]"#), "Policy contains a statement with no resource.");
        let everything = allow(r#""Principal":"*","NotAction":[],"Resource":"*""#);
        assert!(Policy::parse(PolicyKind::Key, everything).statements()[0].is_inert()); // [A135]
    }

    #[test]
    fn the_first_fault_of_the_text_is_told_first() {
        let text = key(r#"{"Effect":"allow","Action":"x","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*","Extra":1}"#);
        let policy = Policy::parse(PolicyKind::Identity, text.clone());
        let told: Vec<&str> = policy.issues().iter().map(|issue| issue.span.of(&text)).collect();
        assert_eq!(told, ["\"allow\"", "\"x\"", "\"Extra\""]); // [A110]
    }

    #[test]
    fn a_key_policy_statement_without_resource_is_accepted_and_without_effect() {
        let text = key(r#"{"Effect":"Deny","Principal":"*","Action":"kms:*"}"#);
        check(PolicyKind::Key, &text, ""); // [A135]
        assert!(Policy::parse(PolicyKind::Key, text).statements()[0].is_inert());
    }

    #[test]
    fn resources() {
        let check = |resource: &str, arn: &str, expected: bool| {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":{resource}}}}}"#);
            let policy = Policy::parse_strict(PolicyKind::Identity, &text).unwrap();
            assert_eq!(policy.statements()[0].matches_resource(arn, &MapContext::new()), Truth::from_bool(expected), "{resource} on {arn}");
        };
        check(r#""*""#, KEY, true); // [A134]
        check(r#""arn:aws:kms:*:111122223333:key/*""#, KEY, true); // [A137]
        check(r#""arn:aws:kms:us-east-1:1*:2:key/*""#, KEY, false);
        check(r#""arn:aws:kms:*""#, KEY, true); // [A138]
        check(r#""arn:aws:kms""#, KEY, false);
        check(r#""arn:aws:kms:us-east-1:111122223333:alias/x""#, KEY, false); // [A136]
        check(r#"["arn:aws:kms:us-east-1:111122223333:key/2", "arn:aws:kms:us-east-1:111122223333:key/?"]"#, KEY, true);
        check(r#""arn:aws:kms:us-east-1:111122223333:key/${aws:username}""#, KEY, false); // [A140]
    }

    #[test]
    fn not_resource_with_an_unresolved_variable_excludes_nothing() {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","NotResource":"arn:aws:kms:*:*:key/${aws:username}"}}"#;
        assert_eq!(Policy::parse(PolicyKind::Identity, text).statements()[0].matches_resource(KEY, &MapContext::new()), Truth::Yes); // [A140]
    }

    #[test]
    fn a_missing_version_is_the_old_one() {
        assert_eq!(Policy::parse(PolicyKind::Key, r#"{"Statement":[]}"#).version(), Version::V2008); // [A102]
        assert_eq!(Policy::parse(PolicyKind::Key, key("")).version(), Version::V2012);
    }

    #[test]
    fn the_text_is_returned_as_given() {
        let text = " {\n\"Statement\" : [ ] }";
        assert_eq!(Policy::parse(PolicyKind::Key, text).text(), text); // T26
    }
}
