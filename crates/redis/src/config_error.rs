//! What is wrong with a configuration.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A contradiction or a gap in the configuration, found before anything is connected.
///
/// Its text names the setting and says what to do. It contains no password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedisConfigError {
    setting: &'static str,
    problem: Cow<'static, str>,
}

impl RedisConfigError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { setting, problem: problem.into() }
    }

    /// The name of the setting, as the builder's method is called.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for RedisConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.setting, self.problem)
    }
}

impl Error for RedisConfigError {}
