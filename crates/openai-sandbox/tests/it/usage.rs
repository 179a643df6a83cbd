//! The usage that an answer reports: the prompt cache, tiers, costs, searches.

use serde_json::{Value, json};

use super::Upstream;

impl Upstream {
    async fn post(&self, path: &str, fault: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.base_url)).header("x-sandbox-fault", fault);
        let answer = request.body(body.to_string()).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

const NO_FAULT: &str = "times=0";

#[tokio::test]
async fn a_long_prompt_is_written_to_the_cache_and_then_read() {
    let upstream = Upstream::start().await;
    let rules = "Be short. ".repeat(500);
    let ask = async |model: &str, more: Value| {
        let mut body = json!({"model": model, "instructions": rules, "input": "Why?"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = upstream.post("/responses", NO_FAULT, body).await;
        let usage = answer["usage"].clone();
        assert_eq!(usage["input_tokens"], 1254, "{answer}");
        usage["input_tokens_details"].clone()
    };
    assert_eq!(ask("gpt-6.2-sol", json!({})).await, json!({"cached_tokens": 0, "cache_write_tokens": 1152}));
    assert_eq!(ask("gpt-6.2-sol", json!({})).await, json!({"cached_tokens": 1152, "cache_write_tokens": 0}));
    let kept = json!({"prompt_cache_key": "mine", "prompt_cache_options": {"ttl": "12h"}});
    let details = json!({"ttl_30m_tokens": 0, "ttl_12h_tokens": 1152});
    let written = json!({"cached_tokens": 0, "cache_write_tokens": 1152, "cache_write_tokens_details": details});
    assert_eq!(ask("gpt-6.2-sol", kept).await, written);
    ask("gpt-5.5", json!({})).await;
    let free = json!({"cached_tokens": 1152, "cache_write_tokens": 0});
    assert_eq!(ask("gpt-5.5", json!({})).await, free, "reading is counted, writing is free");
}

#[tokio::test]
async fn a_conversation_reads_what_it_wrote() {
    let upstream = Upstream::start().await;
    let messages = json!([{"role": "user", "content": "Why? ".repeat(1000)}]);
    let first = upstream
        .post(
            "/chat/completions",
            NO_FAULT,
            json!({"model": "gpt-6-sol", "messages": messages, "reasoning_effort": "none"}),
        )
        .await;
    let answer = first["choices"][0]["message"]["content"].clone();
    let mut longer = messages.as_array().unwrap().clone();
    longer.push(json!({"role": "assistant", "content": answer}));
    longer.push(json!({"role": "user", "content": "And now?"}));
    let second = upstream.post("/chat/completions", NO_FAULT, json!({"model": "gpt-6-sol", "messages": longer})).await;
    let details = &second["usage"]["prompt_tokens_details"];
    assert_eq!(first["usage"]["prompt_tokens_details"]["cache_write_tokens"], 1152);
    assert_eq!((&details["cached_tokens"], &details["cache_write_tokens"]), (&json!(1152), &json!(256)), "{second}");
}

#[tokio::test]
async fn a_refused_prompt_is_not_written_to_the_cache() {
    let upstream = Upstream::start().await;
    let messages = json!([{"role": "user", "content": "Why? ".repeat(1000)}]);
    for (path, model, said, field, details) in [
        ("/responses", "gpt-6.2-sol", "input", "service_tier", "input_tokens_details"),
        ("/chat/completions", "gpt-6-sol", "messages", "n", "prompt_tokens_details"),
    ] {
        let ask = async |value: Value| {
            let body = json!({"model": model, said: messages, field: value});
            upstream.post(path, NO_FAULT, body).await
        };
        assert_eq!(ask(json!(0)).await["error"]["param"], field);
        assert_eq!(ask(Value::Null).await["usage"][details]["cached_tokens"], 0, "{path}");
    }
}

#[tokio::test]
async fn i08_a_number_beyond_63_bits_is_above_the_range() {
    let upstream = Upstream::start().await;
    let body = json!({"model": "gpt-6.2-sol", "input": "Hi", "max_output_tokens": u64::MAX});
    let refused = upstream.post("/responses", NO_FAULT, body).await;
    assert_eq!(refused["error"]["code"], "integer_above_max_value", "{refused}");
}

#[tokio::test]
async fn input_is_counted_without_an_answer() {
    let upstream = Upstream::start().await;
    let body = json!({"model": "gpt-6.2-sol", "input": "How are you?", "instructions": "Be short."});
    let counted = upstream.post("/responses/input_tokens", NO_FAULT, body.clone()).await;
    let answered = upstream.post("/responses", NO_FAULT, body).await;
    assert_eq!(counted, json!({"object": "response.input_tokens", "input_tokens": answered["usage"]["input_tokens"]}));
    let refused = upstream.post("/responses/input_tokens", NO_FAULT, json!({"model": "gpt-4", "input": "Hi"})).await;
    assert_eq!(refused["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn the_answer_names_its_tier() {
    let upstream = Upstream::start().await;
    for (path, said) in [("/responses", "input"), ("/chat/completions", "messages")] {
        for (asked, fault, named) in [
            (json!(null), NO_FAULT, "default"),
            (json!("flex"), NO_FAULT, "flex"),
            (json!("fast"), NO_FAULT, "priority"),
            (json!("priority"), "tier=default", "default"),
        ] {
            let said_so = json!([{"role": "user", "content": "Hi"}]);
            let body = json!({"model": "gpt-6.2-sol", said: said_so, "service_tier": asked});
            let answer = upstream.post(path, fault, body).await;
            assert_eq!(answer["service_tier"], named, "{path} {asked} {fault}");
        }
    }
}

#[tokio::test]
async fn costs_are_told_on_request_and_searches_always() {
    let upstream = Upstream::start().await;
    let body = json!({"model": "gpt-6.2-sol", "input": "News?", "tools": [{"type": "web_search"}]});
    let plain = upstream.post("/responses", NO_FAULT, body.clone()).await;
    assert_eq!(
        (&plain["usage"]["cost"], &plain["tool_usage"]["web_search"]["num_requests"]),
        (&Value::Null, &json!(1))
    );
    let dear = upstream.post("/responses", "cost=0.0123", body).await;
    assert_eq!(dear["usage"]["cost"], json!(0.0123));
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]});
    let chat = upstream.post("/chat/completions", "cost=0.5", body).await;
    assert_eq!(chat["usage"]["cost"], json!(0.5));
}
