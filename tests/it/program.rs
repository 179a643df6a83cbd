//! The real binary as a child process, as a client starts it.
#![cfg(unix)]

pub mod http;
mod signals;
mod stdio;
mod stores;
