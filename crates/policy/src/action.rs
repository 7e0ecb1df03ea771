//! Actions (`kms:Decrypt`) and the patterns that name them.

use std::fmt;
use std::sync::LazyLock;

use crate::glob::Glob;
use crate::permission::{Row, TABLE};

/// The names of all permissions of KMS in alphabetical order (A401).
pub const KMS_PERMISSIONS: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut at = 0;
    while at < TABLE.len() {
        #[expect(clippy::indexing_slicing, reason = "`at` is below the length of both; iterators are not const")]
        {
            names[at] = TABLE[at].0;
        }
        at += 1;
    }
    names
};

/// The same in lower case, for patterns, which ignore case (A131).
static LOWER_CASE: LazyLock<Vec<String>> = LazyLock::new(|| KMS_PERMISSIONS.iter().map(|name| name.to_ascii_lowercase()).collect());

/// One of [`KMS_PERMISSIONS`], as its place in that list.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KmsPermission(u8);

impl KmsPermission {
    /// Looks a permission up by its exact name, without `kms:`. Usable in constants; `None` if there is no such name.
    pub const fn named(name: &str) -> Option<Self> {
        let mut at = 0;
        while at < KMS_PERMISSIONS.len() {
            #[expect(clippy::indexing_slicing, reason = "`at` is below the length; iterators are not const")]
            if const_eq(KMS_PERMISSIONS[at].as_bytes(), name.as_bytes()) {
                #[expect(clippy::cast_possible_truncation, reason = "the list has 58 entries")]
                return Some(Self(at as u8));
            }
            at += 1;
        }
        None
    }

    /// The name without `kms:`.
    pub fn name(self) -> &'static str {
        KMS_PERMISSIONS.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    fn bit(self) -> u64 {
        1 << self.0
    }

    pub(crate) fn row(self) -> Option<&'static Row> {
        TABLE.get(usize::from(self.0))
    }
}

/// Some of the [`KMS_PERMISSIONS`].
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct PermissionSet(u64);

impl PermissionSet {
    /// None of them.
    pub const EMPTY: Self = Self(0);

    /// All of them.
    pub const ALL: Self = Self((1 << KMS_PERMISSIONS.len()) - 1);

    /// Whether it holds a permission.
    pub fn contains(self, permission: KmsPermission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many it holds.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Those of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that the other does not hold.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The first in alphabetical order.
    pub fn first(self) -> Option<KmsPermission> {
        #[expect(clippy::cast_possible_truncation, reason = "a word has 64 bits")]
        (self.0 != 0).then(|| KmsPermission(self.0.trailing_zeros() as u8))
    }

    /// All of them in alphabetical order.
    pub fn iter(self) -> impl Iterator<Item = KmsPermission> {
        std::iter::successors(Some(self), |rest| Some(Self(rest.0 & rest.0.wrapping_sub(1)))).map_while(Self::first)
    }
}

impl FromIterator<KmsPermission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = KmsPermission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[expect(clippy::indexing_slicing, reason = "both indexes are below both lengths; slice comparison is not const")]
const fn const_eq(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

impl fmt::Debug for KmsPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kms:{}", self.name())
    }
}

/// What a request must be allowed to do: `kms:Decrypt`, `sts:AssumeRole`.
#[derive(Clone, Eq, PartialEq)]
pub enum Action {
    /// A permission of KMS.
    Kms(KmsPermission),
    /// A permission of another service, as AWS spells it.
    Other {
        /// `iam`, `sts`, … in lower case.
        service: Box<str>,
        /// `CreateUser`.
        name: Box<str>,
    },
}

impl Action {
    /// Reads `prefix:Name`.
    ///
    /// # Errors
    /// Says what an action looks like when the text has no colon or names no permission of KMS.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (service, name) = text.split_once(':').ok_or_else(|| format!("an action looks like `kms:Decrypt`, not `{text}`"))?;
        if !service.eq_ignore_ascii_case("kms") {
            return Ok(Self::Other { service: service.to_ascii_lowercase().into(), name: name.into() });
        }
        let known = KMS_PERMISSIONS.iter().find(|known| known.eq_ignore_ascii_case(name));
        known.and_then(|known| KmsPermission::named(known)).map(Self::Kms).ok_or_else(|| format!("KMS has no permission `{name}`"))
    }

    /// The KMS permission, if it is one.
    pub fn kms(&self) -> Option<KmsPermission> {
        match self {
            Self::Kms(permission) => Some(*permission),
            Self::Other { .. } => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kms(permission) => write!(f, "kms:{}", permission.name()),
            Self::Other { service, name } => write!(f, "{service}:{name}"),
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One entry of `Action` or `NotAction`, compared without case (A131).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActionPattern {
    written: Box<str>,
    shape: Shape,
    /// The KMS permissions that it covers.
    kms: PermissionSet,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Shape {
    /// `*`, and `*:*` which reads as `*`.
    Everything,
    /// `kms:De*`
    Named { service: Box<str>, name: Glob },
    /// No colon, or a wildcard in the prefix: names nothing.
    Nothing,
}

impl ActionPattern {
    /// Reads a pattern; one that AWS would refuse covers nothing and is not [`well_formed`](Self::well_formed).
    pub fn new(written: &str) -> Self {
        let shape = match written.split_once(':') {
            None if written == "*" => Shape::Everything,
            Some(("*", "*")) => Shape::Everything,
            Some((service, name)) if !service.is_empty() && !name.is_empty() && !service.contains(['*', '?']) => {
                Shape::Named { service: service.to_ascii_lowercase().into(), name: Glob::new(&name.to_ascii_lowercase(), false) }
            }
            _ => Shape::Nothing,
        };
        let kms = match &shape {
            Shape::Everything => PermissionSet::ALL,
            Shape::Named { service, name } if &**service == "kms" => {
                let matching = LOWER_CASE.iter().zip(0u8..).filter(|(permission, _)| name.matches_plain(permission));
                matching.map(|(_, at)| KmsPermission(at)).collect()
            }
            Shape::Named { .. } | Shape::Nothing => PermissionSet::EMPTY,
        };
        Self { written: written.into(), shape, kms }
    }

    /// As the policy writes it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether the text is an action pattern at all.
    pub fn well_formed(&self) -> bool {
        self.shape != Shape::Nothing
    }

    /// The service prefix, if one is named.
    pub fn service(&self) -> Option<&str> {
        match &self.shape {
            Shape::Named { service, .. } => Some(service),
            Shape::Everything | Shape::Nothing => None,
        }
    }

    /// Whether it covers `action`.
    pub fn matches(&self, action: &Action) -> bool {
        match (action, &self.shape) {
            (Action::Kms(permission), _) => self.kms.contains(*permission),
            (Action::Other { .. }, Shape::Everything) => true,
            (Action::Other { service, name }, Shape::Named { service: wanted, name: pattern }) => {
                service == wanted && pattern.matches_plain(&name.to_ascii_lowercase())
            }
            (Action::Other { .. }, Shape::Nothing) => false,
        }
    }

    /// The KMS permissions that it covers.
    pub fn kms_permissions(&self) -> PermissionSet {
        self.kms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, action: &str, expected: bool) {
        assert_eq!(ActionPattern::new(pattern).matches(&Action::parse(action).unwrap()), expected, "{pattern} on {action}");
    }

    #[test]
    fn patterns_ignore_case_and_know_two_wildcards() {
        check("kms:decrypt", "kms:Decrypt", true); // [A131]
        check("KMS:De*", "kms:DescribeKey", true);
        check("kms:?ncrypt", "kms:Encrypt", true);
        check("*", "kms:Encrypt", true);
        check("*:*", "iam:CreateUser", true);
        check("k*:Encrypt", "kms:Encrypt", false);
        check("kms:ReEncrypt", "kms:ReEncryptFrom", false); // [A133] [A404]
        check("kms:ReEncrypt*", "kms:ReEncryptTo", true);
        check("kms:Delete*", "kms:ScheduleKeyDeletion", false); // [A413]
        check("kms:Create*", "kms:CreateGrant", true);
        check("iam:create*", "iam:CreateUser", true);
        check("iam:*", "kms:Encrypt", false);
    }

    #[test]
    fn the_permission_table_is_sorted_and_fits_a_word() {
        assert!(KMS_PERMISSIONS.is_sorted());
        assert!(KMS_PERMISSIONS.len() <= 64);
        assert_eq!(KmsPermission::named("Verify").map(KmsPermission::name), Some("Verify"));
        assert_eq!(KmsPermission::named("ReEncrypt"), None); // [A404]
    }
}
