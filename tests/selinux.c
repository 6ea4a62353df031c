// SPDX-License-Identifier: GPL-2.0
/*
 * SELinux's labels: of what is on lower branches, of what is copied up, moved down and
 * made, and who may use what by them.
 *
 * Wants a kernel that was booted with security=selinux, and checkpolicy, which compiles
 * selinux.policy. That is loaded, for the rest of the boot.
 *
 * Catches: a label that is asked of a dentry which is about to be given its inode; a file
 * that loses its label when it moves down; a context= in quotes; the label of what another
 * branch hides by now; and, with mmap=fault, a mounter who is asked for a right to the
 * files of the one who maps.
 */
#include "aufs2.h"
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SELINUXFS	"/sys/fs/selinux"
#define LABEL		"security.selinux"

static long page;

/* Before area_init() of aufs2.h mounts anything. */
static void __attribute__((constructor(900))) load_policy(void)
{
	char self[PATH_MAX] = "", *policy;
	int fd, len;

	page = sysconf(_SC_PAGESIZE);
	if (geteuid())
		skip_program("needs root");
	if (access(SELINUXFS, F_OK))
		skip_program("boot with security=selinux");
	if (access(SELINUXFS "/load", F_OK) &&
	    mount("none", SELINUXFS, "selinuxfs", 0, NULL))
		skip_program("no selinuxfs: %m");
	if (!have("checkpolicy"))
		skip_program("no checkpolicy");
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		skip_program("who am I? %m");
	*strrchr(self, '/') = 0;
	if (shell("checkpolicy -U allow -o /tmp/policy %s/selinux.policy", self))
		skip_program("checkpolicy does not understand the policy");
	policy = malloc(1 << 20);
	fd = open("/tmp/policy", O_RDONLY | O_CLOEXEC);
	len = policy ? read(fd, policy, 1 << 20) : -1;
	close(fd);
	/* It has to be one write. */
	fd = open(SELINUXFS "/load", O_WRONLY | O_CLOEXEC);
	if (len <= 0 || write(fd, policy, len) != len)
		skip_program("the kernel does not take the policy: %m");
	close(fd);
	free(policy);
	if (put(SELINUXFS "/enforce", 0, "1"))
		skip_program("it cannot be enforced");
}

/* The type of an object's label, or the name of the error. */
static const char *label(const char *path)
{
	char *b = buffer(), *type;
	ssize_t n = lgetxattr(path, LABEL, b, 256);

	if (n < 0)
		return errno_name(errno);
	b[n] = 0;
	type = strrchr(b, ':');
	return type ? type + 1 : b;
}

static int set_label(const char *path, const char *type)
{
	const char *context = path_of("u:object_r:%s", type);

	return E(lsetxattr(path, LABEL, context, strlen(context) + 1, 0));
}

/* Makes a file of that label on a branch. */
static int labelled(const char *path, const char *type)
{
	return write_file(path, "lower") ?: set_label(path, type);
}

/* New objects of this task get that label. */
static int make_as(const char *type)
{
	return put("/proc/thread-self/attr/fscreate", 0, path_of("u:object_r:%s", type));
}

/* The result of a call in a child that is in another domain: 0 or -errno. */
#define AS(domain, call) IN_CHILD(put("/proc/thread-self/attr/current", 0, "u:r:" domain), call)

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, set_label("ro/d", "dir_t"));
	ASSERT_EQ(0, labelled("ro/d/a", "a_t"));
	ASSERT_EQ(0, labelled("ro/d/b", "b_t"));
	ASSERT_EQ(0, labelled("ro/d/c", "c_t"));
}
FIXTURE_TEARDOWN(u)
{
	static char log[1 << 19];
	const char *wrong = area_leave();
	int len = klogctl(3, log, sizeof(log) - 1);

	EXPECT_STREQ("", wrong ?: "");
	log[len < 0 ? 0 : len] = 0;
	EXPECT_EQ(NULL, strstr(log, "inode_doinit_use_xattr")) {
		TH_LOG("the kernel could not get a label");
	}
}

TEST_F(u, those_of_the_branch_show)
{
	char ours[256] = "", theirs[256] = "";

	ASSERT_EQ(0, E(symlink("a", "ro/d/link")));
	ASSERT_EQ(0, set_label("ro/d/link", "b_t"));
	ASSERT_EQ(0, E(mkfifo("ro/d/pipe", 0600)));
	ASSERT_EQ(0, set_label("ro/d/pipe", "c_t"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("dir_t", label("u/d"));
	EXPECT_STREQ("a_t", label("u/d/a"));
	EXPECT_STREQ("b_t", label("u/d/b"));
	EXPECT_STREQ("b_t", label("u/d/link"));
	EXPECT_STREQ("c_t", label("u/d/pipe"));
	EXPECT_EQ(listxattr("ro/d/a", theirs, sizeof(theirs)), listxattr("u/d/a", ours, sizeof(ours)));
	EXPECT_STREQ(LABEL, theirs);
	EXPECT_STREQ(theirs, ours);
}

/* One after the other, what copies a file of its name up. */
static const char * const ways[] = {
	"append", "truncate", "empty", "chmod", "chown", "times", "xattr", "rename", "link", "relabel",
};

static int copy_up_by(const char *way)
{
	const char *at = path_of("u/d/%s", way), *new = path_of("u/d/%s.new", way);

	if (!strcmp(way, "append"))
		return append_file(at, "+");
	if (!strcmp(way, "truncate"))
		return E(truncate(at, 1));
	if (!strcmp(way, "empty"))
		return put(at, O_TRUNC, "");
	if (!strcmp(way, "chmod"))
		return E(chmod(at, 0600));
	if (!strcmp(way, "chown"))
		return E(chown(at, NOBODY, NOBODY));
	if (!strcmp(way, "times"))
		return E(utimensat(AT_FDCWD, at, NULL, 0));
	if (!strcmp(way, "xattr"))
		return E(setxattr(at, "trusted.x", "y", 1, 0));
	if (!strcmp(way, "rename"))
		return E(rename(at, new)) ?: E(rename(new, at));
	if (!strcmp(way, "link"))
		return E(link(at, new)) ?: E(unlink(new));
	return set_label(at, "b_t");
}

TEST_F(u, copies_keep_theirs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		ASSERT_EQ(0, labelled(path_of("ro/d/%s", ways[i]), "b_t"));
	ASSERT_EQ(0, E(symlink("a", "ro/d/symlink")));
	ASSERT_EQ(0, set_label("ro/d/symlink", "b_t"));
	ASSERT_EQ(0, E(mkfifo("ro/d/fifo", 0600)));
	ASSERT_EQ(0, set_label("ro/d/fifo", "b_t"));
	ASSERT_EQ(0, E(mkdir("ro/d/sub", 0755)));
	ASSERT_EQ(0, labelled("ro/d/sub/f", "b_t"));
	ASSERT_EQ(0, set_label("ro/d/sub", "c_t"));
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		EXPECT_EQ(0, copy_up_by(ways[i])) { TH_LOG("way %u", i); }
	EXPECT_EQ(0, E(lchown("u/d/symlink", NOBODY, NOBODY)));
	EXPECT_EQ(0, E(chmod("u/d/fifo", 0644)));
	EXPECT_EQ(0, E(rename("u/d/sub", "u/d/moved")));
	/* It is the union's that decides who may write, and the label of the file that stays. */
	EXPECT_EQ(0, AS("task_t", append_file("u/d/a", "+")));
	EXPECT_EQ(-EACCES, AS("task_t", append_file("u/d/b", "+")));
	/* From memory, and from the disk. */
	for (int again = 0; again < 2; again++) {
		EXPECT_STREQ("dir_t", label("u/d"));
		EXPECT_STREQ("dir_t", label("rw/d"));
		for (i = 0; i < ARRAY_SIZE(ways); i++) {
			EXPECT_STREQ("b_t", label(path_of("rw/d/%s", ways[i]))) { TH_LOG("%s", ways[i]); }
			EXPECT_STREQ("b_t", label(path_of("u/d/%s", ways[i]))) { TH_LOG("%s", ways[i]); }
		}
		EXPECT_STREQ("b_t", label("rw/d/symlink"));
		EXPECT_STREQ("b_t", label("rw/d/fifo"));
		EXPECT_STREQ("c_t", label("u/d/moved"));
		EXPECT_STREQ("b_t", label("u/d/moved/f"));
		if (!reference()) {
			EXPECT_STREQ("c_t", label("rw/d/moved"));
			EXPECT_STREQ("b_t", label("rw/d/moved/f"));
		}
		EXPECT_STREQ("a_t", label("rw/d/a"));
		EXPECT_STREQ("a_t", label("u/d/a"));
		ASSERT_EQ(0, down());
		drop_caches();
		ASSERT_EQ(0, up("rw", "ro"));
	}
}

/* What the policy has a rule for, and what it has none for. */
static const struct { const char *name, *type; } made[] = {
	{ "file", "task_file_t" }, { "dir", "task_dir_t" }, { "dir/file", "task_dir_t" },
	{ "link", "task_link_t" }, { "fifo", "task_fifo_t" }, { "special", "special_t" },
	{ "tmpfile", "task_file_t" }, { "hidden", "task_file_t" }, { "hidden_dir", "task_dir_t" },
	{ "asked", "a_t" }, { "asked_dir", "a_t" },
};

static int make_all(const char *dir)
{
	int err, fd;

	err = write_file(path_of("%s/file", dir), "new") ?: E(mkdir(path_of("%s/dir", dir), 0755)) ?:
	      write_file(path_of("%s/dir/file", dir), "new") ?: E(symlink("x", path_of("%s/link", dir))) ?:
	      E(mkfifo(path_of("%s/fifo", dir), 0600)) ?: write_file(path_of("%s/special", dir), "new") ?:
	      write_file(path_of("%s/hidden", dir), "new") ?: E(mkdir(path_of("%s/hidden_dir", dir), 0755));
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	err = err ?: fd < 0 ? -errno :
	      E(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD,
		       path_of("%s/tmpfile", dir), AT_SYMLINK_FOLLOW));
	return err ?: make_as("a_t") ?: write_file(path_of("%s/asked", dir), "new") ?:
	       E(mkdir(path_of("%s/asked_dir", dir), 0755));
}

TEST_F(u, new_ones_are_those_of_who_makes_them)
{
	unsigned int i;

	ASSERT_EQ(0, E(mkdir("plain", 0755)));
	ASSERT_EQ(0, set_label("plain", "dir_t"));
	ASSERT_EQ(0, labelled("ro/d/hidden", "b_t"));
	ASSERT_EQ(0, labelled("ro/d/hidden_dir", "b_t"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/d/hidden")));
	ASSERT_EQ(0, E(unlink("u/d/hidden_dir")));
	ASSERT_EQ(0, AS("task_t", make_all("plain")));
	ASSERT_EQ(0, AS("task_t", make_all("u/d")));
	for (int again = 0; again < 2; again++) {
		for (i = 0; i < ARRAY_SIZE(made); i++) {
			EXPECT_STREQ(made[i].type, label(path_of("plain/%s", made[i].name)));
			EXPECT_STREQ(made[i].type, label(path_of("u/d/%s", made[i].name))) {
				TH_LOG("%s", made[i].name);
			}
			EXPECT_STREQ(made[i].type, label(path_of("rw/d/%s", made[i].name))) {
				TH_LOG("%s", made[i].name);
			}
		}
		EXPECT_STREQ("dir_t", label("rw/d"));
		ASSERT_EQ(0, down());
		drop_caches();
		ASSERT_EQ(0, up("rw", "ro"));
	}
	EXPECT_EQ(0, write_file("u/d/of_the_kernel", "new"));
	EXPECT_STREQ("kernel_made_t", label("rw/d/of_the_kernel"));
}

static int remove_all(const char *long_name)
{
	return make_as("special_t") ?: E(unlink("u/d/a")) ?: E(unlink(long_name)) ?: E(rmdir("u/d/sub")) ?:
	       E(mkdir("u/d/sub", 0755)) ?: E(rename("u/d/other", "u/d/sub/other"));
}

/* What the union makes for itself is the mounter's, whoever causes it. */
TEST_F(u, its_own_files_are_the_mounters)
{
	char long_name[256], path[300];

	AUFS2_ONLY("the files are aufs's");
	memset(long_name, 'n', 255);
	long_name[255] = 0;
	snprintf(path, sizeof(path), "ro/d/%s", long_name);
	ASSERT_EQ(0, labelled(path, "a_t"));
	ASSERT_EQ(0, E(mkdir("ro/d/sub", 0755)));
	ASSERT_EQ(0, labelled("ro/d/other", "a_t"));
	ASSERT_EQ(0, up("rw", "ro"));
	snprintf(path, sizeof(path), "u/d/%s", long_name);
	ASSERT_EQ(0, AS("task_t", remove_all(path)));
	EXPECT_EQ(0, shell("ls rw/d/.wh.a rw/d/.wh.other rw/d/sub/.wh..wh..opq"));
	EXPECT_STREQ("special_t", label("rw/d/sub"));
	EXPECT_STREQ("a_t", label("rw/d/sub/other"));
	/* All of them are links to, or were made in, what is in the root. */
	EXPECT_STREQ("fs_t", label("rw/d/.wh.a"));
	EXPECT_STREQ("fs_t", label("rw/d/.wh.other"));
	EXPECT_STREQ("fs_t", label("rw/d/sub/.wh..wh..opq"));
	EXPECT_EQ(0, shell("for f in $(find rw -name '.wh.*'); do "
			   "getfattr --only-values -h -n " LABEL " $f | grep -q fs_t || exit 1; done"));
}

TEST_F(u, can_be_changed)
{
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, AS("task_t", can_open("u/d/a", O_RDONLY)));
	EXPECT_EQ(0, set_label("u/d/a", "b_t"));
	EXPECT_STREQ("b_t", label("u/d/a"));
	EXPECT_STREQ("b_t", label("rw/d/a"));
	EXPECT_STREQ("a_t", label("ro/d/a"));
	EXPECT_EQ(-EACCES, AS("task_t", can_open("u/d/a", O_RDONLY)));
	EXPECT_EQ(-EACCES, E(removexattr("u/d/a", LABEL)));
	EXPECT_EQ(-EINVAL, set_label("u/d/a", "no_such_t"));
	EXPECT_EQ(-EACCES, AS("task_t", set_label("u/d/a", "a_t")));
	EXPECT_STREQ("b_t", label("u/d/a"));
}

TEST_F(u, a_file_that_moves_down_keeps_its)
{
	char request[96] = "";
	int fd;

	AUFS2_ONLY("the command is aufs's");
	ASSERT_EQ(0, E(mkdir("low", 0755)));
	ASSERT_EQ(0, set_label("low", "dir_t"));
	ASSERT_EQ(0, up("rw", "low=rw", "ro"));
	ASSERT_EQ(0, write_file("u/f", "new"));
	ASSERT_EQ(0, set_label("u/f", "b_t"));
	fd = open("u/f", O_RDONLY);
	EXPECT_EQ(0, E(ioctl(fd, _IOWR('A', 4, request), request)));
	close(fd);
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	EXPECT_STREQ("b_t", label("low/f"));
	EXPECT_STREQ("b_t", label("u/f"));
	ASSERT_EQ(0, down());
	drop_caches();
	EXPECT_STREQ("b_t", label("low/f"));
}

/* Another branch comes, and its directory is the one that shows. */
TEST_F(u, is_that_of_what_shows)
{
	int fd;

	AUFS2_ONLY("no branches can be added to it");
	ASSERT_EQ(0, E(mkdir("ro2/d", 0755)));
	ASSERT_EQ(0, set_label("ro2/d", "b_t"));
	ASSERT_EQ(0, up("rw", "ro"));
	fd = open("u/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT_STREQ("dir_t", label("u/d"));
	EXPECT_EQ(0, AS("task_t", can_open("u/d", O_RDONLY)));
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", MS_REMOUNT, path_of("add:1:%s/ro2=ro", area))));
	EXPECT_STREQ("b_t", label("u/d"));
	EXPECT_EQ(-EACCES, AS("task_t", can_open("u/d", O_RDONLY)));
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", MS_REMOUNT, path_of("del:%s/ro2", area))));
	EXPECT_STREQ("dir_t", label("u/d"));
	EXPECT_EQ(0, AS("task_t", can_open("u/d", O_RDONLY)));
	close(fd);
}

static const char *shown_options(void)
{
	char *b = buffer();
	const char *at = path_of("%s/u ", area);
	FILE *f = fopen("/proc/mounts", "re");
	bool found = false;

	while (!found && f && fgets(b, 8192, f))
		found = strstr(b, at) != NULL;
	if (f)
		fclose(f);
	return found ? b : "";
}

/* One label for all of the union: as on any filesystem. */
TEST_F(u, context)
{
	ASSERT_EQ(0, union_mount("context=u:object_r:a_t", 0, (const char * const []){ "rw", "ro", NULL }));
	EXPECT_STREQ("a_t", label("u/d"));
	EXPECT_STREQ("a_t", label("u/d/b"));
	EXPECT_NE(NULL, strstr(shown_options(), "context=u:object_r:a_t"));
	EXPECT_EQ(-EOPNOTSUPP, set_label("u/d/b", "a_t"));
	/* The task may, by the union's label; the mounter may, by the branch's. */
	EXPECT_EQ(0, AS("task_t", can_open("u/d/b", O_RDONLY)));
	EXPECT_EQ(0, AS("task_t", append_file("u/d/b", "+")));
	EXPECT_STREQ("a_t", label("rw/d/b"));
	EXPECT_EQ(0, AS("task_t", write_file("u/d/new", "new")));
	EXPECT_STREQ("a_t", label("rw/d/new"));
	EXPECT_STREQ("b_t", label("ro/d/b"));
	EXPECT_EQ(-EINVAL, E(mount("none", "u", fs_name(), MS_REMOUNT, "context=u:object_r:b_t")));
	EXPECT_EQ(0, E(mount("none", "u", fs_name(), MS_REMOUNT, "context=u:object_r:a_t")));
	ASSERT_EQ(0, down());
	/* As mount(8) says it to mount(2). */
	ASSERT_EQ(0, union_mount("context=\"u:object_r:b_t\"", 0, (const char * const []){ "rw", "ro", NULL }));
	EXPECT_STREQ("b_t", label("u/d/a"));
	EXPECT_EQ(-EACCES, AS("task_t", can_open("u/d/a", O_RDONLY)));
	ASSERT_EQ(0, down());
	EXPECT_EQ(-EINVAL, union_mount("context=u:object_r:no_such_t", 0,
				       (const char * const []){ "rw", "ro", NULL }));
	ASSERT_EQ(0, union_mount("rootcontext=u:object_r:b_t", 0, (const char * const []){ "rw", "ro", NULL }));
	EXPECT_STREQ("b_t", label("u"));
	EXPECT_STREQ("a_t", label("u/d"));
	EXPECT_STREQ("c_t", label("u/d/c"));
}

TEST_F(u, context_by_fsconfig)
{
	AUFS2_ONLY("branches are said in aufs's terms");
	ASSERT_EQ(0, NEW_MOUNT(PARAM("context", "u:object_r:b_t"), PARAM("br", path_of("%s/rw=rw", area)),
			       PARAM("br", path_of("%s/ro=ro", area)))) { TH_LOG("%s", fs_log); }
	EXPECT_STREQ("b_t", label("u/d/a"));
}

TEST_F(u, the_union_asks_as_the_mounter)
{
	area_seal();
	ASSERT_EQ(0, AS("mounter_t", up("rw", "ro")));
	union_up = true;
	EXPECT_EQ(0, can_open("ro/d/c", O_RDONLY));
	EXPECT_STREQ("c_t", label("u/d/c"));
	EXPECT_EQ(-EACCES, can_open("u/d/c", O_RDONLY));
	EXPECT_EQ(-EACCES, append_file("u/d/c", "+"));
	EXPECT_STREQ("ENOENT", kind("rw/d/c"));
	EXPECT_EQ(0, can_open("u/d/b", O_RDONLY));
	EXPECT_EQ(0, append_file("u/d/b", "+"));
	EXPECT_STREQ("b_t", label("rw/d/b"));
	EXPECT_EQ(-EACCES, AS("task_t", can_open("u/d/b", O_RDONLY)));
	EXPECT_EQ(0, AS("task_t", write_file("u/d/new", "new")));
	EXPECT_STREQ("task_file_t", label("rw/d/new"));
}

FIXTURE(m) { int unused; };
FIXTURE_VARIANT(m) { const char *options; bool by_task; };
FIXTURE_VARIANT_ADD(m, direct) { .options = "mmap=direct" };
FIXTURE_VARIANT_ADD(m, fault) { .options = "mmap=fault" };
/* The front file with the union's path is the task's, which the mounter may not use. */
FIXTURE_VARIANT_ADD(m, direct_path) { .options = "mmap=direct,mmap_path=union", .by_task = true };
FIXTURE_VARIANT_ADD(m, fault_path) { .options = "mmap=fault,mmap_path=union", .by_task = true };
FIXTURE_SETUP(m)
{
	if (reference() && strcmp(variant->options, "mmap=direct"))
		SKIP(return, "engines are the union's");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, shell("for f in a b x y; do cp /bin/busybox ro/d/$f; done"));
	ASSERT_EQ(0, set_label("ro/d/a", "a_t"));
	ASSERT_EQ(0, set_label("ro/d/b", "b_t"));
	ASSERT_EQ(0, set_label("ro/d/x", "x_t"));
	ASSERT_EQ(0, set_label("ro/d/y", "y_t"));
	area_seal();
	ASSERT_EQ(0, AS("mounter_t", union_mount(reference() ? "" : variant->options, 0,
						 (const char * const []){ "rw", "ro", NULL })));
	union_up = true;
}
FIXTURE_TEARDOWN(m)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int can_map(const char *path, int prot, int later)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	volatile char *p;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, page, prot, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	/* A fault, so that mmap=fault has had its turn. */
	if (*p != 0x7f)
		return -EIO;
	return later ? E(mprotect((void *)p, page, later)) : 0;
}

static int can_run(const char *path)
{
	execl(path, "true", NULL);
	return -errno;
}

#define RX (PROT_READ | PROT_EXEC)

TEST_F(m, maps)
{
	int may = variant->by_task ? -EACCES : 0;

	EXPECT_EQ(0, AS("task_t", can_map("u/d/a", PROT_READ, 0)));
	EXPECT_EQ(0, AS("task_t", can_map("u/d/a", RX, 0)));
	EXPECT_EQ(may, AS("task_t", can_map("u/d/a", PROT_READ, RX)));
	EXPECT_EQ(may, AS("task_t", can_map("u/d/a", RX, PROT_READ)));
	EXPECT_EQ(0, AS("kernel_t", can_map("u/d/x", RX, 0)));
	/* Its loader changes the protection of what it has relocated. */
	EXPECT_EQ(variant->by_task ? -127 : 0, AS("task_t", can_run("u/d/a")));
	EXPECT_EQ(0, AS("mounter_t", can_run("u/d/a")));
	/* The task may not, */
	EXPECT_EQ(-EACCES, AS("task_t", can_map("u/d/b", PROT_READ, 0)));
	EXPECT_EQ(0, AS("task_t", can_map("u/d/x", PROT_READ, 0)));
	EXPECT_EQ(-EACCES, AS("task_t", can_map("u/d/x", RX, 0)));
	EXPECT_EQ(-EACCES, AS("task_t", can_map("u/d/x", PROT_READ, RX)));
	EXPECT_EQ(-EACCES, AS("task_t", can_run("u/d/x")));
	/* nor the mounter. */
	EXPECT_EQ(0, AS("task_t", can_map("u/d/y", PROT_READ, 0)));
	EXPECT_EQ(-EACCES, AS("task_t", can_map("u/d/y", RX, 0)));
	EXPECT_EQ(-EACCES, AS("task_t", can_map("u/d/y", PROT_READ, RX)));
}

TEST_HARNESS_MAIN
