//! `docs/cli.md`, written from what the command line says of itself.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};
use mcp_openai::cli::CommandLine;

const HEAD: &str = "\
<!-- Generated from what --help says. Refresh with: UPDATE_DOCS=1 cargo test --test it docs -->
# The command line

Results go to stdout, everything else to stderr; `--json` prints what a program can read. `mcp-openai man [COMMAND]` is the
manual, `mcp-openai completions SHELL` makes a shell complete commands, models, sizes and ids.

- **Piped input.** `git diff | mcp-openai ask \"review this\"` attaches what is piped in; without a question it is the question.
  `image` takes text that follows the prompt or stands for it, and a picture to change. `--attach -` and `--from -` say so
  in words. A terminal, `/dev/null` and a socket are not waited for.
- **`-o PATH`** never writes over a file (`fox-2.png` is next; `--force` overwrites), the extension decides the format, a
  folder is a folder, and `-o -` writes the picture to stdout.
- **On a terminal** an answer's Markdown is rendered, line by line as it comes, and pictures are drawn: by kitty's protocol
  (kitty, Ghostty), as iTerm2's inline images (iTerm2, WezTerm, mintty), as sixels (foot, mlterm, Contour), elsewhere in half blocks, where there are 256 colours
  at least. The terminal is known by its environment and never asked. `--inline` draws all the same, `--inline=FORM` in
  that form, `--no-inline` not at all. In a pipe, with `NO_COLOR` and with `TERM=dumb`, answers come byte for byte and no
  picture is drawn.
- **`chat`** has the keys of a shell (arrows, Ctrl-A, Ctrl-R ...) and a history of its own in `state.dir`, for you alone; a
  line that begins with a blank is not in it. Ctrl-C stops the answer, Ctrl-D, `exit` and `quit` end the chat, and the last
  line says how to go on from there. Each line of a pipe is a turn.
- **Presets** (`-p NAME`) are sections of the configuration file: arguments, and a template with `{input}` where what is
  typed or piped in goes. A template without it is complete by itself: what is typed follows it, what is piped in is
  attached. Flags go before a preset, and a preset before what `--like` brings.
- **Ids** of pictures are given whole, by their beginning or end, or by a number of the last listing.
- **Exit codes:** 0 ok, 1 the call failed, 2 usage, 69 upstream unreachable, 78 configuration, 130 interrupted.
";

/// The whole page.
pub fn markdown() -> String {
    let mut program = CommandLine::command();
    program.build();
    let globals: Vec<_> = program.get_arguments().filter(|argument| argument.is_global_set()).cloned().collect();
    let mut page = HEAD.to_owned();
    let _ = write!(page, "\n## Global options\n\n{}", rows(globals.iter()));
    for command in program.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        section(command, &mut page);
    }
    page
}

fn section(command: &mut Command, page: &mut String) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.render_usage().to_string();
    let name = command.get_bin_name().unwrap_or_default().to_owned();
    let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let _ = write!(page, "\n## {name}\n\n{about}.\n\n```\n{usage}\n```\n");
    let own: Vec<_> =
        command.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help").collect();
    if !own.is_empty() {
        let _ = write!(page, "\n{}", rows(own.into_iter()));
    }
    for within in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        section(within, page);
    }
}

fn rows<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut table = "| argument | what it is |\n|---|---|\n".to_owned();
    for argument in arguments {
        let cell = |text: String| text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ");
        // One without a long name is called by its short one.
        let short = argument.get_short().filter(|_| argument.get_long().is_some());
        let short = short.map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let long = argument.to_string();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let mut values = argument.get_possible_values();
        values.retain(|_| !argument.is_hide_possible_values_set());
        let values: Vec<_> = values.iter().map(|value| value.get_name().to_owned()).collect();
        let takes_value = argument.get_action().takes_values();
        let values =
            if takes_value && !values.is_empty() { format!(" ({})", values.join(", ")) } else { String::new() };
        let _ = writeln!(table, "| {short}`{}` | {}{values} |", cell(long), cell(help));
    }
    table
}
