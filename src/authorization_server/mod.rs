//! An OAuth 2.0 authorization server for tests and demonstrations. **Not for production.**
