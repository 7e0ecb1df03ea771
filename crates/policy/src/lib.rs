//! The IAM policy language: parse with spans, match a statement against a request.
