//! Token counts as OpenAI bills them: what of a prompt was read from the prompt cache, what was written to it.
//! <https://platform.openai.com/docs/guides/prompt-caching>

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use serde_json::{Number, Value, json};

use super::{
    fields::Fields,
    models::Family,
    prose::{CHARACTERS_PER_TOKEN, Draft},
    reply::{self, ApiError},
};

/// The shortest prompt that is cached, and the steps in which prompts are compared, in tokens.
const SHORTEST: usize = 1024;
const STEP: usize = 128;

/// Number of beginnings that are remembered before all of them are forgotten.
const MOST: usize = 100_000;

/// The beginnings of prompts that were sent before. Nothing expires with time. Hashes stand for them, so that the set
/// takes a few megabytes at most, however long the prompts are.
#[derive(Debug, Default)]
pub(crate) struct PromptCache(Mutex<HashSet<u64>>);

/// A request's wishes for its prompt cache.
#[derive(Debug)]
pub(crate) struct Caching<'a> {
    /// Prompts with different keys share nothing.
    key: Option<&'a str>,
    mode: CacheMode,
    /// Given with the count of what was written, where the request names one.
    ttl: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CacheMode {
    Implicit,
    /// Nothing is cached: breakpoints have no effect here.
    Explicit,
}

impl<'a> Caching<'a> {
    pub(crate) fn read(fields: &'a Fields) -> Result<Self, ApiError> {
        let key = fields.text("prompt_cache_key")?;
        let (mut mode, mut ttl) = (CacheMode::Implicit, None);
        if let Some(options) = fields.object("prompt_cache_options", "mode ttl comparison_response_id prewarm")? {
            if options.choice("mode", &["implicit", "explicit"])? == Some("explicit") {
                mode = CacheMode::Explicit;
            }
            let asked = options.choice("ttl", &["30m", "12h"])?;
            ttl = ["30m", "12h"].into_iter().find(|known| asked == Some(*known));
        }
        Ok(Self { key, mode, ttl })
    }
}

/// Tokens of a prompt, by what the cache did for them; both are parts of the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct CacheCount {
    read: usize,
    written: usize,
}

impl PromptCache {
    /// Looks the prompt up, and remembers it.
    fn pass(&self, model: &str, prompt: &str, caching: &Caching) -> CacheCount {
        let steps = prompt.chars().count() / (STEP * CHARACTERS_PER_TOKEN);
        if caching.mode == CacheMode::Explicit || steps * STEP < SHORTEST {
            return CacheCount::default();
        }
        // One hash for each beginning, of all before it: prompts share what they share from the front, and nothing
        // behind it.
        let mut hasher = DefaultHasher::new();
        (model, caching.key).hash(&mut hasher);
        let mut characters = prompt.chars();
        let beginnings = (0..steps).map(|_| {
            characters.by_ref().take(STEP * CHARACTERS_PER_TOKEN).for_each(|character| character.hash(&mut hasher));
            hasher.finish()
        });
        let beginnings: Vec<u64> = beginnings.collect();
        // The lock is held from the look to the entry: of two alike that come at once, one is written and one is read.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = beginnings.iter().take_while(|beginning| known.contains(beginning)).count() * STEP;
        // At worst a prompt is written to the cache once more.
        if known.len() > MOST {
            known.clear();
        }
        known.extend(&beginnings);
        let read = if shared >= SHORTEST { shared } else { 0 };
        CacheCount { read, written: steps * STEP - read }
    }
}

/// The usage of one answer.
#[derive(Debug)]
pub(crate) struct Usage<'a> {
    draft: &'a Draft,
    cache: CacheCount,
    ttl: Option<&'a str>,
    /// The charge that an upstream such as `OpenRouter` names, in US$: only where a fault asks for it.
    cost: Option<Number>,
}

impl<'a> Usage<'a> {
    /// Counts the answer to a prompt, and remembers the prompt.
    pub(crate) fn count(
        prompts: &PromptCache,
        model: &str,
        family: &Family,
        caching: &Caching<'a>,
        draft: &'a Draft,
        cost: Option<Number>,
    ) -> Self {
        let mut cache = prompts.pass(model, &draft.prompt, caching);
        if !family.cache_writes {
            cache.written = 0;
        }
        Self { draft, cache, ttl: caching.ttl, cost }
    }

    /// As the Responses API has it.
    pub(crate) fn of_response(&self) -> Value {
        let draft = self.draft;
        let details = json!({"cached_tokens": self.cache.read, "cache_write_tokens": self.cache.written});
        let details = match self.ttl {
            None => details,
            Some(ttl) => {
                let of = |known| if ttl == known { self.cache.written } else { 0 };
                let written = json!({"ttl_30m_tokens": of("30m"), "ttl_12h_tokens": of("12h")});
                reply::merged(details, &json!({"cache_write_tokens_details": written}))
            }
        };
        self.with_cost(json!({
            "input_tokens": draft.input_tokens,
            "input_tokens_details": details,
            "output_tokens": draft.output_tokens,
            "output_tokens_details": {"reasoning_tokens": draft.reasoning_tokens},
            "total_tokens": draft.total_tokens(),
        }))
    }

    /// As Chat Completions has it.
    pub(crate) fn of_chat(&self) -> Value {
        let draft = self.draft;
        self.with_cost(json!({
            "prompt_tokens": draft.input_tokens, "completion_tokens": draft.output_tokens,
            "total_tokens": draft.total_tokens(),
            "prompt_tokens_details": {
                "cached_tokens": self.cache.read, "cache_write_tokens": self.cache.written, "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": draft.reasoning_tokens, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        }))
    }

    /// The usage of hosted tools, beside the model's own tokens.
    pub(crate) fn of_tools(&self) -> Value {
        let searches = usize::from(self.draft.searched.is_some());
        let none = json!({"image_tokens": 0, "text_tokens": 0});
        json!({
            "image_gen": {
                "input_tokens": 0, "input_tokens_details": none, "output_tokens": 0, "output_tokens_details": none,
                "total_tokens": 0,
            },
            "web_search": {"num_requests": searches},
        })
    }

    fn with_cost(&self, usage: Value) -> Value {
        match &self.cost {
            None => usage,
            Some(cost) => reply::merged(usage, &json!({"cost": cost})),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_prompts_share_is_read_and_the_rest_written() {
        let cache = PromptCache::default();
        let caching = |key| Caching { key, mode: CacheMode::Implicit, ttl: None };
        let pass = |prompt: &str, key| {
            let CacheCount { read, written } = cache.pass("m", prompt, &caching(key));
            (read, written)
        };
        let beginning = "word".repeat(1200);
        assert_eq!(pass(&"word".repeat(1000), None), (0, 0), "too short");
        assert_eq!(pass(&beginning, None), (0, 1152));
        assert_eq!(pass(&beginning, None), (1152, 0));
        assert_eq!(pass(&format!("{beginning}{}", "more".repeat(300)), None), (1152, 256));
        assert_eq!(pass(&beginning, Some("another")), (0, 1152), "another key is another cache");
        assert_eq!(pass(&format!("a{beginning}"), None), (0, 1152), "another beginning");
        let explicit = Caching { key: None, mode: CacheMode::Explicit, ttl: None };
        assert_eq!(cache.pass("m", &beginning, &explicit), CacheCount::default());
    }
}
