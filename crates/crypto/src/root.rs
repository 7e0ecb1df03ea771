//! The root key: everything secret that is stored or handed out is sealed under it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, EntropyFailed};
use crate::envelope::{self, OpenFailed, SealFailed};
use crate::hex;
use crate::kdf::{self, Label};
use crate::material::KeyMaterial;
use crate::spec::KeySpec;

/// The format of [`Sealed`], its first byte.
const FORMAT: u8 = 1;

/// What is sealed: a value sealed for one purpose does not open for another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Key material at rest.
    KeyMaterial,
    /// Secrets of access keys at rest (T12).
    AccessKeySecret,
    /// Session tokens handed to clients (T7).
    SessionToken,
    /// Page markers handed to clients (T31).
    Marker,
    /// Grant tokens handed to clients.
    GrantToken,
    /// Authorization messages handed to clients.
    AuthorizationMessage,
    /// Credentials and passwords of custom key stores, and of those to whom we are one, at rest.
    KeyStoreSecret,
    /// Import tokens handed to clients (T45).
    ImportToken,
}

const PURPOSES: [(Purpose, Label); 8] = [
    (Purpose::KeyMaterial, Label::SealKeyMaterial),
    (Purpose::AccessKeySecret, Label::SealAccessKeySecret),
    (Purpose::SessionToken, Label::SealSessionToken),
    (Purpose::Marker, Label::SealMarker),
    (Purpose::GrantToken, Label::SealGrantToken),
    (Purpose::AuthorizationMessage, Label::SealAuthorizationMessage),
    (Purpose::KeyStoreSecret, Label::SealKeyStoreSecret),
    (Purpose::ImportToken, Label::SealImportToken),
];

/// The 256-bit key above all others. Kept in a file of its own, away from the data.
///
/// ```compile_fail
/// # fn print(root: keyward_crypto::RootKey) {
/// println!("{root:?}");
/// # }
/// ```
pub struct RootKey {
    bytes: Box<Zeroizing<[u8; 32]>>,
    /// A key for each purpose, derived once, in the order of [`PURPOSES`].
    purposes: Box<Zeroizing<[[u8; 32]; PURPOSES.len()]>>,
}

impl RootKey {
    /// Draws a new root key.
    ///
    /// # Errors
    /// [`EntropyFailed`] if the source fails.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyFailed> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut_slice())?;
        Ok(Self::from_bytes(bytes))
    }

    /// The root key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut purposes = Box::new(Zeroizing::new([[0; 32]; PURPOSES.len()]));
        for ((_, label), key) in PURPOSES.iter().zip(purposes.iter_mut()) {
            kdf::derive(&bytes, *label, &[], key);
        }
        Self { bytes: Box::new(bytes), purposes }
    }

    /// The bytes, for whoever writes the root key's file.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// A value that tells whether two root keys are the same, and nothing else about them (T40).
    #[must_use]
    pub fn check_value(&self) -> KeyCheckValue {
        let mut check = [0; 32];
        kdf::derive(&self.bytes, Label::KeyCheckValue, &[], &mut check);
        KeyCheckValue(check)
    }

    fn purpose(&self, purpose: Purpose) -> &[u8; 32] {
        let found = PURPOSES.iter().zip(self.purposes.iter()).find(|((known, _), _)| *known == purpose);
        // INVARIANT: every purpose is in the table.
        found.map_or(&self.bytes, |(_, key)| key)
    }

    /// Seals bytes for a purpose; `aad` must be given again to open them.
    ///
    /// # Errors
    /// [`SealFailed`] when randomness fails.
    pub fn seal(&self, purpose: Purpose, aad: &[u8], plaintext: &[u8], entropy: &dyn Entropy) -> Result<Sealed, SealFailed> {
        envelope::seal(self.purpose(purpose), Label::Sealed, &[FORMAT], aad, plaintext, entropy).map(Sealed)
    }

    /// Opens what [`seal`](Self::seal) made for the same purpose and the same additional data.
    ///
    /// # Errors
    /// [`OpenFailed`], whatever the reason.
    pub fn open(&self, purpose: Purpose, aad: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenFailed> {
        envelope::open(self.purpose(purpose), Label::Sealed, 1, aad, &sealed.0)
    }

    /// Seals key material, whose bytes never leave this crate.
    ///
    /// # Errors
    /// [`SealFailed`] when randomness fails.
    pub fn seal_material(&self, aad: &[u8], material: &KeyMaterial, entropy: &dyn Entropy) -> Result<Sealed, SealFailed> {
        self.seal(Purpose::KeyMaterial, &material_aad(aad, material.spec()), material.expose(), entropy)
    }

    /// Opens key material of a spec, which is additional data: what was sealed for another one does not open.
    ///
    /// # Errors
    /// [`OpenFailed`], whatever the reason.
    pub fn open_material(&self, spec: KeySpec, aad: &[u8], sealed: &Sealed) -> Result<KeyMaterial, OpenFailed> {
        let secret = self.open(Purpose::KeyMaterial, &material_aad(aad, spec), sealed)?;
        KeyMaterial::from_sealed(spec, secret).ok_or(OpenFailed)
    }
}

/// Symmetric keys were there first, and their rows say nothing of a spec.
fn material_aad<'a>(aad: &'a [u8], spec: KeySpec) -> Cow<'a, [u8]> {
    match spec {
        KeySpec::SymmetricDefault => Cow::Borrowed(aad),
        _ => Cow::Owned([aad, b"#", spec.name().as_bytes()].concat()),
    }
}

/// Tells one root key from another.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct KeyCheckValue([u8; 32]);

impl fmt::Display for KeyCheckValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for KeyCheckValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyCheckValue {
    type Err = OpenFailed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode(text).map(Self).ok_or(OpenFailed)
    }
}

hex::serde_as_text!(KeyCheckValue);

/// Bytes sealed under a root key; base64 as text. Versioned by the first byte (`docs/formats.md`).
#[derive(Clone, Eq, PartialEq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes bytes for sealed ones; whether they are shows when they are opened.
    ///
    /// # Errors
    /// [`OpenFailed`] when the first byte is no format of ours.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, OpenFailed> {
        if bytes.first() == Some(&FORMAT) { Ok(Self(bytes)) } else { Err(OpenFailed) }
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl FromStr for Sealed {
    type Err = OpenFailed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(BASE64.decode(text.as_bytes()).map_err(|_| OpenFailed)?)
    }
}

hex::serde_as_text!(Sealed);

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::entropy::tests::SystemEntropy;
    use crate::material::MaterialId;
    use crate::material::tests::quick_specs;

    assert_not_impl_any!(RootKey: fmt::Debug, fmt::Display, Clone, PartialEq<RootKey>, serde::Serialize);

    fn root(byte: u8) -> RootKey {
        RootKey::from_bytes(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn sealed_bytes_open_for_their_purpose_data_and_key_only() {
        let sealed = root(1).seal(Purpose::Marker, b"list", b"page 2", &SystemEntropy).unwrap();
        assert_eq!(root(1).open(Purpose::Marker, b"list", &sealed).unwrap().as_slice(), b"page 2");
        assert!(root(1).open(Purpose::GrantToken, b"list", &sealed).is_err());
        assert!(root(1).open(Purpose::Marker, b"other", &sealed).is_err()); // T30
        assert!(root(2).open(Purpose::Marker, b"list", &sealed).is_err());
        assert_eq!(sealed.to_string().parse::<Sealed>().unwrap(), sealed);
    }

    #[test]
    fn material_opens_as_what_it_was_sealed_as() {
        for spec in quick_specs() {
            let material = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            let sealed = root(1).seal_material(b"arn#id", &material, &SystemEntropy).unwrap();
            assert!(root(1).open_material(spec, b"arn#id", &sealed).unwrap().expose() == material.expose());
            assert!(root(1).open_material(spec, b"arn#other", &sealed).is_err()); // T30
            for other in KeySpec::ALL.iter().filter(|other| **other != spec) {
                assert!(root(1).open_material(*other, b"arn#id", &sealed).is_err(), "{spec} as {other}");
            }
        }
    }

    #[test]
    fn sealed_material_of_every_spec_stays_readable() {
        let key_id = "1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
        let mut specs = Vec::new();
        for line in include_str!("../testdata/material-1.txt").lines() {
            let [spec, id, sealed] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let spec: KeySpec = spec.parse().unwrap();
            let material = root(1).open_material(spec, b"kept", &sealed.parse().unwrap()).unwrap();
            assert_eq!(MaterialId::derive(&key_id, &material).to_string(), id, "{spec}");
            specs.push(spec);
        }
        assert_eq!(specs, KeySpec::ALL.iter().copied().filter(|spec| *spec != KeySpec::Sm2).collect::<Vec<_>>());
    }

    #[test]
    fn t40_the_check_value_tells_root_keys_apart() {
        assert_eq!(root(1).check_value(), root(1).check_value());
        assert_ne!(root(1).check_value(), root(2).check_value());
        assert!(!root(1).check_value().to_string().contains("0101010101"));
    }
}
