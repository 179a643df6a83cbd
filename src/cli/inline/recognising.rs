//! The form in which a terminal draws pictures, by what its environment says of it. It is never asked: an answer that
//! comes late, or that a terminal does not understand, is typed into the shell.

use super::InlineForm;

/// Colours that a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Colours {
    /// 16 million.
    True,
    /// The 256 of xterm.
    #[default]
    Palette,
}

/// The environment: the value of each variable that is set.
pub(super) struct Environment<V>(pub V);

impl<V: Fn(&str) -> Option<String>> Environment<V> {
    fn value(&self, name: &str) -> String {
        (self.0)(name).unwrap_or_default()
    }

    fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| !self.value(name).is_empty())
    }

    /// `None` where nothing is to be drawn.
    pub(super) fn form(&self) -> Option<InlineForm> {
        let (term, program) = (self.value("TERM"), self.value("TERM_PROGRAM"));
        let (term, program) = (term.as_str(), program.as_str());
        // Programs that are started from a terminal inherit its variables, and often are terminals themselves.
        let is_generic = term.starts_with("xterm");
        let is_unnamed = is_generic && program.is_empty();
        if self.has(&["NO_COLOR"]) || term == "dumb" || (term.is_empty() && !self.has(&["WT_SESSION"])) {
            None
        } else if self.has(&["TMUX", "STY", "ZELLIJ"]) || term.starts_with("screen") || term.starts_with("tmux") {
            // These draw by themselves, and pass on no picture.
            self.blocks()
        } else if ["xterm-kitty", "xterm-ghostty"].contains(&term)
            || (is_generic && program == "ghostty")
            || (is_unnamed && self.has(&["KITTY_WINDOW_ID"]))
        {
            Some(InlineForm::Kitty)
        } else if term == "wezterm"
            || (is_generic && ["iTerm.app", "WezTerm", "mintty"].contains(&program))
            // iTerm2 names itself there, too, since ssh hands on `LC_*` as a rule, and little else.
            || (is_unnamed && self.value("LC_TERMINAL") == "iTerm2")
        {
            Some(InlineForm::Iterm2)
        } else if ["foot", "mlterm", "contour"].iter().any(|name| term.starts_with(name)) {
            Some(InlineForm::Sixel)
        } else {
            self.blocks()
        }
    }

    fn blocks(&self) -> Option<InlineForm> {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| self.value(name));
        let locale = locale.into_iter().find(|locale| !locale.is_empty()).unwrap_or_default().to_lowercase();
        let shows_blocks = locale.split_once('.').is_none_or(|(_, charset)| charset.starts_with("utf"));
        (shows_blocks && self.colours().is_some()).then_some(InlineForm::Blocks)
    }

    /// `None` where there are too few for a picture.
    pub(super) fn colours(&self) -> Option<Colours> {
        let term = self.value("TERM");
        let has_all = ["truecolor", "24bit"].contains(&self.value("COLORTERM").as_str());
        if has_all || self.has(&["WT_SESSION"]) || term.ends_with("-direct") {
            Some(Colours::True)
        } else {
            term.contains("256color").then_some(Colours::Palette)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_known_by_its_environment_and_one_that_is_not_gets_nothing() {
        const KITTY: Option<InlineForm> = Some(InlineForm::Kitty);
        const ITERM2: Option<InlineForm> = Some(InlineForm::Iterm2);
        const SIXEL: Option<InlineForm> = Some(InlineForm::Sixel);
        const BLOCKS: Option<InlineForm> = Some(InlineForm::Blocks);
        for (variables, expected) in [
            ("TERM=xterm-kitty KITTY_WINDOW_ID=1 COLORTERM=truecolor", KITTY),
            ("TERM=xterm-kitty SSH_TTY=/dev/pts/1", KITTY),
            ("TERM=xterm-256color KITTY_WINDOW_ID=1", KITTY),
            ("TERM=xterm-ghostty TERM_PROGRAM=ghostty", KITTY),
            ("TERM=xterm-256color TERM_PROGRAM=iTerm.app COLORTERM=truecolor", ITERM2),
            ("TERM=xterm-256color LC_TERMINAL=iTerm2 SSH_TTY=/dev/pts/1", ITERM2),
            ("TERM=xterm-256color TERM_PROGRAM=WezTerm", ITERM2),
            ("TERM=wezterm", ITERM2),
            ("TERM=foot COLORTERM=truecolor", SIXEL),
            ("TERM=foot-extra TERM_PROGRAM=iTerm.app", SIXEL),
            ("TERM=mlterm-256color", SIXEL),
            // Started from a terminal that draws, and draw none of it themselves.
            ("TERM=xterm-256color TERM_PROGRAM=vscode KITTY_WINDOW_ID=1 COLORTERM=truecolor", BLOCKS),
            ("TERM=alacritty-direct TERM_PROGRAM=iTerm.app", BLOCKS),
            ("TERM=tmux-256color TERM_PROGRAM=tmux TMUX=/tmp/tmux KITTY_WINDOW_ID=1", BLOCKS),
            ("TERM=screen-256color LC_TERMINAL=iTerm2", BLOCKS),
            ("TERM=xterm-kitty TMUX=/tmp/tmux COLORTERM=truecolor", BLOCKS),
            ("TERM=xterm-256color", BLOCKS),
            ("TERM=xterm-256color LANG=de_DE.UTF-8", BLOCKS),
            ("WT_SESSION=7d", BLOCKS),
            ("TERM=xterm-256color LANG=de_DE.UTF-8 LC_ALL=de_DE.ISO-8859-1", None),
            ("TERM=xterm", None),
            ("TERM=screen", None),
            ("TERM=linux", None),
            ("TERM=dumb COLORTERM=truecolor", None),
            ("TERM=xterm-kitty NO_COLOR=1", None),
            ("COLORTERM=truecolor", None),
            ("", None),
        ] {
            let pairs: Vec<_> = variables.split(' ').filter_map(|pair| pair.split_once('=')).collect();
            let variable = |name: &str| Some(pairs.iter().find(|(known, _)| *known == name)?.1.to_owned());
            assert_eq!(Environment(variable).form(), expected, "{variables}");
        }
    }

    #[test]
    fn colours_are_as_many_as_the_terminal_has() {
        let colours = |term: &str, colour: &str| {
            let variables = [("TERM", term), ("COLORTERM", colour)];
            Environment(|name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned())).colours()
        };
        assert_eq!(colours("xterm-256color", "truecolor"), Some(Colours::True));
        assert_eq!(colours("xterm-256color", ""), Some(Colours::Palette));
        assert_eq!(colours("xterm", ""), None);
    }
}
