// SPDX-License-Identifier: GPL-2.0

//! From the text of `-o` to the calls of `fsconfig(2)` that say the same.

use crate::branches::{LIMIT, Packed, pack, permission, split, unescape};
use crate::error::{Error, Result};
use crate::flags::{Attributes, Generic, generic};
use aubusy::print::escaped;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// One call of `fsconfig(2)`.
#[derive(Debug, PartialEq, Eq)]
pub enum Param {
    /// `FSCONFIG_SET_FLAG`.
    Flag(Vec<u8>),
    /// `FSCONFIG_SET_STRING`.
    Text {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// `FSCONFIG_SET_FD` with the folder at `path`, because its path does not
    /// fit into a string: adds a branch.
    Branch {
        /// `br+PERM`, or `br+` for the default permission; `append` and
        /// `prepend` likewise.
        key: Vec<u8>,
        /// The folder, without escapes.
        path: Vec<u8>,
    },
    /// An option which takes a path in any place, and whose path does not fit:
    /// the kernel gets `/proc/self/fd/N` for it.
    Link {
        /// What precedes the path.
        before: Vec<u8>,
        /// The path, without escapes.
        path: Vec<u8>,
        /// What follows it.
        after: Vec<u8>,
    },
}

/// What a command line asks for.
#[derive(Debug)]
pub struct Request {
    /// Whether to change what is mounted rather than to mount.
    pub remount: bool,
    /// The change of the mount's attributes.
    pub attributes: Attributes,
    /// The calls to make, in order.
    pub params: Vec<Param>,
    /// The options of a remount that repeat what is mounted already.
    pub repeated: Vec<Vec<u8>>,
}

impl Request {
    /// Reads the text of `-o`, as it comes from a user or from mount(8).
    pub fn parse(text: &[u8]) -> Result<Self> {
        let mut request = Self {
            remount: false,
            attributes: Attributes::NONE,
            params: Vec::new(),
            repeated: Vec::new(),
        };
        let options: Vec<Opt<'_>> = split_options(text)
            .into_iter()
            .filter(|option| !option.is_empty())
            .map(Opt::new)
            .collect();
        request.remount = options.iter().any(|option| option.text == b"remount");
        for option in &options {
            request.add(option)?;
        }
        Ok(request)
    }

    fn add(&mut self, option: &Opt<'_>) -> Result {
        if let Some(verb) = Verb::find(option) {
            return self.add_branches(option, verb);
        }
        // What the kernel shows comes back on a remount.
        if option.name == b"si" {
            self.repeated.push(option.text.to_vec());
            return Ok(());
        }
        if option.name == b"ephemeral" && option.argument.is_none() {
            return self.drop_level(option, 3);
        }
        if option.name == b"droplvl" {
            let level = option
                .argument
                .and_then(|level| std::str::from_utf8(level).ok()?.parse().ok())
                .ok_or_else(|| option.error("takes a level, 1 to 3 or -1 to -3"))?;
            return self.drop_level(option, level);
        }
        match generic(option.name) {
            Some(what) if option.separator != Some(b':') => self.add_generic(option, what),
            _ => self.add_plain(option),
        }
    }

    fn add_generic(&mut self, option: &Opt<'_>, what: Generic) -> Result {
        let super_flag = || Param::Flag(option.name.to_vec());
        match (what, option.argument) {
            (Generic::Ignored | Generic::Remount, _) => {}
            // The kernel has it for a mount only, and mount(8) repeats it from fstab(5).
            (Generic::Super, None) if self.remount && option.name == b"dirsync" => {
                self.repeated.push(option.text.to_vec());
            }
            (Generic::Refused, _) => {
                return Err(option.error("is an operation of mount(8) itself"));
            }
            (Generic::Mount(change), None) | (Generic::Both(change), Some(b"vfs")) => {
                self.attributes.then(change);
            }
            (Generic::Super, None) | (Generic::Both(_), Some(b"fs")) => {
                self.params.push(super_flag());
            }
            (Generic::Both(change), None) => {
                self.attributes.then(change);
                self.params.push(super_flag());
            }
            (_, Some(_)) => return Err(option.error("does not take this argument")),
        }
        Ok(())
    }

    /// An option of the filesystem, split the way mount(8) does it.
    fn add_plain(&mut self, option: &Opt<'_>) -> Result {
        let equals = option.text.iter().position(|&byte| byte == b'=');
        let (key, value) = match equals {
            Some(at) => (&option.text[..at], Some(unquote(&option.text[at + 1..]))),
            None => (option.text, None),
        };
        if key.is_empty() {
            return Err(option.error("has no name"));
        }
        for part in [Some(key), value].into_iter().flatten() {
            if part.len() > LIMIT {
                return Err(option.error(&format!(
                    "has {} bytes, and the kernel takes {LIMIT}",
                    part.len()
                )));
            }
        }
        self.params.push(match value {
            Some(value) => Param::Text {
                key: key.to_vec(),
                value: value.to_vec(),
            },
            None => Param::Flag(key.to_vec()),
        });
        Ok(())
    }

    fn add_branches(&mut self, option: &Opt<'_>, verb: Verb) -> Result {
        let list = option.argument.unwrap_or_default();
        match verb {
            // It comes from fstab(5) or from what the kernel shows: nobody sets
            // up a union twice.
            Verb::First if self.remount => {
                self.repeated.push(option.text.to_vec());
                Ok(())
            }
            Verb::First => self.add_list(option, b"br", list),
            Verb::More => self.add_list(option, option.name, list),
            Verb::Indexed => match split(list, b':')[..] {
                [index, _, ..] => {
                    let (place, branch) = option
                        .text
                        .split_at(option.text.len() - (list.len() - index.len() - 1));
                    self.with_path(option, place, branch)
                }
                _ => Err(option.error("takes an index and a branch, as in add:1:/path=ro")),
            },
            Verb::Single => {
                let (place, branch) = option.text.split_at(option.text.len() - list.len());
                self.with_path(option, place, branch)
            }
        }
    }

    fn add_list(&mut self, option: &Opt<'_>, key: &[u8], list: &[u8]) -> Result {
        let items = split(list, b':');
        for (number, item) in items.iter().enumerate() {
            if permission(item).0.is_empty() {
                return Err(option.error(&format!("has no path for branch {number}")));
            }
        }
        for piece in pack(&items) {
            self.params.push(match piece {
                Packed::Value(value) => Param::Text {
                    key: key.to_vec(),
                    value,
                },
                Packed::Long(item) => {
                    let (path, perm) = permission(item);
                    Param::Branch {
                        key: [key, b"+", perm.unwrap_or_default()].concat(),
                        path: unescape(path),
                    }
                }
            });
        }
        Ok(())
    }

    /// `place` is what precedes `branch` in the option's text.
    fn with_path(&mut self, option: &Opt<'_>, place: &[u8], branch: &[u8]) -> Result {
        let (path, perm) = permission(branch);
        if path.is_empty() {
            return Err(option.error("has no path"));
        }
        // mount(8) splits at the first `=`, wherever that is.
        let longest = option
            .text
            .splitn(2, |&byte| byte == b'=')
            .map(<[u8]>::len)
            .max();
        if longest.is_some_and(|length| length > LIMIT) {
            self.params.push(Param::Link {
                before: place.to_vec(),
                path: unescape(path),
                after: perm.map_or_else(Vec::new, |perm| [b"=", perm].concat()),
            });
            return Ok(());
        }
        self.add_plain(option)
    }

    /// What aufs(5) has mount.aufs make of `droplvl=N`: features to do without
    /// for speed, and with a negative level what takes them back.
    fn drop_level(&mut self, option: &Opt<'_>, level: i32) -> Result {
        const LEVELS: [[&str; 2]; 3] = [
            [
                "noatime,dirperm1,udba=none,nodirren",
                "relatime,nodirperm1,udba=reval",
            ],
            ["notrunc_xino,notrunc_xib", "notrunc_xino,notrunc_xib"],
            ["noplink,noxino", "plink,xino=/tmp/.aufs.xino"],
        ];
        let count = usize::try_from(level.unsigned_abs()).unwrap_or(usize::MAX);
        if count == 0 || count > LEVELS.len() {
            return Err(option.error("takes a level, 1 to 3 or -1 to -3"));
        }
        for texts in &LEVELS[..count] {
            for text in split(texts[usize::from(level < 0)].as_bytes(), b',') {
                self.add(&Opt::new(text))?;
            }
        }
        Ok(())
    }
}

/// An option: its text, and the text taken apart at the first `:` or `=`.
struct Opt<'a> {
    text: &'a [u8],
    name: &'a [u8],
    separator: Option<u8>,
    argument: Option<&'a [u8]>,
}

impl<'a> Opt<'a> {
    fn new(text: &'a [u8]) -> Self {
        match text.iter().position(|byte| b":=".contains(byte)) {
            Some(at) => Self {
                text,
                name: &text[..at],
                separator: Some(text[at]),
                argument: Some(&text[at + 1..]),
            },
            None => Self {
                text,
                name: text,
                separator: None,
                argument: None,
            },
        }
    }

    fn error(&self, what: &str) -> Error {
        Error::usage(format!("option {} {what}", Shown(self.text)))
    }
}

/// The options that take branches.
#[derive(Clone, Copy)]
enum Verb {
    /// `br:` and `dirs:`, a list of what a union starts with.
    First,
    /// `append:` and `prepend:`, a list as well.
    More,
    /// `add:`, `ins:` and `mv:`, an index and a branch.
    Indexed,
    /// `mod:` and `del:`, one branch.
    Single,
}

impl Verb {
    fn find(option: &Opt<'_>) -> Option<Self> {
        match option.name {
            b"br" | b"dirs" => Some(Self::First),
            b"append" | b"prepend" => Some(Self::More),
            b"add" | b"ins" | b"mv" => Some(Self::Indexed),
            b"mod" | b"del" => Some(Self::Single),
            _ => None,
        }
    }
}

/// Splits at the commas that neither follow a backslash nor stand in a quoted
/// value (`context="a,b"`), as mount(8) does.
fn split_options(text: &[u8]) -> Vec<&[u8]> {
    let mut options = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b',' => {
                options.push(&text[start..at]);
                start = at + 1;
            }
            b'=' if text.get(at + 1) == Some(&b'"') => {
                if let Some(length) = text[at + 2..].iter().position(|&byte| byte == b'"') {
                    at += 2 + length;
                }
            }
            _ => {}
        }
        at += 1;
    }
    options.push(&text[start..]);
    options
}

/// Takes the quotes off a quoted value.
fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// Bytes of an option for a message: as [`escaped`] has them, but for backslashes, and not more of them than a person
/// would read.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 2 * LIMIT;
        let shown = self.0.get(..MOST).unwrap_or(self.0);
        for (number, piece) in shown.split(|&byte| byte == b'\\').enumerate() {
            let backslash = if number > 0 { "\\" } else { "" };
            write!(f, "{backslash}{}", escaped(OsStr::from_bytes(piece)))?;
        }
        f.write_str(if shown.len() < self.0.len() {
            "..."
        } else {
            ""
        })
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(key) => write!(f, "{}", Shown(key)),
            Self::Text { key, value } => write!(f, "{}={}", Shown(key), Shown(value)),
            Self::Branch { key, path } => write!(f, "{} {}", Shown(key), Shown(path)),
            Self::Link {
                before,
                path,
                after,
            } => write!(f, "{}{}{}", Shown(before), Shown(path), Shown(after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustix::mount::MountAttrFlags;

    fn parse(text: &str) -> Request {
        Request::parse(text.as_bytes()).unwrap()
    }

    fn params(text: &str) -> Vec<String> {
        parse(text).params.iter().map(Param::to_string).collect()
    }

    fn error(text: &str) -> String {
        Request::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_form_of_the_list() {
        for text in [
            "br:/a=rw:/b",
            "br=/a=rw:/b",
            "dirs=/a=rw:/b",
            "dirs:/a=rw:/b",
        ] {
            assert_eq!(
                parse(text).params,
                [Param::Text {
                    key: b"br".to_vec(),
                    value: b"/a=rw:/b".to_vec()
                }],
                "{text}"
            );
        }
        assert_eq!(params("br:/a,br=/b"), ["br=/a", "br=/b"]);
        assert_eq!(
            params("br:mem=rw:/ro=ro,size=10%"),
            ["br=mem=rw:/ro=ro", "size=10%"]
        );
        assert_eq!(
            params("append:/a=ro+wh,append=/b"),
            ["append=/a=ro+wh", "append=/b"]
        );
    }

    #[test]
    fn escapes_and_spaces_reach_the_kernel() {
        assert_eq!(
            params(r"br:/a\:b=rw:/c\,d e=ro,nodev"),
            [r"br=/a\:b=rw:/c\,d e=ro"]
        );
        assert_eq!(params(r"br:/a\\,sync"), [r"br=/a\\", "sync"]);
    }

    #[test]
    fn a_long_path_goes_by_descriptor() {
        let long = format!("/{}", "x".repeat(300));
        let text = format!(r"br:/a=rw:{long}\:y=ro+wh:{long}:/b");
        assert_eq!(
            parse(&text).params,
            [
                Param::Text {
                    key: b"br".to_vec(),
                    value: b"/a=rw".to_vec()
                },
                Param::Branch {
                    key: b"br+ro+wh".to_vec(),
                    path: format!("{long}:y").into_bytes()
                },
                Param::Branch {
                    key: b"br+".to_vec(),
                    path: long.clone().into_bytes()
                },
                Param::Text {
                    key: b"br".to_vec(),
                    value: b"/b".to_vec()
                },
            ]
        );
        assert_eq!(
            parse(&format!("append:/a,prepend:{long}=rw")).params,
            [
                Param::Text {
                    key: b"append".to_vec(),
                    value: b"/a".to_vec()
                },
                Param::Branch {
                    key: b"prepend+rw".to_vec(),
                    path: long.clone().into_bytes()
                },
            ]
        );
        for (option, before, after) in [
            (format!("add:1:{long}=rr"), "add:1:", "=rr"),
            (format!("mv:1:{long}"), "mv:1:", ""),
            (format!("ins=2:{long}"), "ins=2:", ""),
            (format!("del:{long}"), "del:", ""),
            (format!("mod={long}=ro"), "mod=", "=ro"),
        ] {
            assert_eq!(
                parse(&option).params,
                [Param::Link {
                    before: before.into(),
                    path: long.clone().into_bytes(),
                    after: after.into()
                }],
                "{option}"
            );
        }
    }

    #[test]
    fn other_branch_options_are_split_as_mount_does() {
        assert_eq!(
            parse("add:1:/a=rr").params,
            [Param::Text {
                key: b"add:1:/a".to_vec(),
                value: b"rr".to_vec()
            }]
        );
        assert_eq!(parse("del:/a").params, [Param::Flag(b"del:/a".to_vec())]);
    }

    #[test]
    fn generic_options_do_not_reach_the_filesystem() {
        let request =
            parse("rw,noatime,nosuid,user,nofail,x-foo=1,comment=a,_netdev,defaults,br:/a");
        assert_eq!(
            request
                .params
                .iter()
                .map(Param::to_string)
                .collect::<Vec<_>>(),
            ["rw", "br=/a"]
        );
        assert_eq!(
            request.attributes.set,
            MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOATIME
        );
        assert_eq!(params("ro=vfs,br:/a"), ["br=/a"]);
        assert_eq!(params("ro=fs,sync,br:/a"), ["ro", "sync", "br=/a"]);
        assert!(parse("ro=fs,br:/a").attributes.is_none());
        assert!(error("ro=recursive").contains("ro=recursive"));
        assert!(error("bind").contains("bind"));
    }

    #[test]
    fn a_remount_drops_what_mount_repeats() {
        let request = parse("ro,relatime,remount,si=1a2b,br:/a=rw:/b=ro,udba=reval,add:1:/x=rr");
        assert!(request.remount);
        assert_eq!(
            request
                .params
                .iter()
                .map(Param::to_string)
                .collect::<Vec<_>>(),
            ["ro", "udba=reval", "add:1:/x=rr"]
        );
        assert_eq!(request.repeated.len(), 2);
        assert_eq!(params("remount,sync,dirsync"), ["sync"]);
        assert_eq!(params("br:/a,sync,dirsync"), ["br=/a", "sync", "dirsync"]);
    }

    #[test]
    fn quoted_values() {
        assert_eq!(
            params(r#"context="system_u:object_r:tmp_t:s0:c1,c2",br:/a"#),
            ["context=system_u:object_r:tmp_t:s0:c1,c2", "br=/a"]
        );
        // A quote in a path is a byte like any other.
        assert_eq!(params(r#"br:/a"b,sync"#), [r#"br=/a"b"#, "sync"]);
        assert_eq!(params(r#"br=/x:/="b,sync"#), [r#"br=/x:/="b"#, "sync"]);
    }

    #[test]
    fn levels_of_aufs() {
        assert_eq!(params("droplvl=1"), ["dirperm1", "udba=none", "nodirren"]);
        assert_eq!(params("ephemeral"), params("droplvl=3"));
        assert_eq!(params("droplvl=-2").len(), 4);
        for text in ["droplvl", "droplvl=0", "droplvl=4", "droplvl=x"] {
            assert!(error(text).contains(text));
        }
    }

    #[test]
    fn mistakes_name_the_option() {
        assert!(error("br:/a::/b").contains("br:/a::/b has no path for branch 1"));
        assert!(error("br:").contains("br: has no path for branch 0"));
        assert!(error("br").contains("option br has no path"));
        assert!(error("br:=rw").contains("br:=rw has no path"));
        assert!(error("del").contains("option del has no path"));
        assert!(error("add:1").contains("add:1 takes an index"));
        assert!(error("add:1:").contains("add:1: has no path"));
        assert!(error("=x").contains("=x has no name"));
        assert!(
            error("br:/a\\:b\nc\u{202e}::/d")
                .contains(r"br:/a\:b\012c\342\200\256::/d has no path")
        );
        let long = format!("udba={}", "x".repeat(256));
        assert!(error(&long).contains("has 256 bytes"));
    }

    #[test]
    fn a_thousand_branches() {
        let list: Vec<String> = (0..1024).map(|n| format!("/branches/{n:04}=ro")).collect();
        let mut seen = Vec::new();
        for param in parse(&format!("br:{}", list.join(":"))).params {
            let Param::Text { key, value } = param else {
                panic!("{param}");
            };
            assert_eq!(key, b"br");
            assert!(value.len() <= LIMIT);
            seen.extend(split(&value, b':').into_iter().map(<[u8]>::to_vec));
        }
        assert_eq!(
            seen,
            list.iter()
                .map(|item| item.as_bytes().to_vec())
                .collect::<Vec<_>>()
        );
    }

    proptest! {
        /// Whatever is given, nothing goes out that the kernel cannot take.
        #[test]
        fn no_text_makes_a_string_that_is_too_long(
            text in prop::collection::vec(
                prop_oneof![
                    1 => prop::sample::select(b":=,\\\"+/".to_vec()),
                    2 => prop::sample::select(b"abdelindrswpm01".to_vec())
                ], 0..600),
            verb in prop::sample::select(vec!["", "br:", "dirs=", "append:", "add:1:", "del:", "mod="]),
        ) {
            let text = [verb.as_bytes(), &text].concat();
            if let Ok(request) = Request::parse(&text) {
                for param in request.params {
                    match param {
                        Param::Flag(key) => {
                            prop_assert!((1..=LIMIT).contains(&key.len()));
                        }
                        Param::Text { key, value } => {
                            prop_assert!((1..=LIMIT).contains(&key.len()));
                            prop_assert!(value.len() <= LIMIT);
                        }
                        Param::Branch { path, .. } | Param::Link { path, .. } => {
                            prop_assert!(!path.is_empty());
                        }
                    }
                }
            }
        }
    }
}
