//! The canonical layout of a policy document: as a careful person would write it.
//!
//! Only white space and the order of elements change, and the order means nothing (A103). Strings and numbers stay as they are written.

use std::collections::BTreeSet;

use crate::document::Issue;
use crate::json::{Member, Node, Value, parse};

/// Columns that a line has before lists are broken up.
const COLUMNS_MAX: usize = 100;

const DOCUMENT_ORDER: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT_ORDER: [&str; 9] = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// Lays a document out anew: `Version`, `Id`, `Statement`; in statements `Sid`, `Effect`, principal, action, resource, `Condition`; two
/// columns for each level, short lists on one line. Elements with other names follow.
///
/// ```
/// let text = r#"{"Statement":{"Action":"kms:*","Effect":"Allow","Resource":["*"]},"Version":"2012-10-17"}"#;
/// let expected = r#"{
///   "Version": "2012-10-17",
///   "Statement": {
///     "Effect": "Allow",
///     "Action": "kms:*",
///     "Resource": ["*"]
///   }
/// }
/// "#;
/// assert_eq!(keyward_policy::format(text).as_deref(), Ok(expected));
/// ```
///
/// # Errors
/// When the text is not JSON, or a name stands twice in an object: nobody can say then which one counts.
pub fn format(text: &str) -> Result<String, Issue> {
    let mut root = parse(text).map_err(|error| Issue { span: error.at, message: format!("Policy is not valid JSON: {}.", error.message) })?;
    refuse_duplicates(&root)?;
    if let Value::Object(members) = &mut root.value {
        order(members, &DOCUMENT_ORDER);
        members.iter_mut().filter(|member| member.name == "Statement").for_each(|member| order_statements(&mut member.node));
    }
    let mut out = String::with_capacity(text.len());
    Writer { text, out: &mut out }.node(&root, 0, Shape::Tall);
    out.push('\n');
    Ok(out)
}

fn refuse_duplicates(node: &Node) -> Result<(), Issue> {
    match &node.value {
        Value::Object(members) => {
            let mut seen = BTreeSet::new();
            for member in members {
                if !seen.insert(member.name.as_str()) {
                    let message = format!("Policy contains the element {} twice in one object.", member.name);
                    return Err(Issue { span: member.name_span, message });
                }
                refuse_duplicates(&member.node)?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(refuse_duplicates),
        _ => Ok(()),
    }
}

fn order_statements(node: &mut Node) {
    let items = match &mut node.value {
        Value::Array(items) => items.as_mut_slice(),
        _ => std::slice::from_mut(node),
    };
    for item in items {
        if let Value::Object(members) = &mut item.value {
            order(members, &STATEMENT_ORDER);
        }
    }
}

/// Stable, so that elements nobody knows keep their order, at the end.
fn order(members: &mut [Member], names: &[&str]) {
    members.sort_by_key(|member| names.iter().position(|name| *name == member.name).unwrap_or(names.len()));
}

/// How an object may be written.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// One member a line: documents and statements.
    Tall,
    /// On one line if it holds one thing and fits.
    AsFits,
}

struct Writer<'a> {
    text: &'a str,
    out: &'a mut String,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node, depth: usize, shape: Shape) {
        if shape == Shape::AsFits
            && let Some(line) = self.line(node)
            && self.column() + line.chars().count() < COLUMNS_MAX
        {
            self.out.push_str(&line);
            return;
        }
        match &node.value {
            Value::Object(members) if members.is_empty() => self.out.push_str("{}"),
            Value::Array(items) if items.is_empty() => self.out.push_str("[]"),
            Value::Object(members) => self.block('{', '}', depth, members.iter().map(|member| (Some(member), &member.node))),
            Value::Array(items) => self.block('[', ']', depth, items.iter().map(|item| (None, item))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => self.out.push_str(node.span.of(self.text)),
        }
    }

    fn block<'n>(&mut self, open: char, close: char, depth: usize, items: impl Iterator<Item = (Option<&'n Member>, &'n Node)>) {
        self.out.push(open);
        for (at, (member, node)) in items.enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.new_line(depth + 1);
            if let Some(member) = member {
                self.out.push_str(member.name_span.of(self.text));
                self.out.push_str(": ");
            }
            // A statement is never squeezed into a line, and neither is a list of them.
            let statement = depth == 0 && member.is_some_and(|member| member.name == "Statement") || member.is_none() && is_object(node);
            self.node(node, depth + 1, if statement { Shape::Tall } else { Shape::AsFits });
        }
        self.new_line(depth);
        self.out.push(close);
    }

    fn new_line(&mut self, depth: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", depth));
    }

    /// Columns of the line that is being written.
    fn column(&self) -> usize {
        self.out.rsplit('\n').next().unwrap_or_default().chars().count()
    }

    /// The node on one line, if it holds one thing: a scalar, a list of scalars, an object with one of these.
    fn line(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Array(items) if items.iter().all(|item| !is_object(item) && !matches!(item.value, Value::Array(_))) => {
                let items: Vec<&str> = items.iter().map(|item| item.span.of(self.text)).collect();
                Some(format!("[{}]", items.join(", ")))
            }
            Value::Object(members) => match members.as_slice() {
                [] => Some("{}".to_owned()),
                [member] if !is_object(&member.node) => Some(format!("{{ {}: {} }}", member.name_span.of(self.text), self.line(&member.node)?)),
                _ => None,
            },
            Value::Array(_) => None,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(node.span.of(self.text).to_owned()),
        }
    }
}

fn is_object(node: &Node) -> bool {
    matches!(node.value, Value::Object(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_policy_is_laid_out() {
        let text = r#"{ "Statement" : [ { "Resource" : "*", "Condition":{"StringLike":{"kms:ViaService":["s3.*","ec2.*"]},"StringEquals":{"kms:CallerAccount":111122223333}},
            "Action" : ["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:DescribeKey","kms:CreateGrant"],
            "Principal" : { "AWS" : "arn:aws:iam::111122223333:root" }, "Effect" : "Allow", "Note": {"a": {"b": 1}}, "Sid" : "Use \u00e9" } ], "Id" : "k", "Version":"2012-10-17" }"#;
        insta::assert_snapshot!(format(text).unwrap(), @r#"
        {
          "Version": "2012-10-17",
          "Id": "k",
          "Statement": [
            {
              "Sid": "Use \u00e9",
              "Effect": "Allow",
              "Principal": { "AWS": "arn:aws:iam::111122223333:root" },
              "Action": [
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:DescribeKey",
                "kms:CreateGrant"
              ],
              "Resource": "*",
              "Condition": {
                "StringLike": { "kms:ViaService": ["s3.*", "ec2.*"] },
                "StringEquals": { "kms:CallerAccount": 111122223333 }
              },
              "Note": {
                "a": { "b": 1 }
              }
            }
          ]
        }
        "#);
    }

    #[test]
    fn what_cannot_be_read_one_way_is_left_alone() {
        for text in ["", "{", r#"{"Statement":[{"Effect":"Allow","Effect":"Deny"}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(format(text).is_err(), "{text}"); // [A101]
        }
    }
}
