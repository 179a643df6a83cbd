//! Folders in which programs keep their settings on an operating system, for this user.

use std::path::{Path, PathBuf};

/// Operating systems with folders of their own for settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Any Unix but macOS.
    Linux,
    /// `~/Library/Application Support`.
    Macos,
    /// `%APPDATA%`.
    Windows,
}

/// A folder that clients' files are found from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    Home,
    /// The system's folder for settings: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    Settings,
    /// `~/.config` on a Mac too; `%APPDATA%` on Windows.
    DotConfig,
    /// The folder that a client's own variable names, else this one in the home folder.
    Own {
        variable: &'static str,
        otherwise: &'static str,
    },
}

/// One user's folders.
#[derive(Debug, Clone)]
pub struct Places {
    /// The system whose folders these are; tests take another than their own.
    pub platform: Platform,
    home: PathBuf,
    settings: PathBuf,
    dot_config: PathBuf,
    /// `%LOCALAPPDATA%`: where Windows keeps what packaged programs write.
    packages: PathBuf,
    own: Vec<(&'static str, PathBuf)>,
}

/// The variables that [`Root::Own`] names.
const OWN: [&str; 3] = ["CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME"];

impl Platform {
    /// The system that this program was built for.
    #[must_use]
    pub fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Macos
        } else {
            Self::Linux
        }
    }
}

impl Places {
    /// The folders of the user with this home folder and this environment.
    #[must_use]
    pub fn new(platform: Platform, home: &Path, variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let named = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
        let in_home = |path: &str| beneath(home, path);
        let dot_config = match platform {
            Platform::Linux | Platform::Macos => named("XDG_CONFIG_HOME").unwrap_or_else(|| in_home(".config")),
            Platform::Windows => named("APPDATA").unwrap_or_else(|| in_home("AppData/Roaming")),
        };
        let settings = match platform {
            // Desktop programs keep to Apple's folder; those from the terminal have `~/.config` there, too.
            Platform::Macos => in_home("Library/Application Support"),
            Platform::Linux | Platform::Windows => dot_config.clone(),
        };
        let packages = named("LOCALAPPDATA").unwrap_or_else(|| in_home("AppData/Local")).join("Packages");
        // Looked up here, where the environment is given: one test covers the folders of all systems.
        let own = OWN.into_iter().filter_map(|name| Some((name, named(name)?))).collect();
        Self { platform, home: home.to_owned(), settings, dot_config, packages, own }
    }

    /// The path beneath a folder, `/` between its parts.
    #[must_use]
    pub fn find(&self, root: Root, path: &str) -> PathBuf {
        match root {
            Root::Home => beneath(&self.home, path),
            Root::Settings => beneath(&self.settings, path),
            Root::DotConfig => beneath(&self.dot_config, path),
            Root::Own { variable, otherwise } => {
                let own = self.own.iter().find(|(name, _)| *name == variable).map(|(_, folder)| folder.clone());
                beneath(&own.unwrap_or_else(|| beneath(&self.home, otherwise)), path)
            }
        }
    }

    /// The folder that a program from the Microsoft Store has in place of its `%APPDATA%`.
    #[must_use]
    pub fn packaged_settings(&self, program: &str) -> Option<PathBuf> {
        if self.platform != Platform::Windows {
            return None;
        }
        let of_program = |name: &str| name.strip_prefix(program).is_some_and(|rest| rest.starts_with('_'));
        let packages = std::fs::read_dir(&self.packages).ok()?.filter_map(Result::ok);
        let mut packages = packages.filter(|entry| of_program(&entry.file_name().to_string_lossy()));
        packages.next().map(|entry| beneath(&entry.path(), "LocalCache/Roaming"))
    }
}

/// Part by part, so that the separators are the system's own.
pub(super) fn beneath(folder: &Path, path: &str) -> PathBuf {
    path.split('/').filter(|part| !part.is_empty()).fold(folder.to_owned(), |path, part| path.join(part))
}
