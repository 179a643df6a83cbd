//! The end of the demo: what the first client that is found on this machine needs to start this server.

use crate::{
    cli::{
        clients::{CLIENTS, Scope},
        install::{Folders, ServerOptions},
        print_config,
    },
    config::Flags,
};

/// The lines to end with.
pub(super) fn for_this_machine(flags: &Flags) -> String {
    let folders = Folders::of_this_user().ok();
    folders
        .and_then(|folders| snippet(&folders, flags))
        .unwrap_or_else(|| "\nTo use it from an MCP client: mcp-openai install\nor, to see what that would write: mcp-openai print-config CLIENT".to_owned())
}

/// `None` where no client is found.
fn snippet(folders: &Folders, flags: &Flags) -> Option<String> {
    let client = CLIENTS.iter().find(|client| client.is_found(&folders.places))?;
    let (file, text) = print_config::entry(client, folders, Scope::User, &ServerOptions::default(), flags).ok()?;
    let text = text.trim_end().replace('\n', "\n   ");
    Some(format!(
        "\nTo use it from {}: mcp-openai install {}\nwhich adds this to {}:\n\n   {text}",
        client.name,
        client.id,
        file.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::clients::{Places, Platform};

    #[test]
    fn the_snippet_is_for_a_client_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::new(Platform::Linux, home.path(), |_| None);
        let folders = Folders { places, project: home.path().to_owned() };
        let flags = Flags::default();
        assert_eq!(snippet(&folders, &flags), None);
        std::fs::create_dir(home.path().join(".codex")).unwrap();
        let codex = snippet(&folders, &flags).unwrap();
        assert!(codex.contains("mcp-openai install codex") && codex.contains("[mcp_servers.openai]"), "{codex}");
        std::fs::write(home.path().join(".claude.json"), "{}").unwrap();
        assert!(snippet(&folders, &flags).unwrap().contains("mcp-openai install claude-code"));
    }
}
