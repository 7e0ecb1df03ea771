//! What everybody may do on a key: one row a principal, all permissions at once.

use keyward_authz::{Principal, Reach, Request, reach};

use crate::who_can::{Estate, KeySide, name};

/// A principal's row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The ARN of the user, the role or the account's root user.
    pub principal: String,
    /// What it may do.
    pub reach: Reach,
}

/// The rows of all principals of an estate that may do anything on the key, in the estate's order. `question` says what is known of
/// the requests; its action does not matter.
pub fn grid(estate: &impl Estate, side: KeySide<'_>, question: &Request<'_>) -> Vec<Row> {
    let row = |principal: &Principal, reach: Reach| Row { principal: name(principal), reach };
    let rows = estate.subjects().map(|subject| {
        let grants = estate.grants_for(side.key, &subject.principal);
        row(&subject.principal, reach(&subject, &side.target(&grants), question))
    });
    rows.filter(|row| !row.reach.always.is_empty() || !row.reach.sometimes.is_empty()).collect()
}
