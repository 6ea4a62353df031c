// SPDX-License-Identifier: GPL-2.0

//! The name of an object that is being made, and the credentials that it is made with.

use super::{
    dentry::{Negative, OwnDentry},
    file::NewFile,
    file_system::FileSystem,
    inode::OwnInode,
};
use crate::{
    bindings,
    vfs::{mount::cred::Cred, object::idmap::Idmap, value::mode::Mode},
};
use kernel::{error::to_result, prelude::*};

/// The name of an object that is being made.
///
/// # Safety
///
/// The name of the entry does not change as long as this lives.
pub(crate) unsafe trait NewName<T: FileSystem> {
    /// The dentry that the object will have.
    fn entry(&self) -> &OwnDentry<T>;
}

// SAFETY: The directory is locked, by the type.
unsafe impl<T: FileSystem> NewName<T> for Negative<'_, T> {
    fn entry(&self) -> &OwnDentry<T> {
        self
    }
}

// SAFETY: A dentry that is in no directory is not renamed, and has the name that it was made with until
// the inode is there.
unsafe impl<T: FileSystem> NewName<T> for NewFile<'_, T> {
    fn entry(&self) -> &OwnDentry<T> {
        self.dentry()
    }
}

impl Cred {
    /// A copy of these credentials for making an object of `mode` that belongs to the current task,
    /// in the directory `dir` under the name `new_name`: with the ids that the task has in a
    /// filesystem mounted with `idmap`, and with the security label that the object is to get.
    pub(crate) fn for_new<T: FileSystem>(
        &self,
        idmap: &Idmap,
        dir: &OwnInode<T>,
        new_name: &impl NewName<T>,
        mode: Mode,
    ) -> Result<Self> {
        let dentry = new_name.entry();
        // SAFETY: The super block, and with it its user namespace, is alive; the calls read the
        // current task's credentials.
        let (uid, gid, old) = unsafe {
            let ns = (*dir.sb().as_ptr()).s_user_ns;
            (
                bindings::mapped_fsuid(idmap.as_ptr(), ns),
                bindings::mapped_fsgid(idmap.as_ptr(), ns),
                bindings::current_cred(),
            )
        };
        // SAFETY: No requirements; it copies the current credentials, which are ours in the scope.
        let new = self.scope(|| unsafe { bindings::prepare_creds() });
        if new.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: `prepare_creds` returned a count that is ours.
        let this = unsafe { Self::from_owned(new) };
        // SAFETY: The copy is not shared yet; the name of `dentry` does not change, by the contract of
        // `NewName`, and `old` is alive as the current task's.
        to_result(unsafe {
            (*new).fsuid = uid;
            (*new).fsgid = gid;
            let name = &raw const (*dentry.as_ptr()).__bindgen_anon_1.d_name;
            bindings::security_dentry_create_files_as(
                dentry.as_ptr(),
                mode.0.into(),
                name,
                old,
                new,
            )
        })?;
        Ok(this)
    }

    /// These credentials with the security label that a copy of the object `source`, of the
    /// filesystem `T`, is to be made with; `None` if they will do as they are.
    pub(crate) fn for_copy_of<T: FileSystem>(&self, source: &OwnDentry<T>) -> Result<Option<Self>> {
        source.require_inode()?;
        let mut new = core::ptr::null_mut();
        let ret = self.scope(|| {
            // SAFETY: The dentry is alive, and `new` is null, as a security module wants to find it.
            unsafe { bindings::security_inode_copy_up(source.as_ptr(), &mut new) }
        });
        // SAFETY: What a security module left there is a copy of the current credentials, with a
        // count that is ours, whether the call failed or not.
        let new = (!new.is_null()).then(|| unsafe { Self::from_owned(new) });
        to_result(ret)?;
        Ok(new)
    }
}
