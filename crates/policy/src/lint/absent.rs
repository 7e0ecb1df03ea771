//! Tests that decide about requests without the key.

use super::view::{StatementView, Test, View};
use super::{Lint, Mark, Report, Severity};
use crate::key::KeyName;

pub(super) const DENY_HITS_SERVICES: Lint = Lint {
    id: "deny-hits-services",
    severity: Severity::Warning,
    finds: "a Deny with a negated network or organization test that also meets AWS services",
    why: "aws:SourceVpc, aws:SourceVpce and aws:VpcSourceIp are absent when a service calls for the principal, aws:SourceIp and aws:PrincipalOrgID when a \
          service calls as itself: the negated test holds and the service is denied. Except services with aws:PrincipalIsAWSService and aws:ViaAWSService \
          = false, or add a Null test.",
    rules: &["A160", "A332", "A531", "A532"],
};

pub(super) const DENY_WHEN_ABSENT: Lint = Lint {
    id: "deny-when-absent",
    severity: Severity::Note,
    finds: "a Deny with a negated test on a key that requests may lack",
    why: "A negated test holds when the key is absent, so the Deny meets those requests, too. With kms:ViaService that denies direct calls, which is often \
          meant; it also breaks what works by grants, such as attaching EBS volumes. Add \"Null\": {KEY: \"false\"} if only other values are meant.",
    rules: &["A160", "A512", "A1110"],
};

pub(super) const IF_EXISTS_IN_DENY: Lint = Lint {
    id: "if-exists-in-deny",
    severity: Severity::Note,
    finds: "a Deny with IfExists",
    why: "IfExists makes the test hold when the key is absent: the Deny then denies, it does not stand back. To deny only requests that carry the key use the \
          positive operator without IfExists, or add a Null test.",
    rules: &["A160", "A161"],
};

pub(super) const IF_EXISTS_IN_ALLOW: Lint = Lint {
    id: "if-exists-in-allow",
    severity: Severity::Note,
    finds: "an Allow whose only limit on a key has IfExists",
    why: "Requests without the key are allowed. That is meant where an action never carries the key; where it may, whoever leaves the parameter out gets in.",
    rules: &["A161"],
};

pub(super) const MFA_ABSENT: Lint = Lint {
    id: "mfa-absent",
    severity: Severity::Warning,
    finds: "a test of aws:MultiFactorAuthPresent that long-term keys slip through",
    why: "Calls with long-term access keys do not carry aws:MultiFactorAuthPresent. Deny with Bool false does not meet them: write BoolIfExists. Allow with \
          BoolIfExists true lets them in: write Bool.",
    rules: &["A161", "A523"],
};

pub(super) const CONTRADICTION: Lint = Lint {
    id: "contradiction",
    severity: Severity::Warning,
    finds: "a test that wants a key absent beside one that wants it there",
    why: "All tests of a statement must hold. `Null: true` holds when the key is absent, a positive test when it is there: no request meets both. Split the \
          statement in two, or use IfExists.",
    rules: &["A150", "A160", "A163"],
};

pub(super) fn check(_: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    contradictions(statement, report);
    for test in statement.tests.iter().filter(|test| !test.operator.is_null()) {
        if test.key.name() == KeyName::MultiFactorAuthPresent {
            mfa(statement, test, report);
        } else if !always_there(test.key.name()) && !demanded(statement, test) && test.operator.set().is_none() {
            match (statement.allows(), test.operator.if_exists(), test.operator.negated()) {
                (true, true, _) => {
                    let message = format!("this also allows requests that carry no `{}`", test.key.as_str());
                    let help = format!("remove IfExists, or add \"Null\": {{\"{}\": \"false\"}}", test.key.as_str());
                    report.add(&IF_EXISTS_IN_ALLOW, statement, test.operator_text.span, message, help);
                }
                (false, true, false) => {
                    let message = format!("this also denies requests that carry no `{}`", test.key.as_str());
                    report.add(
                        &IF_EXISTS_IN_DENY,
                        statement,
                        test.operator_text.span,
                        message,
                        "remove IfExists to deny only requests that carry it",
                    );
                }
                (false, _, true) => negated(statement, test, report),
                (true, false, _) | (false, false, false) => {}
            }
        }
    }
}

fn contradictions(statement: &StatementView<'_>, report: &mut Report) {
    let wants_absent = |test: &&Test| test.operator.is_null() && !test.values.iter().any(|value| value.text.eq_ignore_ascii_case("false"));
    for absent in statement.tests.iter().filter(wants_absent).filter(|test| test.holds_when_absent()) {
        if let Some(there) = statement.tests.iter().find(|other| other.same_key(absent) && !other.holds_when_absent()) {
            let marks =
                vec![Mark { span: absent.span, label: "wants it absent".to_owned() }, Mark { span: there.span, label: "wants it there".to_owned() }];
            let what = if statement.allows() { "allows" } else { "denies" };
            let message = format!("no request meets both tests of `{}`, so this statement {what} nothing", absent.key.as_str());
            report.push(&CONTRADICTION, Some(statement.at), marks, message, "make two statements of it, or use IfExists in place of Null");
        }
    }
}

fn mfa(statement: &StatementView<'_>, test: &Test, report: &mut Report) {
    let says = |flag: &str| test.values.iter().any(|value| value.text.eq_ignore_ascii_case(flag));
    let (message, help) = match (statement.allows(), test.operator.if_exists()) {
        (false, false) if says("false") && !demanded_absent(statement, test) => {
            ("calls with long-term access keys carry no MFA flag, so this does not deny them", "write BoolIfExists")
        }
        (true, true) if says("true") => ("calls with long-term access keys carry no MFA flag, so this allows them without MFA", "write Bool"),
        _ => return,
    };
    report.add(&MFA_ABSENT, statement, test.operator_text.span, message, help);
}

fn negated(statement: &StatementView<'_>, test: &Test, report: &mut Report) {
    use KeyName as K;
    let whom = match test.key.name() {
        K::SourceVpc | K::SourceVpce | K::SourceVpcArn | K::VpcSourceIp | K::VpceAccount | K::VpceOrgId => {
            "calls over public endpoints, and calls that services make for somebody"
        }
        K::SourceIp => "calls through VPC endpoints, and calls that services make as themselves",
        K::PrincipalOrgId => "calls that services make as themselves, and principals without organization",
        K::ViaService => "direct calls, and what services do by grants",
        _ => "requests that do not carry it",
    };
    let message = format!("without `{}` the test holds: this also denies {whom}", test.key.as_str());
    let about_services = matches!(test.key.name(), K::SourceVpc | K::SourceVpce | K::SourceVpcArn | K::VpcSourceIp | K::SourceIp | K::PrincipalOrgId);
    if about_services && !excepts_services(statement) && statement.principal().is_none_or(|_| statement.names_everyone()) {
        let help = "except services: \"Bool\": {\"aws:PrincipalIsAWSService\": \"false\", \"aws:ViaAWSService\": \"false\"}";
        report.add(&DENY_HITS_SERVICES, statement, test.operator_text.span, message, help);
    } else {
        let help = format!("if that is not meant, add \"Null\": {{\"{}\": \"false\"}}", test.key.as_str());
        report.add(&DENY_WHEN_ABSENT, statement, test.operator_text.span, message, help);
    }
}

fn excepts_services(statement: &StatementView<'_>) -> bool {
    use KeyName as K;
    [K::PrincipalIsAwsService, K::ViaAwsService, K::PrincipalServiceName, K::CalledVia].iter().any(|name| statement.tests_on(*name).next().is_some())
}

/// Whether another test of the statement demands that the key be there.
fn demanded(statement: &StatementView<'_>, test: &Test) -> bool {
    statement.tests.iter().any(|other| other.same_key(test) && !other.holds_when_absent())
}

fn demanded_absent(statement: &StatementView<'_>, test: &Test) -> bool {
    statement.tests.iter().any(|other| other.same_key(test) && other.operator.is_null() && other.holds_when_absent())
}

/// Keys that no request for an action that carries them lacks, as far as principals of accounts call.
fn always_there(name: KeyName) -> bool {
    use KeyName as K;
    matches!(
        name,
        K::PrincipalArn
            | K::PrincipalAccount
            | K::PrincipalType
            | K::UserId
            | K::PrincipalIsAwsService
            | K::ViaAwsService
            | K::CurrentTime
            | K::EpochTime
            | K::RequestedRegion
            | K::SecureTransport
            | K::ResourceAccount
            | K::CallerAccount
            | K::KeySpec
            | K::KeyUsage
            | K::CustomerMasterKeySpec
            | K::CustomerMasterKeyUsage
            | K::KeyOrigin
            | K::MultiRegion
            | K::GrantIsForAwsResource
    )
}
