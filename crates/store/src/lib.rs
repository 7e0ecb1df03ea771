//! Where state and trail are kept: memory and SQLite.
