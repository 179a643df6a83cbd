//! A line as a message. Tool calls are read straight into their types: rmcp's own way tries one request type after the
//! other on a copy of the whole line.

use rmcp::model::{
    CallToolRequest, CallToolRequestMethod, CallToolRequestParams, ClientJsonRpcMessage, ClientRequest, JsonRpcMessage,
    JsonRpcVersion2_0, RequestId,
};
use serde::Deserialize;

use crate::text;

/// Reads any message of a client.
///
/// # Errors
/// The line is no JSON, or no message.
pub(super) fn read(line: &[u8]) -> serde_json::Result<ClientJsonRpcMessage> {
    match serde_json::from_slice::<ToolCall>(line) {
        Ok(call) => Ok(call.into()),
        // Another method, or a call that rmcp may still read another way.
        Err(_) => serde_json::from_slice(line).or_else(|error| {
            // Hosts cut texts between the halves of a character, and write tabs and bytes of another encoding as they are.
            let mended = text::mend(line);
            let read = match std::str::from_utf8(line) {
                Ok(_) => serde_json::from_str(&mended),
                Err(_) => serde_json::from_str::<ToolCall>(&mended).map(Into::into),
            };
            read.map_err(|_| error)
        }),
    }
}

#[derive(Deserialize)]
struct ToolCall {
    #[expect(dead_code, reason = "it has to be this one")]
    method: CallToolRequestMethod,
    #[expect(dead_code, reason = "it has to be there")]
    jsonrpc: JsonRpcVersion2_0,
    id: RequestId,
    params: CallToolRequestParams,
}

impl From<ToolCall> for ClientJsonRpcMessage {
    fn from(ToolCall { id, mut params, .. }: ToolCall) -> Self {
        // Where rmcp's service looks for it.
        let meta = params.meta.take();
        let mut request = CallToolRequest::new(params);
        if let Some(meta) = meta {
            request.extensions.insert(meta);
        }
        JsonRpcMessage::request(ClientRequest::CallToolRequest(request), id)
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::RequestMetaObject;

    use super::*;

    fn call_in(message: &ClientJsonRpcMessage) -> (&RequestId, &CallToolRequestParams, Option<&RequestMetaObject>) {
        match message {
            JsonRpcMessage::Request(request) => match &request.request {
                ClientRequest::CallToolRequest(call) => (&request.id, &call.params, call.extensions.get()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_tool_call_reads_as_rmcp_reads_it() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"params":{"arguments":{"q":"\u00e9","n":[1.5,null]},"name":"a"},"method":"tools/call","id":"x","jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":7,"x":{}},"task":{}}}"#,
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a","requestState":"s","more":1},"more":1}"#,
        ] {
            let (ours, theirs) = (read(line.as_bytes()).unwrap(), serde_json::from_str(line).unwrap());
            assert_eq!(call_in(&ours), call_in(&theirs), "{line}");
            assert!(serde_json::from_str::<ToolCall>(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_no_sound_tool_call_is_left_to_rmcp() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        ] {
            let rmcps = serde_json::from_str::<ClientJsonRpcMessage>(line).map(|message| format!("{message:?}"));
            let ours = read(line.as_bytes()).map(|message| format!("{message:?}"));
            assert_eq!(ours.ok(), rmcps.ok(), "{line}");
        }
        for line in [r#"{"id":1,"method":"tools/call","params":{"name":"a"}}"#, r#"{"jsonrpc":"2.0","id":1"#] {
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
    }
}
