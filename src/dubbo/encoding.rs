//! Znode names are URLs encoded with the table of `java.net.URLEncoder`, because Java consumers compare text.

use std::borrow::Cow;

/// Why a znode name is not an encoded text. Java consumers fail the whole interface on the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A `%` that two hex digits do not follow.
    #[error("bad escape at byte {0}")]
    Escape(usize),
    /// The decoded bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
}

/// Encodes like `URLEncoder.encode(text, "UTF-8")`: letters, digits and `.-*_` stay, a space becomes `+`, every
/// other byte becomes `%XX` with upper-case digits, which older consumers insist on.
pub fn encode(text: &str) -> String {
    encoded(text).into_owned()
}

/// The same, without a copy of what stays as it is.
pub fn encoded(text: &str) -> Cow<'_, str> {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b".-*_".contains(&byte);
    if text.bytes().all(stays) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(form_urlencoded::byte_serialize(text.as_bytes()).collect())
}

/// Writes what [`encode`] makes of `text` behind what is there.
pub(super) fn encode_into(out: &mut String, text: &str) {
    out.extend(form_urlencoded::byte_serialize(text.as_bytes()));
}

/// Decodes like `URLDecoder.decode(name, "UTF-8")`, and is as strict: a name that it refuses is one that a Java
/// consumer cannot read either.
///
/// # Errors
/// [`DecodeError`] for a broken escape or for bytes that are not UTF-8.
pub fn decode(name: &str) -> Result<String, DecodeError> {
    let bytes = name.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' => decoded.push(b' '),
            b'%' => {
                let digit = |offset: usize| bytes.get(at + offset).copied().and_then(hex_digit);
                let (Some(high), Some(low)) = (digit(1), digit(2)) else {
                    return Err(DecodeError::Escape(at));
                };
                decoded.push(high << 4 | low);
                at += 2;
            }
            byte => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).map_err(|_| DecodeError::NotUtf8)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encoding_follows_the_table_of_java() {
        for (plain, encoded) in [
            ("demo.Outer$Inner", "demo.Outer%24Inner"),
            ("a b", "a+b"),
            ("a+b", "a%2Bb"),
            ("AZaz09.-*_", "AZaz09.-*_"),
            ("~", "%7E"),
            ("!'()", "%21%27%28%29"),
            ("\u{e9}", "%C3%A9"),
            ("\u{8ba2}\u{5355}", "%E8%AE%A2%E5%8D%95"),
            ("dubbo://10.0.0.1:20880/a?m=x,y", "dubbo%3A%2F%2F10.0.0.1%3A20880%2Fa%3Fm%3Dx%2Cy"),
        ] {
            assert_eq!(encode(plain), encoded);
            assert_eq!(decode(encoded).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn a_name_that_java_cannot_decode_is_refused() {
        assert_eq!(decode("a%zz"), Err(DecodeError::Escape(1)));
        assert_eq!(decode("%4"), Err(DecodeError::Escape(0)));
        assert_eq!(decode("%"), Err(DecodeError::Escape(0)));
        assert_eq!(decode("%+4"), Err(DecodeError::Escape(0)));
        assert_eq!(decode("%ff"), Err(DecodeError::NotUtf8));
    }

    #[test]
    fn lower_case_escapes_are_read() {
        assert_eq!(decode("a%3f%7e").as_deref(), Ok("a?~"));
    }

    proptest! {
        #[test]
        fn every_text_survives_its_encoding(text in any::<String>()) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-*_+%".contains(&byte)));
            let mut appended = String::from("a/");
            encode_into(&mut appended, &text);
            prop_assert_eq!(appended.strip_prefix("a/"), Some(encoded.as_str()));
            prop_assert_eq!(decode(&encoded), Ok(text));
        }

        #[test]
        fn what_stays_as_it_is_is_not_copied(text in "[a-c.*_ \u{e9}-]{0,4}") {
            let whole: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let encoded = encoded(&text);
            prop_assert_eq!(matches!(encoded, Cow::Borrowed(_)), whole == text);
            prop_assert_eq!(encoded, whole);
        }

        #[test]
        fn any_name_is_decoded_or_refused_without_a_panic(name in any::<String>()) {
            let _ = decode(&name);
        }
    }
}
