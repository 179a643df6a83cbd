//! The clients that mcp-openai can be added to: where each keeps its servers, in which form, and how its file is changed
//! without touching anything else in it.

mod edit;
mod form;
mod json;
mod known;
mod places;
mod server_key;
mod settings_file;
mod syntax;
mod toml;
mod tree;
mod yaml;

pub use edit::{Edit, OtherServer, add, carry_out, remove};
pub use form::{KeyInFile, Launch, is_ours, key_in};
pub use known::{Application, CLIENTS, Scope, named};
pub use places::{Places, Platform};
pub use server_key::ServerKey;
pub use settings_file::{SettingsFile, gone};
pub use syntax::Syntax;
pub use tree::Tree;
