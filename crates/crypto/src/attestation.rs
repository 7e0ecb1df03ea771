//! Attestation documents of Nitro enclaves and of NitroTPM (K156): who vouches for a machine, what was measured of it, and the
//! public key under which answers go to it.
//!
//! A document is a COSE_Sign1 (RFC 9052, section 4.2) of ES384. Its payload, a map in CBOR, brings the certificate of whoever
//! signed it and the chain above that; the root is the reader's to name. CBOR is read by a library; COSE_Sign1 is one array of
//! four and one array of four to verify, which needs none.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use ciborium::Value;
use ciborium::de::from_reader_with_recursion_limit;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::aws_lc_rs::ECDSA_P384_SHA384;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::cms;
use crate::entropy::Entropy;
use crate::envelope::SealFailed;
use crate::hex;
use crate::public_key::PublicKey;
use crate::spec::KeySpec;

/// The longest document that is read (K156), in bytes.
pub const ATTESTATION_DOCUMENT_BYTES_MAX: usize = 262_144;

/// How far the time of a document may be from now. AWS tells no number; the examples of its clients fetch a document for each
/// call, and one that is kept longer than this is refused.
pub const ATTESTATION_AGE_MAX: Duration = Duration::from_secs(300);

/// The certificates that vouch for attestation documents, in the end. None of them: nothing is attested.
#[derive(Clone, Debug, Default)]
pub struct AttestationRoots(Vec<TrustAnchor<'static>>);

/// A file without a certificate, or with one that does not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no certificate in PEM form in it, or one that cannot be read")]
pub struct NotARoot;

impl AttestationRoots {
    /// Reads the certificates of a PEM file, at least one.
    ///
    /// # Errors
    /// [`NotARoot`]
    pub fn from_pem(pem: &[u8]) -> Result<Self, NotARoot> {
        let anchor = |certificate: CertificateDer<'static>| anchor_from_trusted_cert(&certificate).map(|anchor| anchor.to_owned());
        let read = CertificateDer::pem_slice_iter(pem).map(|read| read.ok().and_then(|certificate| anchor(certificate).ok()).ok_or(NotARoot));
        let anchors = read.collect::<Result<Vec<_>, _>>()?;
        if anchors.is_empty() { Err(NotARoot) } else { Ok(Self(anchors)) }
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Who attests: their registers mean different things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attester {
    /// The Nitro hypervisor, for an enclave.
    NitroEnclave,
    /// NitroTPM, for an instance.
    NitroTpm,
}

/// What a verified document says.
///
/// INVARIANT: only [`attest`] makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attestation {
    attester: Attester,
    module_id: String,
    pcrs: BTreeMap<u8, String>,
    public_key: PublicKey,
}

/// Why a document is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAttested {
    /// Not the form of an attestation document.
    #[error("it has not the form of one: {0}")]
    Form(&'static str),
    /// Whoever signed it is not vouched for, or not at this time.
    #[error("no configured root vouches at this time for the certificate that signed it")]
    Certificate,
    /// Something else was signed, or somebody else did it.
    #[error("its signature does not verify")]
    Signature,
    /// Older than [`ATTESTATION_AGE_MAX`], or that far in the future.
    #[error("its timestamp is not within 5 minutes of now")]
    Age,
    /// Nothing to encrypt under.
    #[error("it has no public_key that is an RSA key of 2048, 3072 or 4096 bits as DER SubjectPublicKeyInfo")]
    PublicKey,
}

/// Verifies a document at a moment, in time since 1970: signature, certificates up to one of the roots, age; and that there is
/// a key to encrypt under (K156).
///
/// # Errors
/// [`NotAttested`], with the reason.
pub fn attest(document: &[u8], roots: &AttestationRoots, now: Duration) -> Result<Attestation, NotAttested> {
    let signed = Signed::parse(document)?;
    let claims = Claims::parse(&signed.payload)?;
    let certificate = CertificateDer::from(claims.certificate.as_slice());
    let leaf = EndEntityCert::try_from(&certificate).map_err(|_| NotAttested::Certificate)?;
    // One signature, before all those of the chain.
    let signer = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, leaf.subject_public_key_info());
    signer.verify(&signed.to_be_signed()?, &signed.signature).map_err(|_| NotAttested::Signature)?;
    let between: Vec<_> = claims.cabundle.iter().map(|certificate| CertificateDer::from(certificate.as_slice())).collect();
    // A leaf of AWS has no extended key usage, and one that has it must be a client's.
    leaf.verify_for_usage(&[ECDSA_P384_SHA384], &roots.0, &between, UnixTime::since_unix_epoch(now), KeyUsage::client_auth(), None, None)
        .map_err(|_| NotAttested::Certificate)?;
    if now.abs_diff(claims.timestamp) > ATTESTATION_AGE_MAX {
        return Err(NotAttested::Age);
    }
    let bytes = claims.public_key.ok_or(NotAttested::PublicKey)?;
    let specs = [KeySpec::Rsa2048, KeySpec::Rsa3072, KeySpec::Rsa4096];
    let public_key = specs.into_iter().find_map(|spec| PublicKey::from_der(spec, &bytes).ok()).ok_or(NotAttested::PublicKey)?;
    let Claims { attester, module_id, pcrs, .. } = claims;
    Ok(Attestation { attester, module_id, pcrs, public_key })
}

impl Attestation {
    /// Who attests.
    #[must_use]
    pub fn attester(&self) -> Attester {
        self.attester
    }

    /// Which enclave or instance this is: `i-…-enc…`.
    #[must_use]
    pub fn module_id(&self) -> &str {
        &self.module_id
    }

    /// The platform configuration registers, in lower-case hexadecimal (A566).
    #[must_use]
    pub fn pcrs(&self) -> &BTreeMap<u8, String> {
        &self.pcrs
    }

    /// `CiphertextForRecipient`: what only the holder of the private key reads (K156).
    ///
    /// # Errors
    /// [`SealFailed`], if there is no randomness.
    pub fn seal(&self, plaintext: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealFailed> {
        cms::enveloped(&self.public_key, plaintext, entropy)
    }
}

/// The parts of a COSE_Sign1 that count.
struct Signed {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    fn parse(document: &[u8]) -> Result<Self, NotAttested> {
        if document.len() > ATTESTATION_DOCUMENT_BYTES_MAX {
            return Err(NotAttested::Form("it is longer than 262144 bytes"));
        }
        let array = match one_value(document)? {
            Value::Tag(COSE_SIGN1, inner) => *inner,
            other => other,
        };
        let parts: Result<[Value; 4], _> = array.into_array().map_err(|_| NOT_SIGN1)?.try_into();
        match parts.map_err(|_| NOT_SIGN1)? {
            // Nothing of the unprotected header is signed, so nothing may stand there. What is protected is the algorithm alone:
            // there is no other header to understand, and none to misunderstand.
            [Value::Bytes(protected), Value::Map(unprotected), Value::Bytes(payload), Value::Bytes(signature)] if unprotected.is_empty() => {
                match protected.as_slice() == ES384_ALONE {
                    true => Ok(Self { payload, signature }),
                    false => Err(NotAttested::Form("its protected header is not that of ES384 alone")),
                }
            }
            _ => Err(NOT_SIGN1),
        }
    }

    /// Sig_structure (RFC 9052, section 4.4), without external data.
    fn to_be_signed(&self) -> Result<Vec<u8>, NotAttested> {
        let parts = vec![
            Value::Text("Signature1".to_owned()),
            Value::Bytes(ES384_ALONE.to_vec()),
            Value::Bytes(Vec::new()),
            Value::Bytes(self.payload.clone()),
        ];
        let mut bytes = Vec::with_capacity(self.payload.len() + 32);
        ciborium::into_writer(&Value::Array(parts), &mut bytes).map_err(|_| NOT_SIGN1)?;
        Ok(bytes)
    }
}

const NOT_SIGN1: NotAttested = NotAttested::Form("it is not one COSE_Sign1");

/// (RFC 9052, table 1)
const COSE_SIGN1: u64 = 18;

/// `{1: -35}`: the algorithm is ES384 (RFC 9053, table 1).
const ES384_ALONE: &[u8] = &[0xa1, 1, 0x38, 0x22];

/// What the payload says; nothing of it is believed yet.
struct Claims {
    attester: Attester,
    module_id: String,
    timestamp: Duration,
    pcrs: BTreeMap<u8, String>,
    certificate: Vec<u8>,
    cabundle: Vec<Vec<u8>>,
    public_key: Option<Vec<u8>>,
}

impl Claims {
    /// What the document must have is what AWS publishes of its form. Members beyond that are the signer's own.
    fn parse(payload: &[u8]) -> Result<Self, NotAttested> {
        let mut members = Members::of(one_value(payload)?)?;
        if members.take("digest").and_then(|digest| digest.into_text().ok()).as_deref() != Some("SHA384") {
            return Err(NotAttested::Form("its digest is not SHA384"));
        }
        let module_id = members.take("module_id").and_then(|id| id.into_text().ok()).filter(|id| (1..=MODULE_ID_BYTES_MAX).contains(&id.len()));
        let timestamp = members.take("timestamp").and_then(|time| u64::try_from(time.as_integer()?).ok());
        let (attester, pcrs) = match (members.take("pcrs"), members.take("nitrotpm_pcrs")) {
            (Some(pcrs), None) => (Attester::NitroEnclave, pcrs),
            (None, Some(pcrs)) => (Attester::NitroTpm, pcrs),
            _ => return Err(NotAttested::Form("it has not one map of pcrs or nitrotpm_pcrs")),
        };
        let certificate = members.take("certificate").and_then(bytes);
        let cabundle = members.take("cabundle").and_then(|bundle| bundle.into_array().ok()).filter(|bundle| bundle.len() <= CABUNDLE_MAX);
        let public_key = members.take("public_key").map(|key| bytes(key).ok_or(NotAttested::PublicKey)).transpose()?;
        for optional in ["user_data", "nonce"] {
            members.take(optional).map_or(Some(Vec::new()), bytes).ok_or(NotAttested::Form("its user_data or nonce is not of bytes"))?;
        }
        Ok(Self {
            attester,
            module_id: module_id.ok_or(NotAttested::Form("it has no module_id"))?,
            timestamp: timestamp.map(Duration::from_millis).ok_or(NotAttested::Form("it has no timestamp"))?,
            pcrs: registers(pcrs)?,
            certificate: certificate.ok_or(NotAttested::Form("it has no certificate"))?,
            cabundle: cabundle
                .and_then(|bundle| bundle.into_iter().map(bytes).collect())
                .ok_or(NotAttested::Form("it has no cabundle of certificates"))?,
            public_key,
        })
    }
}

/// How many bytes of a name are taken, how many certificates between leaf and root. AWS's documents have four.
const MODULE_ID_BYTES_MAX: usize = 256;
const CABUNDLE_MAX: usize = 16;

/// The members of a map whose names are text, each once.
struct Members(BTreeMap<String, Value>);

impl Members {
    fn of(map: Value) -> Result<Self, NotAttested> {
        let mut members = BTreeMap::new();
        for (name, value) in map.into_map().map_err(|_| NotAttested::Form("its payload is not a map"))? {
            let name = name.into_text().map_err(|_| NotAttested::Form("a member of its payload has no name"))?;
            if members.insert(name, value).is_some() {
                return Err(NotAttested::Form("a member of its payload is there twice"));
            }
        }
        Ok(Self(members))
    }

    /// A member that is there and not null.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }
}

/// Registers 0–31, each once, of the length of a hash.
fn registers(pcrs: Value) -> Result<BTreeMap<u8, String>, NotAttested> {
    const FORM: NotAttested = NotAttested::Form("its PCRs are not registers 0–31, each with a hash");
    let mut registers = BTreeMap::new();
    for (number, value) in pcrs.into_map().map_err(|_| FORM)? {
        let number = number.as_integer().and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 32).ok_or(FORM)?;
        let value = bytes(value).filter(|value| [32, 48, 64].contains(&value.len())).ok_or(FORM)?;
        if registers.insert(number, hex::encode(&value)).is_some() {
            return Err(FORM);
        }
    }
    if registers.is_empty() { Err(FORM) } else { Ok(registers) }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    value.into_bytes().ok()
}

/// One value and nothing behind it, nested no deeper than documents are.
fn one_value(bytes: &[u8]) -> Result<Value, NotAttested> {
    const DEPTH_MAX: usize = 8;
    let mut rest = bytes;
    let value = from_reader_with_recursion_limit(&mut rest, DEPTH_MAX).map_err(|_| NotAttested::Form("it is not CBOR"))?;
    if rest.is_empty() { Ok(value) } else { Err(NotAttested::Form("something stands behind it")) }
}

#[cfg(test)]
mod tests;
