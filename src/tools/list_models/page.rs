//! The list as a text: for models, which pay for each word of it, and for people. Models that take the same stand
//! together.

use std::fmt::Write as _;

use super::{Makes, Model, Models, PerMillion};
use crate::argument::{self, REASONING_EFFORT};

/// Bytes of the names of unknown models that are listed: all of one's own server, and the first of a market of
/// hundreds.
const NAMES: usize = 1_000;

/// Models of a kind that take the same.
pub struct ModelGroup<'a> {
    /// `Text` or `Image`, never `Unknown`.
    pub kind: Makes,
    /// Differences from others of their kind: `reasoning_effort low, high; no temperature`.
    pub takes: String,
    /// In the order of the list.
    pub models: Vec<&'a Model>,
}

impl Models {
    /// All whose kind is known, text before pictures, in their order.
    #[must_use]
    pub fn alike(&self) -> Vec<ModelGroup<'_>> {
        let mut groups: Vec<ModelGroup<'_>> = Vec::new();
        for kind in [Makes::Text, Makes::Image] {
            for model in self.models.iter().filter(|model| model.kind == kind) {
                let takes = model.takes();
                match groups.iter_mut().find(|group| group.kind == kind && group.takes == takes) {
                    Some(group) => group.models.push(model),
                    None => groups.push(ModelGroup { kind, takes, models: vec![model] }),
                }
            }
        }
        groups
    }

    /// The ids of the models that only the upstream knows.
    #[must_use]
    pub fn unknown(&self) -> Vec<&str> {
        self.models.iter().filter(|model| model.kind == Makes::Unknown).map(|model| model.id.as_str()).collect()
    }

    /// The names of the roles that a model has; `default` for one that is asked when none is named.
    #[must_use]
    pub fn roles_of(&self, model: &Model) -> String {
        let roles = self.roles.iter().filter(|role| role.model == model.id).map(|role| role.name.as_str());
        let roles: Vec<_> = roles.collect();
        if roles.is_empty() && model.default { "default".to_owned() } else { roles.join(", ") }
    }

    /// As short as it can be read: a range for efforts, sizes once, a day once for all that retire on it.
    pub(super) fn page(&self) -> String {
        let mut page = String::new();
        let mut sizes = None;
        // Writing to a text cannot fail.
        for ModelGroup { kind, models, .. } in self.alike() {
            let Some(first) = models.first() else { continue };
            let mut head = vec![if kind == Makes::Image { "Pictures" } else { "Text" }.to_owned()];
            head.extend(first.efforts.as_deref().map(|efforts| format!("effort {}", range(efforts))));
            if let Some(these) = first.sizes.as_ref().filter(|these| !these.is_empty()) {
                let are_known = sizes.replace(these) == Some(these);
                head.push(if are_known { "same sizes".to_owned() } else { format!("size {}", these.join(" ")) });
            }
            head.extend(first.qualities.as_deref().map(|words| format!("quality {}", range(words))));
            head.extend(first.refuses());
            let day =
                first.retires_on.as_ref().filter(|day| models.iter().all(|it| it.retires_on.as_ref() == Some(day)));
            head.extend(day.map(|day| format!("retire {day}")));
            let models: Vec<_> = models.iter().map(|model| self.told(model, day)).collect();
            let _ = writeln!(page, "{}:\n{}\n", head.join(", "), models.join(", "));
        }
        let others = self.unknown();
        // At OpenAI itself they are those that answer no questions; elsewhere they are the models there are.
        let known = self.models.iter().filter(|model| model.kind != Makes::Unknown && model.listed != Some(false));
        let mut room = if known.count() > others.len() { 0 } else { NAMES };
        let fits = |name: &&&str| {
            let fits = room > name.len();
            room = room.saturating_sub(name.len() + 2);
            fits
        };
        let named: Vec<_> = others.iter().take_while(fits).copied().collect();
        let _ = match others.len() - named.len() {
            0 if named.is_empty() => Ok(()),
            0 => writeln!(page, "Unknown kind: {}\n", named.join(", ")),
            more if named.is_empty() => writeln!(page, "And {more} of unknown kind.\n"),
            more => writeln!(page, "Unknown kind: {}, and {more} more\n", named.join(", ")),
        };
        let _ = write!(page, "effort = reasoning_effort. USD/M tokens in/out, {}.", self.prices_as_of);
        page
    }

    fn told(&self, model: &Model, day_of_all: Option<&String>) -> String {
        let mut told = model.id.clone();
        let roles = self.roles_of(model);
        if !roles.is_empty() {
            let _ = write!(told, " ({roles})");
        }
        if let Some(PerMillion { input, output, .. }) = model.price {
            let _ = write!(told, " {input}/{output}");
        }
        if let Some(day) = model.retires_on.as_ref().filter(|day| day_of_all != Some(day)) {
            let _ = write!(told, " until {day}");
        }
        if model.listed == Some(false) {
            told.push_str(" (unlisted)");
        }
        told
    }
}

impl Model {
    /// Differences from other models of its kind: the words that it takes, and the arguments that it does not.
    #[must_use]
    pub fn takes(&self) -> String {
        let words = [("reasoning_effort", &self.efforts), ("size auto or", &self.sizes), ("quality", &self.qualities)];
        let words = words.into_iter().filter_map(|(argument, words)| {
            let words = words.as_ref().filter(|words| !words.is_empty())?;
            Some(format!("{argument} {}", words.join(", ")))
        });
        let takes: Vec<_> = words.chain(self.refuses()).collect();
        if takes.is_empty() { "all arguments".to_owned() } else { takes.join("; ") }
    }

    /// The arguments of its kind that it does not take.
    fn refuses(&self) -> Option<String> {
        let is_of_kind = |argument: &argument::Argument| match self.kind {
            Makes::Text | Makes::Unknown => argument.of.text(),
            Makes::Image => argument.of.pictures(),
        };
        let all = argument::ARGUMENTS.into_iter().filter(is_of_kind).map(|argument| argument.name);
        let refused: Vec<_> = all.filter(|name| !self.accepts.iter().any(|taken| taken == name)).collect();
        (!refused.is_empty()).then(|| format!("no {}", refused.join(", ")))
    }
}

/// `low to max`, where the words between are all there: those of efforts, but for `minimal`, which is the first or
/// missing, and of qualities, but for `auto`, which goes without saying.
fn range(words: &[String]) -> String {
    let efforts: Vec<_> = words.iter().filter(|word| *word != "auto").cloned().collect();
    let at = |effort: &String| {
        REASONING_EFFORT.words().iter().filter(|known| **known != "minimal").position(|known| known == effort)
    };
    let places: Vec<_> = efforts.iter().filter(|effort| *effort != "minimal").map(at).collect();
    let follow = places.windows(2).all(|pair| matches!(pair, [Some(one), Some(next)] if one + 1 == *next));
    match efforts.as_slice() {
        [first, .., last] if follow => format!("{first} to {last}"),
        efforts => efforts.join(" "),
    }
}
