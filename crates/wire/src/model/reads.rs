//! What operations read, as serde tells it: a member of AWS's model that an operation neither reads nor refuses would be ignored in
//! silence.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor, value::Error};
use serde::forward_to_deserialize_any;

use super::{Member, Operation, Shape};
use crate::validation::unsupported_members;

/// Members by the path of the structure in which they are; the request itself has the empty path.
type Reads = BTreeMap<String, Vec<&'static str>>;

fn reads<I: DeserializeOwned>() -> Reads {
    let mut reads = Reads::new();
    let _ = I::deserialize(Probe { path: String::new(), only: None, reads: &mut reads });
    for member in reads.get("").cloned().unwrap_or_default() {
        let _ = I::deserialize(Probe { path: String::new(), only: Some(member), reads: &mut reads });
    }
    reads
}

/// Offers one member, or none, and notes what is asked for.
struct Probe<'r> {
    path: String,
    only: Option<&'static str>,
    reads: &'r mut Reads,
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(self, _: &str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.reads.insert(self.path.clone(), fields.to_vec());
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no structure"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map enum identifier
        ignored_any
    }
}

impl<'de> MapAccess<'de> for Probe<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.only.map(|name| seed.deserialize(serde::de::value::StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let name = self.only.take().unwrap_or_default();
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        seed.deserialize(Probe { path, only: None, reads: self.reads })
    }
}

impl<'de> SeqAccess<'de> for Probe<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        seed.deserialize(Probe { path: self.path.clone(), only: None, reads: self.reads }).map(Some)
    }
}

/// The same of the model, without what the release refuses.
fn modelled(operation: &Operation) -> Reads {
    let mut modelled = Reads::new();
    let refused = unsupported_members(operation.name);
    modelled.insert(String::new(), operation.members.iter().map(|member| member.name).filter(|name| !refused.contains(name)).collect());
    for Member { name, shape, .. } in operation.members.iter().filter(|member| !refused.contains(&member.name)) {
        let structure = if let Shape::List { of, .. } = shape { of } else { shape };
        if let Shape::Structure(members) = structure {
            modelled.insert((*name).to_owned(), members.iter().map(|member| member.name).collect());
        }
    }
    modelled
}

fn sorted(mut reads: Reads) -> Reads {
    reads.values_mut().for_each(|members| members.sort_unstable());
    reads
}

fn check<I: keyward_service::Operate + DeserializeOwned>() {
    let operation = Operation::named(I::NAME).unwrap();
    for member in unsupported_members(I::NAME) {
        assert!(super::find(operation.members, member).is_some(), "{}.{member} is refused and nobody knows it", I::NAME);
    }
    assert_eq!(sorted(reads::<I>()), sorted(modelled(operation)), "what {} reads, and what it should", I::NAME);
}

macro_rules! check_all {
    ($($name:ident;)*) => {
        // [K6]
        #[test]
        fn every_member_of_the_model_is_read_or_refused() {
            $(check::<keyward_service::kms::$name>();)*
        }
    };
}

keyward_service::kms_operations!(check_all);
