//! `mcp-openai completions`: a script that makes a shell ask this program how a line goes on, values included.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use clap::Command;
use clap_complete::{ArgValueCandidates, CompleteEnv, CompletionCandidate, Shell, env::Shells};

/// Set by the script for a run that completes a line. Not clap's own `COMPLETE`, which anybody may have set.
const VARIABLE: &str = "MCP_OPENAI_COMPLETE";
const PROGRAM: &str = "mcp-openai";

const HOW: &str = "\
Try it in this shell, or write the line where it reads its settings:
  bash        source <(mcp-openai completions bash)                   ~/.bashrc
  zsh         source <(mcp-openai completions zsh)                    ~/.zshrc, after compinit
  fish        mcp-openai completions fish | source                    ~/.config/fish/config.fish
  powershell  mcp-openai completions powershell | Out-String | Invoke-Expression     $PROFILE";

/// The function that bash calls: to bash, `=` and `:` part words; to the program, `--model=x` and `16:9` are one word each. The
/// program's own function is given whole words, without a backslash before a blank; of its replies goes what bash keeps,
/// and they are quoted as the word is.
const WHOLE_WORDS: &str = r#"
_mcp_openai() {
    local rest=${COMP_LINE:0:COMP_POINT} word words=() last=-1 i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${rest#"${rest%%[![:blank:]]*}"}
        if ((i == 0)) || [[ $word != "$rest" ]]; then last=$((last + 1)); fi
        rest=$word
        if ((i < COMP_CWORD)); then word=${COMP_WORDS[i]}; fi
        words[last]=${words[last]-}$word
        rest=${rest:${#word}}
    done
    local current=${words[last]} typed=$2 plain=
    case $current in
        [\"\']*) current=${current:1} ;;
        --*=[\"\']*) current=${current/=[\"\']/=} ;;
        *) plain=yes current=${current//\\/} typed=${typed//\\/} ;;
    esac
    local kept=${current%"$typed"} COMP_WORDS=("${words[@]}") COMP_CWORD=$last
    _clap_complete_mcp_openai "$1" "$current" "${words[last > 0 ? last - 1 : 0]}"
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
    if [[ $plain ]]; then
        for i in "${!COMPREPLY[@]}"; do
            printf -v word %q "${COMPREPLY[i]}"
            if [[ $word == '\~/'* ]]; then word=${word:1}; fi
            COMPREPLY[i]=$word
        done
    fi
}"#;

#[derive(Debug, clap::Args)]
#[command(after_help = HOW)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// The shell to write for
    shell: Shell,
}

/// Writes the script.
///
/// # Errors
/// When stdout cannot be written to.
pub fn run(args: &Args, program: &Command) -> anyhow::Result<ExitCode> {
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell.to_string()).context("this shell cannot be written for")?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, program.get_name(), PROGRAM, &itself(), &mut script)?;
    if args.shell == Shell::Bash {
        let parted = String::from_utf8(script)?;
        // Without candidates, files are completed as bash does it.
        // Ours in the place of clap's, which it calls by its name.
        let registered = parted.replace("-F _clap_complete_mcp_openai ", "-o default -F _mcp_openai ");
        script = (WHOLE_WORDS.to_owned() + &registered).into();
    }
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The command by which the script starts this program: as it was started now, so that a program that moves is found
/// by its name.
fn itself() -> String {
    let typed = std::env::args_os().next().unwrap_or_else(|| PROGRAM.into());
    let path = Path::new(&typed);
    let is_path = path.components().count() > 1;
    let path = if is_path { std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() };
    path.to_string_lossy().into_owned()
}

/// Answers a shell by what [`run`] wrote for it: whether it was one that asked.
pub(super) fn answer(
    arguments: impl IntoIterator<Item = OsString>,
    program: fn() -> Command,
) -> Result<bool, clap::Error> {
    let working_folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(|| with_pages(program())).var(VARIABLE).try_complete(arguments, working_folder.as_deref())
}

/// The program, whose manual has a page for each of its commands.
fn with_pages(program: Command) -> Command {
    let commands: Vec<_> = program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let candidates = move || commands.iter().map(CompletionCandidate::new).collect();
    program.mut_subcommand("man", |man| man.mut_arg("command", |page| page.add(ArgValueCandidates::new(candidates))))
}
