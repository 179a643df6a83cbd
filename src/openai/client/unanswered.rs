//! A request that began no answer, or one that was nothing but a complaint: what may be done about it.

use crate::{
    money::Metered,
    openai::{
        Failure, Terms,
        failure::{complaint::Complaint, objection::Objection},
        limits::retry::Symptom,
    },
};

/// The reason why no answer began.
pub(crate) enum Unanswered {
    /// It may be answered if it is put in another way.
    Objected(Objection, Failure),
    Failed(Failure),
    /// The answer was nothing but a complaint that may pass: it may be asked for again.
    Missed(Symptom, Failure),
    /// The answer was nothing but a complaint about a field, which may be left out.
    FieldRefused(Box<Complaint>, Failure),
}

impl Unanswered {
    /// Reads an answer that was nothing but a complaint, by the best that can be done about it.
    pub(crate) fn inside_200(
        failure: Failure,
        metered: Metered,
        objection: Option<Objection>,
        refused: Option<Box<Complaint>>,
        symptom: Option<Symptom>,
        terms: &Terms,
    ) -> Self {
        // Before it is asked again: a call that is given up while it waits for that pays at most for this answer.
        let missed = |failure: Failure| {
            terms.missed(&failure, metered);
            failure
        };
        match (objection, refused, symptom) {
            (Some(objection), _, _) => Self::Objected(objection, missed(failure)),
            (None, Some(complaint), _) => Self::FieldRefused(complaint, missed(failure)),
            (None, None, Some(symptom)) => Self::Missed(symptom, missed(failure)),
            (None, None, None) => Self::Failed(failure),
        }
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Objected(_, failure)
            | Unanswered::Failed(failure)
            | Unanswered::Missed(_, failure)
            | Unanswered::FieldRefused(_, failure) => failure,
        }
    }
}
