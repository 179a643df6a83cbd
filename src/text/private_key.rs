//! Private keys in texts, known by their form.

/// A line of a key, or a long piece of one, in base64: not the three dots of an example, and no name in a program.
const SHORTEST_PIECE: usize = 40;
/// Bytes behind the head of a key in which its first line stands: some have headers of their own before it.
const HEAD: usize = 400;

/// True for a text with a private key in it, as OpenSSL, OpenSSH and PGP write them, also within JSON or a diff.
/// <https://www.rfc-editor.org/rfc/rfc7468#section-10>
#[must_use]
pub fn holds_private_key(text: &str) -> bool {
    const BEGIN: &str = "-----BEGIN ";
    const LONGEST_LABEL: usize = 40;
    text.match_indices(BEGIN).any(|(at, _)| {
        let rest = text.get(at + BEGIN.len()..).unwrap_or_default();
        let Some((label, key)) = rest.split_once("-----") else { return false };
        let is_private = label.len() <= LONGEST_LABEL && label.contains("PRIVATE KEY");
        let head = key.get(..key.floor_char_boundary(HEAD)).unwrap_or_default();
        is_private && head.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).any(is_piece)
    })
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
            String::new(),
        ] {
            assert!(!holds_private_key(&talk), "{talk}");
        }
    }
}
