//! Tokens, keys and an issuer for tests of services behind [`tower_bearer`].
//!
//! Everything is made at run time and in memory: no key files, no network. [`TestIssuer`] is where to start; its
//! [`TokenBuilder`] writes any header and any claims, right or wrong, and [`Defect`] names the usual wrongs.
//!
//! Not for production: a service that can sign tokens can let anyone in.
//!
//! ```
//! use tower_bearer_test::{Defect, TestIssuer};
//!
//! let issuer = TestIssuer::new("https://as.example.com")?;
//! let good = issuer.token().audience("https://api.example.com").scope("read:leads").sign();
//! let expired = issuer.token().audience("https://api.example.com").sign_defective(Defect::Expired);
//!
//! assert_eq!(good.split('.').count(), 3);
//! assert_ne!(good, expired);
//! # Ok::<(), tower_bearer_test::SigningError>(())
//! ```

mod defect;
mod issuer_keys;
mod key_change_error;
mod key_pair;
mod offset_clock;
mod signing_error;
mod signing_key;
mod test_issuer;
mod token_builder;
mod validated_token;

pub use defect::{Defect, UnknownDefect};
pub use key_change_error::KeyChangeError;
pub use signing_error::SigningError;
pub use signing_key::SigningKey;
pub use test_issuer::TestIssuer;
pub use token_builder::TokenBuilder;
pub use validated_token::ValidatedTokenBuilder;
