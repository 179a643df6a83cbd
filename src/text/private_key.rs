//! Private keys in texts, known by their form.

/// A line of a key, or a long piece of one, in base64: not the three dots of an example, and no name in a program.
const SHORTEST_PIECE: usize = 40;
/// Bytes behind the head of a key in which its first line stands: some have headers of their own before it.
const HEAD: usize = 400;

/// True for a text with a private key in it, as OpenSSL, OpenSSH, PGP, SSH2, `PuTTY` and age write them, also within
/// JSON or a diff. <https://www.rfc-editor.org/rfc/rfc7468#section-10>
#[must_use]
pub fn holds_private_key(text: &str) -> bool {
    const LONGEST_LABEL: usize = 40;
    // RFC 7468 has five dashes, RFC 4716 four and a blank.
    [("-----BEGIN ", "-----"), ("---- BEGIN ", " ----")].iter().any(|(begin, end)| {
        behind(text, begin).any(|rest| {
            // No further: a file full of beginnings would be looked through once for each.
            let head = rest.get(..rest.floor_char_boundary(LONGEST_LABEL + end.len())).unwrap_or_default();
            let Some((label, _)) = head.split_once(end) else { return false };
            label.contains("PRIVATE KEY") && rest.get(label.len() + end.len()..).is_some_and(begins_key)
        })
    }) || behind(text, "Private-Lines:").any(begins_key)
        || behind(text, "AGE-SECRET-KEY-1")
            .any(|rest| rest.bytes().take_while(u8::is_ascii_alphanumeric).count() >= SHORTEST_PIECE)
}

/// The rest of a text behind each of these words.
fn behind<'a>(text: &'a str, words: &'static str) -> impl Iterator<Item = &'a str> {
    text.match_indices(words).filter_map(move |(at, _)| text.get(at + words.len()..))
}

/// Returns whether the first lines of a text are a key's.
fn begins_key(text: &str) -> bool {
    // By the shape of a line and not by decoding: within JSON, a diff or a quotation it is no valid base64 any more.
    let head = text.get(..text.floor_char_boundary(HEAD)).unwrap_or_default();
    head.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).any(is_piece)
}

fn is_piece(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.bytes().any(|byte| kind(&byte));
    text.len() >= SHORTEST_PIECE
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_and_talk_of_one_is_not() {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        for key in [
            format!("-----BEGIN PRIVATE KEY-----\n{line}\n"),
            format!("a\r\n-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: DES,0A\r\n\r\n{line}"),
            format!("{{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\n{line}\\n\"}}"),
            format!("+-----BEGIN OPENSSH PRIVATE KEY-----\n+{line}"),
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{line}"),
            format!("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: x\n{line}"),
            format!("PuTTY-User-Key-File-3: ssh-rsa\nPublic-Lines: 1\n{line}\nPrivate-Lines: 1\n{line}"),
            format!("# public key: age1x\nAGE-SECRET-KEY-1{}", "Q9".repeat(29)),
            format!("-----BEGIN PRIVATE KEY----- \n-----BEGIN EC PRIVATE KEY-----\n{line}"),
        ] {
            assert!(holds_private_key(&key), "{key}");
        }
        for talk in [
            format!("-----BEGIN CERTIFICATE-----\n{line}"),
            format!("-----BEGIN PUBLIC KEY-----\n{line}"),
            "starts_with(\"-----BEGIN PRIVATE KEY-----\") { return Err(ThisIsAPrivateKeyWhichIsNotToBeSentAway) }"
                .into(),
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B...\n-----END RSA PRIVATE KEY-----".into(),
            "-----BEGIN PRIVATE KEY".into(),
            "\"AGE-SECRET-KEY-1\" begins one, and Private-Lines: counts its lines".into(),
            String::new(),
        ] {
            assert!(!holds_private_key(&talk), "{talk}");
        }
    }
}
