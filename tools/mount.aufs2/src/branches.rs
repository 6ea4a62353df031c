// SPDX-License-Identifier: GPL-2.0

//! Branch lists: `PATH[=PERM][:PATH[=PERM]...]`, where a backslash takes the
//! meaning off the `:`, `,`, `=` or backslash that follows it.
//!
//! Items are handed to the kernel as they stand, escapes included; they are
//! only taken apart when one is too long for that.

/// The longest key or value that `fsconfig(2)` takes, in bytes.
pub const LIMIT: usize = 255;

/// What a backslash takes the meaning off.
const MEANINGFUL: &[u8] = b"\\:,=";

/// Splits `text` at every `separator` that no backslash precedes.
pub fn split(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut items = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        if byte == separator && !escaped {
            items.push(&text[start..at]);
            start = at + 1;
        }
        escaped = byte == b'\\' && !escaped;
    }
    items.push(&text[start..]);
    items
}

/// Takes the permission off the end of an item: what follows the last `=`,
/// unless a backslash precedes that. Whether it is one is for the kernel to say.
pub fn permission(item: &[u8]) -> (&[u8], Option<&[u8]>) {
    match item.iter().rposition(|&byte| byte == b'=') {
        Some(at) if !is_escaped(item, at) => (&item[..at], Some(&item[at + 1..])),
        _ => (item, None),
    }
}

/// Whether the byte at `at` follows a backslash that is not itself escaped.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let backslashes = text[..at].iter().rev().take_while(|&&byte| byte == b'\\');
    backslashes.count() % 2 == 1
}

/// The path that an item's text stands for.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek() {
            Some(&next) if byte == b'\\' && MEANINGFUL.contains(&next) => {
                path.push(next);
                bytes.next();
            }
            _ => path.push(byte),
        }
    }
    path
}

/// A path as it is written in a list.
pub fn escape(path: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(path.len());
    for &byte in path {
        if MEANINGFUL.contains(&byte) {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text
}

/// Joins items with `:` into values of at most [`LIMIT`] bytes, in order, as
/// few as that takes. An item which is longer by itself ends the value ahead of
/// it and stands alone.
pub fn pack<'a>(items: &[&'a [u8]]) -> Vec<Packed<'a>> {
    let mut packed: Vec<Packed<'a>> = Vec::new();
    for &item in items {
        if item.len() > LIMIT {
            packed.push(Packed::Long(item));
            continue;
        }
        match packed.last_mut() {
            Some(Packed::Value(value)) if value.len() + 1 + item.len() <= LIMIT => {
                value.push(b':');
                value.extend_from_slice(item);
            }
            _ => packed.push(Packed::Value(item.to_vec())),
        }
    }
    packed
}

/// One piece of a branch list.
#[derive(Debug, PartialEq, Eq)]
pub enum Packed<'a> {
    /// Items joined by `:`, at most [`LIMIT`] bytes.
    Value(Vec<u8>),
    /// One item that does not fit.
    Long(&'a [u8]),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_keep_separators() {
        assert_eq!(split(b"/a:/b", b':'), [b"/a", b"/b"]);
        assert_eq!(split(br"/a\:b:/c", b':'), [&br"/a\:b"[..], b"/c"]);
        assert_eq!(split(br"/a\\:/c", b':'), [&br"/a\\"[..], b"/c"]);
        assert_eq!(split(b"", b':'), [b""]);
        assert_eq!(split(b"/a:", b':'), [&b"/a"[..], b""]);
        assert_eq!(split(br"/a\", b':'), [br"/a\"]);
    }

    #[test]
    fn unescaping() {
        assert_eq!(unescape(br"/a\:b\,c\=d\\e"), br"/a:b,c=d\e");
        assert_eq!(unescape(br"/a\b\"), br"/a\b\");
        assert_eq!(unescape(br"/a\\:"), br"/a\:");
    }

    #[test]
    fn permissions() {
        assert_eq!(permission(b"/a=rw"), (&b"/a"[..], Some(&b"rw"[..])));
        assert_eq!(
            permission(b"/a=b=ro+wh"),
            (&b"/a=b"[..], Some(&b"ro+wh"[..]))
        );
        assert_eq!(permission(b"/a=rwx"), (&b"/a"[..], Some(&b"rwx"[..])));
        assert_eq!(permission(b"/a"), (&b"/a"[..], None));
        assert_eq!(permission(br"/a\=rw"), (&br"/a\=rw"[..], None));
        assert_eq!(permission(br"/a\\=rw"), (&br"/a\\"[..], Some(&b"rw"[..])));
    }

    #[test]
    fn packing_fills_values_up_to_the_limit() {
        let half = [b'a'; 127];
        assert_eq!(pack(&[&half, &half]).len(), 1);
        let more = [b'a'; 128];
        assert_eq!(pack(&[&half, &more]).len(), 2);
        let limit = [b'a'; LIMIT];
        assert_eq!(pack(&[&limit]), [Packed::Value(limit.to_vec())]);
        let long = [b'a'; LIMIT + 1];
        assert_eq!(
            pack(&[b"/x", &long, b"/y", b"/z"]),
            [
                Packed::Value(b"/x".to_vec()),
                Packed::Long(&long),
                Packed::Value(b"/y:/z".to_vec())
            ]
        );
    }

    fn path() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(
            prop_oneof![3 => 1..=255u8, 1 => prop::sample::select(b"\\:,= /".to_vec())],
            1..300,
        )
    }

    proptest! {
        #[test]
        fn any_path_survives(path in path(), perm in prop::option::of("r[wor](\\+wh)?")) {
            let mut item = escape(&path);
            if let Some(perm) = &perm {
                item.push(b'=');
                item.extend_from_slice(perm.as_bytes());
            }
            prop_assert_eq!(split(&item, b':'), [&item[..]]);
            prop_assert_eq!(split(&item, b','), [&item[..]]);
            let (text, found) = permission(&item);
            prop_assert_eq!(unescape(text), path);
            prop_assert_eq!(found, perm.as_deref().map(str::as_bytes));
        }

        #[test]
        fn packing_keeps_every_item_in_order(paths in prop::collection::vec(path(), 1..12)) {
            let items: Vec<Vec<u8>> = paths.iter().map(|path| escape(path)).collect();
            let list = items.join(&b':');
            let mut seen = Vec::new();
            for piece in pack(&split(&list, b':')) {
                match piece {
                    Packed::Value(value) => {
                        prop_assert!(value.len() <= LIMIT);
                        seen.extend(split(&value, b':').into_iter().map(<[u8]>::to_vec));
                    }
                    Packed::Long(item) => {
                        prop_assert!(item.len() > LIMIT);
                        seen.push(item.to_vec());
                    }
                }
            }
            prop_assert_eq!(seen, items);
        }
    }
}
