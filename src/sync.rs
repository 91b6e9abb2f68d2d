//! The locks and atomic numbers that decide what a request meets. The crate's own unit tests run them under `shuttle`,
//! which tries out the orders in which threads can come to them; a unit test that is none of shuttle's cannot use them.

#[cfg(not(feature = "unit-tests"))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
#[cfg(not(feature = "unit-tests"))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(feature = "unit-tests")]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
#[cfg(feature = "unit-tests")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
