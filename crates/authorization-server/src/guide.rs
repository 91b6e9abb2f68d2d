#![doc = include_str!("guide.md")]
//! # Templates
//!
//! For GitHub Actions, `docs/ci/github-actions.yml`:
//!
//! ```yaml
#![doc = include_str!("../docs/ci/github-actions.yml")]
//! ```
//!
//! For GitLab CI, `docs/ci/gitlab-ci.yml`:
//!
//! ```yaml
#![doc = include_str!("../docs/ci/gitlab-ci.yml")]
//! ```
