#![doc = include_str!("monitoring.md")]
//! # The alert rules
//!
//! `docs/monitoring/alerts.yml`:
//!
//! ```yaml
#![doc = include_str!("../../docs/monitoring/alerts.yml")]
//! ```
