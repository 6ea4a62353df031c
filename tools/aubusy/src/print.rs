// SPDX-License-Identifier: GPL-2.0

//! What the programs print: a line for each row, whatever is in the names.

use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;

/// A name or a path, as it stands in a line. See [`escaped`].
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a OsStr);

/// Shows `text` with control characters, what makes other lines or another order of a text, backslashes, and what is
/// no UTF-8, in octal digits, as `/proc/mounts` has them; blanks stay.
pub fn escaped<T: AsRef<OsStr> + ?Sized>(text: &T) -> Escaped<'_> {
    Escaped(text.as_ref())
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let octal = |f: &mut Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "\\{byte:03o}"))
        };
        for chunk in self.0.as_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() || is_unseen(character) || character == '\\' {
                    octal(f, character.encode_utf8(&mut [0; 4]).as_bytes())?;
                } else {
                    f.write_char(character)?;
                }
            }
            octal(f, chunk.invalid())?;
        }
        Ok(())
    }
}

/// Whether a character changes how those around it show, or is not seen: Unicode's separators of lines and
/// paragraphs, and its characters for formatting.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Has `rows` write to the standard output. Who reads from it may have seen enough: that is no mistake.
pub fn print(rows: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    let mut out = BufWriter::new(io::stdout().lock());
    match rows(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {e}")),
        _ => Ok(()),
    }
}

/// Says on the standard error what is the matter. Where that cannot be written to there is nobody to tell.
pub fn complain(program: &str, message: &str) {
    let _ = writeln!(io::stderr(), "{program}: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each() {
        let shown = |bytes: &[u8]| escaped(OsStr::from_bytes(bytes)).to_string();
        assert_eq!(shown(b"/a b=c"), "/a b=c");
        assert_eq!(shown(b"/a\nb\t\x1b[1m\x7f"), "/a\\012b\\011\\033[1m\\177");
        assert_eq!(shown(b"/a\\012"), "/a\\134012");
        assert_eq!(shown("/\u{e4}\u{85}".as_bytes()), "/\u{e4}\\302\\205");
        assert_eq!(
            shown("a\u{2028}b\u{202e}".as_bytes()),
            "a\\342\\200\\250b\\342\\200\\256"
        );
        assert_eq!(
            shown("\u{200b}\u{feff}".as_bytes()),
            "\\342\\200\\213\\357\\273\\277"
        );
        assert_eq!(shown(b"/\xff\xe4x"), "/\\377\\344x");
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn it_can_be_undone() {
        let all: Vec<u8> = (1..=255).collect();
        let shown = escaped(OsStr::from_bytes(&all)).to_string();
        assert_eq!(crate::unescape(shown.as_bytes()).as_bytes(), &all[..]);
    }
}
