//! The body of an edit: fields and pictures, as a multipart form or as JSON with the pictures in data URLs. Both are
//! sent from where the pictures lie. <https://platform.openai.com/docs/api-reference/images/createEdit>

use std::fmt::Write;

use http::HeaderValue;
use serde_json::{Map, Value};

use super::{
    json::{Json, Long, Writer},
    upload::{Coding, FormPart},
};
use crate::media::Reference;

/// Cheap to clone; clones are sent as the same bytes.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub fields: Map<String, Value>,
    pub pictures: Vec<Reference>,
    pub mask: Option<Reference>,
    pub encoding: Encoding,
    pub naming: FieldNaming,
}

/// The name that the pictures of a multipart form go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldNaming {
    /// `image[]`, OpenAI's own.
    List,
    /// `image`, which some compatible servers know alone.
    Single,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Encoding {
    Multipart(Boundary),
    Json,
}

/// The boundary between the parts of a multipart body: 128 random bits, so that no picture holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boundary(String);

impl Boundary {
    pub(crate) fn draw() -> Self {
        Self(format!("mcp-openai-{:032x}", rand::random::<u128>()))
    }
}

impl Form {
    pub(crate) fn content_type(&self) -> HeaderValue {
        let multipart = match &self.encoding {
            Encoding::Multipart(boundary) => format!("multipart/form-data; boundary={}", boundary.0).try_into().ok(),
            Encoding::Json => None,
        };
        multipart.unwrap_or_else(|| HeaderValue::from_static("application/json"))
    }

    /// The body, piece by piece.
    pub(crate) fn parts(&self) -> Vec<FormPart> {
        match &self.encoding {
            Encoding::Multipart(boundary) => self.multipart(&boundary.0),
            Encoding::Json => self.json().parts(),
        }
    }

    /// RFC 7578.
    fn multipart(&self, boundary: &str) -> Vec<FormPart> {
        let mut parts = Vec::new();
        let mut text = String::new();
        for (name, value) in &self.fields {
            // A text without the quotes that it has in JSON.
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // Writing to a `String` cannot fail.
            let _ = write!(text, "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        let name = match self.naming {
            FieldNaming::List => "image[]",
            FieldNaming::Single => "image",
        };
        let pictures = self.pictures.iter().map(|picture| (name, picture));
        for (name, picture) in pictures.chain(self.mask.iter().map(|mask| ("mask", mask))) {
            let _ = write!(
                text,
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{}\"\r\n\
                 Content-Type: {}\r\n\r\n",
                quotable(&picture.name),
                picture.format.media_type()
            );
            parts.push(FormPart::text(std::mem::take(&mut text)));
            parts.push(FormPart::picture(picture.content.clone(), Coding::AsItIs, picture.name.clone()));
            text.push_str("\r\n");
        }
        let _ = write!(text, "--{boundary}--\r\n");
        parts.push(FormPart::text(text));
        parts
    }

    fn json(&self) -> Long {
        let mut images = Writer::default();
        images.list(&self.pictures, write_picture);
        let json = Json::new(self.fields.clone()).with("images", images.finish());
        let Some(mask) = &self.mask else { return json.whole() };
        let mut picture = Writer::default();
        write_picture(&mut picture, mask);
        json.with("mask", picture.finish()).whole()
    }
}

fn write_picture(json: &mut Writer, picture: &Reference) {
    json.raw(r#"{"image_url":"#);
    json.data_url(picture.format.media_type(), &picture.content, &picture.name);
    json.raw("}");
}

/// A file name as browsers write it between quotes.
/// <https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data>
fn quotable(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;
    use crate::{
        media::{Content, Dimensions, Format},
        openai::transport::upload::Upload,
    };

    fn reference(name: &str, bytes: &'static [u8]) -> Reference {
        Reference {
            name: name.to_owned(),
            format: Format::Png,
            dimensions: Dimensions { width: 1, height: 1 },
            content: Content::Memory(Bytes::from_static(bytes)),
        }
    }

    async fn sent(encoding: Encoding) -> String {
        let Value::Object(fields) = json!({"n": 1, "prompt": "ein \"Kätzchen\"", "stream": true}) else { panic!() };
        let pictures = vec![reference("a.png", b"AAAA"), reference("b\"\r\n.png", b"BB")];
        let form =
            Form { fields, pictures, mask: Some(reference("mask.png", b"M")), encoding, naming: FieldNaming::List };
        let (upload, _progress) = Upload::new(form.parts());
        String::from_utf8(upload.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn as_a_multipart_form() {
        let sent = sent(Encoding::Multipart(Boundary("b0".to_owned()))).await;
        let expected = "--b0\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n\
             --b0\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nein \"Kätzchen\"\r\n\
             --b0\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n\
             --b0\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a.png\"\r\n\
             Content-Type: image/png\r\n\r\nAAAA\r\n\
             --b0\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"b%22%0D%0A.png\"\r\n\
             Content-Type: image/png\r\n\r\nBB\r\n\
             --b0\r\nContent-Disposition: form-data; name=\"mask\"; filename=\"mask.png\"\r\n\
             Content-Type: image/png\r\n\r\nM\r\n--b0--\r\n";
        assert_eq!(sent, expected);
    }

    #[tokio::test]
    async fn as_json() {
        let sent: Value = serde_json::from_str(&sent(Encoding::Json).await).unwrap();
        let url = |base64: &str| json!({"image_url": format!("data:image/png;base64,{base64}")});
        let expected = json!({
            "n": 1, "prompt": "ein \"Kätzchen\"", "stream": true,
            "images": [url("QUFBQQ=="), url("QkI=")], "mask": url("TQ=="),
        });
        assert_eq!(sent, expected);
    }
}
