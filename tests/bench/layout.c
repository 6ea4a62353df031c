// SPDX-License-Identifier: GPL-2.0
/*
 * The files that are measured, and the unions over them.
 *
 *	/b		the filesystem of the branches
 *	  lower		the read-only branch; the native rows that only read look here
 *	  native	what the native rows write to
 *	  upper.KIND	the writable branch of each union, work.KIND for overlayfs
 *	  layers/NNN	500 directories to be read-only branches
 *	/u		where a union is mounted, or `lower` bound
 *	/s		where the folder `s` of that is bound
 *	/w		where `native` is bound
 *
 * Data that is written through several views is one inode with a link in each
 * branch: two files of the same size can have folios of different sizes.
 */
#include "bench.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nothing is to be left to chance. */
#define UUID "11111111-2222-3333-4444-555555555555"

const char *const kind_names[KINDS] = { "native", "overlayfs", "aufs2", "aufs2-none" };

const char *at(const char *dir, const char *format, ...)
{
	static char paths[8][256];
	static unsigned int next;
	char *path = paths[next++ % 8];
	int len = snprintf(path, sizeof(paths[0]), "%s/", dir);
	va_list args;

	va_start(args, format);
	vsnprintf(path + len, sizeof(paths[0]) - len, format, args);
	va_end(args);
	return path;
}

static int run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

/* A file with data in it. */
int write_file(const char *path, size_t size)
{
	static char data[1 << 16];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return -1;
	memset(data, 'x', sizeof(data));
	while (size) {
		ssize_t n = write(fd, data, size < sizeof(data) ? size : sizeof(data));

		if (n <= 0)
			break;
		size -= n;
	}
	return close(fd) || size ? -1 : 0;
}

/* The entries from `first` on of a directory: names of one file. */
static int make_list(const char *branch, int number, int first, int end)
{
	char dir[64], file[80];

	snprintf(dir, sizeof(dir), "%s/list%d", branch, number);
	if (mkdir(dir, 0755))
		return -1;
	snprintf(file, sizeof(file), "%s/e%05d", dir, first);
	if (write_file(file, 0))
		return -1;
	for (int i = first + 1; i < end; i++)
		if (link(file, at(dir, "e%05d", i)))
			return -1;
	return 0;
}

/* Whether files of the filesystem can share blocks, as mkfs makes it. */
bool has_reflinks(const char *fs)
{
	return !strcmp(fs, "xfs");
}

/* What is to be copied up, or changed natively. */
static int make_sources(const char *dir)
{
	static const size_t sizes[] = { 4096, 1 << 20, 64 << 20 };
	static const int counts[] = { COPIES, LARGE_COPIES, 1 };

	if (mkdir(dir, 0755))
		return -1;
	for (int size = 0; size < 3; size++)
		for (int i = 0; i < counts[size]; i++)
			if (write_file(at(dir, "copy%d.%d", size, i), sizes[size]))
				return -1;
	for (int i = 0; i < COPIES; i++) {
		if (write_file(at(dir, "unlink%d", i), 4096) ||
		    write_file(at(dir, "rename%d", i), 4096) ||
		    mkdir(at(dir, "dir%d", i), 0755) ||
		    write_file(at(dir, "dir%d/a", i), 4096) ||
		    write_file(at(dir, "dir%d/b", i), 4096))
			return -1;
	}
	return 0;
}

static int make_upper(const char *top)
{
	if (mkdir(top, 0755) || mkdir(at(top, "w"), 0755) || mkdir(at(top, "up"), 0755) ||
	    link("/b/data", at(top, "w/data")) ||
	    write_file(at(top, "w/old0"), 0) || write_file(at(top, "up/old0"), 0))
		return -1;
	return 0;
}

static int make_layers(void)
{
	static const int depths[] = DEPTHS;

	if (mkdir("/b/layers", 0755))
		return -1;
	for (int i = 0; i < LAYERS; i++)
		if (mkdir(at("/b/layers", "%03d", i), 0755) ||
		    mkdir(at("/b/layers", "%03d/d", i), 0755) ||
		    write_file(at("/b/layers", "%03d/d/only%03d", i, i), 0))
			return -1;
	for (enum kind kind = NATIVE; kind < KINDS; kind++)
		for (size_t depth = 0; depth < sizeof(depths) / sizeof(*depths); depth++)
			for (int i = 0; i < DEEP_FILES; i++)
				if (write_file(at("/b/layers", "%03d/d/p%d%03d%05d", LAYERS - 1,
						  kind, depths[depth], i), 0))
					return -1;
	return 0;
}

/* A file in eight directories. */
static int make_deep(void)
{
	static const char *const dirs[] = {
		"/b/lower/1", "/b/lower/1/2", "/b/lower/1/2/3", "/b/lower/1/2/3/4",
		"/b/lower/1/2/3/4/5", "/b/lower/1/2/3/4/5/6", "/b/lower/1/2/3/4/5/6/7",
		"/b/lower/1/2/3/4/5/6/7/8",
	};

	for (int i = 0; i < 8; i++)
		if (mkdir(dirs[i], 0755))
			return -1;
	return write_file("/b/lower/1/2/3/4/5/6/7/8/f", 0);
}

static int make_base(const char *fs)
{
	mkdir("/b", 0755);
	mkdir("/u", 0755);
	mkdir("/w", 0755);
	mkdir("/s", 0755);
	if (!strcmp(fs, "tmpfs"))
		return mount("bench", "/b", "tmpfs", 0, "mode=755,size=2G,nr_inodes=0");
	if (access("/dev/ram0", F_OK) && run("modprobe brd rd_nr=1 rd_size=%d", 1400 << 10))
		return -1;
	if (run("blkdiscard -f /dev/ram0; mkfs.%s -q %s /dev/ram0", fs,
		!strcmp(fs, "ext4") ? "-F -E lazy_itable_init=0,lazy_journal_init=0,hash_seed=" UUID " -U " UUID : "-f -m uuid=" UUID))
		return -1;
	return mount("/dev/ram0", "/b", fs, 0, "");
}

/* Files that share their blocks from the start, for the first to be shared again is not as the others. */
static int make_clones(void)
{
	int first, err = write_file("/b/lower/c/clone0", 64 << 20);

	if (err)
		return err;
	first = open("/b/lower/c/clone0", O_RDONLY);
	for (int i = 1; i < CLONES && !err; i++) {
		int fd = open(at("/b/lower/c", "clone%d", i), O_WRONLY | O_CREAT | O_EXCL, 0644);

		err = fd < 0 || ioctl(fd, FICLONE, first) || close(fd);
	}
	close(first);
	return err ? -1 : 0;
}

/* Makes everything, on a new filesystem. */
int make_files(const char *fs)
{
	if (make_base(fs) || write_file("/b/data", DATA_SIZE) ||
	    mkdir("/b/lower", 0755) || mkdir("/b/lower/s", 0755) ||
	    mkdir("/b/lower/w", 0755) ||
	    write_file("/b/lower/data", DATA_SIZE) ||
	    write_file("/b/lower/w/below", 0) || make_deep() ||
	    run("cp /proc/%d/exe /b/lower/program", getpid()) ||
	    make_sources("/b/lower/c"))
		return -1;
	if (has_reflinks(fs) && make_clones())
		return -1;
	for (int i = 0; i < STAT_FILES; i++)
		if (write_file(at("/b/lower/s", "f%05d", i), 0))
			return -1;
	if (make_upper("/b/native") || make_sources("/b/native/c"))
		return -1;
	for (enum kind kind = OVERLAYFS; kind < KINDS; kind++) {
		char top[64];

		snprintf(top, sizeof(top), "/b/upper.%s", kind_names[kind]);
		if (make_upper(top) || mkdir(at("/b", "work.%s", kind_names[kind]), 0755))
			return -1;
		for (int i = 0; i < LISTS; i++)
			if (make_list(top, i, 0, LIST_ENTRIES / 2))
				return -1;
	}
	for (int i = 0; i < LISTS; i++)
		if (make_list("/b/lower", i, LIST_ENTRIES / 2, LIST_ENTRIES) ||
		    make_list("/b/native", i, 0, LIST_ENTRIES))
			return -1;
	if (make_layers())
		return -1;
	sync();
	return 0;
}

static int set(int context, const char *key, const char *value)
{
	return fsconfig(context, FSCONFIG_SET_STRING, key, value, 0);
}

/* Mounts a union of `upper` and `n` of `lowers` on /u. */
static int mount_union(enum kind kind, const char *upper, const char *work,
		       const char *const *lowers, int n)
{
	int context = fsopen(kind == OVERLAYFS ? "overlay" : "aufs2", FSOPEN_CLOEXEC);
	int mnt, err = 0;
	char branch[256];

	if (context < 0)
		return -1;
	if (kind == OVERLAYFS) {
		err = set(context, "upperdir", upper) || set(context, "workdir", work);
		for (int i = 0; i < n && !err; i++)
			err = set(context, "lowerdir+", lowers[i]);
	} else {
		snprintf(branch, sizeof(branch), "%s=rw", upper);
		err = set(context, "br", branch);
		for (int i = 0; i < n && !err; i++) {
			snprintf(branch, sizeof(branch), "%s=ro", lowers[i]);
			err = set(context, "br", branch);
		}
		if (!err && kind == AUFS2_NONE)
			err = set(context, "udba", "none");
		if (!err && union_key)
			err = set(context, union_key, union_value);
	}
	if (err || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		goto fail;
	mnt = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (mnt < 0)
		goto fail;
	err = move_mount(mnt, "", AT_FDCWD, "/u", MOVE_MOUNT_F_EMPTY_PATH);
	close(mnt);
	close(context);
	return err;
fail:
	close(context);
	return -1;
}

/* Makes the files visible as `kind` has them. */
int show(struct view *v, enum kind kind, const char *fs)
{
	static const char *const lower[] = { "/b/lower" };

	*v = (struct view){ .kind = kind, .fs = fs, .ro = "/u", .rw = "/u", .depth = 1 };
	if (kind == NATIVE) {
		v->rw = "/w";
		if (mount("/b/lower", "/u", NULL, MS_BIND, NULL) ||
		    mount("/b/native", "/w", NULL, MS_BIND, NULL))
			return -1;
	} else if (mount_union(kind, at("/b", "upper.%s", kind_names[kind]),
			       at("/b", "work.%s", kind_names[kind]), lower, 1)) {
		return -1;
	}
	return mount("/u/s", "/s", NULL, MS_BIND, NULL);
}

/* A union of an empty directory and the last `depth` layers. */
int show_deep(struct view *v, enum kind kind, int depth)
{
	static char paths[LAYERS][32];
	static const char *lowers[LAYERS];

	*v = (struct view){ .kind = kind, .ro = "/u", .rw = "/u", .depth = depth };
	if (kind == NATIVE)
		return mount("/b/layers/499", "/u", NULL, MS_BIND, NULL);
	for (int i = 0; i < depth; i++) {
		snprintf(paths[i], sizeof(paths[0]), "/b/layers/%03d", LAYERS - depth + i);
		lowers[i] = paths[i];
	}
	mkdir("/b/deep", 0755);
	mkdir("/b/deep.work", 0755);
	return mount_union(kind, "/b/deep", "/b/deep.work", lowers, depth);
}

/* Files for a union of many cached inodes, and a branch that is to come and go. */
int make_many(void)
{
	if (mkdir("/b/many", 0755) || mkdir("/b/extra", 0755) || write_file("/b/extra/file", 0))
		return -1;
	for (int i = 0; i < MANY / 1000; i++) {
		if (mkdir(at("/b/many", "%d", i), 0755))
			return -1;
		for (int n = 0; n < 1000; n++)
			if (write_file(at("/b/many", "%d/%d", i, n), 0))
				return -1;
	}
	return 0;
}

/* A union of those with all of their inodes cached; natively, a bind. */
int show_many(struct view *v, enum kind kind)
{
	static const char *const lower[] = { "/b/many" };
	struct stat st;

	*v = (struct view){ .kind = kind, .ro = "/u", .rw = "/u", .depth = 1 };
	mkdir("/b/many.up", 0755);
	if (kind == NATIVE ? mount("/b/many", "/u", NULL, MS_BIND, NULL) :
			     mount_union(kind, "/b/many.up", NULL, lower, 1))
		return -1;
	for (int i = 0; i < MANY; i++)
		if (stat(at("/u", "%d/%d", i / 1000, i % 1000), &st))
			return -1;
	return 0;
}

/* Changes the branches of the union on /u. */
int remount_union(const char *options)
{
	return mount("none", "/u", NULL, MS_REMOUNT, options);
}

/* Unmounts what is mounted on a directory, if anything is. */
static int take_off(const char *dir)
{
	/* The kernel may be about to let go of what was open a moment ago. */
	for (int tries = 0; umount2(dir, 0); tries++) {
		if (errno == EINVAL)
			return 0;
		if (errno != EBUSY || tries == 50)
			return -1;
		usleep(20000);
	}
	return 0;
}

/* Takes down what show() put up. */
int hide(void)
{
	return take_off("/w") || take_off("/s") || take_off("/u") ? -1 : 0;
}
