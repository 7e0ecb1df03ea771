//! A Rust file told apart, line by line, into code, comments and strings, with the lines that only tests compile marked.
//! Enough of Rust's lexical grammar to search without being fooled; not a parser.

use std::sync::LazyLock;

use regex::Regex;

/// One line of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// The code, comments left out, literals emptied to `""` and `' '`.
    pub code: String,
    /// The comments, doc comments included, without the code between them.
    pub comment: String,
    /// What stands in string literals; a literal over several lines has an entry on each.
    pub strings: Vec<String>,
    /// Compiled for tests only: below `#[cfg(test)]` or `#[test]`.
    pub in_test: bool,
}

/// Tells a file apart. The first line is at index 0.
#[must_use]
pub fn read(text: &str) -> Vec<Line> {
    let mut lines = Reader::new(text).read();
    mark_tests(&mut lines);
    lines
}

/// Everything a piece of code names as a path (`std::time::Instant`, `println!`, a lone word), with the index of its
/// line. The groups and renames of `use` are spelled out: `use std::{fs, io as i};` names `std::fs` and `std::io`.
#[must_use]
pub fn paths(lines: &[Line]) -> Vec<(usize, String)> {
    static PATH: LazyLock<Regex> = LazyLock::new(|| regex(r"[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)*(?:!(?:[^=]|$))?"));
    static USE: LazyLock<Regex> = LazyLock::new(|| regex(r"\buse\s([^;]*);"));
    let code = joined(lines);
    let mut paths = Vec::new();
    for found in PATH.find_iter(&code) {
        let path: String = found.as_str().chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '!')).collect();
        paths.push((line_of(&code, found.start()), path));
    }
    for found in USE.captures_iter(&code) {
        if let Some(tree) = found.get(1) {
            let line = line_of(&code, tree.start());
            paths.extend(spelled_out(tree.as_str()).into_iter().map(|path| (line, path)));
        }
    }
    paths
}

/// The paths that the tree of a `use` stands for.
fn spelled_out(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![path.chars().filter(|c| !c.is_whitespace()).collect::<String>().trim_start_matches("::").to_owned()];
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let prefix: String = prefix.chars().filter(|c| !c.is_whitespace()).collect();
    at_top_level(group, ',').into_iter().flat_map(spelled_out).filter(|path| !path.is_empty()).map(|path| format!("{prefix}{path}")).collect()
}

/// `text` cut at each `separator` outside braces.
fn at_top_level(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if c == separator && depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

/// Marks the items below `#[cfg(test)]` and `#[test]`: to the end of their braces, or to the `;` if they have none.
fn mark_tests(lines: &mut [Line]) {
    static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| regex(r"#(!?)\[\s*(?:test\s*\]|cfg\s*\(\s*(?:all\s*\(\s*)?test\b)"));
    let code = joined(lines);
    let mut tests = Vec::new();
    for found in ATTRIBUTE.captures_iter(&code) {
        let Some(whole) = found.get(0) else { continue };
        let inner = found.get(1).is_some_and(|bang| !bang.is_empty());
        let end = if inner { code.len() } else { end_of_item(&code, whole.start()) };
        tests.push(line_of(&code, whole.start())..=line_of(&code, end));
    }
    for (number, line) in lines.iter_mut().enumerate() {
        line.in_test = tests.iter().any(|test| test.contains(&number));
    }
}

/// Where the item whose attributes begin at `start` ends.
fn end_of_item(code: &str, start: usize) -> usize {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (at, c) in code.get(start..).unwrap_or_default().char_indices() {
        match c {
            '[' | '(' => others += 1,
            ']' | ')' => others = others.saturating_sub(1),
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        if others == 0 && braces == 0 && matches!(c, '}' | ';') {
            return start + at;
        }
    }
    code.len()
}

fn joined(lines: &[Line]) -> String {
    lines.iter().map(|line| line.code.as_str()).collect::<Vec<_>>().join("\n")
}

fn line_of(code: &str, at: usize) -> usize {
    code.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// A pattern of this crate, which is written correctly or fails the first test that runs it.
#[expect(clippy::expect_used, reason = "the patterns are literals of this crate")]
pub(crate) fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern that compiles")
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    lines: Vec<Line>,
    line: Line,
}

impl Reader {
    fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0, lines: Vec::new(), line: Line::default() }
    }

    fn read(mut self) -> Vec<Line> {
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('r', _) if let Some(hashes) = self.raw_string() => self.raw(hashes),
                ('\'', Some('\\')) => self.char(3),
                ('\'', Some(_)) if self.peek(2) == Some('\'') => self.char(2),
                _ => {
                    if c != '\n' {
                        self.line.code.push(c);
                    }
                    self.advance();
                }
            }
        }
        self.lines.push(self.line);
        self.lines
    }

    fn line_comment(&mut self) {
        while let Some(c) = self.peek(0).filter(|c| *c != '\n') {
            self.line.comment.push(c);
            self.advance();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    if c != '\n' {
                        self.line.comment.push(c);
                    }
                    self.advance();
                    continue;
                }
            }
            self.advance();
            self.advance();
            if depth == 0 {
                self.line.code.push(' ');
                return;
            }
        }
    }

    fn string(&mut self) {
        self.line.code.push_str("\"\"");
        self.advance();
        let mut content = String::new();
        while let Some(c) = self.peek(0) {
            if c == '"' {
                self.advance();
                break;
            }
            if c == '\\' {
                content.push(c);
                self.advance();
            }
            self.part_of_string(&mut content);
        }
        self.line.strings.push(content);
    }

    fn raw(&mut self, hashes: usize) {
        self.line.code.push_str("\"\"");
        for _ in 0..hashes + 2 {
            self.advance();
        }
        let mut content = String::new();
        while let Some(c) = self.peek(0) {
            if c == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                for _ in 0..=hashes {
                    self.advance();
                }
                break;
            }
            self.part_of_string(&mut content);
        }
        self.line.strings.push(content);
    }

    /// Takes one character into the string, which at the end of a line is entered there.
    fn part_of_string(&mut self, content: &mut String) {
        match self.peek(0) {
            Some('\n') => self.line.strings.push(std::mem::take(content)),
            Some(c) => content.push(c),
            None => {}
        }
        self.advance();
    }

    /// A character literal: up to the `'` at or after `least` characters.
    fn char(&mut self, least: usize) {
        self.line.code.push_str("' '");
        let mut taken = 0;
        while let Some(c) = self.peek(0) {
            self.advance();
            if taken >= least && c == '\'' {
                break;
            }
            taken += 1;
        }
    }

    /// The number of `#` if a raw string (`r"`, `br#"`, …) begins at this `r`.
    fn raw_string(&self) -> Option<usize> {
        let before = self.at.checked_sub(1).and_then(|at| self.chars.get(at));
        let before = if before.is_some_and(|c| matches!(c, 'b' | 'c')) { self.at.checked_sub(2).and_then(|at| self.chars.get(at)) } else { before };
        if before.is_some_and(|c| c.is_alphanumeric() || *c == '_') {
            return None;
        }
        let hashes = self.chars.iter().skip(self.at + 1).take_while(|c| **c == '#').count();
        (self.peek(hashes + 1) == Some('"')).then_some(hashes)
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn advance(&mut self) {
        if self.peek(0) == Some('\n') {
            self.lines.push(std::mem::take(&mut self.line));
        }
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> String {
        joined(&read(text))
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        assert_eq!(codes(r#"a /* b /* c */ d */ e "f // g" h // i"#), "a   e \"\" h ");
        assert_eq!(codes("let s = r#\"x \" y\"#; z"), "let s = \"\"; z");
        assert_eq!(codes(r#"b"\"x" c"#), "b\"\" c");
        assert_eq!(codes(r##"let r#type = br"x";"##), "let r#type = b\"\";");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        assert_eq!(codes(r"fn f<'a>(x: &'a str) { '\''; '\u{41}'; '\\'; 'a'; '/' }"), "fn f<'a>(x: &'a str) { ' '; ' '; ' '; ' '; ' ' }");
    }

    #[test]
    fn a_string_over_two_lines_is_on_both() {
        let lines = read("let s = \"one\ntwo\"; // why");
        assert_eq!(lines.first().map(|line| line.strings.clone()), Some(vec!["one".to_owned()]));
        assert_eq!(lines.get(1).map(|line| (line.strings.clone(), line.code.clone(), line.comment.clone())), {
            Some((vec!["two".to_owned()], "; ".to_owned(), "// why".to_owned()))
        });
    }

    #[test]
    fn what_only_tests_compile_is_marked() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod d;\nfn e() {}\n#[test]\nfn f() {\n}\n";
        let marked: Vec<_> = read(text).iter().map(|line| line.in_test).collect();
        assert_eq!(marked, [false, true, true, true, true, false, true, true, false, true, true, true, false]);
    }

    #[test]
    fn a_use_is_spelled_out() {
        let paths: Vec<_> = paths(&read("use std::{fs, net::{IpAddr, TcpStream as T}, io::*};")).into_iter().map(|(_, path)| path).collect();
        for path in ["std::fs", "std::net::IpAddr", "std::net::TcpStream", "std::io::*"] {
            assert!(paths.iter().any(|p| p == path), "{path} in {paths:?}");
        }
    }
}
