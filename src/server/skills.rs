//! Skills over MCP (SEP-2640): those of the plugin, embedded, each with the digest of its file. Read as resources,
//! `skill://NAME/SKILL.md`.

use rmcp::{
    ErrorData,
    model::{
        GetSkillResult, ListSkillsResult, ReadResourceResult, ResourceContents, Skill, SkillFrontmatter, SkillResource,
        SkillResources,
    },
};

use crate::text;

pub(super) const SCHEME: &str = "skill://";

/// A skill's URI, and its file in `skills/`: the plugin for Claude Code, Cursor and Copilot brings the same files.
type SkillFile = (&'static str, &'static str);

/// In the order of `skills/list`.
/// Prompts stay beside them: a person chooses those, and more clients have them.
const FILES: [SkillFile; 3] = [
    ("skill://compare-models/SKILL.md", include_str!("../../skills/compare-models/SKILL.md")),
    ("skill://picture-brief/SKILL.md", include_str!("../../skills/picture-brief/SKILL.md")),
    ("skill://second-opinion/SKILL.md", include_str!("../../skills/second-opinion/SKILL.md")),
];

pub(super) fn list() -> ListSkillsResult {
    ListSkillsResult::with_all_items(FILES.iter().map(skill).collect())
}

/// # Errors
/// Invalid params: there is no such skill.
pub(super) fn get(uri: &str) -> Result<GetSkillResult, ErrorData> {
    Ok(GetSkillResult::new(skill(find(uri)?)))
}

/// # Errors
/// Resource not found: there is no such file.
pub(super) fn read(uri: &str) -> Result<ReadResourceResult, ErrorData> {
    // As a resource: `skills/get` has invalid params for the same.
    let (uri, text) = find(uri).map_err(|error| ErrorData::resource_not_found(error.message, None))?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(*text, *uri).with_mime_type("text/markdown")]))
}

/// # Errors
/// Invalid params that name the skills there are.
fn find(uri: &str) -> Result<&'static SkillFile, ErrorData> {
    FILES.iter().find(|(known, _)| *known == uri).ok_or_else(|| {
        let known = FILES.map(|(uri, _)| uri).join(", ");
        ErrorData::invalid_params(format!("there is no skill {}; the skills are: {known}", text::brief(uri, 60)), None)
    })
}

fn skill((uri, text): &SkillFile) -> Skill {
    // Read each time: three small files, listed once an hour, are not worth a cache, nor a parser of YAML.
    let frontmatter = SkillFrontmatter::new(field(text, "name"), field(text, "description"));
    Skill::new(*uri, frontmatter, SkillResources::Files(vec![SkillResource::from_bytes(*uri, text.as_bytes())]))
}

/// A field of the frontmatter, where each stands on one line.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let mut frontmatter = text.lines().skip(1).take_while(|line| *line != "---");
    let value = frontmatter.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(str::trim).unwrap_or_default()
}
