// SPDX-License-Identifier: GPL-2.0

//! Directories: names.

use super::{file, node, real, update, Pass};
use crate::vfs::{
    below::{
        namei::{Creating, Removing},
        rename::Renaming,
    },
    ops::{backing::open_backing_tmpfile, rename::Rename},
    own::{dentry::Negative, file::NewFile, inode::Locked},
    prelude::*,
    value::errno::ESTALE,
};
use core::ptr;
use kernel::{prelude::*, sync::aref::ARef};

/// The tables of directories.
pub(super) fn tables() -> InodeTables<Pass> {
    InodeTables::with_file::<Dir, file::DirFile>()
}

struct Dir;

/// Makes what `f` makes at the place of `entry`.
fn make(
    what: &'static str,
    idmap: &Idmap,
    entry: Negative<'_, Pass>,
    mode: Mode,
    f: impl FnOnce(Creating<'_>) -> Result<ARef<Dentry>>,
) -> Result {
    let dir = entry.dir().get();
    let (parent, tree, name) = (real(dir)?, dir.sb().data(), entry.name_in_dir()?);
    let number = tree.trouble.ask(what)?;
    let cred = tree.cred.for_new(idmap, dir, &entry, mode)?;
    let made = {
        let access = tree.mnt.want_write()?;
        cred.scope(|| f(Creating::start(&access, &parent, name)?))?
    };
    tree.answer(number, what, || Ok(()), || entry.drop_from_cache())?;
    let inode = node(dir.sb(), &made)?;
    update(&inode)?;
    update(dir)?;
    entry.instantiate(inode)
}

/// Takes the name of `dentry` away by `f`.
fn remove(
    what: &'static str,
    dir: &Locked<'_, Pass>,
    dentry: &OwnDentry<Pass>,
    f: impl FnOnce(Removing<'_>) -> Result,
) -> Result {
    let (parent, tree, name) = (real(dir)?, dir.sb().data(), dir.name_of(dentry)?);
    let inode = dentry.positive()?;
    let real = real(inode)?;
    let number = tree.trouble.ask(what)?;
    {
        let access = tree.mnt.want_write()?;
        tree.cred.scope(|| {
            let removing = Removing::start(&access, &parent, name)?;
            let found = removing.dentry().inode().ok_or(ESTALE)?;
            match real.inode().is_some_and(|real| ptr::eq(real, found)) {
                true => f(removing),
                false => Err(ESTALE),
            }
        })?;
    }
    let known = || update(inode).and_then(|()| update(dir));
    tree.answer(number, what, known, || dentry.drop_from_cache())
}

#[vtable]
impl inode_ops::Operations for Dir {
    type Fs = Pass;

    fn lookup(dir: &OwnInode<Pass>, dentry: InLookup<'_, Pass>) -> Result<Spliced<Pass>> {
        let (parent, tree, name) = (real(dir)?, dir.sb().data(), dentry.name_in_lookup()?);
        tree.trouble.ask("lookup")?;
        let found = tree
            .cred
            .scope(|| namei::lookup(&tree.mnt, &parent, name))?;
        let inode = found.map(|found| node(dir.sb(), &found)).transpose()?;
        dentry.splice(inode, 0)
    }

    fn create(idmap: &Idmap, entry: Negative<'_, Pass>, mode: Mode) -> Result {
        make("create", idmap, entry, mode, |place| place.create(mode))
    }

    fn mkdir(idmap: &Idmap, entry: Negative<'_, Pass>, mode: Mode) -> Result {
        make("mkdir", idmap, entry, mode, |place| place.mkdir(mode))
    }

    fn mknod(idmap: &Idmap, entry: Negative<'_, Pass>, mode: Mode, dev: u32) -> Result {
        make("mknod", idmap, entry, mode, |place| place.mknod(mode, dev))
    }

    fn symlink(idmap: &Idmap, entry: Negative<'_, Pass>, target: &CStr) -> Result {
        let mode = Mode(0o120777);
        make("symlink", idmap, entry, mode, |place| place.symlink(target))
    }

    fn link(old: &OwnDentry<Pass>, entry: Negative<'_, Pass>) -> Result {
        let inode = old.positive()?;
        let (dir, real_old) = (entry.dir().get(), real(inode)?);
        let (parent, tree, name) = (real(dir)?, dir.sb().data(), entry.name_in_dir()?);
        let number = tree.trouble.ask("link")?;
        {
            let access = tree.mnt.want_write()?;
            tree.cred
                .scope(|| Creating::start(&access, &parent, name)?.link(&real_old))?;
        }
        let known = || update(inode).and_then(|()| update(dir));
        tree.answer(number, "link", known, || entry.drop_from_cache())?;
        entry.instantiate(inode.into())
    }

    fn unlink(dir: &Locked<'_, Pass>, dentry: &OwnDentry<Pass>) -> Result {
        remove("unlink", dir, dentry, |removing| removing.unlink())
    }

    fn rmdir(dir: &Locked<'_, Pass>, dentry: &OwnDentry<Pass>) -> Result {
        remove("rmdir", dir, dentry, |removing| removing.rmdir())
    }

    fn rename(_idmap: &Idmap, rename: Rename<'_, Pass>) -> Result {
        let (old_dir, new_dir) = (rename.old_dir(), rename.new_dir());
        let (old, new) = (rename.old(), rename.new_name());
        let (from, to) = (real(old_dir)?, real(new_dir)?);
        let (old_name, new_name) = (old_dir.name_of(old)?, new_dir.name_of(new)?);
        let tree = old_dir.sb().data();
        let number = tree.trouble.ask("rename")?;
        {
            let access = tree.mnt.want_write()?;
            let flags = rename.flags();
            tree.cred.scope(|| {
                Renaming::start(&access, &from, old_name, &to, new_name, flags)?.commit()
            })?;
        }
        let known = || {
            for renamed in [old, new] {
                if let Some(inode) = renamed.own_inode() {
                    update(inode)?;
                }
            }
            update(old_dir)?;
            update(new_dir)
        };
        tree.answer(number, "rename", known, || {
            old.drop_from_cache();
            new.drop_from_cache();
        })
    }

    fn tmpfile(
        idmap: &Idmap,
        dir: &OwnInode<Pass>,
        user: NewFile<'_, Pass>,
        mode: Mode,
    ) -> Result<ARef<OwnInode<Pass>>> {
        let (parent, tree) = (real(dir)?, dir.sb().data());
        let number = tree.trouble.ask("tmpfile")?;
        let cred = tree.cred.for_new(idmap, dir, &user, mode)?;
        let access = tree.mnt.want_write()?;
        let flags = user.flags() & !flags::NOT_BELOW;
        let below = cred.scope(|| open_backing_tmpfile(&user, flags, &access, &parent, mode))?;
        tree.trouble.answer(number, "tmpfile")?;
        node(dir.sb(), below.path().dentry())
    }
}
