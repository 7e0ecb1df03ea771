//! What holds for every text and every document: reading, judging and laying out.

use keyward_policy::{Action, KMS_PERMISSIONS, MapContext, Policy, PolicyKind, Statement, format, lint};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;

const KINDS: [PolicyKind; 6] = [PolicyKind::Key, PolicyKind::Identity, PolicyKind::Scp, PolicyKind::Rcp, PolicyKind::Trust, PolicyKind::Endpoint];

/// Everything that reads a text: none of it may panic, and what it points at lies in the text.
fn read_in_every_way(text: &str) {
    for kind in KINDS {
        let policy = Policy::parse(kind, text);
        let inside = |start: u32, end: u32| text.get(start as usize..end as usize).is_some();
        for issue in policy.issues() {
            assert!(inside(issue.span.start, issue.span.end), "{issue:?}");
        }
        for mark in lint::check(&policy).iter().flat_map(|finding| &finding.marks) {
            assert!(inside(mark.span.start, mark.span.end) || text.is_empty(), "{mark:?}");
        }
        assert_eq!(Policy::parse_strict(kind, text).is_ok(), policy.issues().is_empty());
    }
    let _ = format(text);
}

/// What a statement says, places aside.
fn meaning(statement: &Statement) -> String {
    let principal = statement.principal().map(|principal| {
        let entries: Vec<_> = principal.entries.iter().map(|entry| (&entry.kind, &entry.text)).collect();
        format!("{} {entries:?}", principal.negated)
    });
    let actions: Vec<&str> = statement.actions().iter().map(keyward_policy::ActionPattern::as_str).collect();
    let conditions: Vec<String> = statement
        .conditions()
        .iter()
        .map(|condition| format!("{} {} {:?}", condition.operator_text(), condition.key(), condition.values().collect::<Vec<_>>()))
        .collect();
    let resources: Vec<&str> = statement.resources().collect();
    let inert = statement.is_inert();
    format!("{:?} {:?} {principal:?} {actions:?} {resources:?} {conditions:?} {inert}", statement.sid(), statement.effect())
}

/// What the statement decides about some requests.
fn decisions(statement: &Statement) -> Vec<bool> {
    let contexts = [
        MapContext::new(),
        MapContext::new().with("kms:ViaService", "s3.us-east-1.amazonaws.com").with("aws:username", "ann").with_many("aws:TagKeys", ["a"]),
        MapContext::new().with("kms:EncryptionContext:a", "b").with("kms:CallerAccount", "111122223333"),
    ];
    let resources = ["arn:aws:kms:us-east-1:111122223333:key/1", "arn:aws:kms:us-east-1:111122223333:alias/a", "*"];
    let mut decided = Vec::new();
    for context in &contexts {
        for resource in resources {
            let actions = KMS_PERMISSIONS.iter().step_by(5).filter_map(|name| Action::parse(&format!("kms:{name}")).ok());
            decided.extend(actions.map(|action| statement.applies(&action, resource, context)));
        }
    }
    decided
}

fn text_of(texts: &[&str]) -> BoxedStrategy<String> {
    select(texts.iter().map(ToString::to_string).collect::<Vec<_>>()).boxed()
}

fn action() -> BoxedStrategy<String> {
    text_of(&[r#""*""#, r#""kms:Decrypt""#, r#""kms:*""#, r#""KMS:De?rypt""#, r#""s3:Get*""#, r#""\u006bms:Encrypt""#])
}

fn resource() -> BoxedStrategy<String> {
    text_of(&[
        r#""*""#,
        r#""arn:aws:kms:us-east-1:111122223333:key/*""#,
        r#""arn:aws:kms:*:*:alias/a""#,
        r#""arn:aws:kms:*:*:key/${aws:username, '1'}""#,
    ])
}

fn principal() -> BoxedStrategy<String> {
    text_of(&[r#""*""#, r#""111122223333""#, r#""arn:aws:iam::111122223333:role/a""#, r#""arn:aws-cn:iam::111122223333:user/b""#])
}

fn string() -> BoxedStrategy<String> {
    let odd = text_of(&[r#""é \" \\ \n ${""#, r#""s3.us-east-1.amazonaws.com""#, r#""""#, r#""nobody""#, r#""${aws:username}""#]);
    prop_oneof![action(), resource(), principal(), odd].boxed()
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![4 => string(), 1 => select(vec!["true", "1", "-1.5e3", "null"]).prop_map(str::to_owned)]
}

fn one_or_many(item: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    prop_oneof![item.clone(), vec(item, 0..8).prop_map(|items| format!("[{}]", items.join(" , ")))]
}

/// At least so many of the members, in any order, sometimes with a name twice.
fn object(least: usize, members: Vec<(&'static str, BoxedStrategy<String>)>) -> impl Strategy<Value = String> {
    let count = members.len();
    (subsequence((0..count).collect::<Vec<_>>(), least..=count).prop_shuffle(), any::<u8>()).prop_flat_map(move |(mut chosen, twice)| {
        if twice < 8 {
            chosen.extend(chosen.first().copied());
        }
        let (names, values): (Vec<_>, Vec<_>) = chosen.iter().filter_map(|at| members.get(*at).cloned()).unzip();
        values.prop_map(move |values| {
            let members: Vec<String> = names.iter().zip(values).map(|(name, value)| format!("\"{name}\"\t:{value}")).collect();
            format!("{{ {}\n}}", members.join(","))
        })
    })
}

fn statement() -> impl Strategy<Value = String> {
    let strings = || one_or_many(string()).boxed();
    let values = || one_or_many(scalar().boxed()).boxed();
    let keys = || object(0, vec![("kms:ViaService", values()), ("aws:TagKeys", values()), ("KMS:encryptioncontext:A", values())]).boxed();
    let operators = ["StringEquals", "StringNotLike", "ForAllValues:StringLike", "BoolIfExists", "ArnLike", "Null", "NumericLessThan", "DateEquals"];
    let condition = move || object(0, operators.iter().map(|operator| (*operator, keys())).collect()).boxed();
    let listed = |item: BoxedStrategy<String>| vec(item, 1..4).prop_map(|items| format!("[ {}]", items.join(","))).boxed();
    let service = || text_of(&[r#""s3.amazonaws.com""#, r#""logs.us-east-1.amazonaws.com""#]);
    let principals = move || prop_oneof![text_of(&[r#""*""#]), object(1, vec![("AWS", listed(principal())), ("Service", service())])].boxed();
    let effect = || select(vec![r#""Allow""#, r#""Deny""#]).prop_map(str::to_owned).boxed();
    let tidy = move |principal: bool, (element, other): (&'static str, &'static str)| {
        let mut members = vec![("Effect", effect()), (element, listed(action())), (other, listed(resource())), ("Condition", condition())];
        members.extend(principal.then(|| ("Principal", principals())));
        object(members.len(), members).boxed()
    };
    let wild = object(
        0,
        vec![
            ("Sid", string().boxed()),
            ("Effect", scalar().boxed()),
            ("Principal", strings()),
            ("NotPrincipal", strings()),
            ("Action", values()),
            ("NotAction", strings()),
            ("Resource", values()),
            ("NotResource", strings()),
            ("Condition", values()),
            ("Comment", scalar().boxed()),
        ],
    );
    prop_oneof![
        3 => tidy(true, ("Action", "Resource")),
        3 => tidy(false, ("Action", "Resource")),
        1 => tidy(false, ("NotAction", "NotResource")),
        1 => wild,
    ]
}

fn document() -> impl Strategy<Value = String> {
    let version = text_of(&[r#""2012-10-17""#, r#""2012-10-17""#, r#""2008-10-17""#, "1"]);
    let statements = prop_oneof![statement(), vec(statement(), 0..4).prop_map(|statements| format!("[{}]", statements.join(",")))];
    let statements = statements.boxed();
    let tidy = object(2, vec![("Version", version.clone()), ("Statement", statements.clone())]);
    let wild = object(0, vec![("Version", version), ("Id", string()), ("Statement", statements), ("Extra", scalar().boxed())]);
    prop_oneof![3 => tidy, 1 => wild]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_in_every_way(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_json_like_text_is_read_without_panic(text in r#"[\[\]{}:,"\\a-zA-Z0-9$*?. \u{0}-\u{200}]{0,200}"#) {
        read_in_every_way(&text);
    }

    #[test]
    fn a_document_with_a_scratch_is_read_without_panic(text in document(), at in any::<prop::sample::Index>(), scratch in ".{0,3}", cut in 0usize..4) {
        let mut at = at.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let rest: String = text[at..].chars().skip(cut).collect();
        read_in_every_way(&format!("{}{scratch}{rest}", &text[..at]));
    }

    // What is taken to be saved is read the same when it is stored: there is one reader.
    #[test]
    fn what_is_strictly_right_has_no_issues(text in document()) {
        for kind in KINDS {
            if let Ok(strict) = Policy::parse_strict(kind, &text) {
                let stored = Policy::parse(kind, text.clone());
                prop_assert!(stored.issues().is_empty());
                let meanings = |policy: &Policy| policy.statements().iter().map(meaning).collect::<Vec<_>>();
                prop_assert_eq!(meanings(&strict), meanings(&stored));
            }
        }
    }

    #[test]
    fn the_layout_changes_no_meaning(text in document()) {
        let Ok(laid_out) = format(&text) else { return Ok(()) };
        prop_assert_eq!(format(&laid_out).unwrap(), laid_out.clone(), "laid out twice");
        for kind in KINDS {
            let (before, after) = (Policy::parse(kind, text.clone()), Policy::parse(kind, laid_out.clone()));
            prop_assert_eq!(before.id(), after.id());
            prop_assert_eq!(before.statements().len(), after.statements().len());
            for (before, after) in before.statements().iter().zip(after.statements()) {
                prop_assert_eq!(meaning(before), meaning(after));
                prop_assert_eq!(decisions(before), decisions(after));
            }
            let messages = |policy: &Policy| {
                let mut messages: Vec<String> = policy.issues().iter().map(ToString::to_string).collect();
                messages.sort();
                messages
            };
            prop_assert_eq!(messages(&before), messages(&after));
        }
    }
}

#[test]
fn most_generated_documents_can_be_laid_out_and_some_saved() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let texts: Vec<String> = (0..400).map(|_| document().new_tree(&mut runner).unwrap().current()).collect();
    let laid_out = texts.iter().filter(|text| format(text).is_ok()).count();
    let saved = texts.iter().filter(|text| KINDS.iter().any(|kind| Policy::parse_strict(*kind, text).is_ok())).count();
    assert!(laid_out > 200 && saved > 20, "{laid_out} laid out, {saved} saved: the properties above say little");
}
