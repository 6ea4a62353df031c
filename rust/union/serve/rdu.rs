// SPDX-License-Identifier: GPL-2.0

//! Reading a directory by `ioctl(2)`: `AUFS_CTL_RDU` and `AUFS_CTL_RDU_INO`.
//!
//! In aufs, a library asks for the entries of all branches, merges them itself, and asks for the
//! inode numbers of what is left. Here they are merged and have their numbers from the start: the
//! library finds nothing to merge.

use crate::{
    union::object::{instance::Union, listing::Listing},
    vfs::{
        admin::ioctl::{user_memory, Command},
        own::file::FsFile,
        sync::task::fatal_signal_pending,
        value::flags,
    },
};
use kernel::{ioctl::_IOC_SIZE, prelude::*, sync::Arc};

/// `AUFS_CTL_RDU`.
pub(crate) const READ: u32 = 0xc040_4100;
/// `AUFS_CTL_RDU_INO`.
pub(crate) const NUMBERS: u32 = 0xc040_4101;

/// `struct aufs_rdu`: eight words, of both commands.
const SIZE: usize = _IOC_SIZE(READ);
const _: () = assert!(SIZE == size_of::<[u64; 8]>() && SIZE == _IOC_SIZE(NUMBERS));

/// The fixed part of `struct au_rdu_ent`, filled up.
const HEAD: usize = 16;
/// Where the name is.
const NAME: usize = 13;
/// Where the length of the name is.
const NAME_LENGTH: usize = 11;

/// By how much a library is told to make its buffer larger, if it has not said so itself.
const BLOCK: u32 = 4096;

/// In the cookie: this is not the first call.
const CONTINUED: u8 = 1 << 1;
/// In the cookie: the buffer was full.
const FULL: u8 = 1 << 2;

/// How much room an entry takes whose name has `len` bytes, with a NUL behind it.
fn room(len: usize) -> usize {
    (HEAD + len + 1).next_multiple_of(8)
}

/// `struct aufs_rdu`.
struct ReadArgument {
    /// How much room there is, or how many entries there are.
    size: u64,
    /// Where the entries are.
    at: u64,
    block: u32,
    /// The end of what was written.
    tail: u64,
    entries: u64,
    full: bool,
    whiteouts: bool,
    /// The cookie: where to go on.
    position: u64,
    flags: u8,
    generation: u32,
}

impl ReadArgument {
    /// `EFAULT`; `EINVAL` for a structure of another size.
    fn read(command: Command) -> Result<Self> {
        let mut reader = command.reader(SIZE);
        let (size, at) = (reader.read()?, reader.read()?);
        let verify: u16 = reader.read()?;
        let _: u16 = reader.read()?;
        let block = reader.read()?;
        let (tail, entries) = (reader.read()?, reader.read()?);
        let _: u64 = reader.read()?;
        let position = reader.read()?;
        let _index: i16 = reader.read()?;
        let flags = reader.read()?;
        let _: u8 = reader.read()?;
        let generation = reader.read()?;
        if usize::from(verify) != SIZE {
            return Err(EINVAL);
        }
        Ok(Self {
            size,
            at,
            block,
            tail,
            entries,
            full: false,
            whiteouts: false,
            position,
            flags,
            generation,
        })
    }

    fn write(&self, command: Command) -> Result {
        let mut writer = command.writer(0, SIZE);
        writer.write(&self.size)?;
        writer.write(&self.at)?;
        // CAST: It fits.
        writer.write(&(SIZE as u16))?;
        writer.write(&0u16)?;
        writer.write(&self.block)?;
        writer.write(&self.tail)?;
        writer.write(&self.entries)?;
        writer.write(&u8::from(self.full))?;
        writer.write(&u8::from(self.whiteouts))?;
        writer.write_slice(&[0; 6])?;
        writer.write(&self.position)?;
        writer.write(&0i16)?;
        writer.write(&self.flags)?;
        writer.write(&0u8)?;
        writer.write(&self.generation)
    }

    /// Writes an entry behind those before, and goes on to the next; `false` if there is no room.
    fn add(&mut self, name: &[u8], ino: u64, dirent_type: u32) -> Result<bool> {
        if name.contains(&b'/') {
            // As `getdents(2)` says of what only a server can have.
            return Err(EIO);
        }
        let used = self.tail - self.at;
        let len = room(name.len());
        if self.size - used < len as u64 {
            self.full = true;
            return Ok(false);
        }
        let mut head = [0; NAME];
        head[..8].copy_from_slice(&ino.to_ne_bytes());
        // The index of the branch stays 0: an entry is not of one of them.
        // CAST: Types have 4 bits, names at most 255 bytes.
        head[10] = dirent_type as u8;
        head[NAME_LENGTH] = name.len() as u8;
        let mut writer = user_memory(self.tail, len)?.writer();
        writer.write_slice(&head)?;
        writer.write_slice(name)?;
        writer.write(&0u8)?;
        self.tail += len as u64;
        self.entries += 1;
        self.position += 1;
        Ok(true)
    }
}

/// Writes the entries from the cookie on that there is room for, of those that `listing` has.
///
/// `EFAULT`; `EINVAL` for a structure of another size, or a position that no directory has; what
/// reading the directory fails with.
pub(crate) fn read(
    file: &FsFile<Union>,
    command: Command,
    listing: impl FnOnce(bool) -> Result<Arc<Listing>>,
) -> Result<u32> {
    let mut argument = ReadArgument::read(command)?;
    i64::try_from(argument.position).map_err(|_| EINVAL)?;
    argument.at.checked_add(argument.size).ok_or(EFAULT)?;
    file.check_read()?;
    let shown = {
        // Nobody changes the directory meanwhile. User memory is written to without the lock.
        let inode = file.own_inode();
        let _lock = inode.lock();
        if inode.is_dead() {
            return Err(ENOENT);
        }
        listing(argument.position == 0)?
    };
    let instance = file.own_inode().sb().data();
    argument.tail = argument.at;
    argument.entries = 0;
    if argument.block == 0 {
        argument.block = BLOCK;
    }
    fill(file, &mut argument, &shown)?;
    argument.whiteouts = instance.settings().show_whiteouts();
    argument.flags = CONTINUED | if argument.full { FULL } else { 0 };
    // CAST: For who compares it with that of an earlier answer.
    argument.generation = instance.generation() as u32;
    file.touch_atime();
    argument.write(command)?;
    Ok(0)
}

fn fill(file: &FsFile<Union>, argument: &mut ReadArgument, shown: &Listing) -> Result {
    if argument.position == 0 && !argument.add(b".", file.own_inode().ino(), flags::DT_DIR)? {
        return Ok(());
    }
    if argument.position == 1 {
        let parent = file.dentry().parent_entry();
        if !argument.add(b"..", parent.positive()?.ino(), flags::DT_DIR)? {
            return Ok(());
        }
    }
    let start = usize::try_from(argument.position - 2)?;
    for entry in shown.from(start) {
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        if !argument.add(entry.name, entry.ino, entry.dirent_type)? {
            break;
        }
    }
    Ok(())
}

/// Looks at entries that [`read`] wrote. Their numbers are those of the union already, and stay.
///
/// `EFAULT`; `EINVAL` for a structure of another size; `EINTR` if the task is to die.
pub(crate) fn numbers(command: Command) -> Result<u32> {
    let argument = ReadArgument::read(command)?;
    let mut at = argument.at;
    for _ in 0..argument.size {
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        let (mut reader, mut writer) = user_memory(at, HEAD)?.reader_writer();
        let mut head = [0; HEAD];
        reader.read_slice(&mut head)?;
        writer.write_slice(&head[..8])?;
        let len = room(head[NAME_LENGTH].into());
        at = at.checked_add(len as u64).ok_or(EFAULT)?;
    }
    Ok(0)
}
