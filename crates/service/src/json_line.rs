//! JSON objects written straight into text, for records: one line each, and next to nothing in them needs an escape.

use std::fmt::{Display, Write as _};

/// An object that is being written. Member names are ours and plain.
pub(crate) struct Object<'o> {
    out: &'o mut String,
    is_empty: bool,
}

/// Adds an object to the text.
pub(crate) fn push_object(out: &mut String, members: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    members(&mut Object { out, is_empty: true });
    out.push('}');
}

impl Object<'_> {
    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        push_text(self.name(name), value);
    }

    /// Left out if there is none.
    pub(crate) fn text_if_any(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// As text, something that needs no escape: a time, an id.
    pub(crate) fn plain(&mut self, name: &'static str, value: impl Display) {
        let _ = write!(self.name(name), "\"{value}\"");
    }

    /// JSON as it is.
    pub(crate) fn raw(&mut self, name: &'static str, json: &str) {
        self.name(name).push_str(json);
    }

    pub(crate) fn object(&mut self, name: &'static str, members: impl FnOnce(&mut Object<'_>)) {
        push_object(self.name(name), members);
    }

    pub(crate) fn objects<T>(&mut self, name: &'static str, items: &[T], members: impl Fn(&T, &mut Object<'_>)) {
        let out = self.name(name);
        out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_object(out, |object| members(item, object));
        }
        out.push(']');
    }

    fn name(&mut self, name: &'static str) -> &mut String {
        self.out.push_str(if self.is_empty { "\"" } else { ",\"" });
        self.is_empty = false;
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out
    }
}

fn push_text(out: &mut String, text: &str) {
    // Every byte is looked at, whatever the first ones are: so the compiler takes many at a time.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\'));
    if is_plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        let _ = write!(out, "{}", serde_json::Value::from(text));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_stand_in_order() {
        let mut out = String::new();
        push_object(&mut out, |object| {
            object.text("a", "1");
            object.text_if_any("b", None);
            object.plain("c", 2);
            object.raw("d", "null");
            object.object("e", |object| object.text_if_any("f", Some("g")));
            object.objects("h", &["x", "y"], |item, object| object.text("i", item));
            object.objects("j", &[""; 0], |_, _| {});
        });
        assert_eq!(out, r#"{"a":"1","c":"2","d":null,"e":{"f":"g"},"h":[{"i":"x"},{"i":"y"}],"j":[]}"#);
    }

    proptest! {
        #[test]
        fn text_is_escaped_as_json_is(text in ".*|[\\x00-\\x7f]*") {
            let mut out = String::new();
            push_text(&mut out, &text);
            prop_assert_eq!(out, serde_json::to_string(&text).unwrap());
        }
    }
}
