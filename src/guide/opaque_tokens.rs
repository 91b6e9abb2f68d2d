#![doc = include_str!("opaque_tokens.md")]
