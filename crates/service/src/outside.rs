//! The port to key stores outside: external key managers behind proxies, hardware security modules. Calls never wait on a thread for an answer: an
//! operation that needs one ends, and begins again when the answer is there. It is the same with a key that takes long to make.
//!
//! So nothing that a slow key store does holds up anybody else's call, and what was decided before the answer came is
//! decided once more with it: an access that ended in between is not honoured (T21).

use std::collections::VecDeque;

use keyward_crypto::{ExternalCiphertext, GenerateFailed, HSM_IV_BYTES, HsmCiphertext, KeyMaterial, KeySpec, MaterialId};
use keyward_policy::Region;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{Error, HsmFailure, ProxyFailure};

/// Whoever reaches key stores outside.
pub trait Outside: Send + Sync {
    /// Asks a proxy. `then` is called exactly once, at any time, on any thread.
    fn ask(&self, question: Question, then: Then);

    /// Whether an endpoint of this scheme and host is one that may be called at all (K136).
    fn takes_endpoint(&self, uri_endpoint: &str) -> bool;

    /// Asks the token that stands for a cluster. `then` is called exactly once, at any time, on any thread.
    fn ask_hsm(&self, _question: HsmQuestion, then: HsmThen) {
        then(Err(HsmFailure::NoToken));
    }

    /// Whether a token stands for this cluster (K135).
    fn has_cluster(&self, _cluster: &str) -> bool {
        false
    }
}

/// What happens with the answer of a proxy.
pub type Then = Box<dyn FnOnce(Result<Reply, ProxyFailure>) + Send>;
/// What happens with the answer of a token.
pub type HsmThen = Box<dyn FnOnce(Result<HsmReply, HsmFailure>) + Send>;

/// Where there is nothing outside: no endpoint is taken, and nobody answers.
pub struct NothingOutside;

impl Outside for NothingOutside {
    fn ask(&self, _: Question, then: Then) {
        then(Err(ProxyFailure::NoConnection));
    }

    fn takes_endpoint(&self, _: &str) -> bool {
        false
    }
}

/// A request to a proxy (K141).
pub struct Question {
    /// Where it goes, and as whom.
    pub proxy: ProxyAddress,
    /// Who stands behind it (K142).
    pub metadata: RequestMetadata,
    /// What it asks.
    pub request: ProxyRequest,
}

/// Where a proxy is, and as whom to call it.
pub struct ProxyAddress {
    /// `https://xks.example.com`
    pub uri_endpoint: String,
    /// `/prefix/kms/xks/v1`
    pub uri_path: String,
    /// The Region for which requests are signed.
    pub region: Region,
    /// Whose signature.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Zeroizing<String>,
}

/// What a proxy is told of the call behind its own (K142).
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the protocol's own members")]
pub struct RequestMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_principal_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_source_vpc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_source_vpce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    pub kms_operation: String,
    pub kms_request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_via_service: Option<String>,
}

/// What a proxy is asked; keys by their external ids.
pub enum ProxyRequest {
    /// How it is (K145).
    Health,
    /// What a key is (K143).
    Metadata {
        /// The external key.
        key: String,
    },
    /// (K144)
    Encrypt {
        /// The external key.
        key: String,
        /// Encrypted already, under our own material.
        plaintext: Vec<u8>,
        /// Additional data.
        aad: Vec<u8>,
    },
    /// (K144)
    Decrypt {
        /// The external key.
        key: String,
        /// What it made.
        ciphertext: ExternalCiphertext,
        /// Additional data.
        aad: Vec<u8>,
    },
}

/// What a proxy answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// (K145)
    Health(ProxyHealth),
    /// (K143)
    Metadata(ExternalKeyMetadata),
    /// (K144)
    Encrypted {
        /// The parts.
        ciphertext: ExternalCiphertext,
        /// The digest over them, which was asked for.
        integrity_value: Vec<u8>,
    },
    /// (K144) Still encrypted under our own material.
    Decrypted(Vec<u8>),
}

/// How a proxy says that it is (K145).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyHealth {
    /// `ACTIVE`, `DEGRADED` or `UNAVAILABLE`, of each external key manager.
    pub managers: Vec<String>,
}

/// What a proxy says of a key (K143).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalKeyMetadata {
    /// `AES_256`
    pub spec: String,
    /// `ENCRYPT`, `DECRYPT`, …
    pub usage: Vec<String>,
    /// `ENABLED` or `DISABLED`
    pub status: String,
}

/// A request to the token that stands for a cluster of hardware security modules.
pub struct HsmQuestion {
    /// `cluster-…`
    pub cluster: String,
    /// The password of `kmsuser`, as whom everything is done.
    pub password: Zeroizing<String>,
    /// What it asks.
    pub request: HsmRequest,
}

/// What a token is asked. Keys are found by the ids that they were given.
pub enum HsmRequest {
    /// To take the password (K137). Without it, whoever was logged out stays so.
    LogIn,
    /// To forget that it took it.
    LogOut,
    /// To make an AES key of 256 bits that never leaves it.
    Generate {
        /// By which it is found.
        key: MaterialId,
        /// For people.
        label: String,
    },
    /// AES-GCM, the tag behind the ciphertext.
    Encrypt {
        /// The key.
        key: MaterialId,
        /// Ours; the token may take another one, and tells it.
        iv: [u8; HSM_IV_BYTES],
        /// Additional data.
        aad: Vec<u8>,
        /// What it encrypts.
        plaintext: Zeroizing<Vec<u8>>,
    },
    /// The way back.
    Decrypt {
        /// The key.
        key: MaterialId,
        /// What it made.
        ciphertext: HsmCiphertext,
        /// Additional data.
        aad: Vec<u8>,
    },
    /// Random bytes.
    Random {
        /// How many.
        length: usize,
    },
    /// To destroy a key for good.
    Destroy {
        /// The key.
        key: MaterialId,
    },
}

/// What a token answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HsmReply {
    /// It did what it was asked.
    Done,
    /// What it encrypted.
    Encrypted(HsmCiphertext),
    /// What it decrypted, or drew.
    Bytes(Zeroizing<Vec<u8>>),
}

/// What a question is about: an answer counts only where the same is asked again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Topic(pub(crate) String);

/// What a call asked outside, and heard.
#[derive(Default)]
pub(crate) struct Conversation {
    /// In the order in which it was asked.
    heard: Vec<(Topic, Heard)>,
    /// How many of them this run of the operation has used.
    used: usize,
    /// How often anything was asked.
    asked: usize,
    open: VecDeque<(Topic, Asked)>,
    /// What was drawn before the question, and belongs to its answer.
    kept: Option<Zeroizing<Vec<u8>>>,
    /// The key that is to be made, which takes long; then the key.
    to_make: Option<KeySpec>,
    made: Option<Result<KeyMaterial, GenerateFailed>>,
}

/// An answer, by who gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    Proxy(Result<Reply, ProxyFailure>),
    Hsm(Result<HsmReply, HsmFailure>),
}

/// A question, by who is asked.
pub(crate) enum Asked {
    Proxy(Box<Question>),
    Hsm(Box<HsmQuestion>),
}

/// What an operation waits for.
pub(crate) enum Open {
    /// An answer from outside.
    Question(Topic, Asked),
    /// A key of this spec.
    Key(KeySpec),
}

/// Most questions of one call: ReEncrypt has two, and each may be about something else the second time.
const QUESTIONS_MAX: usize = 4;

impl Conversation {
    /// Whether nothing was heard yet: the operation begins for the first time.
    pub(crate) fn is_new(&self) -> bool {
        self.heard.is_empty() && self.made.is_none()
    }

    /// What a proxy said of this, or [`Error::Waiting`] once the question is noted.
    pub(crate) fn ask(&mut self, topic: Topic, question: impl FnOnce() -> Result<Question, Error>) -> Result<Result<Reply, ProxyFailure>, Error> {
        match self.heard_of(topic, || question().map(|question| Asked::Proxy(Box::new(question))))? {
            Heard::Proxy(reply) => Ok(reply),
            Heard::Hsm(_) => Err(Error::Internal("a token answered for a proxy")),
        }
    }

    /// What a token said of this, or [`Error::Waiting`] once the question is noted.
    pub(crate) fn ask_hsm(
        &mut self,
        topic: Topic,
        question: impl FnOnce() -> Result<HsmQuestion, Error>,
    ) -> Result<Result<HsmReply, HsmFailure>, Error> {
        match self.heard_of(topic, || question().map(|question| Asked::Hsm(Box::new(question))))? {
            Heard::Hsm(reply) => Ok(reply),
            Heard::Proxy(_) => Err(Error::Internal("a proxy answered for a token")),
        }
    }

    fn heard_of(&mut self, topic: Topic, question: impl FnOnce() -> Result<Asked, Error>) -> Result<Heard, Error> {
        match self.heard.get(self.used) {
            Some((about, reply)) if *about == topic => {
                self.used += 1;
                return Ok(reply.clone());
            }
            // What is asked has changed since: an alias points elsewhere, a store has another proxy.
            Some(_) => self.heard.truncate(self.used),
            None => {}
        }
        if self.asked >= QUESTIONS_MAX {
            return Err(Error::Internal("a call asks outside again and again"));
        }
        self.asked += 1;
        self.open.push_back((topic, question()?));
        Err(Error::Waiting)
    }

    /// Bytes that must be the same when the operation begins again.
    pub(crate) fn keep(&mut self, draw: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, Error>) -> Result<Zeroizing<Vec<u8>>, Error> {
        match &self.kept {
            Some(kept) => Ok(kept.clone()),
            None => {
                let drawn = draw()?;
                self.kept = Some(drawn.clone());
                Ok(drawn)
            }
        }
    }

    /// The key of a spec that takes long to make, or [`Error::Waiting`] once it is noted.
    pub(crate) fn make(&mut self, spec: KeySpec) -> Result<Result<KeyMaterial, GenerateFailed>, Error> {
        if self.made.as_ref().is_some_and(|made| made.as_ref().is_ok_and(|key| key.spec() != spec)) {
            return Err(Error::Internal("a key was made that nobody asked for"));
        }
        self.made.take().ok_or_else(|| {
            self.to_make = Some(spec);
            Error::Waiting
        })
    }

    /// What the operation ended for.
    pub(crate) fn open(&mut self) -> Option<Open> {
        let question = self.open.pop_front().map(|(topic, question)| Open::Question(topic, question));
        question.or_else(|| self.to_make.take().map(Open::Key))
    }

    /// Takes over a key that was made, for the operation to begin again.
    pub(crate) fn take_made(&mut self, key: Result<KeyMaterial, GenerateFailed>) {
        self.made = Some(key);
        self.used = 0;
    }

    /// Notes an answer, for the operation to begin again.
    pub(crate) fn hear(&mut self, topic: Topic, reply: Heard) {
        self.heard.push((topic, reply));
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic(text.to_owned())
    }

    fn open(talk: &mut Conversation) -> Option<Topic> {
        match talk.open() {
            Some(Open::Question(topic, _)) => Some(topic),
            _ => None,
        }
    }

    fn question() -> Result<Question, Error> {
        Ok(Question {
            proxy: ProxyAddress {
                uri_endpoint: "https://a".into(),
                uri_path: "/kms/xks/v1".into(),
                region: "us-east-1".parse().unwrap(),
                access_key_id: String::new(),
                secret_access_key: Zeroizing::default(),
            },
            metadata: RequestMetadata::default(),
            request: ProxyRequest::Health,
        })
    }

    #[test]
    fn an_answer_is_found_again_by_the_same_question_in_the_same_place() {
        let mut talk = Conversation::default();
        let heard = |text: &str| Ok(Reply::Decrypted(text.as_bytes().to_vec()));
        assert_eq!(talk.ask(topic("a"), question), Err(Error::Waiting));
        assert_eq!(open(&mut talk), Some(topic("a")));
        talk.hear(topic("a"), Heard::Proxy(heard("1")));
        assert_eq!(talk.ask(topic("a"), question), Ok(heard("1")));
        assert_eq!(talk.ask(topic("b"), question), Err(Error::Waiting));
        let _ = talk.open();
        talk.hear(topic("b"), Heard::Proxy(heard("2")));
        assert_eq!(talk.ask(topic("a"), question), Ok(heard("1")));
        assert_eq!(talk.ask(topic("b"), question), Ok(heard("2")));
    }

    #[test]
    fn t22_an_answer_about_something_else_is_no_answer() {
        let mut talk = Conversation::default();
        let _ = talk.ask(topic("a"), question);
        let _ = talk.open();
        talk.hear(topic("a"), Heard::Proxy(Ok(Reply::Decrypted(Vec::new()))));
        assert_eq!(talk.ask(topic("b"), question), Err(Error::Waiting));
        assert_eq!(open(&mut talk), Some(topic("b")));
    }

    #[test]
    fn a_key_that_was_made_is_used_once_and_for_its_spec() {
        struct Sevens;
        impl keyward_crypto::Entropy for Sevens {
            fn fill(&self, bytes: &mut [u8]) -> Result<(), keyward_crypto::EntropyFailed> {
                bytes.fill(7);
                Ok(())
            }
        }
        let mut talk = Conversation::default();
        assert!(matches!(talk.make(KeySpec::Hmac256), Err(Error::Waiting)) && talk.is_new());
        assert!(matches!(talk.open(), Some(Open::Key(KeySpec::Hmac256))));
        talk.take_made(KeyMaterial::generate(KeySpec::Hmac256, &Sevens));
        assert!(!talk.is_new());
        assert!(matches!(talk.make(KeySpec::Rsa4096), Err(Error::Internal(_))));
        assert!(talk.make(KeySpec::Hmac256).is_ok_and(|made| made.is_ok_and(|key| key.spec() == KeySpec::Hmac256)));
        assert!(matches!(talk.make(KeySpec::Hmac256), Err(Error::Waiting)));
    }

    #[test]
    fn a_call_asks_only_so_often() {
        let mut talk = Conversation::default();
        let asked = (0..10).filter(|at| talk.ask(topic(&at.to_string()), question) == Err(Error::Waiting)).count();
        assert_eq!(asked, QUESTIONS_MAX);
    }
}
