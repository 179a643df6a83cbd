//! Requests to `POST /responses`: its input, read into a thread, and as the items that it is kept as.

use serde_json::{Value, json};

use super::kept::Archive;
use crate::{
    attachment::Attachment,
    fields::Fields,
    reply::{self, ApiError},
    thread::{Said, Thread},
};

/// The input so far: a thread to answer, and the items that it came as.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    pub thread: Thread,
    /// Without the bytes of what was attached, which OpenAI does not give back either.
    pub items: Vec<Value>,
}

impl Input {
    /// Adds what `input` says.
    pub(crate) fn add(&mut self, fields: &Fields, archive: &Archive) -> Result<(), ApiError> {
        match fields.required("input")? {
            Value::String(text) => {
                self.thread.ask(Said { text: text.clone(), attachments: Vec::new() });
                self.items.push(message("user", &json!([{"type": "input_text", "text": text}])));
            }
            Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.add_item(&Fields::at(&format!("input[{number}]"), item)?, item, archive)?;
                }
            }
            _ => {
                let message =
                    "Invalid type for 'input': expected one of a string or array, but got something else instead.";
                return Err(fields.invalid("invalid_type", "input", message));
            }
        }
        Ok(())
    }

    fn add_item(&mut self, fields: &Fields, item: &Value, archive: &Archive) -> Result<(), ApiError> {
        match fields.text("type")?.unwrap_or("message") {
            "message" => return self.add_message(fields),
            "reasoning" => check_reasoning(fields, archive)?,
            // Calls of tools and what came of them: nothing here depends on them.
            _ => {}
        }
        self.items.push(item.clone());
        Ok(())
    }

    fn add_message(&mut self, fields: &Fields) -> Result<(), ApiError> {
        fields.required("role")?;
        let role = fields.choice("role", &["assistant", "system", "developer", "user"])?.unwrap_or("user");
        let (said, content) = content(fields, role)?;
        match role {
            "assistant" => self.thread.answer(&said.text),
            "user" => self.thread.ask(said),
            _ => self.thread.instruct(&said.text),
        }
        self.items.push(message(role, &content));
        Ok(())
    }
}

fn message(role: &str, content: &Value) -> Value {
    json!({"id": reply::id("msg"), "type": "message", "role": role, "status": "completed", "content": content})
}

/// A message's content: what it says, and as it is kept.
fn content(fields: &Fields, role: &str) -> Result<(Said, Value), ApiError> {
    let text_kind = if role == "assistant" { "output_text" } else { "input_text" };
    let plain;
    let parts = match fields.required("content")? {
        Value::String(text) => {
            plain = json!({"type": text_kind, "text": text});
            std::slice::from_ref(&plain)
        }
        Value::Array(parts) => parts,
        _ => {
            let message = "Invalid type for content: expected one of a string or array of objects.";
            return Err(fields.invalid("invalid_type", "content", message));
        }
    };
    let (mut said, mut kept) = (Said::default(), Vec::new());
    for (number, part) in parts.iter().enumerate() {
        let part = Fields::at(&fields.param(&format!("content[{number}]")), part)?;
        kept.push(match role {
            "assistant" => spoken(&part, &mut said)?,
            _ => given(&part, &mut said)?,
        });
    }
    Ok((said, Value::Array(kept)))
}

/// A part of what the model said.
fn spoken(part: &Fields, said: &mut Said) -> Result<Value, ApiError> {
    part.required("type")?;
    if part.choice("type", &["output_text", "refusal"])? == Some("refusal") {
        let refusal = part.required_text("refusal")?;
        said.add(refusal);
        return Ok(json!({"type": "refusal", "refusal": refusal}));
    }
    let text = part.required_text("text")?;
    said.add(text);
    let annotations = part.value("annotations").cloned().unwrap_or_else(|| json!([]));
    Ok(json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}))
}

/// A part of what was given to the model.
fn given(part: &Fields, said: &mut Said) -> Result<Value, ApiError> {
    part.required("type")?;
    match part.choice("type", &["input_text", "input_image", "input_file"])? {
        Some("input_image") => {
            said.attachments.push(Attachment::picture(&part.param("image_url"), part.required_text("image_url")?)?);
            let detail = part.choice("detail", &["low", "high", "auto", "original"])?.unwrap_or("auto");
            Ok(json!({"type": "input_image", "image_url": null, "file_id": null, "detail": detail}))
        }
        Some("input_file") => {
            let (name, file) = (part.required_text("filename")?, part.required_text("file_data")?);
            said.attachments.push(Attachment::document(&part.param("file_data"), name, file)?);
            Ok(json!({"type": "input_file", "filename": name}))
        }
        _ => {
            let text = part.required_text("text")?;
            said.add(text);
            Ok(json!({"type": "input_text", "text": text}))
        }
    }
}

/// Reasoning comes back sealed, or as something that was kept.
fn check_reasoning(fields: &Fields, archive: &Archive) -> Result<(), ApiError> {
    match fields.text("encrypted_content")? {
        Some(sealed) if opens(sealed) => Ok(()),
        Some(sealed) => {
            let head: String = sealed.chars().take(4).collect();
            let tail: String = sealed.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
            let message = format!("The encrypted content {head}...{tail} could not be verified.");
            Err(ApiError::invalid_without_param("invalid_encrypted_content", message))
        }
        None => {
            let id = fields.required_text("id")?;
            if archive.has_item(id) { Ok(()) } else { Err(ApiError::item_not_found(id)) }
        }
    }
}

/// The outside form of reasoning: nothing to read, and nothing that anybody else can make.
const SEAL: &str = "gAAAAA";
/// Not encryption: there is nothing to hide, and it need only be seen that a seal comes back whole.
const MASK: u8 = 0x5A;

/// Seals the reasoning of this id.
pub(super) fn seal(id: &str) -> String {
    let masked: Vec<u8> = id.bytes().map(|byte| byte ^ MASK).collect();
    format!("{SEAL}{}", base64_simd::URL_SAFE.encode_to_string(masked))
}

fn opens(sealed: &str) -> bool {
    let masked = sealed.strip_prefix(SEAL).and_then(|base64| base64_simd::URL_SAFE.decode_to_vec(base64).ok());
    masked.is_some_and(|masked| {
        let id: Vec<u8> = masked.iter().map(|byte| byte ^ MASK).collect();
        id.starts_with(b"rs_") && id.len() == reply::ID_LENGTH + b"rs_".len()
    })
}
