//! What the sandbox answers and what the client sends, against OpenAI's published schema.

mod answers;
mod asking;
mod oracle;
mod requests;
