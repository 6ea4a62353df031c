// SPDX-License-Identifier: GPL-2.0

//! `aufs2 status`: the unions that are mounted, their branches, and the room on them.

use crate::json;
use crate::union::{self, At, Branch, Space, Union, lossy};
use aubusy::control::Union as Control;
use aubusy::print::{escaped, print};
use rustix::io::Errno;
use serde::Serialize;
use std::path::Path;

/// A union, as it is told.
#[derive(Debug, Serialize)]
struct Told {
    mountpoint: String,
    si: String,
    options: String,
    branches: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    index: usize,
    permission: String,
    path: String,
    #[serde(flatten)]
    space: Option<Space>,
}

impl Told {
    fn of((union, spaces): &(Union, Vec<Option<Space>>)) -> Self {
        let row = |(branch, space): (&Branch, &Option<Space>)| Row {
            index: branch.index,
            permission: branch.permission.clone(),
            path: lossy(&branch.path),
            space: *space,
        };
        Self {
            mountpoint: lossy(&union.mountpoint),
            si: union.si.clone(),
            options: union.options.clone(),
            branches: union.branches.iter().zip(spaces).map(row).collect(),
        }
    }
}

/// A union, and the room on its branches, of those that can be looked at.
fn with_spaces(union: Union, control: Result<&Control, Errno>) -> (Union, Vec<Option<Space>>) {
    let space = |branch| Space::of(union::tree(control, branch).ok()?);
    let spaces = union.branches.iter().map(space).collect();
    (union, spaces)
}

/// Prints the union that `path` is in, or all.
pub fn run(path: Option<&Path>, json: bool) -> Result<(), String> {
    let unions = if let Some(path) = path {
        let At { union, control, .. } = At::of(path)?;
        vec![with_spaces(union, control.as_ref().map_err(|e| *e))]
    } else {
        let with_spaces = |union: Union| {
            let control = union.control();
            with_spaces(union, control.as_ref().map_err(|e| *e))
        };
        Union::all()?.into_iter().map(with_spaces).collect()
    };
    if json {
        let told: Vec<Told> = unions.iter().map(Told::of).collect();
        return json::print(&told);
    }
    print(|out| {
        for (union, spaces) in &unions {
            let options = escaped(&union.options);
            writeln!(out, "{} ({options})", escaped(&union.mountpoint))?;
            for (branch, space) in union.branches.iter().zip(spaces) {
                let (index, path) = (branch.index, escaped(&branch.path));
                write!(out, "  {index} {} {path}", branch.permission)?;
                if let Some(space) = space {
                    let (available, size) = (human(space.available), human(space.size));
                    write!(out, "  {available} of {size} free")?;
                }
                writeln!(out)?;
            }
        }
        Ok(())
    })
}

/// A number of bytes with a unit, three digits of it.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // In tenths, so that all is exact.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10240 {
        tenths /= 1024;
        unit += 1;
    }
    match tenths {
        100.. => format!("{} {}", tenths / 10, UNITS[unit]),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1024), "1.0 KiB");
        assert_eq!(human(1536 << 10), "1.5 MiB");
        assert_eq!(human(20 << 30), "20 GiB");
        assert_eq!(human(u64::MAX), "15 EiB");
    }
}
