//! What is known of an account's limits at this moment, in a form of one size, so that it is read and written in one go.

use std::time::Duration;

use ring::digest::{SHA256, digest};

use super::{
    Counted,
    rate::{Place, Rate},
};
use crate::model::ModelId;

/// The form's name; another form has another.
const MAGIC: u64 = u64::from_le_bytes(*b"mcprate1");

/// Models that are held back at one time, at most: names come from outside.
const HOLDS: usize = 32;

/// Magic, three moments, the holds and a checksum, in words of eight bytes.
pub(super) const SIZE: usize = 8 * (4 + 2 * HOLDS + 1);

/// Moments are times since the clock began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    written: Duration,
    /// When the next request is due in theory.
    requests: Duration,
    /// And the next picture.
    pictures: Duration,
    /// Models by their hashes, and until when the upstream has no requests left for them.
    holds: Vec<(u64, Duration)>,
}

impl Record {
    /// Takes the first free place; or none, and says how far away it is, where that is not sooner than `within`.
    pub(super) fn take(
        &mut self,
        counted: Counted,
        rate: Rate,
        now: Duration,
        within: Duration,
    ) -> Result<Place, Duration> {
        let due = self.due(counted);
        let place = rate.place(*due, now);
        if place.wait >= within {
            return Err(place.wait);
        }
        *due = place.after;
        Ok(place)
    }

    /// Takes a place back. Whether that could be: not once another was taken behind it.
    pub(super) fn take_back(&mut self, counted: Counted, place: Place) -> bool {
        let due = self.due(counted);
        let is_last = *due == place.after;
        if is_last {
            *due = place.before;
        }
        is_last
    }

    fn due(&mut self, counted: Counted) -> &mut Duration {
        match counted {
            Counted::Request => &mut self.requests,
            Counted::Picture => &mut self.pictures,
        }
    }

    /// How long a model has no requests left.
    pub(super) fn hold_of(&self, model: &ModelId, now: Duration) -> Option<Duration> {
        let model = hash(model.as_str().as_bytes());
        let (_, until) = self.holds.iter().find(|(held, _)| *held == model)?;
        until.checked_sub(now).filter(|wait| !wait.is_zero())
    }

    /// Holds a model back until a moment.
    pub(super) fn hold(&mut self, model: &ModelId, until: Duration, now: Duration) {
        let model = hash(model.as_str().as_bytes());
        self.holds.retain(|(held, until)| *held != model && *until > now);
        if self.holds.len() < HOLDS {
            self.holds.push((model, until));
        }
    }

    pub(super) fn release(&mut self, model: &ModelId) {
        let model = hash(model.as_str().as_bytes());
        self.holds.retain(|(held, _)| *held != model);
    }

    /// As it is written at `now`.
    pub(super) fn encode(&mut self, now: Duration) -> Vec<u8> {
        self.written = now;
        let holds = self.holds.iter().flat_map(|(model, until)| [*model, nanos(*until)]);
        let words = [MAGIC, nanos(self.written), nanos(self.requests), nanos(self.pictures)].into_iter().chain(holds);
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.resize(SIZE - 8, 0);
        bytes.extend(hash(&bytes).to_le_bytes());
        bytes
    }

    /// What was written, as it is to be understood now; `None` for what is damaged, or of another form.
    ///
    /// A record from the future was written before the clock was set back: its moments go back with it, so that nobody
    /// waits for a time that passed once already.
    pub(super) fn decode(bytes: &[u8], now: Duration) -> Option<Self> {
        let (content, checksum) = bytes.split_at_checked(SIZE - 8)?;
        if checksum != hash(content).to_le_bytes() {
            return None;
        }
        let (words, _) = content.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        if words.next()? != MAGIC {
            return None;
        }
        let written = words.next()?;
        let ahead = Duration::from_nanos(written).saturating_sub(now);
        let moment = |nanos| Duration::from_nanos(nanos).saturating_sub(ahead);
        let (requests, pictures) = (moment(words.next()?), moment(words.next()?));
        let mut holds = Vec::new();
        while let (Some(model), Some(until)) = (words.next(), words.next()) {
            if until > 0 {
                holds.push((model, moment(until)));
            }
        }
        Some(Self { written: moment(written), requests, pictures, holds })
    }
}

/// Until the year 2554.
fn nanos(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
}

/// The same in every version of this program.
fn hash(bytes: &[u8]) -> u64 {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_hours(500_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn model(name: &str) -> ModelId {
        ModelId::parse(name).unwrap()
    }

    fn record() -> Record {
        let mut record = Record { requests: NOW + SECOND, pictures: NOW + 9 * SECOND, ..Record::default() };
        record.hold(&model("a"), NOW + 5 * SECOND, NOW);
        record
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut written = record();
        let bytes = written.encode(NOW);
        assert_eq!(bytes.len(), SIZE);
        assert_eq!(Record::decode(&bytes, NOW), Some(written));
    }

    #[test]
    fn p04_a_record_with_one_bit_changed_is_none() {
        let bytes = record().encode(NOW);
        for index in 0..SIZE {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert_eq!(Record::decode(&damaged, NOW), None, "at {index}");
        }
        assert_eq!(Record::decode(&bytes[..SIZE - 1], NOW), None);
        assert_eq!(Record::decode(b"", NOW), None);
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nobody() {
        let bytes = record().encode(NOW);
        let back = NOW / 2;
        let read = Record::decode(&bytes, back).unwrap();
        assert_eq!((read.requests, read.pictures), (back + SECOND, back + 9 * SECOND));
        assert_eq!(read.hold_of(&model("a"), back), Some(5 * SECOND));
    }

    #[test]
    fn a_hold_ends_and_makes_room() {
        let mut record = record();
        assert_eq!(record.hold_of(&model("a"), NOW + 5 * SECOND), None);
        assert_eq!(record.hold_of(&model("b"), NOW), None);
        for number in 0..2 * HOLDS {
            record.hold(&model(&format!("m{number}")), NOW + 9 * SECOND, NOW + 6 * SECOND);
        }
        assert_eq!(record.holds.len(), HOLDS);
        record.release(&model("m0"));
        assert_eq!(record.hold_of(&model("m0"), NOW + 6 * SECOND), None);
    }

    #[test]
    fn a_place_is_taken_back_while_it_is_the_last() {
        let rate = Rate::per_minute(std::num::NonZeroU32::MIN);
        let mut record = record();
        let first = record.take(Counted::Request, rate, NOW, 9 * SECOND).unwrap();
        assert_eq!(first.wait, SECOND);
        assert_eq!(record.take(Counted::Request, rate, NOW, 9 * SECOND), Err(61 * SECOND));
        let second = record.take(Counted::Request, rate, NOW, 99 * SECOND).unwrap();
        assert!(!record.take_back(Counted::Request, first));
        assert!(record.take_back(Counted::Request, second) && record.take_back(Counted::Request, first));
        assert_eq!(record.requests, NOW + SECOND);
    }
}
