//! A strict JSON reader that keeps where everything stood.
//!
//! Policies decide access, so their text is read one way only (T26): no duplicate keys pass unseen, no lone
//! surrogates, no trailing bytes, no depth beyond [`JSON_DEPTH_MAX`].

use serde::{Deserialize, Serialize};

/// Deepest nesting of arrays and objects that a policy may have (T26).
pub const JSON_DEPTH_MAX: usize = 32;

/// A half-open range of bytes of a document's text.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let clip = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: clip(start), end: clip(end) }
    }

    /// Whether `other` lies inside.
    pub fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Line and column of its first byte in the text, from 1; columns count characters.
    pub fn line_and_column(self, text: &str) -> (usize, usize) {
        let before = text.get(..self.start as usize).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
    }

    /// The text at this span, empty if it lies outside.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// One JSON value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A member of an object: its name, the name's place, its value. Duplicates are kept, in order.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) node: Node,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As written: `1e3` stays `1e3`.
    Number(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) at: Span,
    pub(crate) message: &'static str,
}

pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0 };
    reader.white_space();
    let node = reader.value(0)?;
    reader.white_space();
    if reader.at < reader.bytes.len() {
        return Err(reader.error("something follows the end of the document"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn error(&self, message: &'static str) -> SyntaxError {
        let start = self.at.min(self.bytes.len());
        let there = self.text.get(start..).and_then(|rest| rest.chars().next());
        SyntaxError { at: Span::new(start, start + there.map_or(0, char::len_utf8)), message }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        if depth > JSON_DEPTH_MAX {
            return Err(self.error("the document nests too deeply"));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return Err(self.error("a JSON value must stand here")),
            None => return Err(self.error("the document ends too early")),
        };
        Ok(Node { span: Span::new(start, self.at), value })
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, SyntaxError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("a JSON value must stand here"))
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.at += 1;
        let mut members = Vec::new();
        self.white_space();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.white_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a member's name in quotes must stand here"));
            }
            let start = self.at;
            let name = self.string()?;
            let name_span = Span::new(start, self.at);
            self.white_space();
            if !self.eat(b':') {
                return Err(self.error("a colon must follow the member's name"));
            }
            self.white_space();
            members.push(Member { name, name_span, node: self.value(depth + 1)? });
            self.white_space();
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.error("a comma or a closing brace must stand here"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.at += 1;
        let mut items = Vec::new();
        self.white_space();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            self.white_space();
            items.push(self.value(depth + 1)?);
            self.white_space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.error("a comma or a closing bracket must stand here"));
            }
        }
    }

    /// RFC 8259 §6: no leading zeros, no bare dot, no plus sign.
    fn number(&mut self) -> Result<Value, SyntaxError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') && self.digits() == 0 {
            return Err(self.error("a digit must stand here"));
        }
        if self.eat(b'.') && self.digits() == 0 {
            return Err(self.error("a digit must follow the decimal point"));
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("a digit must follow the exponent sign"));
            }
        }
        Ok(Value::Number(self.text.get(start..self.at).unwrap_or_default().to_owned()))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|b| b != b'"' && b != b'\\' && b >= 0x20) {
                self.at += 1;
            }
            // The scan stops at ASCII only, so both ends lie on character boundaries.
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.error("a control character must be escaped")),
                None => return Err(self.error("a string does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let escaped = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.error("this escape does not exist")),
        };
        self.at += 1;
        Ok(escaped)
    }

    fn unicode_escape(&mut self) -> Result<char, SyntaxError> {
        let first = self.four_hex_digits()?;
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.error("this is no character"));
        }
        let paired = first < 0xDC00 && self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"));
        if !paired {
            return Err(self.error("half of a surrogate pair stands alone"));
        }
        self.at += 1;
        let second = self.four_hex_digits()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(self.error("half of a surrogate pair stands alone"));
        }
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or_else(|| self.error("this is no character"))
    }

    /// Reads `uXXXX`, standing on the `u`.
    fn four_hex_digits(&mut self) -> Result<u32, SyntaxError> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.error("four hexadecimal digits must follow"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, accepted: bool) {
        assert_eq!(parse(text).is_ok(), accepted, "{text}");
    }

    #[test]
    fn json_is_read_strictly() {
        for good in ["{}", " [1, -0, 2.5e+3, true, null, \"\\u00e9\\ud83d\\ude00\"] ", "\"a\""] {
            check(good, true);
        }
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            ".5",
            "+1",
            "nul",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\t\"",
            "{} {}",
            "{a:1}",
            "'a'",
            "NaN",
            "\u{feff}{}",
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        check(&deep(JSON_DEPTH_MAX), true);
        check(&deep(JSON_DEPTH_MAX + 2), false);
    }

    #[test]
    fn an_error_points_at_a_whole_character() {
        for (text, expected) in [("{é", "é"), ("[1 ü]", "ü"), ("{", ""), ("\"\\ü\"", "ü")] {
            assert_eq!(parse(text).unwrap_err().at.of(text), expected, "{text}");
        }
    }

    #[test]
    fn spans_name_bytes() {
        let text = "{\"é\": [12]}";
        let Value::Object(members) = parse(text).unwrap().value else { panic!("object") };
        assert_eq!(members[0].name_span.of(text), "\"é\"");
        assert_eq!(members[0].node.span.of(text), "[12]");
        assert_eq!(members[0].node.span.line_and_column(text), (1, 7));
        assert_eq!(Span::new(6, 7).line_and_column("{\n \"é\"}"), (2, 4));
        assert_eq!(Span::new(99, 100).line_and_column("{\n}"), (2, 2));
    }
}
