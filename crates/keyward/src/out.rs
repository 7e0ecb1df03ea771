//! What commands print. Names that are stored were chosen by others, so nothing reaches a terminal that could move its cursor.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write as _};

use anyhow::Context;
use serde::Serialize;

/// Prints a line, or several.
///
/// # Errors
/// When they cannot be written, as on a full disk. A reader who has read enough, as `head` does, is no error: the command ends then.
pub(crate) fn line(text: impl Display) -> anyhow::Result<()> {
    verbatim(format!("{}\n", tame(&text.to_string())).as_bytes())
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// Prints bytes as they are, for other programs: completions, manual pages.
///
/// # Errors
/// As [`line()`].
pub(crate) fn verbatim(bytes: &[u8]) -> anyhow::Result<()> {
    match write(bytes) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.context("cannot write the output"),
    }
}

/// Prints a line for whoever still listens: a server goes on without.
pub(crate) fn announce(text: impl Display) {
    if let Err(error) = write(format!("{}\n", tame(&text.to_string())).as_bytes()) {
        tracing::debug!(%error, "nobody reads what is printed");
    }
}

/// Complains to whoever still listens.
pub(crate) fn complain(text: impl Display) {
    let _ = io::stderr().lock().write_all(format!("{}\n", tame(&text.to_string())).as_bytes());
}

/// A stored name in a table or a sentence: on one line whatever it holds (T63).
pub(crate) fn name(text: &str) -> String {
    escaped(text, |_| false)
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Text of several lines without what a terminal would obey. What remains is as valid as JSON as it was.
fn tame(text: &str) -> String {
    escaped(text, |char| matches!(char, '\n' | '\t'))
}

fn escaped(text: &str, keeps: impl Fn(char) -> bool) -> String {
    // Marks that change the direction of what follows.
    let turns = |char: char| matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut tamed = String::with_capacity(text.len());
    for char in text.chars() {
        if (char.is_control() || turns(char)) && !keeps(char) {
            let _ = write!(tamed, "\\u{:04x}", u32::from(char));
        } else {
            tamed.push(char);
        }
    }
    tamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t63_nothing_reaches_a_terminal_that_it_obeys() {
        assert_eq!(tame("two\nlines\tand \u{1b}[31mred\u{9b}x \u{202e}dne"), "two\nlines\tand \\u001b[31mred\\u009bx \\u202edne");
        assert_eq!(name("a\nb"), "a\\u000ab");
        assert_eq!(tame("Zürich ✓"), "Zürich ✓");
    }
}
