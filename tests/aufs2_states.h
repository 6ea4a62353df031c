/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small states of two branches, and operations on what they show: for programs that try each with
 * each.
 */
#ifndef AUFS2_TEST_STATES_H
#define AUFS2_TEST_STATES_H

#include "aufs2.h"

/* How many bytes of a file a character of these texts stands for: in the states, and in the operations. */
static int state_grain = 1, op_grain = 1;

/* Is called after each part of an operation that shows by itself. */
static void (*part_done)(void);

/*
 * What is on the branches, and what of that shows.  A word each:
 *
 *	f:x	a file with the contents x	d/	a directory
 *	-f	a whiteout			!d	an opaque directory
 *	f=g	another link g of f		f@	a symbolic link, f|	a FIFO
 *
 * Each character stands for so many bytes as the grain is.
 */
static const struct state {
	const char *ro, *rw, *shows;
	bool links;		/* what is counted for the next mount includes names that were removed */
} states[] = {
	{ "", "", "" },
	{ "f:r", "", "f:r" },
	{ "", "f:w", "f:w" },
	{ "f:r", "f:w", "f:w" },
	{ "f:r", "-f", "" },
	{ "f:r", "-f f:w", "f:w" },
	{ "f:r g:s", "", "f:r g:s" },
	{ "f:r", "g:w", "f:r g:w" },
	{ "f:r g:s", "-g", "f:r" },
	{ "d/ d/c:r", "", "d/ d/c:r" },
	{ "", "d/ d/e:w", "d/ d/e:w" },
	{ "d/ d/c:r", "d/ d/e:w", "d/ d/c:r d/e:w" },
	{ "d/ d/c:r", "d/ !d d/e:w", "d/ d/e:w" },
	{ "d/ d/c:r", "-d", "" },
	{ "d/ d/c:r", "d/ -d/c", "d/" },
	{ "d/ d/c:r", "d:w", "d:w" },
	{ "d:r", "d/ d/e:w", "d/ d/e:w" },
	{ "f:r f=g", "", "f:r f=g", true },
	{ "d/ f:r f=d/c", "", "d/ f:r f=d/c", true },
	{ "", "f:w f=g", "f:w f=g" },
	{ "f@", "", "f@" },
	{ "f|", "", "f|" },
	{ "f:r d/ d/c:s", "", "f:r d/ d/c:s" },
	{ "d/ d/c:r d/s/ d/s/t:r", "", "d/ d/c:r d/s/ d/s/t:r" },
	{ "d/ d/c:r g/ g/c:s", "", "d/ d/c:r g/ g/c:s" },
	{ "d/ d/c:r", "g/ g/c:w", "d/ d/c:r g/ g/c:w" },
	{ "f:r d/ d/c:r", "d/", "f:r d/ d/c:r" },
	{ "d/", "", "d/" },
	{ "d/", "d/", "d/" },
	{ "f:r g/ g/c:r", "-f", "g/ g/c:r" },
};

static const struct op {
	enum { CREATE, WRITE, APPEND, TRUNCATE, UNLINK, MKDIR, RMDIR, RENAME, LINK, SYMLINK,
	       CHMOD, SETXATTR, CLEAR, STORE } kind;
	const char *a, *b;
	int flags;
} ops[] = {
	{ CREATE, "f" }, { WRITE, "f" }, { APPEND, "d/c" }, { TRUNCATE, "f" },
	{ UNLINK, "f" }, { UNLINK, "d/c" }, { MKDIR, "d" }, { MKDIR, "f" }, { RMDIR, "d" },
	{ RENAME, "f", "g" }, { RENAME, "g", "f" }, { RENAME, "d", "g" },
	{ RENAME, "f", "d/c" }, { RENAME, "d/c", "f" },
	{ RENAME, "f", "d", RENAME_EXCHANGE }, { RENAME, "f", "g", RENAME_EXCHANGE },
	{ RENAME, "d", "g", RENAME_EXCHANGE }, { RENAME, "f", "g", RENAME_NOREPLACE },
	{ LINK, "f", "g" }, { LINK, "f", "d/e" }, { SYMLINK, "d" }, { CHMOD, "f" },
	{ CHMOD, "d" }, { SETXATTR, "g" }, { CREATE, "d/c" }, { CLEAR, "d" }, { WRITE, "g" },
	{ MKDIR, "d/s" },
};

/* In the order of the kinds. */
static const char *const op_names[] = {
	"create", "write", "append", "truncate", "unlink", "mkdir", "rmdir", "rename", "link", "symlink",
	"chmod", "setxattr", "clear", "store",
};

#define STATES ((long)ARRAY_SIZE(states))
#define OPS ((long)ARRAY_SIZE(ops))

/* --- the states ------------------------------------------------------------------ */

/* Writes TEXT to a descriptor; how much of it is written, or -errno. */
static long write_text(int fd, const char *text, int grain)
{
	static char bytes[32768];
	long n, len = 0;

	for (; *text && len + grain <= (long)sizeof(bytes); text++, len += grain)
		memset(bytes + len, *text, grain);
	n = E(write(fd, bytes, len));
	return n < 0 ? n : n / grain;
}

static void make(const char *dir, const char *words)
{
	char copy[128], path[96], *word, *rest, *mark;
	int fd;

	snprintf(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if (*word == '-') {
			whiteout(path_of("%s/%s", dir, word + 1));
		} else if (*word == '!') {
			make_opaque(path_of("%s/%s", dir, word + 1));
		} else if ((mark = strchr(word, ':'))) {
			*mark = 0;
			snprintf(path, sizeof(path), "%s/%s", dir, word);
			fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
			write_text(fd, mark + 1, state_grain);
			close(fd);
		} else if ((mark = strchr(word, '='))) {
			*mark = 0;
			link(path_of("%s/%s", dir, word), path_of("%s/%s", dir, mark + 1));
		} else {
			mark = word + strlen(word) - 1;
			snprintf(path, sizeof(path), "%s/%.*s", dir, (int)(mark - word), word);
			if (*mark == '/')
				mkdir(path, 0755);
			else if (*mark == '@')
				symlink("target", path);
			else
				mknod(path, S_IFIFO | 0644, 0);
		}
	}
}

/* --- the operations --------------------------------------------------------------- */

static long put_into(const char *path, int flags, const char *what)
{
	int fd = open(path, flags | O_NONBLOCK, 0644);
	long n;

	if (fd < 0)
		return -errno;
	if (part_done && flags & (O_CREAT | O_TRUNC))
		part_done();
	n = write_text(fd, what, op_grain);
	close(fd);
	return n;
}

/* rm -r, of what is no deeper than it can be here */
static long clear(const char *path, int depth)
{
	struct dirent *de;
	DIR *d = opendir(path);

	while (d && depth < 5 && (de = readdir(d))) {
		const char *below;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		below = path_of("%s/%s", path, de->d_name);
		if (unlink(below))
			clear(below, depth + 1);
	}
	if (d)
		closedir(d);
	return E(rmdir(path));
}

static long perform(const char *dir, const struct op *op)
{
	char a[64], b[64];

	snprintf(a, sizeof(a), "%s/%s", dir, op->a);
	snprintf(b, sizeof(b), "%s/%s", dir, op->b ?: "");
	switch (op->kind) {
	case CREATE: return put_into(a, O_WRONLY | O_CREAT | O_EXCL, "new");
	case WRITE: return put_into(a, O_RDWR, "W");
	case APPEND: return put_into(a, O_RDWR | O_APPEND, "more");
	case STORE: return put_into(a, O_WRONLY | O_TRUNC, "new");
	case TRUNCATE: return E(truncate(a, 0));
	case UNLINK: return E(unlink(a));
	case MKDIR: return E(mkdir(a, 0755));
	case RMDIR: return E(rmdir(a));
	case RENAME: return E(renameat2(AT_FDCWD, a, AT_FDCWD, b, op->flags));
	case LINK: return E(link(a, b));
	case SYMLINK: return E(symlink("elsewhere", a));
	case CHMOD: return E(fchmodat(AT_FDCWD, a, 0700, 0));
	case SETXATTR: return E(setxattr(a, "user.x", "v", 1, 0));
	case CLEAR: return clear(a, 0);
	}
	return 0;
}

#endif /* AUFS2_TEST_STATES_H */
