//! The kinds of requests, and which of the rules hold for each.

use http::Method;

use super::{
    failure::error::Billing,
    limits::{governor::Counted, retry::Resend},
    transport::body::Speed,
};
use crate::news::Stage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndpointKind {
    /// A question; also the request to stop a response.
    Text,
    /// A picture to make or to edit: it may be billed without an answer.
    Picture,
    /// The list of models. What is small and free (a failure, a file) is read by its rules, too.
    List,
    /// A text that is written in the background, read again.
    Response,
}

impl EndpointKind {
    pub(super) fn method(self) -> Method {
        if matches!(self, Self::List | Self::Response) { Method::GET } else { Method::POST }
    }

    pub(super) fn counted(self) -> Counted {
        // Each picture is a request of its own, so one place is enough.
        if self == Self::Picture { Counted::Picture } else { Counted::Request }
    }

    pub(super) fn resend(self) -> Resend {
        // OpenAI knows no idempotency key: a request for a picture that is sent again is another picture.
        if self == Self::Picture { Resend::OnlyUnpaid } else { Resend::Always }
    }

    pub(super) fn billing(self) -> Billing {
        if self == Self::Picture { Billing::Possible } else { Billing::No }
    }

    /// True for a request that is billed by itself: a look at what an earlier one began is no new spending.
    pub(super) fn is_paid(self) -> bool {
        match self {
            Self::Text | Self::Picture => true,
            Self::List | Self::Response => false,
        }
    }

    pub(super) fn waiting(self) -> Stage {
        if self == Self::Picture { Stage::Painting } else { Stage::Waiting }
    }

    /// A stream of tokens is legitimately slow.
    pub(super) fn speed(self) -> Speed {
        if matches!(self, Self::Text | Self::Response) { Speed::Free } else { Speed::Floor }
    }
}
