//! The clients that mcp-openai can be added to: where each keeps its servers, in which form, and how its file is changed
//! without touching anything else in it.

mod json;
mod server_key;
mod syntax;
mod toml;
mod tree;
mod yaml;

pub use server_key::ServerKey;
pub use syntax::Syntax;
pub use tree::Tree;
