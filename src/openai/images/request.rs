//! The request for a picture, in the names of the wire.

use serde::Serialize;

use crate::{
    media::Format,
    openai::{
        Config, EditTransfer, PictureRequest, Transfer,
        client::Client,
        transport::{
            form::{Boundary, Encoding, FieldNaming, Form},
            json::object,
        },
    },
};

// Neither `response_format` nor `style`: OpenAI's image models refuse both, and always answer base64. No `n`: it is 1
// by itself. <https://platform.openai.com/docs/api-reference/images/create>
#[derive(Serialize)]
pub(super) struct ImageRequest<'a> {
    model: &'a str,
    prompt: &'a str,
    size: Option<&'a str>,
    quality: Option<&'a str>,
    background: Option<&'a str>,
    output_format: Option<Format>,
    output_compression: Option<u8>,
    moderation: Option<&'a str>,
    stream: Option<bool>,
    partial_images: Option<u8>,
}

pub(super) fn fields<'a>(request: &'a PictureRequest, config: &Config) -> ImageRequest<'a> {
    let partial_images = (config.partial_images > 0).then_some(config.partial_images);
    let is_streamed = partial_images.is_some() || config.image_transfer == Transfer::Streamed;
    ImageRequest {
        model: request.model.as_str(),
        prompt: &request.prompt,
        size: request.size.as_deref(),
        quality: request.quality.as_deref(),
        background: request.background.as_deref(),
        output_format: request.output_format,
        output_compression: request.output_compression,
        moderation: request.moderation.as_deref(),
        stream: is_streamed.then_some(true),
        partial_images,
    }
}

pub(super) fn form(
    request: &PictureRequest,
    fields: &ImageRequest<'_>,
    encoding: Encoding,
    naming: FieldNaming,
) -> Form {
    // OpenAI takes a single picture by either name; many others know `image` alone.
    let naming = if request.references.len() == 1 { FieldNaming::Single } else { naming };
    Form { fields: object(fields), pictures: request.references.clone(), mask: request.mask.clone(), encoding, naming }
}

/// The form of an edit: the one that is set, or the one that this upstream was found to take.
pub(super) fn encoding(client: &Client) -> Encoding {
    match client.config.edit_transfer {
        EditTransfer::Json => Encoding::Json,
        EditTransfer::Auto if client.learnt.takes_no_multipart.is_learnt() => Encoding::Json,
        EditTransfer::Auto | EditTransfer::Multipart => Encoding::Multipart(Boundary::draw()),
    }
}
