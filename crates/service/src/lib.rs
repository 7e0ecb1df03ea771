//! KMS, IAM and STS operations over an estate: input in, output and changes out.
