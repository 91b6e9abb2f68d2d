#![doc = include_str!("scaling.md")]
