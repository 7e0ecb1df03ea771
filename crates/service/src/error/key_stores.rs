//! Errors of custom key stores (K137–K139), and what a proxy's refusals become: the table of K146 as data.

use crate::entities::ConnectionError;

/// What a custom key store refuses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyStoreError {
    /// No store of this id or name in this account and Region.
    NotFound(String),
    /// Another store is called so.
    NameInUse(String),
    /// It cannot be deleted: keys are in it.
    HasKeys(String),
    /// The store is not in the state that the operation needs; the sentence is told.
    InvalidState(String),
    /// A key cannot be made in an external key store that is not connected (K139).
    NotConnected,
    /// A key's external key store is not connected (K139).
    KeyNotConnected,
    /// Another store has this endpoint and path.
    UriInUse,
    /// Another store has this endpoint over the other network.
    EndpointInUse,
    /// Another store has this VPC endpoint service.
    VpcServiceInUse,
    /// Another KMS key of the store has this external key.
    ExternalKeyInUse(String),
    /// The external key cannot be a KMS key's (K143).
    ExternalKeyUnfit(String),
    /// The proxy refused or failed while a store was made or changed.
    ProxyOfStore(ProxyFailure),
    /// The proxy refused or failed while a key was made.
    ProxyOfNewKey(ProxyFailure),
    /// The proxy refused or failed while a key was used.
    ProxyOfKey(ProxyFailure),
    /// No cluster of this id.
    ClusterNotFound(String),
    /// Another store has the cluster.
    ClusterInUse(String),
    /// A store cannot change to the cluster: it is another store's.
    ClusterNotRelated(String),
    /// What should be a certificate is none.
    IncorrectTrustAnchor,
    /// What is asked of a store needs it connected to its cluster.
    ClusterNotConnected(String),
    /// The token failed while a key or random bytes were made.
    HsmOfStore(HsmFailure),
    /// The token failed while a key was used.
    HsmOfKey(HsmFailure),
}

/// How the token of a cluster fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HsmFailure {
    /// It is not there.
    NoToken,
    /// It does not take the password.
    WrongPassword,
    /// It takes no password any more.
    LockedOut,
    /// It has no user.
    NoUser,
    /// The store was disconnected.
    LoggedOut,
    /// It has no such key.
    NoKey,
    /// The ciphertext does not open.
    NotOpened,
    /// More waits for it than it should.
    Busy,
    /// Anything else.
    Failed,
}

impl HsmFailure {
    /// Why a store does not connect (K137).
    pub fn connection_error(self) -> ConnectionError {
        match self {
            Self::NoToken => ConnectionError::ClusterNotFound,
            Self::WrongPassword => ConnectionError::InvalidCredentials,
            Self::LockedOut => ConnectionError::UserLockedOut,
            Self::NoUser => ConnectionError::UserNotFound,
            Self::LoggedOut | Self::NoKey | Self::NotOpened | Self::Busy | Self::Failed => ConnectionError::InternalError,
        }
    }

    /// What callers are told.
    fn text(self) -> &'static str {
        match self {
            Self::NoToken => "The CloudHSM cluster of the custom key store is not there.",
            Self::WrongPassword | Self::LockedOut | Self::NoUser => {
                "The CloudHSM cluster of the custom key store does not take the password of kmsuser. Disconnect the custom key store, and connect it again."
            }
            Self::LoggedOut => "The custom key store is not connected to its CloudHSM cluster.",
            Self::NoKey => "The key material of the KMS key is not in the CloudHSM cluster any more.",
            Self::NotOpened => "The CloudHSM cluster cannot open the ciphertext.",
            Self::Busy => "The CloudHSM cluster has too much to do. Try again later.",
            Self::Failed => "The CloudHSM cluster failed.",
        }
    }
}

macro_rules! failures {
    ($($(#[$doc:meta])* $variant:ident: $name:literal, $status:literal, $of_store:literal, $of_new_key:literal, $connection:ident, $text:literal;)*) => {
        /// How a proxy fails: with an error of the protocol, or without one (K146).
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum ProxyFailure { $($(#[$doc])* $variant,)* }

        impl ProxyFailure {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        name: $name, status: $status, of_store: $of_store, of_new_key: $of_new_key, connection: ConnectionError::$connection, text: $text,
                    },)*
                }
            }
        }
    };
}

/// What a failure of a proxy is called, and what it becomes.
struct Row {
    /// `errorName`; empty for failures that no proxy tells.
    name: &'static str,
    status: u16,
    of_store: &'static str,
    of_new_key: &'static str,
    connection: ConnectionError,
    text: &'static str,
}

failures! {
    /// It does not take our request.
    Validation: "ValidationException", 400, "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", XksProxyInvalidResponse,
        "AWS KMS cannot interpret the response from the external key store proxy. If you see this error repeatedly, report it to your external key store proxy administrator.";
    /// The external key is not enabled.
    InvalidState: "InvalidStateException", 400, "XksProxyInvalidResponseException", "XksKeyInvalidConfigurationException", XksProxyInvalidResponse,
        "The external key associated with this KMS key in an external key store is not enabled in the external key manager. Enable the external key in the external key manager and retry the request.";
    /// The ciphertext does not open.
    InvalidCiphertext: "InvalidCiphertextException", 400, "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", XksProxyInvalidResponse,
        "The external key store proxy rejected the request because the specified ciphertext or encryption context is corrupted, missing, or otherwise invalid.";
    /// The external key is not for this.
    InvalidKeyUsage: "InvalidKeyUsageException", 400, "XksProxyInvalidResponseException", "XksKeyInvalidConfigurationException", XksProxyInvalidResponse,
        "The external key associated with this KMS key in an external key store does not support the requested operation. Enable the operation on the key in your external key manager, and try the request again.";
    /// It does not know our credential, or our signature.
    AuthenticationFailed: "AuthenticationFailedException", 401, "XksProxyIncorrectAuthenticationCredentialException", "CustomKeyStoreInvalidStateException", InvalidCredentials,
        "The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the XKS proxy authentication credentials for your external key store and update if necessary.";
    /// It knows us and refuses.
    AccessDenied: "AccessDeniedException", 403, "XksProxyInvalidResponseException", "KMSInvalidStateException", XksProxyAccessDenied,
        "The external key store proxy denied access to the operation. Verify that the user and the external key are both authorized for this operation, and try the request again.";
    /// There is no such external key.
    KeyNotFound: "KeyNotFoundException", 404, "XksProxyInvalidResponseException", "XksKeyNotFoundException", XksProxyInvalidResponse,
        "The external key associated with this KMS key in an external key store was not found in its external key manager. If the external key ID associated with this KMS key is incorrect, create a new KMS key with the correct external key ID.";
    /// There is nothing at this path.
    InvalidUriPath: "InvalidUriPathException", 404, "XksProxyInvalidConfigurationException", "CustomKeyStoreInvalidStateException", XksProxyInvalidConfiguration,
        "The external key store proxy rejected the request because of an invalid URI path. Verify the URI path for your external key store and update if necessary.";
    /// Too many requests.
    Throttling: "ThrottlingException", 429, "XksProxyUriUnreachableException", "CustomKeyStoreInvalidStateException", XksProxyNotReachable,
        "The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using KMS keys in this external key store.";
    /// It cannot do this.
    UnsupportedOperation: "UnsupportedOperationException", 501, "XksProxyInvalidResponseException", "XksKeyInvalidConfigurationException", XksProxyInvalidConfiguration,
        "The external key store proxy rejected the request because it does not support the requested operation. If you see this error repeatedly, report it to your external key store proxy administrator.";
    /// Its key manager took too long.
    DependencyTimeout: "DependencyTimeoutException", 503, "XksProxyUriUnreachableException", "CustomKeyStoreInvalidStateException", XksProxyTimedOut,
        "The external key store proxy did not respond to the request in the time allotted. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator.";
    /// It failed.
    Internal: "InternalException", 500, "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", XksProxyInvalidResponse,
        "The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that the external key store proxy configuration is correct and that the external key manager is available.";
    /// An answer that is none of the protocol.
    Malformed: "", 400, "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", XksProxyInvalidResponse,
        "AWS KMS cannot interpret the response from the external key store proxy. If you see this error repeatedly, report it to your external key store proxy administrator.";
    /// Nobody is there.
    NoConnection: "", 0, "XksProxyUriUnreachableException", "CustomKeyStoreInvalidStateException", XksProxyNotReachable,
        "AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue.";
    /// Somebody is there, and no TLS came about.
    NoTls: "", 0, "XksProxyUriUnreachableException", "CustomKeyStoreInvalidStateException", XksProxyInvalidTlsConfiguration,
        "AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, including its certificate.";
    /// No answer in time.
    TooLate: "", 0, "XksProxyUriUnreachableException", "CustomKeyStoreInvalidStateException", XksProxyTimedOut,
        "AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator.";
}

impl ProxyFailure {
    /// The error that a proxy tells, by name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|failure| !name.is_empty() && failure.row().name == name)
    }

    /// Its name and status on the proxy's side of the protocol; none for failures that no proxy tells.
    pub fn told(self) -> Option<(&'static str, u16)> {
        let Row { name, status, .. } = self.row();
        (!name.is_empty()).then_some((name, status))
    }

    /// Why a store does not connect.
    pub fn connection_error(self) -> ConnectionError {
        self.row().connection
    }
}

/// The text of K139.
const NOT_CONNECTED: &str = "This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again.";

impl KeyStoreError {
    /// Code and text.
    pub(super) fn parts(&self) -> (&'static str, String) {
        let text = |text: &str| text.to_owned();
        match self {
            Self::NotFound(named) => ("CustomKeyStoreNotFoundException", format!("Custom key store '{named}' does not exist.")),
            Self::NameInUse(name) => ("CustomKeyStoreNameInUseException", format!("A custom key store with the name '{name}' already exists.")),
            Self::HasKeys(id) => {
                ("CustomKeyStoreHasCMKsException", format!("Custom key store '{id}' contains KMS keys; schedule their deletion, and wait for it."))
            }
            Self::InvalidState(why) => ("CustomKeyStoreInvalidStateException", why.clone()),
            Self::NotConnected => ("CustomKeyStoreInvalidStateException", text(NOT_CONNECTED)),
            Self::KeyNotConnected => ("KMSInvalidStateException", text(NOT_CONNECTED)),
            Self::UriInUse => (
                "XksProxyUriInUseException",
                text("Another external key store in this account and Region has this XksProxyUriEndpoint and XksProxyUriPath."),
            ),
            Self::EndpointInUse => (
                "XksProxyUriEndpointInUseException",
                text("Another external key store in this account and Region reaches this XksProxyUriEndpoint with another XksProxyConnectivity."),
            ),
            Self::VpcServiceInUse => (
                "XksProxyVpcEndpointServiceInUseException",
                text("Another external key store in this account and Region has this XksProxyVpcEndpointServiceName."),
            ),
            Self::ExternalKeyInUse(id) => {
                ("XksKeyAlreadyInUseException", format!("Another KMS key in this custom key store has the external key '{id}'."))
            }
            Self::ExternalKeyUnfit(why) => ("XksKeyInvalidConfigurationException", why.clone()),
            Self::ProxyOfStore(failure) => (failure.row().of_store, text(failure.row().text)),
            Self::ProxyOfNewKey(failure) => (failure.row().of_new_key, text(failure.row().text)),
            Self::ProxyOfKey(failure) => ("KMSInvalidStateException", text(failure.row().text)),
            Self::ClusterNotFound(id) => ("CloudHsmClusterNotFoundException", format!("CloudHSM cluster '{id}' does not exist.")),
            Self::ClusterInUse(id) => ("CloudHsmClusterInUseException", format!("CloudHSM cluster '{id}' is that of another custom key store.")),
            Self::ClusterNotRelated(id) => {
                ("CloudHsmClusterNotRelatedException", format!("CloudHSM cluster '{id}' is that of another custom key store."))
            }
            Self::IncorrectTrustAnchor => ("IncorrectTrustAnchorException", text("TrustAnchorCertificate is no certificate in PEM form.")),
            Self::ClusterNotConnected(id) => (
                "CustomKeyStoreInvalidStateException",
                format!("Custom key store '{id}' is not connected to its CloudHSM cluster. Connect it, and try again."),
            ),
            Self::HsmOfStore(failure) => ("CustomKeyStoreInvalidStateException", text(failure.text())),
            Self::HsmOfKey(failure @ (HsmFailure::NoKey | HsmFailure::LoggedOut)) => ("KMSInvalidStateException", text(failure.text())),
            Self::HsmOfKey(failure) => ("KMSInternalException", text(failure.text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as the specification prints it: proxy, HTTP, store, new key, text.
    fn printed() -> Vec<[String; 5]> {
        let specification = include_str!("../../../../spec/api.md");
        let rows = specification.lines().skip_while(|line| !line.starts_with("| proxy | HTTP |")).skip(2);
        rows.take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                let cell = |at: usize| cells[at].to_owned();
                let text = cells[6].split('`').nth(1).unwrap_or_default().to_owned();
                [cell(1), cell(2), cell(3), cell(4), text]
            })
            .collect()
    }

    #[test]
    fn k146_the_table_is_the_specification() {
        let printed = printed();
        assert_eq!(printed.len(), ProxyFailure::ALL.len() - 1); // a malformed answer has a row with ValidationException
        let (mut store, mut new_key) = (String::new(), String::new());
        for (failure, [proxy, status, of_store, of_new_key, text]) in
            ProxyFailure::ALL.iter().filter(|failure| **failure != ProxyFailure::Malformed).zip(&printed)
        {
            let row = failure.row();
            match failure.told() {
                Some((name, told)) => {
                    assert!(proxy.starts_with(name), "{proxy}");
                    assert_eq!(told.to_string(), *status, "{proxy}");
                }
                None => assert_eq!(status, "–", "{proxy}"),
            }
            if of_store != "as above" {
                store.clone_from(of_store);
            }
            if of_new_key != "as above" {
                new_key.clone_from(of_new_key);
            }
            let exception = |name: &str| format!("{name}Exception");
            if store != "–" {
                assert_eq!(row.of_store, exception(&store), "{proxy}");
            }
            // The model has no code for it; the specification names another.
            let expected = if new_key.starts_with('(') { "XksKeyInvalidConfiguration" } else { &new_key };
            if expected != "–" {
                assert_eq!(row.of_new_key, exception(expected), "{proxy}");
            }
            assert_eq!(row.text, text, "{proxy}");
        }
        assert_eq!(ProxyFailure::Malformed.row().text, ProxyFailure::Validation.row().text);
    }

    #[test]
    fn k139_a_key_in_a_store_that_is_not_connected_says_so() {
        let specification = include_str!("../../../../spec/api.md");
        assert!(specification.contains(&format!("“`{NOT_CONNECTED}`”")));
    }

    #[test]
    fn names_lead_back_to_their_failures() {
        for failure in ProxyFailure::ALL {
            assert_eq!(failure.told().and_then(|(name, _)| ProxyFailure::named(name)), failure.told().map(|_| *failure));
        }
        assert_eq!(ProxyFailure::named(""), None);
    }
}
