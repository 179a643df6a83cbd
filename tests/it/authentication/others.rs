//! Callers beside each other and beside the server: what is another's does not exist, and no file of the server has a name.

use std::path::Path;

use mcp_openai::inputs::DataUrl;

use super::*;
use crate::peer::modern;

/// The real tools behind the site, with the sandbox as their upstream: alice, and bob who administers nothing.
async fn studio(project: Option<&Path>) -> (Site, [String; 2], Session) {
    let callers = no_callers();
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let scopes = CallerScope::ALL.into_iter().filter(|scope| *scope != CallerScope::Admin).collect();
    let bob = caller_with(&callers, "bob", CallerRights { scopes, limits: CallerLimits::default() }).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "clients.impatient.answer_within = '1ms'").unwrap();
    let mut settings = vec![("MCP_OPENAI_CONFIG", file.path().display().to_string())];
    settings.extend(project.map(|folder| ("MCP_OPENAI_PROJECT", folder.display().to_string())));
    let session = Session::start_at(Upstream::Sandbox, settings).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    (site, [alice, bob], session)
}

/// As [`asked`], from a client that knows tasks and waits for nothing.
async fn knowing_tasks(site: &Site, sender: &str, method: &str, params: Value) -> Value {
    let name = params["name"].as_str().or(params["taskId"].as_str()).unwrap();
    let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\n{sender}");
    let mut params = modern(params);
    params["_meta"]["io.modelcontextprotocol/clientInfo"]["name"] = json!("impatient");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    site.post(&headers, &message(1, method, params)).await.last_event()
}

/// The same handle with another last letter: nobody's.
fn nobodys(handle: &str) -> String {
    let (start, last) = handle.split_at(handle.len() - 1);
    format!("{start}{}", if last == "0" { "1" } else { "0" })
}

#[tokio::test]
async fn what_a_caller_has_does_not_exist_for_others() {
    let (site, [alice, bob], mut local) = Box::pin(studio(None)).await;
    let made = called(&site, &alice, "create-image", json!({"prompt": "a fox"})).await;
    let picture = made["structuredContent"]["images"][0]["uri"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let answer = called(&site, &alice, "ask-openai", json!({"query": "a fox?"})).await;
    let handle = answer["structuredContent"]["conversation"].as_str().unwrap().to_owned();
    let conversation = format!("conversation://{handle}");
    for uri in [&picture, &conversation] {
        assert!(asked(&site, &alice, "resources/read", json!({"uri": uri})).await["contents"].is_array(), "{uri}");
    }
    let asking = json!({"name": "ask-openai", "arguments": {"query": "And how is it done?"}});
    let job = knowing_tasks(&site, &alice, "tools/call", asking).await;
    let job = job["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{job}")).to_owned();

    let lists = async |sender: &str| {
        let listed = asked(&site, sender, "resources/list", json!({})).await["resources"].as_array().unwrap().len();
        let shown = called(&site, sender, "show-gallery", json!({})).await;
        let usage = asked(&site, sender, "resources/read", json!({"uri": "usage://summary"})).await;
        let has_used = usage["contents"][0]["text"].as_str().unwrap().contains("| all |");
        let proposed = async |template: &str, typed: &str| {
            let typed =
                json!({"ref": {"type": "ref/resource", "uri": template}, "argument": {"name": "id", "value": typed}});
            asked(&site, sender, "completion/complete", typed).await["completion"]["total"].take()
        };
        let proposed = [proposed("image://{id}", "").await, proposed("conversation://{id}", &handle).await];
        (listed, shown["structuredContent"]["images"].as_array().unwrap().len(), has_used, proposed)
    };
    assert_eq!(lists(&alice).await, (1, 1, true, [json!(1), json!(1)]));
    assert_eq!(lists(&bob).await, (0, 0, false, [json!(0), json!(0)]));
    let at_home = local.request("resources/list", json!({})).await;
    assert_eq!(at_home["resources"], json!([]), "nor for the person at the server");

    // Of another's and of nobody's the same is told, but for the name itself.
    let picture = picture.strip_prefix("image://").unwrap().to_owned();
    let none = picture.replacen('2', "1", 1);
    let dot = DataUrl::write("dot.png", dot().bytes());
    let call = |tool: &str, arguments: Value| ("tools/call", json!({"name": tool, "arguments": arguments}));
    for (id, none, (method, params)) in [
        (&picture, &none, ("resources/read", json!({"uri": "image://ID"}))),
        (&handle, &nobodys(&handle), ("resources/read", json!({"uri": "conversation://ID"}))),
        (&picture, &none, call("edit-image", json!({"prompt": "blue", "images": ["image://ID"]}))),
        (&picture, &none, call("edit-image", json!({"prompt": "blue", "images": [dot], "mask": "ID"}))),
        (&picture, &none, call("ask-openai", json!({"query": "?", "attachments": ["ID"]}))),
        (&picture, &none, call("ask-openai", json!({"query": "?", "attachments": ["ID"], "dry_run": true}))),
        (&handle, &nobodys(&handle), call("ask-openai", json!({"query": "?", "conversation": "ID"}))),
        (&handle, &nobodys(&handle), call("create-image", json!({"prompt": "?", "conversation": "ID"}))),
        (&handle, &nobodys(&handle), call("edit-image", json!({"prompt": "?", "images": [dot], "conversation": "ID"}))),
        (&job, &nobodys(&job), call("get-result", json!({"job": "ID"}))),
        (&job, &nobodys(&job), call("get-result", json!({"job": "ID", "cancel": true}))),
        (&job, &nobodys(&job), ("tasks/get", json!({"taskId": "ID"}))),
        (&job, &nobodys(&job), ("tasks/update", json!({"taskId": "ID", "inputResponses": {}}))),
        (&job, &nobodys(&job), ("tasks/cancel", json!({"taskId": "ID"}))),
    ] {
        assert_ne!(id, none);
        let [theirs, none] = [id, none].map(async |id| {
            let params = serde_json::from_str(&params.to_string().replace("ID", id)).unwrap();
            let told = if method.starts_with("tasks/") {
                knowing_tasks(&site, &bob, method, params).await
            } else {
                asked(&site, &bob, method, params).await
            };
            told.to_string().replace(id.as_str(), "ID")
        });
        let (theirs, none) = (theirs.await, none.await);
        assert_eq!(theirs, none, "{method} {params}");
        let refusal = if method == "tools/call" { "\"code\":\"not_found\"" } else { "\"code\":-32602" };
        assert!(theirs.contains(refusal), "{method} {params}: {theirs}");
    }
    let collected = called(&site, &alice, "get-result", json!({"job": job})).await;
    assert_eq!(collected["structuredContent"]["status"], "complete", "nobody else has stopped it: {collected}");
}

/// With paths that its letters refuse, too, and whatever of the server lies there.
#[tokio::test]
async fn a_caller_names_no_file_of_the_server() {
    let project = tempfile::tempdir().unwrap();
    std::fs::write(project.path().join("README.md"), "not for callers").unwrap();
    for folder in [None, Some(project.path())] {
        let (site, [alice, _], local) = Box::pin(studio(folder)).await;
        let kept = local.images.path().join("pictures/20261122-105106-k3x9q2-fox.png");
        std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
        std::fs::write(&kept, "not for callers").unwrap();
        let (kept, readme) = (kept.display().to_string(), project.path().join("README.md").display().to_string());
        let file = format!("file://{kept}");
        let paths = [&kept, &readme, &file, "/etc/passwd", "~/.ssh/id_rsa", "README.md", "./README.md", "@README.md:1"];
        let others = ["<README.md>", "../a", "C:\\a.png", "\\\\host\\a.png", "file://host/a.png", "FILE:///etc/passwd"];
        let asked_for =
            ["**/*", "*.md", "git:diff", "git:diff --staged", "git:diff main...", "git:show", "git:show HEAD"];
        let unread = ["git:show HEAD:README.md", "git:log", "git:"];
        let copies = ["docs/", "docs/fox.png", "fox", "/etc/fox.png", "../fox.png", ".env", "fox.sh"];
        let dot = DataUrl::write("dot.png", dot().bytes());
        let named = paths.into_iter().chain(others);
        let pictures = named.clone().flat_map(|name| {
            let masked = json!({"prompt": "blue", "images": [dot], "mask": name});
            [json!({"prompt": "blue", "images": [dot, name]}), masked].map(|arguments| ("edit-image", arguments))
        });
        let attached = named.chain(asked_for).chain(unread).flat_map(|name| {
            let attached = json!({"query": "?", "attachments": [name]});
            [attached, json!({"query": "?", "attachments": [name], "dry_run": true})].map(|it| ("ask-openai", it))
        });
        let saved = copies.into_iter().flat_map(|copy| {
            let edited = json!({"prompt": "blue", "images": [dot], "save_to": copy});
            [("create-image", json!({"prompt": "blue", "save_to": copy})), ("edit-image", edited)]
        });
        for (tool, arguments) in pictures.chain(attached).chain(saved) {
            let refused = called(&site, &alice, tool, arguments.clone()).await;
            let error = &refused["structuredContent"]["error"];
            assert_eq!(error["code"], "path_not_allowed", "{arguments}: {refused}");
            let message = error["message"].as_str().unwrap();
            let right =
                if arguments["save_to"].is_string() { "leave it out" } else { "send the content as a data URL" };
            let right = format!("files of the server cannot be named from another machine: {right}");
            assert!(message.contains(&right), "{message}");
        }
        let sent = json!({"query": "?", "attachments": ["data:text/plain;base64,aGk="]});
        assert_eq!(called(&site, &alice, "ask-openai", sent).await["structuredContent"]["status"], "complete");
    }
    assert_eq!(std::fs::read_dir(&project).unwrap().count(), 1);
}

#[tokio::test]
async fn a_caller_is_told_of_no_files_of_the_server() {
    let (site, [alice, _], mut local) = Box::pin(studio(None)).await;
    let theirs = asked(&site, &alice, "tools/list", json!({})).await;
    let here = local.request("tools/list", json!({})).await;
    let told = |tools: &Value| {
        let tools = tools["tools"].as_array().unwrap();
        let words = tools.iter().map(|tool| format!("{} {}", tool["description"], tool["inputSchema"]));
        let words = words.collect::<String>();
        let made_here = tools.iter().any(|tool| {
            let image = &tool["outputSchema"]["properties"]["images"]["items"]["properties"];
            image["path"].is_object() || image["saved_to"].is_object()
        });
        let places = ["path", "save_to", "git:", "glob", "project"].map(|word| words.contains(word));
        (places, made_here, ["data URLs", "image://", "https"].map(|word| words.contains(word)))
    };
    assert_eq!(told(&theirs), ([false; 5], false, [true; 3]), "{theirs}");
    assert_eq!(told(&here), ([true; 5], true, [true; 3]), "{here}");
}
