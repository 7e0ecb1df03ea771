//! Accounts, principals, keys and grants as data, and the one decision function over them.
