//! `Recipient` (K156): plaintexts that go only to a machine that somebody trusted vouches for.

use std::collections::BTreeMap;
use std::time::Duration;

use keyward_crypto::{Attestation, Attester, attest};
use serde::{Deserialize, Serialize};

use super::using::required;
use super::{Answer, Blob};
use crate::call::Call;
use crate::error::Error;

/// Who is to read an answer.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Recipient {
    pub attestation_document: Option<Blob>,
    /// There is one, and the model lets no other pass.
    pub key_encryption_algorithm: Option<String>,
}

/// A recipient whose document was verified. Nobody else is told to policies, and under no other key is an answer encrypted.
pub(super) struct Attested {
    attestation: Attestation,
    values: BTreeMap<String, String>,
}

impl Attested {
    /// (A566) What of `kms:RecipientAttestation:` has which value.
    pub(super) fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }
}

/// Verifies who is to read the answer, before anything is decided; the record says who it is, also that of a refusal.
///
/// # Errors
/// [`Error::Validation`] for a document that is not believed, and for every one while no root is configured.
pub(super) fn attested(call: &mut Call<'_>, recipient: Option<&Recipient>) -> Result<Option<Attested>, Error> {
    let Some(recipient) = recipient else { return Ok(None) };
    let document = required(recipient.attestation_document.as_ref(), "AttestationDocument")?;
    let roots = &call.env.attestation_roots;
    if roots.is_empty() {
        let message = "Recipient cannot be verified: no attestation root is configured. Start `keyward serve` with --attestation-root FILE.";
        return Err(Error::Validation(message.to_owned()));
    }
    let now = Duration::from_millis(u64::try_from(call.now.as_millisecond()).unwrap_or_default());
    let attestation =
        attest(&document.0, roots, now).map_err(|reason| Error::Validation(format!("The attestation document is not accepted: {reason}.")))?;
    remark(call, &attestation);
    let values = values(&attestation);
    Ok(Some(Attested { attestation, values }))
}

/// A plaintext as it leaves: as it is, or, where there is a recipient, only as `CiphertextForRecipient`.
pub(super) fn handed(call: &Call<'_>, attested: Option<&Attested>, plaintext: &[u8]) -> Result<(Option<Answer>, Option<Answer>), Error> {
    let Some(attested) = attested else { return Ok((Some(Answer::of(plaintext)), None)) };
    let sealed = attested.attestation.seal(plaintext, &*call.env.entropy).map_err(|_| Error::Internal("encrypting for a recipient failed"))?;
    Ok((None, Some(Answer::of(&sealed))))
}

/// (A566) An enclave's PCR0 has a second name.
fn values(attestation: &Attestation) -> BTreeMap<String, String> {
    let prefix = match attestation.attester() {
        Attester::NitroEnclave => "PCR",
        Attester::NitroTpm => "NitroTPMPCR",
    };
    let mut values: BTreeMap<_, _> = attestation.pcrs().iter().map(|(number, value)| (format!("{prefix}{number}"), value.clone())).collect();
    if let Some(image) = attestation.pcrs().get(&0).filter(|_| attestation.attester() == Attester::NitroEnclave) {
        values.insert("ImageSha384".to_owned(), image.clone());
    }
    values
}

/// (A1010) The registers that AWS records, under the names that it gives them.
fn remark(call: &mut Call<'_>, attestation: &Attestation) {
    #[derive(Serialize)]
    struct Told<'a> {
        recipient: BTreeMap<String, &'a str>,
    }
    let (prefix, numbers): (_, &[u8]) = match attestation.attester() {
        Attester::NitroEnclave => ("attestationDocumentEnclavePCR", &[0, 1, 2, 3, 4, 8]),
        Attester::NitroTpm => ("attestationDocumentNitroTPMPCR", &[4, 7, 8, 9, 16, 23]),
    };
    let named = |number: u8| match (attestation.attester(), number) {
        (Attester::NitroEnclave, 0) => "attestationDocumentEnclaveImageDigest".to_owned(),
        _ => format!("{prefix}{number}"),
    };
    let pcrs = numbers.iter().filter_map(|number| Some((named(*number), attestation.pcrs().get(number)?.as_str())));
    let recipient = pcrs.chain([("attestationDocumentModuleId".to_owned(), attestation.module_id())]).collect();
    call.remark(&Told { recipient });
}
