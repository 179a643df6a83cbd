//! What to tell a client so that it starts this server: for the first one that is found on this machine.

use std::path::Path;

/// What is written down for a client, and what shows that somebody has it: files or folders in the home folder.
struct Client {
    name: &'static str,
    traces: &'static [&'static str],
    /// What to do, `PROGRAM` standing for this binary.
    snippet: &'static str,
}

const JSON: &str = r#"{ "mcpServers": { "openai": { "command": "PROGRAM", "env": { "OPENAI_API_KEY": "sk-..." } } } }"#;

const CLIENTS: [Client; 5] = [
    Client {
        name: "Claude Code",
        traces: &[".claude.json", ".claude"],
        snippet: "claude mcp add openai -e OPENAI_API_KEY=sk-... -- PROGRAM",
    },
    Client {
        name: "Codex, in ~/.codex/config.toml",
        traces: &[".codex"],
        snippet: "[mcp_servers.openai]\ncommand = \"PROGRAM\"\nenv_vars = [\"OPENAI_API_KEY\"]",
    },
    Client { name: "Cursor, in ~/.cursor/mcp.json", traces: &[".cursor"], snippet: JSON },
    Client {
        name: "Claude Desktop, in claude_desktop_config.json",
        traces: &["Library/Application Support/Claude", "AppData/Roaming/Claude", ".config/Claude"],
        snippet: JSON,
    },
    Client {
        name: "Gemini CLI, in ~/.gemini/settings.json",
        traces: &[".gemini"],
        snippet: r#"{ "mcpServers": { "openai": { "command": "PROGRAM", "env": { "OPENAI_API_KEY": "$OPENAI_API_KEY" } } } }"#,
    },
];

/// The lines to end with.
pub(super) fn for_this_machine(home: Option<&Path>) -> String {
    let program = std::env::current_exe().map_or_else(|_| "mcp-openai".to_owned(), |path| path.display().to_string());
    snippet(home, &program)
}

fn snippet(home: Option<&Path>, program: &str) -> String {
    let has = |client: &&Client| home.is_some_and(|home| client.traces.iter().any(|trace| home.join(trace).exists()));
    match CLIENTS.iter().find(has) {
        Some(Client { name, snippet, .. }) => {
            // Within JSON and TOML, a path of Windows would be read as escapes.
            let program = program.replace('\\', "/");
            let snippet = snippet.replace("PROGRAM", &program).replace('\n', "\n   ");
            format!(
                "\nTo use it from {name}:\n\n   {snippet}\n\nOther clients: \"Add it to your client\" in the README."
            )
        }
        None => "\nTo use it from your MCP client, see \"Add it to your client\" in the README.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snippet_is_for_a_client_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        assert!(snippet(Some(home.path()), "/bin/x").contains("README"));
        std::fs::create_dir(home.path().join(".codex")).unwrap();
        let codex = snippet(Some(home.path()), "/bin/x");
        assert!(codex.contains("Codex") && codex.contains("command = \"/bin/x\""), "{codex}");
        std::fs::write(home.path().join(".claude.json"), "{}").unwrap();
        assert!(snippet(Some(home.path()), "/bin/x").contains("claude mcp add openai"));
    }
}
