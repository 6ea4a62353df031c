// SPDX-License-Identifier: GPL-2.0

//! `aufs2 doctor`: what building the module takes, what of it is missing, and whether the module is there.
//!
//! What dkms needs the script knows that dkms calls, of the package aufs2-dkms: it is asked.

use crate::json;
use aubusy::print::{escaped, print};
use serde::Serialize;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    name: String,
    /// Whether nothing is wrong with it.
    good: bool,
    text: String,
}

impl Row {
    fn good(name: &str, text: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            good: true,
            text: text.into(),
        }
    }

    fn bad(name: &str, text: impl Into<String>) -> Self {
        Self {
            good: false,
            ..Self::good(name, text)
        }
    }
}

/// Where a system tells of what it is.
struct System<'a> {
    /// The kernel that runs.
    running: &'a str,
    /// `/`, or what is in its place in a test.
    root: &'a Path,
}

/// Prints what there is and what is missing, a line each; whether nothing is.
pub fn run(kernel: Option<&str>, json: bool) -> Result<bool, String> {
    let running = rustix::system::uname();
    let running = running.release().to_string_lossy().into_owned();
    let kernel = kernel.unwrap_or(&running);
    if kernel.is_empty() || kernel.starts_with('-') || kernel.contains('/') {
        return Err(format!("{}: no version of a kernel", escaped(kernel)));
    }
    let system = System {
        running: &running,
        root: Path::new("/"),
    };
    let mut rows = Vec::new();
    let version = ask("version", kernel);
    rows.extend(system.module(kernel, version.as_deref()));
    let is_there = version.is_some();
    rows.extend(system.signatures(kernel, is_there.then(|| ask("signer", kernel)).flatten()));
    rows.extend(build(kernel, is_there)?);
    let is_good = rows.iter().all(|row| row.good);
    if json {
        json::print(&rows)?;
    } else {
        print(|out| {
            rows.iter().try_for_each(|row| {
                let mark = if row.good { "ok" } else { "lacks" };
                let (name, text) = (escaped(&row.name), escaped(&row.text));
                writeln!(out, "{mark}: {name}: {text}")
            })
        })?;
    }
    Ok(is_good)
}

/// What `modinfo` says of a field of the module of a kernel; none if there is no such module, or field.
fn ask(field: &str, kernel: &str) -> Option<String> {
    let told = Command::new("modinfo")
        .args(["-k", kernel, "-F", field, "aufs2"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    (told.status.success() && !text.is_empty()).then_some(text)
}

impl System<'_> {
    fn read(&self, path: &str) -> Option<String> {
        let text = fs::read(self.root.join(path)).ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// Whether the module is there, and is inserted.
    fn module(&self, kernel: &str, version: Option<&str>) -> Option<Row> {
        let ours = env!("CARGO_PKG_VERSION");
        if kernel == self.running && self.root.join("sys/module/aufs2").is_dir() {
            let loaded = self.read("sys/module/aufs2/version");
            let loaded = loaded.as_deref().unwrap_or("unknown");
            return Some(if loaded == ours {
                Row::good("module", format!("inserted, version {loaded}"))
            } else {
                let text = format!(
                    "inserted is version {loaded}, this program is of {ours}: insert the new one"
                );
                Row::bad("module", text)
            });
        }
        let version = version?;
        Some(Row::good(
            "module",
            format!("{kernel} has it, version {version}"),
        ))
    }

    /// Whether the kernel takes the module as it is.
    fn signatures(&self, kernel: &str, signer: Option<String>) -> Option<Row> {
        if kernel != self.running {
            return None;
        }
        let lockdown = self.read("sys/kernel/security/lockdown");
        let lockdown = lockdown.as_deref().and_then(chosen).unwrap_or("none");
        let sig_enforce = self.read("sys/module/module/parameters/sig_enforce");
        let is_enforced = sig_enforce.as_deref() == Some("Y");
        let name = "signatures";
        if lockdown == "none" && !is_enforced {
            return Some(Row::good(name, "the kernel takes modules without one"));
        }
        let why = if is_enforced {
            "sig_enforce".to_owned()
        } else {
            format!("lockdown={lockdown}")
        };
        // That one is inserted tells that its key is known.
        let is_inserted = self.root.join("sys/module/aufs2").is_dir();
        Some(match signer {
            _ if is_inserted => Row::good(name, format!("{why}, and the module was taken")),
            Some(signer) => Row::good(name, format!("{why}; the module is signed by {signer}")),
            None => Row::bad(
                name,
                format!(
                    "{why}: only modules with a signature are taken: enrol a key for dkms with mokutil"
                ),
            ),
        })
    }
}

/// The word in brackets.
fn chosen(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0)
}

/// What building the module for a kernel takes.
fn build(kernel: &str, is_there: bool) -> Result<Vec<Row>, String> {
    let Some(script) = script() else {
        return Ok(vec![if is_there {
            Row::good(
                "dkms",
                "aufs2-dkms is not installed, and not needed for this kernel",
            )
        } else {
            Row::bad(
                "dkms",
                "there is no module, and nothing to build it: apt install aufs2-dkms",
            )
        }]);
    };
    let shown = escaped(&script).to_string();
    let told = Command::new(&script).arg("needs").arg(kernel).output();
    let told = told.map_err(|e| format!("{shown}: {e}"))?;
    if !told.status.success() {
        let why = String::from_utf8_lossy(&told.stderr).trim().to_owned();
        return Err(format!("{shown}: {}", escaped(&why)));
    }
    let mut rows = needs(&told.stdout);
    if Command::new("dkms").arg("--version").output().is_err() {
        rows.insert(0, Row::bad("dkms", "it is not installed: apt install dkms"));
    }
    Ok(rows)
}

/// The script that dkms calls, of this version, or else of another one.
fn script() -> Option<PathBuf> {
    let sources = Path::new("/usr/src");
    let own = sources.join(concat!("aufs2-", env!("CARGO_PKG_VERSION")));
    let mut others: Vec<PathBuf> = fs::read_dir(sources)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or(OsStr::new(""));
            name.as_bytes().starts_with(b"aufs2-")
        })
        .collect();
    others.sort();
    std::iter::once(own)
        .chain(others.into_iter().rev())
        .map(|dir| dir.join("scripts/dkms"))
        .find(|script| script.is_file())
}

/// Lines of a name, a tab, and what is wrong, if anything is.
fn needs(text: &[u8]) -> Vec<Row> {
    let text = String::from_utf8_lossy(text);
    let row = |line: &str| {
        let (name, problem) = line.split_once('\t')?;
        Some(match problem {
            "" => Row::good(name, "all that is needed is here"),
            problem => Row::bad(name, problem),
        })
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_says() {
        let rows = needs(b"kernel\t\ncompiler\tthere is no rustc: apt install rustc\nno row\n");
        assert_eq!(rows.len(), 2);
        assert!(rows[0].good);
        assert_eq!(
            rows[1],
            Row::bad("compiler", "there is no rustc: apt install rustc")
        );
    }

    #[test]
    fn what_the_kernel_takes() {
        let root = std::env::temp_dir().join(format!("aufs2-doctor-{}", std::process::id()));
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        let system = System {
            running: "7.3.4",
            root: &root,
        };
        let asked = |signer: Option<&str>| {
            let row = system.signatures("7.3.4", signer.map(str::to_owned));
            row.map(|row| (row.good, row.text))
        };
        assert_eq!(system.signatures("7.2.1", None), None);
        assert!(asked(None).is_some_and(|(good, _)| good));
        put(
            "sys/kernel/security/lockdown",
            "none [integrity] confidentiality\n",
        );
        let told = asked(None).expect("it is told");
        assert!(
            !told.0 && told.1.starts_with("lockdown=integrity: "),
            "{told:?}"
        );
        assert!(asked(Some("somebody")).is_some_and(|(good, _)| good));
        put(
            "sys/kernel/security/lockdown",
            "[none] integrity confidentiality\n",
        );
        put("sys/module/module/parameters/sig_enforce", "Y\n");
        let told = asked(None).expect("it is told");
        assert!(!told.0 && told.1.starts_with("sig_enforce: "), "{told:?}");
        assert_eq!(system.module("7.3.4", None), None);
        assert!(
            system
                .module("7.3.4", Some("0.2.0"))
                .is_some_and(|row| row.good)
        );
        put("sys/module/aufs2/version", "0.0.1\n");
        assert!(asked(None).is_some_and(|(good, _)| good));
        assert!(system.module("7.3.4", None).is_some_and(|row| !row.good));
        put("sys/module/aufs2/version", env!("CARGO_PKG_VERSION"));
        assert!(system.module("7.3.4", None).is_some_and(|row| row.good));
        fs::remove_dir_all(&root).expect("it goes");
    }
}
