//! Files that look like secrets, by their names alone: to be asked of a path, and as git's pathspecs.

use std::path::Path;

/// Folders of secrets, with all that is in them.
const FOLDERS: &str =
    ".git .ssh .gnupg .aws .azure .kube .config/gcloud .config/gh .password-store .terraform.d .env .supabase";
/// Files of secrets.
const FILES: &str = "\
    .netrc _netrc .pgpass .npmrc .pypirc .htpasswd .git-credentials .dockercfg .docker/config.json .dev.vars \
    .flaskenv .my.cnf .mylogin.cnf .s3cfg .boto .terraformrc .vault-token .m2/settings.xml \
    application_default_credentials.json auth.json local.settings.json wallet.dat .history id_rsa id_dsa id_ecdsa \
    id_ecdsa_sk id_ed25519 id_ed25519_sk credentials secrets htpasswd .credentials.json .mcp.json \
    .claude/settings.local.json claude_desktop_config.json env.production env.local key.json keyfile.json \
    google-services.json deploy_key deploy_rsa private.asc .dockerconfigjson rootkey.csv accesskeys.csv rclone.conf \
    .vault_pass .vault-pass vault_pass.txt wallet.json logins.json key3.db key4.db cookies cookies.txt cookies.sqlite \
    login.keychain-db pgpass.conf pip.conf .yarnrc.yml nuget.config settings-security.xml shadow wp-config.php \
    .curlrc kubeconfig kubeconfig.yaml kubeconfig.yml id_rsa.old id_rsa.bak";
/// Words in the name of a file of data, which has one of the extensions below.
const WORDS: [&str; 8] =
    ["credential", "secret", "password", "passwd", "api_key", "api-key", "apikey", "firebase-adminsdk"];
/// Whole names of such files: as words they would be in `design-tokens.json`, which is not a secret.
const STEMS: [&str; 5] = ["token", "api_token", "access_token", "auth_token", "pass"];
/// Extensions of files of data. Code is not among them: `src/password.rs` is to be reviewed.
const DATA: [&str; 9] = ["json", "yaml", "yml", "toml", "ini", "txt", "csv", "conf", "xml"];
/// Beginnings of names, and the end that goes with each.
const AFFIXES: [(&str, &str); 20] = [
    (".env", ""),
    (".dev.vars.", ""),
    (".", "_history"),
    ("client_secret", ".json"),
    ("gha-creds-", ".json"),
    ("service-account", ".json"),
    ("service_account", ".json"),
    ("serviceaccount", ".json"),
    ("", ".tfstate.backup"),
    ("", ".env.bak"),
    ("", "-key.json"),
    ("", "_key.json"),
    ("", "api_key"),
    ("", "apikey"),
    ("", "api_token"),
    ("", "access-token"),
    ("", ".token"),
    ("ssh_host_", "_key"),
    ("wg", ".conf"),
    (".wgetrc", ""),
];
/// Extensions of keys, and of what holds them.
const EXTENSIONS: [&str; 16] = [
    "env", "pem", "key", "p8", "p12", "pfx", "jks", "keystore", "keytab", "kdb", "kdbx", "ppk", "gpg", "ovpn",
    "tfstate", "tfvars",
];

/// The files of a comparison that are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    LeftOut,
    Alone,
}

impl Secrets {
    /// Pathspecs of the files that [`is_secret`] names.
    pub(super) fn pathspecs(self) -> impl Iterator<Item = String> {
        let folders = FOLDERS.split_ascii_whitespace().map(|folder| format!("{folder}/**"));
        let files = FILES.split_ascii_whitespace().map(str::to_owned);
        let affixes = AFFIXES.iter().map(|(start, end)| format!("{start}*{end}"));
        let extensions = EXTENSIONS.iter().map(|extension| format!("*.{extension}"));
        let data = STEMS.iter().flat_map(|stem| DATA.iter().map(move |extension| format!("{stem}.{extension}")));
        let words = WORDS.iter().flat_map(|word| DATA.iter().map(move |extension| format!("*{word}*.{extension}")));
        let names = folders.chain(files).chain(affixes).chain(extensions).chain(data).chain(words);
        // git itself leaves them out: their text never reaches this process.
        let magic = match self {
            Self::LeftOut => "exclude,icase,glob",
            Self::Alone => "icase,glob",
        };
        names.map(move |name| format!(":({magic})**/{name}"))
    }
}

/// True for a path that looks like a secret: by its names alone, whatever their case.
pub(super) fn is_secret(rest: &Path) -> bool {
    // Windows opens `.env` for `.env. .`, too.
    let names: Vec<String> =
        rest.iter().map(|name| name.to_string_lossy().to_lowercase().trim_end_matches(['.', ' ']).to_owned()).collect();
    let Some(file) = names.last() else { return false };
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    // Windows has short names for `.git` and `.env`, too.
    let is_short = |name: &String| ["git~", "env~", "ssh~"].iter().any(|short| name.starts_with(short));
    let path = format!("/{}/", names.join("/"));
    let holds = |part: &str| path.contains(&format!("/{part}/"));
    let ends_with = |name: &str| path.ends_with(&format!("/{name}/"));
    FOLDERS.split_ascii_whitespace().any(holds)
        || names.iter().any(is_short)
        || FILES.split_ascii_whitespace().any(ends_with)
        || AFFIXES.iter().any(|(start, end)| file.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)))
        || EXTENSIONS.contains(&extension)
        || DATA.contains(&extension) && (STEMS.contains(&stem) || WORDS.iter().any(|word| stem.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_one() {
        let secrets = "\
            .env .ENV a/.env.local .env.example .envrc prod.env .git/config a/.GIT/HEAD .ssh/config id_rsa \
            deploy/server.pem a.key credentials.json Secrets.yaml .npmrc .aws/config x.tfstate x.tfstate.backup .env. \
            a/.docker/config.json .config/gcloud/application_default_credentials.json gha-creds-1.json \
            service-account-prod.json .dev.vars .dev.vars.production .zsh_history private.gpg .credentials.json \
            .claude/settings.local.json .env/x env.production prod.env.bak gcp-key.json app-firebase-adminsdk-1.json \
            id_rsa.old ssh_host_rsa_key kubeconfig.yaml prod.auto.tfvars aws-credentials.csv wg0.conf token.txt \
            .openai_api_key openai_api_key.txt passwords.txt app-secrets.toml secrets.enc.yaml .supabase/access-token";
        for path in secrets.split_ascii_whitespace() {
            assert!(is_secret(Path::new(path)), "{path}");
        }
        let others = "\
            src/env.rs .github/workflows/ci.yml .gitignore .config/nextest.toml keys.rs src/secret.rs src/auth.rs \
            service-account.md docker/config.json .docker/Dockerfile a.pub environment.md src/credentials.rs \
            history.md design-tokens.json tokens.json src/password.rs docs/api-key.md config.json env.ts";
        for path in others.split_ascii_whitespace().chain([""]) {
            assert!(!is_secret(Path::new(path)), "{path}");
        }
    }
}
