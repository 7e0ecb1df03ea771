//! Test fixtures, the case runner and seeded environments.
