//! Keys as examples have them: `sk-...`, `your-api-key-here`. Whoever copies an example has not filled it in.

/// Words of examples, the longer ones first where one begins another.
const WORDS: [&str; 24] = [
    "personal", "replace", "openai", "secret", "actual", "change", "insert", "paste", "token", "enter", "valid",
    "your", "here", "with", "goes", "real", "proj", "api", "key", "own", "put", "add", "me", "sk",
];
/// One of these is in each example, and in no key.
const TELLING: [&str; 8] = ["replace", "change", "insert", "paste", "enter", "your", "here", "put"];
/// And one of these: alone, the others may be words of a setting.
const NOUNS: [&str; 4] = ["token", "secret", "key", "me"];
/// Stand for the letters of a key.
const FILLING: [char; 4] = ['x', '.', '*', '…'];

/// Returns whether a value is the example of a key, and of nothing else.
pub(super) fn is_example_key(value: &str) -> bool {
    let lower = value.to_lowercase();
    let is_between = |c: char| matches!(c, '-' | '_' | ' ' | '/');
    let mut rest = lower.trim_start_matches(is_between);
    let (mut is_filler, mut tells, mut names) = (false, false, false);
    while !rest.is_empty() {
        let unfilled = rest.trim_start_matches(FILLING);
        let filling = rest.len() - unfilled.len();
        let Some(length) = (filling > 0).then_some(filling).or_else(|| word(rest).map(str::len)) else { return false };
        let (piece, behind) = rest.split_at(length);
        is_filler |= filling >= 3;
        tells |= TELLING.contains(&piece);
        names |= NOUNS.contains(&piece);
        rest = behind.trim_start_matches(is_between);
    }
    is_filler || tells && names
}

fn word(text: &str) -> Option<&'static str> {
    WORDS.into_iter().find(|word| text.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_told_from_keys() {
        let examples = "\
            sk-... sk-… sk-xxxx SK-PROJ-XXXXXXXX sk-**** your-api-key YOUR_API_KEY your_openai_api_key_here \
            yourApiKey sk-your-key-here paste-your-key-here changeme replace-me INSERT_KEY xxx ...";
        for example in examples.split_whitespace().chain(["your key"]) {
            assert!(is_example_key(example), "{example}");
        }
        let keys = "\
            sk-1234 sk-proj-Ab3 dummy none ollama lm-studio EMPTY not-needed my-secret-key token-abc123 sk-key \
            replace me here secret key x your-api-key-42 sk-test";
        for key in keys.split_whitespace().chain([""]) {
            assert!(!is_example_key(key), "{key}");
        }
    }
}
