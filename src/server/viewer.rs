//! The viewer: an MCP App that shows the pictures of a result in the conversation. One page in one piece, without
//! network; hosts that know no MCP Apps never ask for it. Knows nothing of calls and results: the host hands them to
//! it.
//!
//! Protocol: <https://github.com/modelcontextprotocol/ext-apps/blob/main/specification/2026-01-26/apps.mdx>

use rmcp::{
    RoleServer,
    model::{ExtensionCapabilities, MetaObject, ReadResourceResult, ResourceContents},
    object,
    service::RequestContext,
};

use crate::tools::Shows;

pub(super) const URI: &str = "ui://mcp-openai/viewer";
/// The media type of an MCP App. Hosts compare it as a whole: not a space may differ.
const MEDIA_TYPE: &str = "text/html;profile=mcp-app";
const EXTENSION: &str = "io.modelcontextprotocol/ui";

/// Put together here, so that markup, style and script are each read as what they are. One page without a bundler or a
/// framework: the default policy of hosts runs inline scripts alone, and nobody has to install Node to build this.
const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Pictures</title>\n",
    "<style>\n",
    include_str!("viewer/viewer.css"),
    "</style>\n",
    include_str!("viewer/viewer.html"),
    "<script>\n\"use strict\";\n{\n",
    include_str!("viewer/host.js"),
    include_str!("viewer/result.js"),
    include_str!("viewer/elements.js"),
    include_str!("viewer/asking.js"),
    include_str!("viewer/enlarged.js"),
    include_str!("viewer/mask.js"),
    include_str!("viewer/several.js"),
    include_str!("viewer/gallery.js"),
    include_str!("viewer/viewer.js"),
    "}\n</script>\n</html>\n",
);

/// Declares the extension among the server's capabilities.
pub(super) fn extension() -> ExtensionCapabilities {
    ExtensionCapabilities::from([(EXTENSION.to_owned(), object!({ "mimeTypes": [MEDIA_TYPE] }))])
}

/// Returns whether a client says that it opens MCP Apps.
pub(super) fn is_opened_by(context: &RequestContext<RoleServer>) -> bool {
    let extensions = context.client_capabilities().and_then(|client| client.extensions);
    extensions.is_some_and(|extensions| extensions.contains_key(EXTENSION))
}

/// Tells a host to open the viewer for the results of a tool that may show pictures. A result of such a tool may be a
/// text, as in get-result: the viewer shows that, too.
pub(super) fn meta(shows: Shows) -> Option<MetaObject> {
    (shows == Shows::Pictures).then(|| MetaObject(object!({ "ui": { "resourceUri": URI } })))
}

/// The page. It declares no origin, so a host lets it reach none; where one grants the clipboard, pictures are copied.
pub(super) fn read() -> ReadResourceResult {
    let meta = MetaObject(object!({ "ui": { "prefersBorder": true, "permissions": { "clipboardWrite": {} } } }));
    ReadResourceResult::new(vec![ResourceContents::text(PAGE, URI).with_mime_type(MEDIA_TYPE).with_meta(meta)])
}
