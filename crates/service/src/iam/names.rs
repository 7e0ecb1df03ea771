//! Names and paths, as IAM takes them (K270).

use crate::error::Error;

/// Longest names of users and roles, and of groups and policies.
pub(super) const USER_NAME_CHARS_MAX: usize = 64;
pub(super) const GROUP_NAME_CHARS_MAX: usize = 128;
/// Longest path.
const PATH_CHARS_MAX: usize = 512;

/// Checks a name; `member` is the parameter that holds it.
pub(super) fn name(text: &str, member: &str, max: usize) -> Result<(), Error> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "_+=,.@-".contains(char);
    let must = match text.chars().count() {
        0 => "have length greater than or equal to 1".to_owned(),
        length if length > max => format!("have length less than or equal to {max}"),
        _ if !text.chars().all(allowed) => {
            // The one constraint that IAM words by itself.
            let message =
                format!("The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-");
            return Err(Error::Validation(message));
        }
        _ => return Ok(()),
    };
    Err(violation(text, member, &must))
}

/// Checks a path, `/` when none is given.
pub(super) fn path(text: Option<String>) -> Result<String, Error> {
    let path = text.unwrap_or_else(|| "/".to_owned());
    let printable = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if path.len() > PATH_CHARS_MAX || !path.starts_with('/') || !path.ends_with('/') || !printable {
        let message =
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.";
        return Err(Error::Validation(message.to_owned()));
    }
    Ok(path)
}

/// What AWS's model says of a text: its length in characters, its pattern as AWS prints it, and the same as code.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    min: usize,
    max: usize,
    pattern: &'static str,
    allowed: fn(char) -> bool,
}

impl Text {
    pub(crate) const TAG_KEY: Self = Self { min: 1, max: 128, pattern: "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+", allowed: is_in_tags };
    pub(crate) const TAG_VALUE: Self = Self { min: 0, max: 256, pattern: "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", allowed: is_in_tags };
    pub(crate) const EXTERNAL_ID: Self = Self { min: 2, max: 1224, pattern: "[\\w+=,.@:\\/-]*", allowed: is_in_external_ids };
    /// Descriptions of roles and policies.
    pub(crate) const DESCRIPTION: Self =
        Self { min: 0, max: 1000, pattern: "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*", allowed: is_in_descriptions };

    /// Checks a text; `member` is the parameter that holds it.
    ///
    /// # Errors
    /// The first of its violations (K20).
    pub(crate) fn check(self, text: &str, member: &str) -> Result<(), Error> {
        let must = match text.chars().count() {
            length if length < self.min => format!("have length greater than or equal to {}", self.min),
            length if length > self.max => format!("have length less than or equal to {}", self.max),
            _ if !text.chars().all(self.allowed) => format!("satisfy regular expression pattern: {}", self.pattern),
            _ => return Ok(()),
        };
        Err(violation(text, member, &must))
    }
}

fn is_in_tags(char: char) -> bool {
    char.is_alphanumeric() || (char.is_whitespace() && !char.is_control()) || "_.:/=+-@".contains(char)
}

fn is_in_external_ids(char: char) -> bool {
    char.is_ascii_alphanumeric() || "_+=,.@:/-".contains(char)
}

fn is_in_descriptions(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}')
}

/// (K20)
pub(crate) fn violation(value: &str, member: &str, must: &str) -> Error {
    Error::Validation(format!("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {must}"))
}
