//! The query protocol: `Action=…&Tags.member.1.Key=…` as a tree that operations read themselves from (K260).

use std::collections::BTreeMap;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Deepest nesting of a parameter's name; AWS's own shapes need four levels.
const DEPTH_MAX: usize = 12;

/// Parameters of a request, by the segments of their names.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Parameters(BTreeMap<String, Node>);

#[derive(Debug, Eq, PartialEq)]
enum Node {
    Leaf(String),
    Branch(BTreeMap<String, Node>),
}

/// A request that does not read: AWS's sentence.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct QueryError(String);

impl Parameters {
    /// Reads a form, in a body or in a query string.
    ///
    /// # Errors
    /// When one name says two things.
    pub(crate) fn parse(form: &[u8]) -> Result<Self, QueryError> {
        let mut root = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(form) {
            // The signature's own parameters are nobody's input.
            if !name.starts_with("X-Amz-") {
                insert(&mut root, &name, &value)?;
            }
        }
        Ok(Self(root))
    }

    /// A parameter that is plain text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Node::Leaf(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a parameter is there, whatever it is.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Reads an operation's input.
    ///
    /// # Errors
    /// What is missing or not of its type, in AWS's words (K20).
    pub(crate) fn read<I: DeserializeOwned>(self) -> Result<I, QueryError> {
        I::deserialize(Node::Branch(self.0))
    }
}

fn insert(root: &mut BTreeMap<String, Node>, name: &str, value: &str) -> Result<(), QueryError> {
    let twice = || QueryError(format!("The parameter {name} is given more than once."));
    let segments: Vec<&str> = name.split('.').collect();
    let Some((last, branches)) = segments.split_last() else { return Ok(()) };
    if segments.len() > DEPTH_MAX {
        return Err(QueryError("A parameter's name has too many parts.".to_owned()));
    }
    let mut at = root;
    for segment in branches {
        match at.entry((*segment).to_owned()).or_insert_with(|| Node::Branch(BTreeMap::new())) {
            Node::Branch(next) => at = next,
            Node::Leaf(_) => return Err(twice()),
        }
    }
    match at.insert((*last).to_owned(), Node::Leaf(value.to_owned())) {
        None => Ok(()),
        Some(_) => Err(twice()),
    }
}

impl de::Error for QueryError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    /// (K21)
    fn missing_field(field: &'static str) -> Self {
        let mut chars = field.chars();
        let path: String = chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect();
        Self(format!("1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"))
    }
}

impl IntoDeserializer<'_, QueryError> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The elements of `X.member.1`, `X.member.2`, …, in the order of their numbers.
fn elements(branch: BTreeMap<String, Node>) -> Result<Vec<Node>, QueryError> {
    let Some(Node::Branch(members)) = branch.into_iter().find(|(name, _)| name == "member").map(|(_, members)| members) else {
        return Ok(Vec::new());
    };
    let numbered = members.into_iter().map(|(number, node)| match number.parse::<u32>() {
        Ok(number) => Ok((number, node)),
        Err(_) => Err(QueryError(format!("{number} is no number of a list's element."))),
    });
    let mut numbered = numbered.collect::<Result<Vec<_>, _>>()?;
    numbered.sort_unstable_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, node)| node).collect())
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
            match &self {
                Node::Leaf(text) => match text.parse::<$type>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(QueryError(format!("`{text}` is not a value of the parameter's type."))),
                },
                Node::Branch(_) => Err(QueryError("A plain value is needed where parts of one are given.".to_owned())),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Node {
    type Error = QueryError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        match self {
            Self::Leaf(text) => visitor.visit_string(text),
            Self::Branch(branch) => visitor.visit_map(MapDeserializer::new(branch.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        match self {
            // An empty list is sent as `X=`.
            Self::Leaf(text) if text.is_empty() => visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>())),
            Self::Leaf(_) => Err(QueryError("A list is needed where a plain value is given.".to_owned())),
            Self::Branch(branch) => visitor.visit_seq(SeqDeserializer::new(elements(branch)?.into_iter())),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_newtype_struct(self)
    }

    parsed! {
        deserialize_bool visit_bool bool,
        deserialize_i64 visit_i64 i64,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, Eq, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: String,
        value: String,
    }

    #[derive(Debug, Deserialize, Eq, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        user_name: String,
        max_items: Option<usize>,
        only_attached: Option<bool>,
        tags: Option<Vec<Tag>>,
    }

    fn check(form: &str, expected: Result<Input, &str>) {
        let read = Parameters::parse(form.as_bytes()).and_then(Parameters::read::<Input>);
        assert_eq!(read, expected.map_err(|message| QueryError(message.to_owned())), "{form}");
    }

    #[test]
    fn forms_read_as_inputs() {
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        let input = |name: &str| Input { user_name: name.into(), max_items: None, only_attached: None, tags: None };
        check("Action=X&Version=2010-05-08&UserName=a%20b", Ok(input("a b")));
        check("UserName=a&MaxItems=7&OnlyAttached=true", Ok(Input { max_items: Some(7), only_attached: Some(true), ..input("a") }));
        // [K260] Elements are in the order of their numbers, not of their text.
        let tags = "Tags.member.10.Key=z&Tags.member.10.Value=&Tags.member.2.Key=b&Tags.member.2.Value=1";
        check(&format!("UserName=a&{tags}"), Ok(Input { tags: Some(vec![tag("b", "1"), tag("z", "")]), ..input("a") }));
        check("UserName=a&Tags=", Ok(Input { tags: Some(vec![]), ..input("a") }));
        check("", Err("1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"));
        check("UserName=a&UserName=b", Err("The parameter UserName is given more than once."));
        check("UserName=a&MaxItems=many", Err("`many` is not a value of the parameter's type."));
        check("UserName.member.1=a", Err("invalid type: map, expected a string"));
    }
}
