/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sequences of operations, what a plain directory is after each part of them, and whether what is there after a crash
 * may be there.
 */
#ifndef AUFS2_TEST_SNAPS_H
#define AUFS2_TEST_SNAPS_H

#include "aufs2_states.h"

/* As many as are in one union at a time, and states of one: a part of an operation is one, too. */
#define BATCH 24
#define MOST 2
#define SNAPS (2 * MOST + 1)

/* --- the sequences --------------------------------------------------------------- */

/* Beside those of other programs. */
static const struct op more_ops[] = {
	{ STORE, "f" }, { APPEND, "f" }, { SETXATTR, "f" }, { RENAME, "d/c", "d/e" }, { CHMOD, "d/c" },
	{ SETXATTR, "d" }, { LINK, "d/c", "g" }, { STORE, "d/c" }, { CREATE, "d/n" }, { UNLINK, "g" },
	{ RENAME, "f", "g", RENAME_WHITEOUT },
};

/* What is called afterwards. The old ones are descriptors from before. */
enum how { NOTHING, FSYNC, FDATASYNC, FSYNC_DIR, OLD_FSYNC, OLD_FSYNC_DIR, SYNCFS, SYNC, HOWS };

static const char *const how_names[] = {
	"nothing", "fsync", "fdatasync", "fsync of the directory", "fsync of a descriptor from before",
	"fsync of the directory by one from before", "syncfs", "sync",
};

struct object {
	char path[16];
	ino_t ino;		/* in the plain directory */
	mode_t mode;
	long links, size;
	bool has_xattr;
	char *data;		/* or where a symbolic link points to */
};

struct snap {
	int count;
	struct object objects[12];
};

static struct seq {
	const struct state *state;
	int length;
	const struct op *ops[MOST];
	enum how hows[MOST];
	int after[MOST];	/* the snapshot that is what there is after each operation */
	struct snap snaps[SNAPS];
	int last;
	/* of the log, as far as it has been read */
	int begun, there;	/* the newest snapshot that may be there, and the oldest */
	struct { ino_t ino; int at; } written[4 * MOST];	/* data that is: of an object, 0 for all */
	int written_count;
	bool is_wrong;
} batch[BATCH];

static int batch_count, cuts, wrongs;
static bool is_quiet;

static const char *described(const struct seq *seq)
{
	char *b = buffer();
	int i, len = sprintf(b, "ro '%s' rw '%s'", seq->state->ro, seq->state->rw);

	for (i = 0; i < seq->length; i++)
		len += sprintf(b + len, ", %s%s %s%s%s and %s", op_names[seq->ops[i]->kind],
			       seq->ops[i]->flags & RENAME_EXCHANGE ? " (exchange)" :
			       seq->ops[i]->flags & RENAME_WHITEOUT ? " (whiteout)" : "", seq->ops[i]->a,
			       seq->ops[i]->b ? " " : "", seq->ops[i]->b ?: "", how_names[seq->hows[i]]);
	return b;
}

static void __attribute__((format(printf, 2, 3))) wrong(struct seq *seq, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (seq && seq->is_wrong)
		return;
	if (seq)
		seq->is_wrong = true;
	wrongs++;
	if (is_quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ksft_print_msg("cut %d: %s: %s\n", cuts, seq ? described(seq) : "", text);
}

/* --- what there is ---------------------------------------------------------------- */

static void read_object(const char *full, struct object *object)
{
	static char buf[65536];
	struct stat st;
	char value[8];
	int fd;

	lstat(full, &st);
	object->ino = st.st_ino;
	object->mode = st.st_mode;
	object->links = S_ISDIR(st.st_mode) ? 0 : st.st_nlink;
	object->has_xattr = !S_ISLNK(st.st_mode) && getxattr(full, "user.x", value, sizeof(value)) == 1;
	object->size = 0;
	if (S_ISLNK(st.st_mode)) {
		object->size = readlink(full, buf, sizeof(buf));
	} else if (S_ISREG(st.st_mode)) {
		fd = open(full, O_RDONLY | O_CLOEXEC);
		object->size = E(read(fd, buf, sizeof(buf)));
		close(fd);
	}
	object->data = malloc(object->size > 0 ? object->size : 1);
	if (object->size > 0)
		memcpy(object->data, buf, object->size);
}

static int compare_objects(const void *a, const void *b)
{
	return strcmp(((const struct object *)a)->path, ((const struct object *)b)->path);
}

static void read_below(const char *dir, const char *path, struct snap *snap)
{
	char full[96];
	struct dirent *de;
	DIR *d = opendir(path_of("%s/%s", dir, path));

	while (d && (de = readdir(d)) && snap->count < (int)ARRAY_SIZE(snap->objects)) {
		struct object *object = &snap->objects[snap->count];

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		snap->count++;
		snprintf(object->path, sizeof(object->path), "%s%s%.7s", path, *path ? "/" : "", de->d_name);
		snprintf(full, sizeof(full), "%s/%s", dir, object->path);
		read_object(full, object);
		if (S_ISDIR(object->mode))
			read_below(dir, object->path, snap);
	}
	if (d)
		closedir(d);
}

static void read_tree(const char *dir, struct snap *snap)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", dir);
	snap->count = 0;
	read_below(copy, "", snap);
	qsort(snap->objects, snap->count, sizeof(*snap->objects), compare_objects);
}

static void forget_tree(struct snap *snap)
{
	while (snap->count)
		free(snap->objects[--snap->count].data);
}

static const struct object *find(const struct snap *snap, const char *path)
{
	int i;

	for (i = 0; i < snap->count; i++)
		if (!strcmp(snap->objects[i].path, path))
			return &snap->objects[i];
	return NULL;
}

static const struct object *find_number(const struct snap *snap, ino_t ino)
{
	int i;

	for (i = 0; i < snap->count; i++)
		if (snap->objects[i].ino == ino)
			return &snap->objects[i];
	return NULL;
}

/* --- the comparison ------------------------------------------------------------------ */

/* Whether the data of a file are what they may be: of the object INO of the plain directory, in its states since they
 * were written out; what is wrong with them, or NULL. */
static const char *data_differ(const struct seq *seq, ino_t ino, const struct object *is)
{
	const struct object *was;
	bool has_size = false, may_be;
	int from = 0, i;
	long at;

	for (i = 0; i < seq->written_count; i++)
		if ((!seq->written[i].ino || seq->written[i].ino == ino) && seq->written[i].at > from)
			from = seq->written[i].at;
	for (i = from; i <= seq->begun; i++) {
		was = find_number(&seq->snaps[i], ino);
		if (!was || was->size != is->size)
			continue;
		has_size = true;
		/* mostly it is one of them as a whole */
		if (!memcmp(was->data, is->data, is->size))
			return NULL;
	}
	if (!has_size)
		return path_of("%s has %ld bytes", is->path, is->size);
	for (at = 0; at < is->size; at++) {
		may_be = false;
		for (i = from; i <= seq->begun && !may_be; i++) {
			was = find_number(&seq->snaps[i], ino);
			may_be = was && (at < was->size ? was->data[at] == is->data[at] : !is->data[at]);
		}
		if (!may_be)
			return path_of("%s has '%c' (%d) at %ld of %ld", is->path, is->data[at] ?: '0', is->data[at],
				       at, is->size);
	}
	return NULL;
}

/* What is other than in snapshot AT, or NULL. */
static const char *tree_differs(const struct seq *seq, int at, const struct snap *is)
{
	const struct snap *was = &seq->snaps[at];
	const char *what;
	int i;

	for (i = 0; i < is->count || i < was->count; i++) {
		const struct object *a = i < is->count ? &is->objects[i] : NULL;
		const struct object *b = i < was->count ? &was->objects[i] : NULL;

		if (!a || (b && strcmp(a->path, b->path) > 0))
			return path_of("%s is not there", b->path);
		if (!b || strcmp(a->path, b->path))
			return path_of("%s is there", a->path);
		if (a->mode != b->mode)
			return path_of("%s has mode %o and not %o", a->path, a->mode, b->mode);
		if (a->has_xattr != b->has_xattr)
			return path_of("%s has %s attribute", a->path, a->has_xattr ? "an" : "no");
		if (!seq->state->links && a->links != b->links)
			return path_of("%s has %ld links and not %ld", a->path, a->links, b->links);
		if (S_ISLNK(a->mode) && (a->size != b->size || memcmp(a->data, b->data, a->size)))
			return path_of("%s points elsewhere", a->path);
		what = S_ISREG(a->mode) ? data_differ(seq, b->ino, a) : NULL;
		if (what)
			return what;
	}
	return NULL;
}

/* Looks at what there is of one in DIR. */
static void look_at(struct seq *seq, const char *dir)
{
	static struct snap is;
	const char *old, *new;
	int at;

	read_tree(dir, &is);
	old = new = tree_differs(seq, seq->begun, &is);
	for (at = seq->begun - 1; old && at >= seq->there; at--)
		old = tree_differs(seq, at, &is);
	if (old)
		wrong(seq, "may be state %d to %d of %d; in the first: %s; in the last: %s", seq->there, seq->begun,
		      seq->last, old, new);
	forget_tree(&is);
}

#endif /* AUFS2_TEST_SNAPS_H */
