/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What pairs.c does: operations on a small tree, and what becomes of it by one of them, or by
 * two, on a plain filesystem.
 */
#ifndef AUFS2_TEST_PAIRS_H
#define AUFS2_TEST_PAIRS_H

#include "aufs2.h"

/* --- the operations ----------------------------------------------------------------- */

/*
 * A directory has the files f and g, d with c in it, and e, which is empty; and in one of the
 * states h, which is f, too.
 */
enum kind { WRITE, CREATE, READ, TRUNCATE, OPEN_TRUNCATE, CHMOD, CHOWN, SETXATTR, LINK, UNLINK,
	    RENAME, NOREPLACE, EXCHANGE, MKDIR, RMDIR, SYMLINK, TMPFILE, READDIR, FCHMOD,
	    FSETXATTR, FLINK, ADD, DEL };

static const struct op {
	const char *name;
	enum kind kind;
	const char *a, *b;
} ops[] = {
	{ "append to f", WRITE, "f" },
	{ "create n", CREATE, "n" },
	{ "create d/n", CREATE, "d/n" },
	{ "read f", READ, "f" },
	{ "truncate f", TRUNCATE, "f" },
	{ "open f to truncate it", OPEN_TRUNCATE, "f" },
	{ "chmod f", CHMOD, "f" },
	{ "chown f", CHOWN, "f" },
	{ "chmod d", CHMOD, "d" },
	{ "setxattr f", SETXATTR, "f" },
	{ "link f n", LINK, "f", "n" },
	{ "link f d/n", LINK, "f", "d/n" },
	{ "unlink f", UNLINK, "f" },
	{ "unlink d/c", UNLINK, "d/c" },
	{ "rename f n", RENAME, "f", "n" },
	{ "rename f g", RENAME, "f", "g" },
	{ "rename d/c f", RENAME, "d/c", "f" },
	{ "rename d n", RENAME, "d", "n" },
	{ "rename d e", RENAME, "d", "e" },
	{ "rename e g, or not", NOREPLACE, "e", "g" },
	{ "rename f n, or not", NOREPLACE, "f", "n" },
	{ "exchange f g", EXCHANGE, "f", "g" },
	{ "exchange f d", EXCHANGE, "f", "d" },
	{ "mkdir n", MKDIR, "n" },
	{ "rmdir e", RMDIR, "e" },
	{ "symlink n", SYMLINK, "n" },
	{ "tmpfile d n", TMPFILE, "d", "n" },
	{ "readdir d", READDIR, "d" },
	{ "append to h", WRITE, "h" },
	{ "unlink h", UNLINK, "h" },
	{ "rename h g", RENAME, "h", "g" },
	/* f by a descriptor from before */
	{ "fchmod f", FCHMOD, "f" },
	{ "fsetxattr f", FSETXATTR, "f" },
	{ "link f n by its descriptor", FLINK, "f", "n" },
	/* a branch that has z in each of the directories */
	{ "add a branch", ADD },
	{ "remove a branch", DEL },
};

#define OPS ((int)ARRAY_SIZE(ops))
#define STATES 3

/* the descriptor of f, for those who want one */
static int fd_of_f = -1;

static bool wants_fd(const struct op *op)
{
	return op && (op->kind == FCHMOD || op->kind == FSETXATTR || op->kind == FLINK);
}

static bool changes_branches(const struct op *op)
{
	return op->kind == ADD || op->kind == DEL;
}

static long create(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);

	return fd < 0 ? -errno : E(close(fd));
}

static long write_to(const char *path, int flags, const char *what)
{
	int fd = open(path, O_WRONLY | flags);
	long err;

	if (fd < 0)
		return -errno;
	err = E(write(fd, what, strlen(what)));
	close(fd);
	return err < 0 ? err : 0;
}

static long make_nameless(const char *dir, const char *name, const char *what)
{
	int fd = open(dir, O_TMPFILE | O_WRONLY, 0644);
	char proc[32];
	long err;

	if (fd < 0)
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	err = E(write(fd, what, strlen(what)));
	if (err >= 0)
		err = E(linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
	close(fd);
	return err;
}

static long read_all(const char *path, bool dir)
{
	int fd = open(path, O_RDONLY | (dir ? O_DIRECTORY : 0));
	char entries[1024];
	long err;

	if (fd < 0)
		return -errno;
	err = dir ? E(syscall(SYS_getdents64, fd, entries, sizeof(entries))) :
		    E(read(fd, entries, sizeof(entries)));
	close(fd);
	return err < 0 ? err : 0;
}

static long change_branches(bool add)
{
	char options[300];

	snprintf(options, sizeof(options), add ? "append:%s/pass/ro2=ro" : "del:%s/pass/ro2", area);
	return E(mount("none", "u", NULL, MS_REMOUNT, options));
}

/* Does it in DIR: 0 or -errno.  WHO is what is written. */
static long perform(const char *dir, const struct op *op, const char *who, bool model)
{
	char a[64], b[64], z[64];

	snprintf(a, sizeof(a), "%s/%s", dir, op->a ?: "");
	snprintf(b, sizeof(b), "%s/%s", dir, op->b ?: "");
	snprintf(z, sizeof(z), "%s/z", dir);
	switch (op->kind) {
	case WRITE: return write_to(a, O_APPEND, who);
	case CREATE: return create(a, *who == 'A' ? 0600 : 0640);
	case READ: return read_all(a, false);
	case TRUNCATE: return E(truncate(a, 3));
	case OPEN_TRUNCATE: return write_to(a, O_TRUNC, "");
	case CHOWN: return E(chown(a, *who, -1));
	case FCHMOD: return E(fchmod(fd_of_f, *who == 'A' ? 0700 : 0750));
	case FSETXATTR: return E(fsetxattr(fd_of_f, "user.x", who, 1, 0));
	case FLINK: return E(linkat(fd_of_f, "", AT_FDCWD, b, AT_EMPTY_PATH));
	case CHMOD: return E(chmod(a, *who == 'A' ? 0700 : 0750));
	case SETXATTR: return E(setxattr(a, "user.x", who, 1, 0));
	case LINK: return E(link(a, b));
	case UNLINK: return E(unlink(a));
	case RENAME: return E(rename(a, b));
	case NOREPLACE: return E(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE));
	case EXCHANGE: return E(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
	case MKDIR: return E(mkdir(a, 0755));
	case RMDIR: return E(rmdir(a));
	case SYMLINK: return E(symlink(who, a));
	case TMPFILE: return make_nameless(a, b, who);
	case READDIR: return read_all(a, true);
	case ADD: return !model ? change_branches(true) : access(z, F_OK) ? write_file(z, "z") : -EEXIST;
	case DEL: return model ? E(unlink(z)) : change_branches(false);
	}
	return 0;
}

/* --- trees --------------------------------------------------------------------------- */

/* What is below PATH, as text; names as they are called below NAME. */
static int describe(char *out, size_t room, const char *path, const char *name)
{
	char below[96], called[64], text[64] = "", names[256], *word, *rest;
	struct stat st;
	int len;

	if (lstat(path, &st))
		return snprintf(out, room, "%s: %s\n", name, errno_name(errno));
	if (S_ISLNK(st.st_mode))
		text[readlink(path, text, sizeof(text) - 1) & 63] = 0;
	else if (S_ISREG(st.st_mode))
		snprintf(text, sizeof(text), "%s", read_file(path));
	if (!S_ISLNK(st.st_mode) && getxattr(path, "user.x", names, sizeof(names)) == 1)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " x=%c", names[0]);
	len = snprintf(out, room, "%s %o %d %ld '%s'\n", name, st.st_mode, st.st_uid,
		       S_ISDIR(st.st_mode) ? 0 : (long)st.st_nlink, text);
	if (!S_ISDIR(st.st_mode))
		return len;
	snprintf(names, sizeof(names), "%s", list(path));
	for (word = strtok_r(names, " ", &rest); word && len < (int)room; word = strtok_r(NULL, " ", &rest)) {
		snprintf(below, sizeof(below), "%s/%s", path, word);
		snprintf(called, sizeof(called), "%s/%s", name, word);
		len += describe(out + len, room - len, below, called);
	}
	return len;
}

struct tree { char text[1000]; };

static void look(struct tree *tree, const char *dir)
{
	char path[32];

	snprintf(path, sizeof(path), "%s", dir);
	describe(tree->text, sizeof(tree->text), path, "");
}

static bool same_tree(const struct tree *a, const struct tree *b)
{
	return !strcmp(a->text, b->text);
}

/* As same_tree(), but the numbers of links of the objects of A may be larger; and smaller, if LESS. */
static bool same_tree_but_links(const struct tree *a, const struct tree *b, bool less)
{
	const char *x = a->text, *y = b->text;
	int column = 0;

	while (*x && *y) {
		if (column == 3) {
			long links = strtol(x, (char **)&x, 10);

			if (links < strtol(y, (char **)&y, 10) && !less)
				return false;
		} else if (*x != *y) {
			return false;
		}
		column = *x == '\n' ? 0 : column + (*x == ' ');
		x++, y++;
	}
	return *x == *y;
}

/* Makes what the operations are done to: what shows of it is the same in each state. */
static void make_tree(const char *lower, const char *upper, int state)
{
	mkdir(lower, 0755);
	mkdir(path_of("%s/d", lower), 0755);
	mkdir(path_of("%s/e", lower), 0755);
	write_file(path_of("%s/f", lower), upper ? "another" : "from f");
	if (state == 2)
		link(path_of("%s/f", lower), path_of("%s/h", lower));
	write_file(path_of("%s/g", lower), "from g");
	write_file(path_of("%s/d/c", lower), "from c");
	if (!upper)
		return;
	write_file(path_of("%s/e/x", lower), "removed");
	/* what an operation makes takes the place of something that was removed */
	mkdir(path_of("%s/n", lower), 0755);
	write_file(path_of("%s/n/old", lower), "removed");
	mkdir(upper, 0755);
	whiteout(path_of("%s/n", upper));
	mkdir(path_of("%s/d", upper), 0755);
	mkdir(path_of("%s/e", upper), 0755);
	write_file(path_of("%s/f", upper), "from f");
	whiteout(path_of("%s/e/x", upper));
}

static void open_f(const char *dir, const struct op *a, const struct op *b)
{
	if (wants_fd(a) || wants_fd(b))
		fd_of_f = open(path_of("%s/f", dir), O_RDONLY | O_CLOEXEC);
}

static void close_f(void)
{
	if (fd_of_f >= 0)
		close(fd_of_f);
	fd_of_f = -1;
}

/* What the directory of a turn becomes on a plain filesystem, by one operation and another. */
static void expect(struct tree *tree, bool results[2], int state, const struct op *first,
		   const struct op *second, const char *who, bool had_branch)
{
	static int number;
	char dir[32];

	snprintf(dir, sizeof(dir), "m/%d", number++);
	make_tree(dir, NULL, state);
	if (had_branch)
		write_file(path_of("%s/z", dir), "z");
	open_f(dir, first, second);
	results[0] = first && !perform(dir, first, who[0] == 'A' ? "A" : "B", true);
	results[1] = second && !perform(dir, second, who[1] == 'A' ? "A" : "B", true);
	look(tree, dir);
	close_f();
}

#endif /* AUFS2_TEST_PAIRS_H */
