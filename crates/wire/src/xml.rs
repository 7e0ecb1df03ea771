//! Answers of the query protocol (K261, K262).

use serde::Serialize;
use serde_json::Value;

/// A successful answer.
///
/// # Errors
/// When the output cannot be written, which is a bug.
pub(crate) fn answer(operation: &str, namespace: &str, request_id: &str, output: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut xml = format!("<{operation}Response xmlns=\"{namespace}\">");
    match serde_json::to_value(output)? {
        // Operations without output have no result element.
        Value::Object(members) if members.is_empty() => {}
        output => element(&mut xml, &format!("{operation}Result"), &output),
    }
    xml.push_str("<ResponseMetadata>");
    element(&mut xml, "RequestId", &request_id.into());
    xml.push_str("</ResponseMetadata>");
    xml.push_str(&format!("</{operation}Response>"));
    Ok(xml)
}

/// An error.
pub(crate) fn error(namespace: &str, request_id: &str, status: u16, code: &str, message: &str) -> String {
    let mut xml = format!("<ErrorResponse xmlns=\"{namespace}\"><Error>");
    element(&mut xml, "Type", &(if status >= 500 { "Receiver" } else { "Sender" }).into());
    element(&mut xml, "Code", &code.into());
    element(&mut xml, "Message", &message.into());
    xml.push_str("</Error>");
    element(&mut xml, "RequestId", &request_id.into());
    xml.push_str("</ErrorResponse>");
    xml
}

fn element(xml: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    xml.push_str(&format!("<{name}>"));
    match value {
        Value::Null => {}
        Value::Bool(value) => xml.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => xml.push_str(&number.to_string()),
        Value::String(text) => escape(xml, text),
        Value::Array(items) => items.iter().for_each(|item| element(xml, "member", item)),
        Value::Object(members) => members.iter().for_each(|(name, value)| match (name.as_str(), value) {
            // The entries of a map repeat its element; no list has this name.
            ("entry", Value::Array(entries)) => entries.iter().for_each(|entry| element(xml, name, entry)),
            _ => element(xml, name, value),
        }),
    }
    xml.push_str(&format!("</{name}>"));
}

/// XML 1.0 has no way to write most control characters: they become the replacement character.
fn escape(xml: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\r' => xml.push_str("&#13;"),
            '\t' | '\n' => xml.push(char),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            char => xml.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_members_and_nothing_breaks_out_of_its_element() {
        let output = json!({"Users": [{"UserName": "a<b>&\"c\u{1}", "N": 1}], "IsTruncated": false, "Marker": null});
        let xml = answer("ListUsers", "ns", "id", &output).unwrap();
        assert_eq!(
            xml,
            "<ListUsersResponse xmlns=\"ns\"><ListUsersResult><Users><member><UserName>a&lt;b&gt;&amp;&quot;c\u{fffd}</UserName><N>1</N></member></Users>\
             <IsTruncated>false</IsTruncated></ListUsersResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></ListUsersResponse>"
        );
        // A map.
        let output = json!({"Details": {"entry": [{"key": "a", "value": 1}, {"key": "b", "value": 2}]}});
        assert!(answer("X", "ns", "id", &output).unwrap().contains("<Details><entry><key>a</key><value>1</value></entry><entry><key>b</key>"));
        assert_eq!(
            answer("DeleteUser", "ns", "id", &json!({})).unwrap(),
            "<DeleteUserResponse xmlns=\"ns\"><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DeleteUserResponse>"
        );
    }
}
