//! The payload of a request as it is sent: made anew for each attempt, always as the same bytes.

use std::mem;

use http::{StatusCode, header};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{
    form::{Encoding, FieldNaming, Form},
    json::{Json, Long},
    upload::{FormPart, Progress, Upload},
};
use crate::openai::{
    EditTransfer,
    failure::{
        complaint::Complaint,
        left_out::{self, OmittedPart},
    },
};

#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Nothing,
    Json(Json),
    /// Sent from where its pictures lie.
    Form(Form),
}

impl Payload {
    /// Puts it into a request. What takes its time to go up can be followed.
    pub(crate) fn load(&self, request: &mut reqwest::Request) -> Option<watch::Receiver<Progress>> {
        match self {
            Self::Nothing => None,
            Self::Json(json) => match json.whole() {
                // It is in memory, and handed over at once: there is nothing to follow.
                Long::Text(text) => {
                    *request.body_mut() = Some(text.into());
                    None
                }
                Long::Files(parts) => Some(follow(parts, request)),
            },
            Self::Form(form) => {
                request.headers_mut().insert(header::CONTENT_TYPE, form.content_type());
                Some(follow(form.parts(), request))
            }
        }
    }

    /// Offers what the upstream may take instead: the same without the field that it does not take, and what
    /// that is; or the same in another form.
    pub(crate) fn instead(
        &self,
        status: StatusCode,
        complaint: &Complaint,
        transfer: EditTransfer,
    ) -> Option<(Self, Option<OmittedPart>)> {
        // The least change first: without a field, under another name, in another form.
        self.without(complaint).or_else(|| Some((self.in_another_form(status, complaint, transfer)?, None)))
    }

    /// The same without what these complaints, which came inside a 200, are about, and what that is.
    pub(crate) fn after(
        mut self,
        complaints: &[Complaint],
        transfer: EditTransfer,
    ) -> (Self, Vec<Option<OmittedPart>>) {
        let mut taken_out = Vec::new();
        for complaint in complaints {
            if let Some((payload, without)) = self.instead(StatusCode::BAD_REQUEST, complaint, transfer) {
                self = payload;
                taken_out.push(without);
            }
        }
        (self, taken_out)
    }

    /// Without what `complaint` is about, and what that is; `None` when it is about nothing that may be left
    /// out.
    fn without(&self, complaint: &Complaint) -> Option<(Self, Option<OmittedPart>)> {
        let mut other = self.clone();
        let fields = other.fields()?;
        let (reduced, without) = left_out::reduce(mem::take(fields), complaint)?;
        *fields = reduced;
        Some((other, without))
    }

    /// Its small fields.
    fn fields(&mut self) -> Option<&mut Map<String, Value>> {
        match self {
            Self::Nothing => None,
            Self::Json(json) => Some(&mut json.fields),
            Self::Form(form) => Some(&mut form.fields),
        }
    }

    pub(crate) fn is_json_edit(&self) -> bool {
        matches!(self, Self::Form(form) if form.encoding == Encoding::Json)
    }

    /// The same without fields that the upstream refused before.
    pub(crate) fn dropping(mut self, refused: &[String]) -> Self {
        if let Some(fields) = self.fields() {
            left_out::drop_fields(fields, refused);
        }
        self
    }

    /// Returns whether its pictures go by the name that some servers know alone, though there are several.
    pub(crate) fn is_renamed(&self) -> bool {
        let Self::Form(form) = self else { return false };
        form.encoding != Encoding::Json && form.naming == FieldNaming::Single && form.pictures.len() > 1
    }

    /// With its pictures under the name `image`, where the upstream misses that, or does not know the other; or as
    /// JSON, where it does not take a multipart form.
    fn in_another_form(&self, status: StatusCode, complaint: &Complaint, transfer: EditTransfer) -> Option<Self> {
        let Self::Form(form) = self else { return None };
        if form.naming == FieldNaming::List && complaint.misses_the_field("image") {
            return Some(Self::Form(Form { naming: FieldNaming::Single, ..form.clone() }));
        }
        // OpenAI's edits by JSON have their pictures in `images`.
        let is_refused = status == StatusCode::UNSUPPORTED_MEDIA_TYPE
            || complaint.speaks_of_the_form()
            || complaint.misses_the_field("images");
        (is_refused && transfer == EditTransfer::Auto && form.encoding != Encoding::Json)
            .then(|| Self::Form(Form { encoding: Encoding::Json, ..form.clone() }))
    }
}

/// Has the parts sent as the body of the request.
fn follow(parts: Vec<FormPart>, request: &mut reqwest::Request) -> watch::Receiver<Progress> {
    let (upload, progress) = Upload::new(parts);
    *request.body_mut() = Some(reqwest::Body::wrap(upload));
    progress
}
