// SPDX-License-Identifier: GPL-2.0
/*
 * Every short sequence of operations, from many small states of two branches: each
 * result, and the tree after it, is that of a plain directory.  The union is then
 * mounted again, and everything compared once more.
 *
 * There are some 680 000 sequences of one to three operations.  All of one operation
 * are tried, and of the longer ones a sample, which AUFS2_TEST_LONG=N makes N times
 * as large, until at 1000 it is all of them.  AUFS2_TEST_SEED=N takes other ones.
 */
#include "aufs2.h"

/*
 * What is on the branches, and what of that shows.  A word each:
 *
 *	f:x	a file with the contents x	d/	a directory
 *	-f	a whiteout			!d	an opaque directory
 *	f=g	another link g of f		f@	a symbolic link, f|	a FIFO
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
	       CHMOD, SETXATTR, CLEAR } kind;
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

#define STATES ((long)ARRAY_SIZE(states))
#define OPS ((long)ARRAY_SIZE(ops))
/* as many as are in one union at a time */
#define BATCH 250
#define MOST 3

static struct one {
	const struct state *state;
	int length;
	const struct op *ops[MOST];
} batch[BATCH];

static char told[1024];

static void __attribute__((format(printf, 2, 3))) wrong(int at, const char *fmt, ...)
{
	const struct one *one = &batch[at];
	va_list ap;
	int i, len;

	if (*told)
		return;
	len = snprintf(told, sizeof(told), "ro '%s' rw '%s':", one->state->ro, one->state->rw);
	for (i = 0; i < one->length; i++)
		len += snprintf(told + len, sizeof(told) - len, " op %d (%d %s %s)",
				(int)(one->ops[i] - ops), one->ops[i]->kind, one->ops[i]->a,
				one->ops[i]->b ?: "");
	len += snprintf(told + len, sizeof(told) - len, ": ");
	va_start(ap, fmt);
	vsnprintf(told + len, sizeof(told) - len, fmt, ap);
	va_end(ap);
}

/* --- the start ------------------------------------------------------------------ */

static void make(const char *dir, const char *words)
{
	char copy[128], path[96], *word, *rest, *mark;

	snprintf(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if (*word == '-') {
			whiteout(path_of("%s/%s", dir, word + 1));
		} else if (*word == '!') {
			make_opaque(path_of("%s/%s", dir, word + 1));
		} else if ((mark = strchr(word, ':'))) {
			*mark = 0;
			snprintf(path, sizeof(path), "%s/%s", dir, word);
			write_file(path, mark + 1);
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
	n = E(write(fd, what, strlen(what)));
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

/* --- the comparison --------------------------------------------------------------- */

static void compare(int at, const char *when, const char *path, bool identity)
{
	char full[2][96], names[2][512], text[2][64] = { "", "" }, *name, *rest;
	struct stat st[2];
	int side;

	snprintf(full[0], sizeof(full[0]), "u/%d%s", at, path);
	snprintf(full[1], sizeof(full[1]), "m/%d%s", at, path);
	for (side = 0; side < 2; side++)
		if (lstat(full[side], &st[side]))
			return wrong(at, "%s: %s: %s", when, full[side], errno_name(errno));
	if (st[0].st_mode != st[1].st_mode)
		return wrong(at, "%s: %s: mode %o and not %o", when, path, st[0].st_mode,
			     st[1].st_mode);
	for (side = 0; side < 2; side++) {
		if (S_ISLNK(st[0].st_mode))
			text[side][readlink(full[side], text[side], 63) & 63] = 0;
		else if (S_ISREG(st[0].st_mode))
			snprintf(text[side], sizeof(text[0]), "%s", read_file(full[side]));
		if (!S_ISLNK(st[0].st_mode) && getxattr(full[side], "user.x", names[0], 8) == 1)
			strcat(text[side], "+x");
	}
	if (strcmp(text[0], text[1]))
		return wrong(at, "%s: %s: '%s' and not '%s'", when, path, text[0], text[1]);
	if (!S_ISDIR(st[0].st_mode)) {
		if (identity && st[0].st_nlink != st[1].st_nlink)
			wrong(at, "%s: %s: %ld links and not %ld", when, path,
			      (long)st[0].st_nlink, (long)st[1].st_nlink);
		return;
	}
	for (side = 0; side < 2; side++)
		snprintf(names[side], sizeof(names[0]), "%s", list(full[side]));
	if (strcmp(names[0], names[1]))
		return wrong(at, "%s: %s: has '%s' and not '%s'", when, path, names[0], names[1]);
	for (name = strtok_r(names[0], " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
		char below[64];

		snprintf(below, sizeof(below), "%s/%s", path, name);
		compare(at, when, below, identity);
	}
}

/* Which of the names are one object. */
static void compare_identity(int at)
{
	static const char *const names[] = { "f", "g", "d", "d/c", "d/e", "g/c" };
	struct stat st[2][ARRAY_SIZE(names)];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (lstat(path_of("u/%d/%s", at, names[i]), &st[0][i]))
			st[0][i].st_ino = -i - 1;
		if (lstat(path_of("m/%d/%s", at, names[i]), &st[1][i]))
			st[1][i].st_ino = -i - 1;
		for (j = 0; j < i; j++)
			if ((st[0][i].st_ino == st[0][j].st_ino) != (st[1][i].st_ino == st[1][j].st_ino))
				wrong(at, "%s and %s are one object on one side only", names[i],
				      names[j]);
	}
}

/* --- the runs ------------------------------------------------------------------------ */

/* Tries those that are in the batch; what is wrong, or "". */
static const char *try_batch(int count)
{
	char side[2][16], when[16];
	int at, step;
	long is[2];

	/* ro may only change while there is no union of it */
	shell("rm -rf ro/* rw/[0-9]* m/*");
	for (at = 0; at < count; at++) {
		mkdir(path_of("ro/%d", at), 0755);
		make(path_of("ro/%d", at), batch[at].state->ro);
		if (*batch[at].state->rw)
			mkdir(path_of("rw/%d", at), 0755);
		make(path_of("rw/%d", at), batch[at].state->rw);
		mkdir(path_of("m/%d", at), 0755);
		make(path_of("m/%d", at), batch[at].state->shows);
	}
	if (up("rw", "ro"))
		return "cannot mount";
	for (at = 0; at < count && !*told; at++) {
		snprintf(side[0], sizeof(side[0]), "u/%d", at);
		snprintf(side[1], sizeof(side[1]), "m/%d", at);
		for (step = 0; step < batch[at].length && !*told; step++) {
			is[0] = perform(side[0], batch[at].ops[step]);
			is[1] = perform(side[1], batch[at].ops[step]);
			snprintf(when, sizeof(when), "step %d", step);
			if (is[0] != is[1])
				wrong(at, "%s: is %ld and not %ld", when, is[0], is[1]);
			compare(at, when, "", true);
			compare_identity(at);
		}
	}
	if (!reference() && *list("rw/.wh..wh.orph"))
		wrong(0, "some of these left '%s' in the work directory", list("rw/.wh..wh.orph"));
	if (down() || up("rw", "ro"))
		return "cannot mount again";
	for (at = 0; at < count && !*told; at++)
		compare(at, "mounted again", "", !batch[at].state->links);
	if (down())
		return "cannot unmount";
	return told;
}

/* All sequences of LENGTH, or every so manyth of them. */
static const char *try_all(int length, long every)
{
	const char *long_by = getenv("AUFS2_TEST_LONG");
	long count = STATES, number, rest;
	int i, filled = 0, tried = 0;
	const char *what = "";

	for (i = 0; i < length; i++)
		count *= OPS;
	every /= long_by && atol(long_by) > 0 ? atol(long_by) : 1;
	if (every < 1)
		every = 1;
	if (make_branch("m"))
		return "no room for the model";
	for (number = sample_from() % every; number < count && !*what; number += every) {
		batch[filled] = (struct one){ .state = &states[number % STATES], .length = length };
		for (i = 0, rest = number / STATES; i < length; i++, rest /= OPS)
			batch[filled].ops[i] = &ops[rest % OPS];
		tried++;
		if (++filled == BATCH || number + every >= count) {
			what = try_batch(filled);
			filled = 0;
		}
	}
	ksft_print_msg("%d of %ld sequences of %d\n", tried, count, length);
	return what;
}

AUFS2_FIXTURE

TEST_F(u, of_one)
{
	EXPECT_STREQ("", try_all(1, 1));
}

TEST_F(u, of_two)
{
	EXPECT_STREQ("", try_all(2, 31));
}

TEST_F(u, of_three)
{
	EXPECT_STREQ("", try_all(3, 991));
}

TEST_HARNESS_MAIN
