//! Finish reasons, in any case and in the words of many APIs.

use crate::openai::Finish;

/// Reads a finish reason: `stop`, `STOP`, `end_turn`, `MAX_TOKENS`, `SAFETY` and the like; `None` for a word that says
/// that there is none yet.
pub(crate) fn read(reason: &str) -> Option<Finish> {
    let word = reason.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    // `FinishReason.STOP` is how Python prints the member of an enum.
    Some(match word.rsplit('.').next().unwrap_or_default() {
        // DashScope, for one, writes `null` as a word into every chunk.
        "" | "null" | "none" => return None,
        "stop" | "eos" | "eos_token" | "end_turn" | "end" | "end_of_text" | "stop_sequence" | "stop_token" | "done"
        | "complete" | "completed" | "finish" | "finished" | "finish_reason_stop" => Finish::Stop,
        "length"
        | "max_tokens"
        | "max_token"
        | "max_output_tokens"
        | "max_completion_tokens"
        | "max_length"
        | "model_length"
        | "token_limit"
        | "context_length"
        | "finish_reason_max_tokens" => Finish::MaxTokens,
        "content_filter"
        | "content_filtered"
        | "safety"
        | "moderation"
        | "sensitive"
        | "guardrail_intervened"
        | "prohibited_content"
        | "blocklist"
        | "spii"
        | "recitation"
        | "finish_reason_safety" => Finish::ContentFilter,
        "refusal" => Finish::Refusal,
        _ => Finish::Other(reason.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_in_any_case_and_word() {
        for (reason, finish) in [
            ("STOP", Finish::Stop),
            ("end_turn", Finish::Stop),
            ("eos_token", Finish::Stop),
            ("COMPLETE", Finish::Stop),
            ("FinishReason.STOP", Finish::Stop),
            ("MAX_TOKENS", Finish::MaxTokens),
            ("max-tokens", Finish::MaxTokens),
            ("length", Finish::MaxTokens),
            ("SAFETY", Finish::ContentFilter),
            ("tool_calls", Finish::Other("tool_calls".to_owned())),
        ] {
            assert_eq!(read(reason), Some(finish), "{reason}");
        }
        for none in ["", "null", "None"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
