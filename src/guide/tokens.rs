#![doc = include_str!("tokens.md")]
