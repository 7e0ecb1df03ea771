//! Grants (section 6).

use std::collections::BTreeMap;

use keyward_cases::{CaseConstraints, CaseGrant};

/// [A611] [A612] [A613] Whether the request meets the constraints of a grant that it would use.
pub(super) fn constraints_met(grant: &CaseGrant, op: &str, pairs: &BTreeMap<String, String>, source_arn: Option<&str>) -> bool {
    let CaseConstraints { encryption_context_equals: equals, encryption_context_subset: subset, source_arn: wanted } = &grant.constraints;
    // [A613]
    if wanted.is_some() && wanted.as_deref() != source_arn {
        return false;
    }
    // [A612]
    if ["DescribeKey", "GetPublicKey", "RetireGrant", "CreateGrant"].contains(&op) {
        return true;
    }
    equals.as_ref().is_none_or(|equals| same(equals, pairs)) && subset.as_ref().is_none_or(|subset| within(subset, pairs))
}

/// [A615] Whether the parent, which alone allows CreateGrant, covers the child.
pub(super) fn child_is_covered(parent: &CaseGrant, child: &CaseGrant) -> bool {
    let (of_parent, of_child) = (&parent.constraints, &child.constraints);
    let equals = |wanted: &BTreeMap<String, String>| of_child.encryption_context_equals.as_ref() == Some(wanted);
    let at_least = |wanted: &BTreeMap<String, String>| {
        let pairs = of_child.encryption_context_equals.as_ref().or(of_child.encryption_context_subset.as_ref());
        pairs.is_some_and(|pairs| wanted.iter().all(|(name, value)| pairs.get(name) == Some(value)))
    };
    child.operations.iter().all(|operation| parent.operations.contains(operation))
        && of_parent.encryption_context_equals.as_ref().is_none_or(equals)
        && of_parent.encryption_context_subset.as_ref().is_none_or(at_least)
        && (of_parent.source_arn.is_none() || of_parent.source_arn == of_child.source_arn)
}

/// [A620] (2)
pub(super) fn grant_allows_retiring(grant: &CaseGrant) -> bool {
    grant.operations.iter().any(|operation| operation == "RetireGrant")
}

/// [A611] Names ignore case, values do not.
fn same(wanted: &BTreeMap<String, String>, pairs: &BTreeMap<String, String>) -> bool {
    wanted.len() == pairs.len() && within(wanted, pairs) && within(pairs, wanted)
}

fn within(wanted: &BTreeMap<String, String>, pairs: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| pairs.iter().any(|(other, found)| other.to_lowercase() == name.to_lowercase() && found == value))
}
