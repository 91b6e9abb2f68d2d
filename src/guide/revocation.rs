#![doc = include_str!("revocation.md")]
