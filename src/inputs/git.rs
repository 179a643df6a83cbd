//! Git as a source of attachments: a diff, or a commit. Read-only and bounded, by the git program without a shell.
//! Nothing that the repository configures is run, and nothing outside its own work tree is read.

use std::{path::Path, process::Stdio, time::Duration};

use futures_util::future::join_all;
use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use super::{
    Error, Inputs, Project,
    project::{mutual_git_folder, work_tree},
    secret::Secrets,
};
use crate::text;

/// The prefix of an attachment that git answers.
pub const SCHEME: &str = "git:";
/// The largest output that one attachment may have, in bytes.
// As much as a text that is attached may have.
const MOST: u64 = 2_000_000;
/// Time for all that one project is asked; then git is killed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Projects that are asked at once: each takes three processes of git.
const MOST_PROJECTS: usize = 8;
/// Bytes of a query.
const LONGEST: usize = 200;

/// A read-only query to git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitQuery {
    verb: Verb,
    /// Revisions, and `--staged`.
    words: Vec<String>,
}

/// The answer of git.
#[derive(Debug, Clone)]
pub struct GitAnswer {
    /// As git prints it, without the files that look like secrets.
    pub text: String,
    /// Says which files were left out; `None`: none was.
    pub left_out: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Diff,
    Show,
}

/// Reasons for which git gives no attachment.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The query is none of the forms that are taken.
    #[error("git takes `git:diff`, `git:diff --staged`, `git:diff main...` or `git:show HEAD`")]
    Form,
    /// The project lies in no git work tree, so there is nothing to ask.
    #[error("the project is in no git work tree")]
    NoWorkTree,
    /// Its `.git` names a repository that does not name it in turn.
    #[error(
        "the project's .git names a repository that does not know this folder, and is not read: if it is a linked work \
         tree that was moved, run `git worktree repair` in it"
    )]
    Stranger,
    /// Git failed; the text is the first line of its reason.
    #[error("git cannot answer (is there such a revision?): {0}")]
    Refused(String),
    /// The output is empty.
    #[error("the diff is empty: leave it out, or compare with another revision, as in `git:diff HEAD~1`")]
    Nothing,
    /// All that differs looks like a secret; the text names the files.
    #[error("there is nothing to attach: {0} is left out, since it looks like a secret")]
    Secrets(String),
    /// The output passes 2 MB.
    #[error("git's output is larger than 2 MB: name a narrower range")]
    Long,
    /// Git was stopped after 20 s.
    #[error("git did not finish within 20 s")]
    Slow,
    /// Git is not installed or cannot be started; the text says why.
    #[error("the git program cannot be started ({0}): install it, or attach files")]
    NoProgram(String),
    /// Its name cannot be written on a command line, so it could not be turned off.
    #[error("the repository configures a filter that cannot be turned off: remove it, or attach files")]
    Filter,
}

impl GitQuery {
    /// Reads `git:diff [--staged] [REVISION...]` and `git:show REVISION`. A revision is letters, digits and
    /// `._/~^@{}-`; it cannot be read as an option.
    ///
    /// # Errors
    /// [`GitError::Form`].
    pub fn parse(name: &str) -> Result<Self, GitError> {
        let query = name.strip_prefix(SCHEME).filter(|_| name.len() <= LONGEST).ok_or(GitError::Form)?;
        let mut words = query.split_whitespace();
        let verb = match words.next() {
            Some("diff") => Verb::Diff,
            Some("show") => Verb::Show,
            _ => return Err(GitError::Form),
        };
        let words: Vec<_> = words.map(str::to_owned).collect();
        let is_revision = |word: &String| {
            // No colon: `HEAD:.env` would name a file's content, past all that is excluded by names.
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/~^@{}-".contains(c);
            !word.starts_with('-') && word.chars().all(is_plain)
        };
        let is_staged = |word: &String| verb == Verb::Diff && matches!(word.as_str(), "--staged" | "--cached");
        let most = if verb == Verb::Diff { 3 } else { 1 };
        let fits = words.len() <= most && words.iter().all(|word| is_revision(word) || is_staged(word));
        if fits { Ok(Self { verb, words }) } else { Err(GitError::Form) }
    }

    /// The command as one would type it.
    #[must_use]
    pub fn name(&self) -> String {
        let verb = if self.verb == Verb::Diff { "git diff" } else { "git show" };
        [verb].into_iter().chain(self.words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    /// Runs git in the project's folder, secrets left out.
    async fn run(&self, root: &Path) -> Result<GitAnswer, GitError> {
        let top = work_tree(root).ok_or(GitError::NoWorkTree)?;
        mutual_git_folder(top).ok_or(GitError::Stranger)?;
        let work = async {
            let filters = filters(root, top).await?;
            let told = async |secrets, form: &[&str]| {
                let mut git = git(root, top);
                for filter in &filters {
                    for part in ["clean=", "smudge=", "process=", "required=false"] {
                        git.arg("-c").arg(format!("{filter}.{part}"));
                    }
                }
                output(git.args(self.arguments(secrets, form))).await
            };
            // Git is asked twice: for what is attached, and for the names of what is not.
            let text = told(Secrets::LeftOut, &[]).await?;
            let names = told(Secrets::Alone, &["--name-only", "-z"]).await?;
            let names = some_of(&names);
            match (text.trim().is_empty(), names.is_empty()) {
                (true, true) => Err(GitError::Nothing),
                (true, false) => Err(GitError::Secrets(names)),
                (false, _) => {
                    let left_out = (!names.is_empty())
                        .then(|| format!("Left out of {}: {names} (looks like a secret).", self.name()));
                    Ok(GitAnswer { text, left_out })
                }
            }
        };
        timeout(PATIENCE, work).await.map_err(|_| GitError::Slow)?
    }

    fn arguments(&self, which: Secrets, form: &[&str]) -> Vec<String> {
        let format = if which == Secrets::Alone { "--format=" } else { "--format=medium" };
        let (verb, own): (_, &[&str]) = match self.verb {
            // The work tree of a submodule would be looked at under the submodule's own configuration.
            Verb::Diff => ("diff", &["--ignore-submodules=dirty"]),
            // A signature is checked by a program that the repository names; `--cc` merges nothing anew.
            Verb::Show => ("show", &[format, "--no-show-signature", "--no-notes", "--cc"]),
        };
        // External diffs and conversions of text are programs, which the attributes of a repository choose.
        let shared = ["--no-ext-diff", "--no-textconv", "--no-color", "--relative", "--submodule=short"];
        let flags = [verb].into_iter().chain(own.iter().copied()).chain(shared).chain(form.iter().copied());
        let flags = flags.map(str::to_owned);
        let words: Vec<_> = match (self.verb, self.words.as_slice()) {
            (Verb::Diff, words) => words.to_vec(),
            (Verb::Show, []) => vec!["HEAD^{commit}".to_owned()],
            // A commit alone: a file's own id would get past what is excluded by its name.
            (Verb::Show, revisions) => revisions.iter().map(|revision| format!("{revision}^{{commit}}")).collect(),
        };
        let all = (which == Secrets::LeftOut).then(|| ".".to_owned());
        flags.chain(words).chain(["--".to_owned()]).chain(all).chain(which.pathspecs()).collect()
    }
}

/// The first of the names, each of which ends with a NUL.
fn some_of(names: &str) -> String {
    const SHOWN: usize = 5;
    let names: Vec<_> = names.split(['\0', '\n']).filter(|name| !name.is_empty()).collect();
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| text::brief(name, 80)).collect();
    let others = names.len().saturating_sub(SHOWN);
    if others == 0 { shown.join(", ") } else { format!("{} and {others} more", shown.join(", ")) }
}

impl GitError {
    /// The weight of an error that tells of more than a project without an answer.
    const FAILED: u8 = 3;

    /// Its place among the errors of several projects: the heaviest says most.
    fn weight(&self) -> u8 {
        match self {
            Self::NoWorkTree => 0,
            Self::Nothing => 1,
            Self::Refused(_) => 2,
            Self::Form
            | Self::Stranger
            | Self::Secrets(_)
            | Self::Long
            | Self::Slow
            | Self::NoProgram(_)
            | Self::Filter => Self::FAILED,
        }
    }
}

impl Inputs {
    /// Runs a query of git in the project; of several, in the first eight, each under its folder's name.
    ///
    /// # Errors
    /// [`Error::NoProject`], and the [`GitError`] that says most as [`Error::Nothing`], where no project has an answer.
    pub async fn git(&self, query: &GitQuery) -> Result<GitAnswer, Error> {
        self.admit_file()?;
        let projects = self.projects().await;
        let roots = projects.iter().take(MOST_PROJECTS).map(Project::root);
        let asked = join_all(roots.map(async |root| (root, query.run(root).await))).await;
        let is_alone = asked.len() == 1;
        let (mut texts, mut left_out, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (root, answer) in asked {
            let folder = root.file_name().unwrap_or_default().to_string_lossy();
            match answer {
                Ok(answer) if is_alone => return Ok(answer),
                Ok(GitAnswer { text, left_out: secrets }) => {
                    texts.push(format!("In {folder}:\n{text}"));
                    left_out.extend(secrets);
                }
                Err(error) => errors.push((folder, error)),
            }
        }
        if texts.is_empty() {
            let telling = errors.into_iter().max_by_key(|(_, error)| error.weight());
            let nothing = telling.map(|(_, error)| Error::Nothing(error.to_string()));
            return Err(nothing.unwrap_or_else(|| Error::NoProject(query.name())));
        }
        let unasked = errors.iter().filter(|(_, error)| error.weight() == GitError::FAILED);
        left_out.extend(unasked.map(|(folder, error)| format!("Nothing of {folder} is in {}: {error}.", query.name())));
        let left_out = (!left_out.is_empty()).then(|| left_out.join(" "));
        Ok(GitAnswer { text: texts.join("\n"), left_out })
    }
}

/// Settings under which git starts no program: no pager, monitor or hook, and no transport for objects that are
/// missing. A repository that lies in the project's own folders is none.
const SAFE: &str = "\
    core.fsmonitor=false core.hooksPath=/dev/null core.untrackedCache=false log.showSignature=false \
    safe.bareRepository=explicit";

/// Variables that would lead git elsewhere, start a program, or change how the excluded paths are read.
const LEADING: &str = "\
    GIT_DIR GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_EXTERNAL_DIFF GIT_CONFIG GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS \
    GIT_NOGLOB_PATHSPECS GIT_ICASE_PATHSPECS";

/// Git in `root`, for the repository whose work tree is `top`: its own `core.worktree` could name any other folder.
fn git(root: &Path, top: &Path) -> Command {
    // The program and no library: gix would be some eighty crates for two verbs.
    let mut git = Command::new("git");
    for variable in LEADING.split_ascii_whitespace() {
        git.env_remove(variable);
    }
    // With a ceiling, no repository further up is found, which may be somebody else's.
    git.env("GIT_WORK_TREE", top).env("GIT_CEILING_DIRECTORIES", top.parent().unwrap_or(top));
    // Without the locks that reading takes to write down what it found: they would stop a git of the person's beside
    // it. <https://git-scm.com/docs/git#Documentation/git.txt-codeGITOPTIONALLOCKScode>
    git.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    // Both, as older versions know the second alone; it allows no transport, whatever the repository says.
    git.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none");
    git.current_dir(root).arg("--no-pager");
    for setting in SAFE.split_ascii_whitespace() {
        git.args(["-c", setting]);
    }
    // Killed when the call is given up: in a large repository it would read on.
    git.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    git
}

/// The filters that are configured, as `filter.NAME`: a comparison with the work tree would run them.
async fn filters(root: &Path, top: &Path) -> Result<Vec<String>, GitError> {
    let mut git = git(root, top);
    let listed = output(git.args(["config", "--null", "--name-only", "--list"])).await?;
    let keys = listed.split('\0').filter(|key| key.starts_with("filter."));
    let mut filters: Vec<_> = keys.filter_map(|key| Some(key.rsplit_once('.')?.0.to_owned())).collect();
    filters.sort_unstable();
    filters.dedup();
    let is_writable = |filter: &String| !filter.contains(['=', char::REPLACEMENT_CHARACTER]);
    if filters.iter().all(is_writable) { Ok(filters) } else { Err(GitError::Filter) }
}

async fn output(command: &mut Command) -> Result<String, GitError> {
    let unread = |error: std::io::Error| GitError::NoProgram(error.to_string());
    let mut git = command.spawn().map_err(unread)?;
    let (Some(stdout), Some(stderr)) = (git.stdout.take(), git.stderr.take()) else { return Err(GitError::Form) };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    // Each pipe is closed when enough was read of it: git ends then, in place of waiting for a reader.
    let reading = async { stdout.take(MOST + 1).read_to_end(&mut out).await };
    let complaining = async { stderr.take(4_096).read_to_end(&mut err).await };
    // Both at once: a pipe that nobody reads fills up, and git would wait for its reader.
    let (read, _) = tokio::join!(reading, complaining);
    if read.map_err(unread)? as u64 > MOST {
        return Err(GitError::Long);
    }
    if !git.wait().await.map_err(unread)?.success() {
        let why = String::from_utf8_lossy(&err);
        return Err(GitError::Refused(text::brief(why.lines().next().unwrap_or_default(), 200)));
    }
    // A difference may be of files in any encoding.
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_takes_differences_and_commits_and_nothing_else() {
        let taken = "git:diff|git:diff main...|git:diff --staged|git:show HEAD|git:diff HEAD~2 HEAD|git:show a@{1}";
        for name in taken.split('|') {
            assert!(GitQuery::parse(name).is_ok(), "{name}");
        }
        assert_eq!(GitQuery::parse("git:diff  main...").unwrap().name(), "git diff main...");
        let refused = "\
            git:|git:log|git:push|git:diff --output=/tmp/x|git:diff --no-index|git:show --ext-diff|\
            git:show HEAD:.env|git:diff ;ls|git:diff $(ls)|git:show a b|git:diff -O/etc/passwd|git:show --staged";
        for name in refused.split('|') {
            assert!(matches!(GitQuery::parse(name), Err(GitError::Form)), "{name}");
        }
    }
}
