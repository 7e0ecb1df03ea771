//! Key material, the ciphertext format, the encryption context as additional data.
//!
//! This crate knows how keys and ciphertexts look and what may be done with secrets. It refuses to know who may use
//! them, where they are kept, and where time and randomness come from: [`Entropy`] is a port.
//!
//! ```
//! use keyward_crypto::{BlobKind, EncryptionContext, Entropy, EntropyFailed, Head, KeyMaterial, KeySpec, MaterialId, open, seal};
//!
//! struct Counting; // a test's source; the real one stands at the rim
//! impl Entropy for Counting {
//!     fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailed> {
//!         bytes.iter_mut().zip(0..).for_each(|(byte, at)| *byte = at);
//!         Ok(())
//!     }
//! }
//! let material = KeyMaterial::generate(KeySpec::SymmetricDefault, &Counting)?;
//! let key_id = "1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
//! let head = Head { kind: BlobKind::Encrypt, key_id, account: 111122223333, material_id: MaterialId::derive(&key_id, &material) };
//! let context = EncryptionContext::default();
//! let blob = seal(&head, &material, &context, b"hello", &Counting)?;
//! assert_eq!(open(&blob, &material, &context)?.expose(), b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algorithms;
mod attestation;
mod blob;
mod cms;
mod context;
mod der;
mod elliptic;
mod entropy;
mod envelope;
mod external;
mod gaps;
mod hex;
mod hsm;
mod import;
mod kdf;
mod mac;
mod material;
mod ml_kem;
mod plaintext;
mod public_key;
mod root;
mod rsa;
mod signing;
mod spec;

pub use algorithms::{EncapsulationAlgorithm, EncryptionAlgorithm, KeyAgreementAlgorithm, MacAlgorithm, MessageType, SigningAlgorithm};
pub use attestation::{ATTESTATION_AGE_MAX, ATTESTATION_DOCUMENT_BYTES_MAX, Attestation, AttestationRoots, Attester, NotARoot, NotAttested, attest};
pub use blob::{BLOB_BYTES_MAX, BLOB_OVERHEAD, BlobKeyId, BlobKind, Head, NotABlob, open, seal};
pub use context::{ENCRYPTION_CONTEXT_BYTES_MAX, EncryptionContext};
pub use elliptic::PeerRejected;
pub use entropy::{Entropy, EntropyFailed, random_bytes};
pub use envelope::{OpenFailed, SealFailed};
pub use external::{
    EXTERNAL_AAD_BYTES_MAX, EXTERNAL_METADATA_BYTES_MAX, EXTERNAL_PLAINTEXT_BYTES_MAX, ExternalCiphertext, INNER_OVERHEAD, decrypt_as_manager,
    encrypt_as_manager, external_aad, may_be_of, open_inner, seal_inner,
};
pub use hsm::{HSM_IV_BYTES, HsmCiphertext, for_hsm, from_hsm, hsm_aad};
pub use import::{WrappingAlgorithm, WrappingKeySpec, unwrap};
pub use material::{GenerateFailed, IncorrectMaterial, KeyMaterial, MaterialId, ParseMaterialIdError, Unfit};
pub use plaintext::Plaintext;
pub use public_key::{InvalidPublicKey, PublicKey};
pub use root::{KeyCheckValue, Purpose, RootKey, Sealed};
pub use signing::{InvalidSignature, Message, UnfitMessage};
pub use spec::{DataKeyPairSpec, DataKeySpec, KeySpec, KeyUsage, Origin, UnknownName};
