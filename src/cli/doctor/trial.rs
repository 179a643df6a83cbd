//! `--try`: one answer and one picture, for a cent or two. Used-up credit, and an organisation that is not verified for
//! pictures, show in nothing that is free.

use serde_json::{Value, json};

use super::report::Finding;
use crate::{
    app::App,
    call::Call,
    cli::exit,
    code::Code,
    news::News,
    queue::Caller,
    tools::{Output, Tool, ToolError},
};

pub(super) async fn examine(app: &App) -> [Finding; 2] {
    // 512 tokens for one word: reasoning counts among them, and a smaller bound may leave no room for the word.
    let answer = json!({ "query": "Answer with one word: yes", "max_tokens": 512 });
    let picture = json!({ "prompt": "a grey dot", "quality": "low", "name": "doctor" });
    [tried(app, &*app.ask_openai, ("answer", answer)).await, tried(app, &*app.create_image, ("picture", picture)).await]
}

async fn tried<T: Tool>(app: &App, tool: &T, (check, arguments): (&'static str, Value)) -> Finding {
    let call = Call::new(Caller::local(), News::unheard(), app.stop.clone());
    let done = match serde_json::from_value(arguments) {
        Ok(arguments) => Box::pin(tool.run(arguments, &call)).await,
        Err(error) => Err(ToolError::InvalidArgument(error.to_string())),
    };
    match done {
        Ok(output) => Finding::fine(check, output.receipt().unwrap_or_else(|| "it came".to_owned())),
        Err(error) => {
            let remedy = remedy(error.code());
            let message = error.to_string();
            Finding::failed(check, message, remedy, exit::code(&error.into()))
        }
    }
}

fn remedy(code: Code) -> &'static str {
    match code {
        Code::Forbidden => {
            "have the organisation verified at https://platform.openai.com/settings/organization/general, which pictures \
             need; it takes up to 30 minutes to count. Or the key's project may not use the model: see its limits"
        }
        Code::QuotaExhausted => {
            "add credit at https://platform.openai.com/settings/organization/billing; a ChatGPT subscription holds none"
        }
        other => other.remedy(),
    }
}
