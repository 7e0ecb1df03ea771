//! Key material, the ciphertext format, the encryption context as additional data.
