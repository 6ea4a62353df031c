// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust cannot call: inline functions and macros, one each, without a branch
 * of ours.  `aufs2_helper_X` is `bindings::X` in Rust.
 */

#include "bindings.h"

/* Places. */

void aufs2_helper_get_fs_root(struct fs_struct *fs, struct path *root)
{
	get_fs_root(fs, root);
}

/* The kernel crate's warn_on! reads a file that not all of the headers have. */
void aufs2_helper_warn(void)
{
	WARN_ON(1);
}

/* Inodes. */

void aufs2_helper_inode_lock(struct inode *inode)
{
	inode_lock(inode);
}

void aufs2_helper_inode_lock_nested(struct inode *inode, unsigned int subclass)
{
	inode_lock_nested(inode, subclass);
}

void aufs2_helper_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

bool aufs2_helper_inode_trylock(struct inode *inode)
{
	return inode_trylock(inode);
}

bool aufs2_helper_inode_trylock_shared(struct inode *inode)
{
	return inode_trylock_shared(inode);
}

void aufs2_helper_inode_unlock_shared(struct inode *inode)
{
	inode_unlock_shared(inode);
}

bool aufs2_helper_IS_POSIXACL(const struct inode *inode)
{
	return IS_POSIXACL(inode);
}

int aufs2_helper_get_write_access(struct inode *inode)
{
	return get_write_access(inode);
}

void aufs2_helper_put_write_access(struct inode *inode)
{
	put_write_access(inode);
}

bool aufs2_helper_sb_start_write_trylock(struct super_block *sb)
{
	return sb_start_write_trylock(sb);
}

void aufs2_helper_sb_end_write(struct super_block *sb)
{
	sb_end_write(sb);
}

unsigned int aufs2_helper_inode_state_read_once(struct inode *inode)
{
	return inode_state_read_once(inode);
}

unsigned int aufs2_helper_inode_state_read(struct inode *inode)
{
	return inode_state_read(inode);
}

void aufs2_helper_inode_state_set(struct inode *inode, unsigned int flags)
{
	inode_state_set(inode, flags);
}

void aufs2_helper_inode_state_clear(struct inode *inode, unsigned int flags)
{
	inode_state_clear(inode, flags);
}

void aufs2_helper_hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
	hlist_add_head(node, head);
}

void aufs2_helper_hlist_add_behind(struct hlist_node *node, struct hlist_node *prev)
{
	hlist_add_behind(node, prev);
}

void aufs2_helper_hlist_del_init(struct hlist_node *node)
{
	hlist_del_init(node);
}

bool aufs2_helper_fsnotify_sb_has_watchers(struct super_block *sb)
{
	return fsnotify_sb_has_watchers(sb);
}

void aufs2_helper_cache_no_acl_dont(struct inode *inode)
{
	inode->i_acl = inode->i_default_acl = ACL_DONT_CACHE;
}

vfsuid_t aufs2_helper_i_uid_into_vfsuid(struct mnt_idmap *idmap, const struct inode *inode)
{
	return i_uid_into_vfsuid(idmap, inode);
}

vfsgid_t aufs2_helper_i_gid_into_vfsgid(struct mnt_idmap *idmap, const struct inode *inode)
{
	return i_gid_into_vfsgid(idmap, inode);
}

struct kmem_cache *aufs2_helper_kmem_cache_create(const char *name, unsigned int size,
						  unsigned int align, slab_flags_t flags,
						  void (*ctor)(void *))
{
	return kmem_cache_create(name, size, align, flags, ctor);
}

void *aufs2_helper_alloc_inode_sb(struct super_block *sb, struct kmem_cache *cache, gfp_t gfp)
{
	return alloc_inode_sb(sb, cache, gfp);
}

void aufs2_helper_lockdep_set_class_and_name(struct rw_semaphore *lock,
					     struct lock_class_key *key, const char *name)
{
	lockdep_set_class_and_name(lock, key, name);
}

void aufs2_helper_lockdep_set_class_of_mutex(struct mutex *lock, struct lock_class_key *key,
					     const char *name)
{
	lockdep_set_class_and_name(lock, key, name);
}

int aufs2_helper_mutex_lock_killable(struct mutex *lock)
{
	return mutex_lock_killable(lock);
}

int aufs2_helper_fsnotify_add_inode_mark(struct fsnotify_mark *mark, struct inode *inode, int flags)
{
	return fsnotify_add_inode_mark(mark, inode, flags);
}

unsigned int aufs2_helper_memalloc_nofs_save(void)
{
	return memalloc_nofs_save();
}

void aufs2_helper_memalloc_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}

void aufs2_helper_remove_inode_hash(struct inode *inode)
{
	remove_inode_hash(inode);
}

void aufs2_helper_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vm_flags_clear(vma, flags);
}

bool aufs2_helper_mapping_mapped(const struct address_space *mapping)
{
	return mapping_mapped(mapping);
}

bool aufs2_helper_mapping_writably_mapped(const struct address_space *mapping)
{
	return mapping_writably_mapped(mapping);
}

int aufs2_helper_deny_write_access(struct file *file)
{
	return deny_write_access(file);
}

void aufs2_helper_allow_write_access(struct file *file)
{
	allow_write_access(file);
}

/* A count per processor. */

bool aufs2_helper_percpu_ref_tryget_live(struct percpu_ref *ref)
{
	return percpu_ref_tryget_live(ref);
}

void aufs2_helper_percpu_ref_put(struct percpu_ref *ref)
{
	percpu_ref_put(ref);
}

bool aufs2_helper_percpu_ref_is_dying(struct percpu_ref *ref)
{
	return percpu_ref_is_dying(ref);
}

void aufs2_helper_percpu_ref_kill(struct percpu_ref *ref)
{
	percpu_ref_kill(ref);
}

/* Dentries and names. */

unsigned int aufs2_helper_d_count(const struct dentry *dentry)
{
	return d_count(dentry);
}

void aufs2_helper_do_delayed_call(struct delayed_call *call)
{
	do_delayed_call(call);
}


struct dentry *aufs2_helper_dget(struct dentry *dentry)
{
	return dget(dentry);
}

bool aufs2_helper_atomic_inc_not_zero(atomic_t *v)
{
	return atomic_inc_not_zero(v);
}

void aufs2_helper_end_creating(struct dentry *child)
{
	end_creating(child);
}

void aufs2_helper_set_delayed_call(struct delayed_call *call, void (*fn)(void *), void *arg)
{
	set_delayed_call(call, fn, arg);
}

/* Mounts and credentials. */

kuid_t aufs2_helper_mapped_fsuid(struct mnt_idmap *idmap, struct user_namespace *ns)
{
	return mapped_fsuid(idmap, ns);
}

kgid_t aufs2_helper_mapped_fsgid(struct mnt_idmap *idmap, struct user_namespace *ns)
{
	return mapped_fsgid(idmap, ns);
}


const struct cred *aufs2_helper_override_creds(const struct cred *cred)
{
	return override_creds(cred);
}

const struct cred *aufs2_helper_revert_creds(const struct cred *cred)
{
	return revert_creds(cred);
}

const struct cred *aufs2_helper_get_current_cred(void)
{
	return get_current_cred();
}

const struct cred *aufs2_helper_current_cred(void)
{
	return current_cred();
}

void aufs2_helper_posix_acl_release(struct posix_acl *acl)
{
	posix_acl_release(acl);
}

bool aufs2_helper_is_uncached_acl(struct posix_acl *acl)
{
	return is_uncached_acl(acl);
}

__kernel_fsid_t aufs2_helper_u64_to_fsid(u64 v)
{
	return u64_to_fsid(v);
}

/* Files. */

void aufs2_helper_init_sync_kiocb(struct kiocb *kiocb, struct file *filp)
{
	init_sync_kiocb(kiocb, filp);
}

int aufs2_helper_iocb_flags(struct file *file)
{
	return iocb_flags(file);
}

int aufs2_helper_fatal_signal_pending(struct task_struct *p)
{
	return fatal_signal_pending(p);
}

unsigned long aufs2_helper_rlimit(unsigned int limit)
{
	return rlimit(limit);
}

void aufs2_helper_allow_kernel_signal(int sig)
{
	allow_kernel_signal(sig);
}

bool aufs2_helper_dir_emit_dots(struct file *file, struct dir_context *ctx)
{
	return dir_emit_dots(file, ctx);
}

int aufs2_helper_file_remove_privs(struct file *file)
{
	return file_remove_privs(file);
}

const struct path *aufs2_helper_file_user_path(const struct file *f)
{
	return file_user_path(f);
}

errseq_t aufs2_helper_filemap_sample_wb_err(struct address_space *mapping)
{
	return filemap_sample_wb_err(mapping);
}

void aufs2_helper_i_readcount_inc(struct inode *inode)
{
	i_readcount_inc(inode);
}

struct file *aufs2_helper_get_file(struct file *f)
{
	return get_file(f);
}

void aufs2_helper___module_get(struct module *module)
{
	__module_get(module);
}

/* The position of a directory. */

void aufs2_helper_f_pos_lock_nested(struct file *file)
{
	mutex_lock_nested(&file->f_pos_lock, SINGLE_DEPTH_NESTING);
}

void aufs2_helper_f_pos_unlock(struct file *file)
{
	mutex_unlock(&file->f_pos_lock);
}

/* Mappings. */

int aufs2_helper_vfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	return vfs_mmap(file, vma);
}

bool aufs2_helper_file_is_dax(const struct file *file)
{
	return file_is_dax(file);
}

bool aufs2_helper_vma_is_dax(const struct vm_area_struct *vma)
{
	return vma_is_dax(vma);
}

void aufs2_helper_mmap_read_unlock(struct mm_struct *mm)
{
	mmap_read_unlock(mm);
}

/* Page caches. */

void aufs2_helper_folio_get(struct folio *folio)
{
	folio_get(folio);
}

void aufs2_helper_folio_put(struct folio *folio)
{
	folio_put(folio);
}

loff_t aufs2_helper_folio_pos(const struct folio *folio)
{
	return folio_pos(folio);
}

size_t aufs2_helper_folio_size(const struct folio *folio)
{
	return folio_size(folio);
}

bool aufs2_helper_folio_test_uptodate(const struct folio *folio)
{
	return folio_test_uptodate(folio);
}

bool aufs2_helper_folio_page_is_poisoned(struct folio *folio, pgoff_t index)
{
	return PageHWPoison(folio_file_page(folio, index));
}

void aufs2_helper_folio_mark_uptodate(struct folio *folio)
{
	folio_mark_uptodate(folio);
}

void aufs2_helper_folio_start_writeback(struct folio *folio)
{
	folio_start_writeback(folio);
}

void aufs2_helper_folio_zero_segment(struct folio *folio, size_t start, size_t end)
{
	folio_zero_segment(folio, start, end);
}

void aufs2_helper_memcpy_folio(struct folio *to, size_t to_at, struct folio *from, size_t at,
			       size_t len)
{
	memcpy_folio(to, to_at, from, at, len);
}

struct folio *aufs2_helper___filemap_get_folio(struct address_space *mapping, pgoff_t index,
					       unsigned int flags, gfp_t gfp)
{
	return __filemap_get_folio(mapping, index, (__force fgf_t)flags, gfp);
}

gfp_t aufs2_helper_mapping_gfp_mask(const struct address_space *mapping)
{
	return mapping_gfp_mask(mapping);
}

void aufs2_helper_mapping_set_error(struct address_space *mapping, int error)
{
	mapping_set_error(mapping, error);
}

void aufs2_helper_filemap_invalidate_lock(struct address_space *mapping)
{
	filemap_invalidate_lock(mapping);
}

void aufs2_helper_filemap_invalidate_unlock(struct address_space *mapping)
{
	filemap_invalidate_unlock(mapping);
}

void aufs2_helper_filemap_invalidate_lock_shared(struct address_space *mapping)
{
	filemap_invalidate_lock_shared(mapping);
}

void aufs2_helper_filemap_invalidate_unlock_shared(struct address_space *mapping)
{
	filemap_invalidate_unlock_shared(mapping);
}

ssize_t aufs2_helper_generic_write_sync(struct kiocb *iocb, ssize_t count)
{
	return generic_write_sync(iocb, count);
}

void aufs2_helper_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}

vma_flags_t aufs2_helper_vma_flags_noreserve(void)
{
	return mk_vma_flags(VMA_NORESERVE_BIT);
}

/* Locks of one bit. */

int aufs2_helper_wait_on_bit_lock(unsigned long *word, int bit, unsigned int mode)
{
	return wait_on_bit_lock(word, bit, mode);
}

bool aufs2_helper_test_and_set_bit_lock(long nr, unsigned long *addr)
{
	return test_and_set_bit_lock(nr, addr);
}

void aufs2_helper_clear_and_wake_up_bit(int bit, unsigned long *word)
{
	clear_and_wake_up_bit(bit, word);
}

/* Super blocks. */

void aufs2_helper_down_read_nested(struct rw_semaphore *sem, int subclass)
{
	down_read_nested(sem, subclass);
}

/* Built into the kernel there is no module: then the kernel's image is where its code and data are. */
bool aufs2_helper_within_module(unsigned long addr, const struct module *mod)
{
#ifdef MODULE
	return within_module(addr, mod);
#else
	return __is_kernel(addr);
#endif
}

/* Files of sysfs. */

void aufs2_helper_sysfs_attr_init(struct attribute *attr)
{
	sysfs_attr_init(attr);
}

/* Blocks of devices. */

struct buffer_head *aufs2_helper_sb_bread(struct super_block *sb, sector_t block)
{
	return sb_bread(sb, block);
}

void aufs2_helper_brelse(struct buffer_head *buffer)
{
	brelse(buffer);
}

/* A macro where tasks cannot be preempted: then every task that runs has passed. */
void aufs2_helper_wait_for_tasks(void)
{
	synchronize_rcu_tasks();
}

/* The module! macro has no version; bindgen, which reads this as well, is not told one. */
#ifdef AUFS2_VERSION
MODULE_VERSION(AUFS2_VERSION);
#endif
