/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `bindgen` reads to make the bindings which the kernel crate lacks; what
 * of it is taken is said in bindgen_parameters.
 */
#ifndef AUFS2_BINDINGS_H
#define AUFS2_BINDINGS_H

/* First, as in the kernel's bindings: no forward references to its enums. */
#include <linux/hrtimer_types.h>

#include <linux/backing-dev.h>
#include <linux/backing-file.h>
#include <linux/buffer_head.h>
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/errseq.h>
#include <linux/exportfs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fileattr.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/fs_stack.h>
#include <linux/fs_struct.h>
#include <linux/fsnotify.h>
#include <linux/highmem.h>
#include <linux/iversion.h>
#include <linux/kobject.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/percpu-refcount.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/shmem_fs.h>
#include <linux/splice.h>
#include <linux/statfs.h>
#include <linux/swap.h>
#include <linux/sysfs.h>
#include <linux/uio.h>
#include <linux/wait_bit.h>
#include <linux/writeback.h>
#include <linux/xattr.h>

/* Exported for filesystems that are stacked, and declared in fs/internal.h. */
struct file *alloc_empty_backing_file(int flags, const struct cred *cred,
				      const struct file *user_file);
void backing_file_set_user_path(struct file *f, const struct path *path);

/* Casts and macros which bindgen does not see through. */
const unsigned int RUST_CONST_HELPER_SB_RDONLY = (__force unsigned int)SB_RDONLY;
const unsigned int RUST_CONST_HELPER_SB_I_VERSION = (__force unsigned int)SB_I_VERSION;
const unsigned int RUST_CONST_HELPER_SB_NOATIME = (__force unsigned int)SB_NOATIME;
const unsigned int RUST_CONST_HELPER_SB_POSIXACL = (__force unsigned int)SB_POSIXACL;
const unsigned int RUST_CONST_HELPER_LOOKUP_FOLLOW = (__force unsigned int)LOOKUP_FOLLOW;
const unsigned int RUST_CONST_HELPER_LOOKUP_RCU = (__force unsigned int)LOOKUP_RCU;
const unsigned int RUST_CONST_HELPER_LOOKUP_DIRECTORY = (__force unsigned int)LOOKUP_DIRECTORY;
const unsigned int RUST_CONST_HELPER_SLAB_RECLAIM_ACCOUNT = (__force unsigned int)SLAB_RECLAIM_ACCOUNT;
const unsigned int RUST_CONST_HELPER_SLAB_ACCOUNT = (__force unsigned int)SLAB_ACCOUNT;
const unsigned int RUST_CONST_HELPER_MNT_NOATIME = (__force unsigned int)MNT_NOATIME;
const unsigned int RUST_CONST_HELPER_IOCB_NOWAIT = (__force unsigned int)IOCB_NOWAIT;
const unsigned int RUST_CONST_HELPER_IOCB_WRITE = (__force unsigned int)IOCB_WRITE;
const unsigned int RUST_CONST_HELPER_IOCB_APPEND = (__force unsigned int)IOCB_APPEND;
const unsigned int RUST_CONST_HELPER_IOCB_DSYNC = (__force unsigned int)IOCB_DSYNC;
const unsigned int RUST_CONST_HELPER_IOCB_SYNC = (__force unsigned int)IOCB_SYNC;
const unsigned int RUST_CONST_HELPER_IOCB_DIRECT = (__force unsigned int)IOCB_DIRECT;
const unsigned int RUST_CONST_HELPER_FMODE_WRITE = (__force unsigned int)FMODE_WRITE;
const unsigned int RUST_CONST_HELPER_FMODE_READ = (__force unsigned int)FMODE_READ;
const unsigned int RUST_CONST_HELPER_FMODE_OPENED = (__force unsigned int)FMODE_OPENED;
const unsigned int RUST_CONST_HELPER_FMODE_LSEEK = (__force unsigned int)FMODE_LSEEK;
const unsigned int RUST_CONST_HELPER_FMODE_CAN_ODIRECT = (__force unsigned int)FMODE_CAN_ODIRECT;
const unsigned int RUST_CONST_HELPER_FMODE_BACKING = (__force unsigned int)FMODE_BACKING;
const unsigned int RUST_CONST_HELPER_FMODE_NOACCOUNT = (__force unsigned int)FMODE_NOACCOUNT;
const unsigned int RUST_CONST_HELPER_FMODE_WRITER = (__force unsigned int)FMODE_WRITER;
const unsigned int RUST_CONST_HELPER_FMODE_NEED_UNMOUNT = (__force unsigned int)FMODE_NEED_UNMOUNT;
const unsigned int RUST_CONST_HELPER_FMODE_FSNOTIFY_MASK = (__force unsigned int)FMODE_FSNOTIFY_MASK;
const unsigned int RUST_CONST_HELPER_ACL_TYPE_ACCESS = (__force unsigned int)ACL_TYPE_ACCESS;
const unsigned int RUST_CONST_HELPER_ACL_TYPE_DEFAULT = (__force unsigned int)ACL_TYPE_DEFAULT;

const unsigned int RUST_CONST_HELPER_MNT_NODIRATIME = MNT_NODIRATIME;
const unsigned int RUST_CONST_HELPER_MNT_READONLY = MNT_READONLY;
const unsigned int RUST_CONST_HELPER_FMODE_EXEC = (__force unsigned int)FMODE_EXEC;
const unsigned int RUST_CONST_HELPER_FMODE_NONOTIFY_FLAG = (__force unsigned int)FMODE_NONOTIFY;
const unsigned int RUST_CONST_HELPER_ACL_USER = ACL_USER;
const unsigned int RUST_CONST_HELPER_ACL_GROUP = ACL_GROUP;
const unsigned int RUST_CONST_HELPER_I_CTIME_QUERIED = I_CTIME_QUERIED;
const unsigned int RUST_CONST_HELPER_TASK_KILLABLE = TASK_KILLABLE;
const unsigned int RUST_CONST_HELPER_IOCB_ATOMIC = (__force unsigned int)IOCB_ATOMIC;
const unsigned int RUST_CONST_HELPER_IOCB_DONTCACHE = (__force unsigned int)IOCB_DONTCACHE;
const unsigned int RUST_CONST_HELPER_IOCB_HIPRI = (__force unsigned int)IOCB_HIPRI;
const unsigned int RUST_CONST_HELPER_IOCB_NOSIGNAL = (__force unsigned int)IOCB_NOSIGNAL;
const unsigned int RUST_CONST_HELPER_FMODE_CAN_ATOMIC_WRITE = (__force unsigned int)FMODE_CAN_ATOMIC_WRITE;
const unsigned int RUST_CONST_HELPER_SB_SYNCHRONOUS = (__force unsigned int)SB_SYNCHRONOUS;
const unsigned int RUST_CONST_HELPER_SB_I_SKIP_SYNC = (__force unsigned int)SB_I_SKIP_SYNC;
const unsigned int RUST_CONST_HELPER_SB_I_EVM_HMAC_UNSUPPORTED = (__force unsigned int)SB_I_EVM_HMAC_UNSUPPORTED;
const unsigned int RUST_CONST_HELPER_LOOKUP_REVAL = (__force unsigned int)LOOKUP_REVAL;
const unsigned int RUST_CONST_HELPER_MNT_RELATIME = MNT_RELATIME;
const unsigned int RUST_CONST_HELPER_MNT_NOEXEC = MNT_NOEXEC;
const unsigned int RUST_CONST_HELPER_MNT_NOSUID = MNT_NOSUID;
const unsigned int RUST_CONST_HELPER_MNT_NODEV = MNT_NODEV;
const unsigned int RUST_CONST_HELPER_SB_I_NOEXEC = (__force unsigned int)SB_I_NOEXEC;
const unsigned int RUST_CONST_HELPER_SB_I_NODEV = (__force unsigned int)SB_I_NODEV;
const unsigned int RUST_CONST_HELPER_FGP_WRITEBEGIN_FLAGS = (__force unsigned int)FGP_WRITEBEGIN;
const unsigned int RUST_CONST_HELPER_FGP_LOCK_FLAG = (__force unsigned int)FGP_LOCK;
const unsigned long RUST_CONST_HELPER_VMA_MAYSHARE_FLAG = VM_MAYSHARE;
#endif /* AUFS2_BINDINGS_H */
