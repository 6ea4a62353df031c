// SPDX-License-Identifier: GPL-2.0
/* The ways to say what a union is made of, by mount(2) and by fsconfig(2). */
#include "aufs2.h"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	if (reference())
		SKIP(return, "not on overlayfs: the option grammar");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, write_file("ro/f", "ro"));
	ASSERT_EQ(0, write_file("ro2/f", "ro2"));
	ASSERT_EQ(0, write_file("ro2/g", "ro2"));
	area_seal();
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* mount(2) with an option string in which % is the area. */
static int try(const char *options)
{
	char out[4096], *o = out;

	for (; *options; options++) {
		if (*options == '%')
			o += sprintf(o, "%s", area);
		else
			*o++ = *options;
	}
	*o = 0;
	if (mount("none", "u", "aufs2", 0, out))
		return -errno;
	union_up = true;
	return 0;
}

/* Whether the union is rw over ro over ro2, and writes go to rw. */
#define CHECK_UNION() do { \
	EXPECT_STREQ("f g", list("u")); \
	EXPECT_STREQ("ro", read_file("u/f")); \
	EXPECT_STREQ("ro2", read_file("u/g")); \
	EXPECT_EQ(0, write_file("u/new", "new")); \
	EXPECT_STREQ("new", read_file("rw/new")); \
} while (0)

TEST_F(u, colon_form)
{
	ASSERT_EQ(0, try("br:%/rw=rw:%/ro=ro:%/ro2=ro"));
	CHECK_UNION();
}

/* What changes branches does so at a mount, too: a whiteout counts as the last word says. */
TEST_F(u, changes_at_a_mount)
{
	ASSERT_EQ(0, write_file("ro/.wh.g", ""));
	area_seal();
	ASSERT_EQ(0, try("br:%/rw=rw:%/ro=ro:%/ro2=ro"));
	EXPECT_STREQ("f g", list("u"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, try("br:%/rw=rw:%/ro=ro:%/ro2=ro,mod:%/ro=ro+wh"));
	EXPECT_STREQ("f", list("u"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, try("br:%/rw=ro:%/ro=ro+wh:%/ro2=ro,mod:%/ro=ro,mod:%/rw=rw"));
	CHECK_UNION();
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(unlink("rw/new")));
	ASSERT_EQ(0, try("br:%/ro=ro:%/rw=rw:%/ro2=ro,mv:0:%/rw,del:%/ro2,mod:%/rw=ro"));
	EXPECT_EQ(-EROFS, write_file("u/new", "new"));
	EXPECT_STREQ("f", list("u"));
	EXPECT_EQ(-ENOENT, try("br:%/rw=rw:%/ro=ro,mod:%/ro2=ro"));
}

TEST_F(u, equals_form)
{
	ASSERT_EQ(0, try("br=%/rw=rw:%/ro=ro:%/ro2=ro"));
	CHECK_UNION();
}

TEST_F(u, dirs_forms)
{
	ASSERT_EQ(0, try("dirs=%/rw=rw:%/ro=ro:%/ro2=ro"));
	CHECK_UNION();
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(unlink("rw/new")));
	ASSERT_EQ(0, try("dirs:%/rw=rw:%/ro=ro:%/ro2=ro"));
	CHECK_UNION();
}

TEST_F(u, default_permissions)
{
	ASSERT_EQ(0, try("br:%/rw:%/ro:%/ro2"));
	CHECK_UNION();
	/* the lower ones are read-only: this is a copy-up */
	EXPECT_EQ(0, append_file("u/g", "+"));
	EXPECT_STREQ("ro2", read_file("ro2/g"));
	EXPECT_STREQ("ro2+", read_file("rw/g"));
}

TEST_F(u, permissions)
{
	ASSERT_EQ(0, try("br:%/rw=rw:%/ro=ro+wh:%/ro2=rr"));
	CHECK_UNION();
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, try("br:%/ro=rr+wh:%/ro2=rr"));
	EXPECT_STREQ("f g", list("u"));
	EXPECT_EQ(-EROFS, E(mkdir("u/d", 0755)));
}

TEST_F(u, options_repeat)
{
	ASSERT_EQ(0, try("br:%/rw=rw,br:%/ro=ro,br=%/ro2=ro"));
	CHECK_UNION();
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(unlink("rw/new")));
	ASSERT_EQ(0, try("br:%/rw=rw,append:%/ro=ro,append:%/ro2"));
	CHECK_UNION();
}

TEST_F(u, one_branch)
{
	ASSERT_EQ(0, try("br:%/ro2=ro"));
	EXPECT_STREQ("f g", list("u"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, try("br:%/rw=rw"));
	EXPECT_EQ(0, write_file("u/f", "x"));
	EXPECT_STREQ("x", read_file("rw/f"));
}

static const char * const odd[] = {
	"with space", "tab\there", "a:b", "a,b", "a=b", "a=rw", "back\\slash",
	"end\\", "quote\"'s", "new\nline", "sharp#", "percent%s", "=", "x:y,z=ro",
};

static const char *escaped(const char *name)
{
	char *b = buffer(), *o = b;

	for (; *name; name++) {
		if (strchr(":,=\\", *name))
			*o++ = '\\';
		*o++ = *name;
	}
	*o = 0;
	return b;
}

TEST_F(u, odd_paths)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		const char *opts = path_of("br:%s/%s=ro:%s/ro=ro", area, escaped(odd[i]), area);

		ASSERT_EQ(0, E(mkdir(odd[i], 0755)));
		ASSERT_EQ(0, write_file(path_of("%s/mark", odd[i]), odd[i]));
		EXPECT_EQ(0, E(mount("none", "u", "aufs2", 0, opts))) {
			TH_LOG("%s", opts);
			continue;
		}
		EXPECT_STREQ(odd[i], read_file("u/mark"));
		EXPECT_EQ(0, E(umount("u")));
	}
}

TEST_F(u, odd_paths_by_fsconfig)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		const char *value = path_of("%s/%s=ro", area, escaped(odd[i]));

		ASSERT_EQ(0, E(mkdir(odd[i], 0755)));
		ASSERT_EQ(0, write_file(path_of("%s/mark", odd[i]), odd[i]));
		EXPECT_EQ(0, NEW_MOUNT(PARAM("br", value))) {
			TH_LOG("%s: %s", value, fs_log);
			continue;
		}
		EXPECT_STREQ(odd[i], read_file("u/mark"));
		EXPECT_EQ(0, down());
	}
}

TEST_F(u, unescaped_equals_before_a_permission)
{
	/* the last = ends the path */
	ASSERT_EQ(0, E(mkdir("a=b", 0755)));
	ASSERT_EQ(0, write_file("a=b/mark", ""));
	ASSERT_EQ(0, try("br:%/a=b=ro"));
	EXPECT_STREQ("mark", list("u"));
}

TEST_F(u, fsconfig_as_mount8_cuts_it)
{
	/* at the first =, wherever that is */
	ASSERT_EQ(0, NEW_MOUNT(PARAM(path_of("br:%s/rw", area),
				     path_of("rw:%s/ro=ro:%s/ro2=ro", area, area))))
		TH_LOG("%s", fs_log);
	CHECK_UNION();
}

TEST_F(u, fsconfig_repeats)
{
	ASSERT_EQ(0, NEW_MOUNT(PARAM("br", path_of("%s/rw=rw", area)),
			       PARAM(path_of("append:%s/ro", area), "ro"),
			       FLAG(path_of("append:%s/ro2", area))))
		TH_LOG("%s", fs_log);
	CHECK_UNION();
}

TEST_F(u, fsconfig_path)
{
	const struct param params[] = {
		{ FSCONFIG_SET_PATH, "br+rw", path_of("%s/rw", area), AT_FDCWD },
		{ FSCONFIG_SET_PATH, "br+ro", path_of("%s/ro", area), AT_FDCWD },
		{ FSCONFIG_SET_PATH, "append+", path_of("%s/ro2", area), AT_FDCWD },
	};

	ASSERT_EQ(0, new_mount(params, 3)) TH_LOG("%s", fs_log);
	CHECK_UNION();
}

TEST_F(u, fsconfig_fd)
{
	struct param params[3] = {
		{ FSCONFIG_SET_FD, "br+rw", NULL, open("rw", O_PATH | O_DIRECTORY) },
		{ FSCONFIG_SET_FD, "br+ro", NULL, open("ro", O_RDONLY | O_DIRECTORY) },
		{ FSCONFIG_SET_FD, "br", NULL, open("ro2", O_PATH | O_DIRECTORY) },
	};

	ASSERT_EQ(0, new_mount(params, 3)) TH_LOG("%s", fs_log);
	CHECK_UNION();
}

TEST_F(u, fsconfig_fd_of_a_long_path)
{
	int i, top = open(".", O_RDONLY | O_DIRECTORY), fd;
	char name[201];

	memset(name, 'l', 200);
	name[200] = 0;
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, E(mkdir(name, 0755)));
		ASSERT_EQ(0, E(chdir(name)));
	}
	ASSERT_EQ(0, write_file("mark", "deep"));
	ASSERT_LE(0, fd = open(".", O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, E(fchdir(top)));
	const struct param param = { FSCONFIG_SET_FD, "br+ro", NULL, fd };

	ASSERT_EQ(0, new_mount(&param, 1)) TH_LOG("%s", fs_log);
	EXPECT_STREQ("deep", read_file("u/mark"));
}

/* What a remount does not speak of stays as it is, also where that was begun before it came to be so. */
TEST_F(u, begun_before_another_remount)
{
	const char *line;
	int fd;

	ASSERT_EQ(0, try("br:%/rw=rw:%/ro=ro:%/ro2=ro,cpup=bu"));
	ASSERT_LE(0, fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FLAG, "sum", NULL, 0)));
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", MS_REMOUNT, "udba=none,create=rr,cpup=bup,acl")));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FLAG, "noacl", NULL, 0)));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
	close(fd);
	line = strstr(read_file("/proc/self/mounts"), path_of(" %s/u ", area));
	ASSERT_NE(NULL, line);
	EXPECT_NE(NULL, strstr(line, ",udba=none,sum,noacl,cpup=bup,create=rr ")) TH_LOG("%s", line);
	CHECK_UNION();
}

/* --- what is refused ------------------------------------------------------ */

TEST_F(u, bad_options)
{
	EXPECT_EQ(-EINVAL, try("nosuchoption,br:%/rw=rw"));
	EXPECT_EQ(-EINVAL, try("br:%/rw=rw,nosuch=1"));
	EXPECT_EQ(-EINVAL, try("br:%/rw=xx"));
	EXPECT_EQ(-EINVAL, try("br:%/rw=rw+"));
	EXPECT_EQ(-EINVAL, try("br:%/rw=rw+nosuch"));
	EXPECT_EQ(-EINVAL, try("br:%/rw=rw::%/ro=ro"));
	EXPECT_EQ(-EINVAL, try("br:=rw"));
	EXPECT_EQ(-EINVAL, try(""));
	EXPECT_EQ(0, try("br:%/rw=rw:%/ro=ro:%/ro2=ro"));
}

/* Catches: memory that anybody may have the kernel take, for a mount that would be refused. */
TEST_F(u, by_whom_may_not_mount)
{
	int status;
	pid_t pid;

	AUFS2_ONLY("anybody may mount one in a user namespace");
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(255);
		_exit(fsopen(fs_name(), FSOPEN_CLOEXEC) < 0 ? errno : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	if (exit_of(status) == 255)
		SKIP(return, "no user namespaces");
	EXPECT_EQ(EPERM, exit_of(status));
}

static bool logged(const char *what)
{
	return strstr(fs_log, what) != NULL;
}

TEST_F(u, missing_path)
{
	EXPECT_EQ(-ENOENT, try("br:%/rw=rw:%/nowhere=ro"));
	EXPECT_EQ(-ENOENT, NEW_MOUNT(PARAM("br", path_of("%s/nowhere=ro", area))));
	EXPECT_TRUE(logged("nowhere")) TH_LOG("log: '%s'", fs_log);
}

TEST_F(u, file_as_branch)
{
	EXPECT_EQ(-ENOTDIR, try("br:%/rw=rw:%/ro/f=ro"));
	EXPECT_EQ(-ENOTDIR, NEW_MOUNT(PARAM("br", path_of("%s/ro/f=ro", area))));
	EXPECT_TRUE(logged("ro/f")) TH_LOG("log: '%s'", fs_log);
}

TEST_F(u, overlapping_branches)
{
	ASSERT_EQ(0, shell("mkdir -p rw/below/deeper"));
	EXPECT_EQ(-EINVAL, try("br:%/rw=rw:%/rw=ro")) TH_LOG("the same twice");
	EXPECT_EQ(-EINVAL, try("br:%/rw=rw:%/rw/below=ro"));
	EXPECT_EQ(-EINVAL, try("br:%/rw/below/deeper=rw:%/ro=ro:%/rw=ro"));
	EXPECT_EQ(-EINVAL, NEW_MOUNT(PARAM("br", path_of("%s/rw=rw", area)),
				     PARAM("br", path_of("%s/rw/below=ro", area))));
	EXPECT_TRUE(logged("below")) TH_LOG("log: '%s'", fs_log);
	ASSERT_EQ(0, shell("mkdir rw/belo rw/belowx"));
	EXPECT_EQ(0, try("br:%/rw/below=rw:%/rw/belo=ro:%/rw/belowx=ro"))
		TH_LOG("beside each other");
}

TEST_F(u, overlap_through_a_bind_mount)
{
	int err;

	ASSERT_EQ(0, shell("mkdir -p rw/below bound && mount --bind rw/below bound"));
	err = try("br:%/rw=rw:%/bound=ro");
	if (!err)
		down();
	EXPECT_EQ(0, E(umount("bound")));
	EXPECT_EQ(-EINVAL, err);
}

TEST_F(u, read_only_file_system_as_rw)
{
	ASSERT_EQ(0, E(mkdir("fs", 0755)));
	ASSERT_EQ(0, E(mount("x", "fs", "tmpfs", MS_RDONLY, "")));
	EXPECT_EQ(-EROFS, try("br:%/fs=rw:%/ro=ro"));
	EXPECT_EQ(-EROFS, NEW_MOUNT(PARAM("br", path_of("%s/fs=rw", area))));
	EXPECT_TRUE(logged("fs")) TH_LOG("log: '%s'", fs_log);
	/* without a permission it is a read-only branch */
	EXPECT_EQ(0, try("br:%/fs:%/ro"));
	EXPECT_EQ(-EROFS, E(mkdir("u/d", 0755)));
	if (union_up) {
		EXPECT_EQ(0, down());
	}
	EXPECT_EQ(0, E(umount("fs")));
}

TEST_F(u, read_only_mount_as_rw)
{
	ASSERT_EQ(0, shell("mkdir bound && mount --bind rw bound && mount -o remount,ro,bind bound"));
	EXPECT_EQ(-EROFS, try("br:%/bound=rw:%/ro=ro"));
	if (union_up) {
		EXPECT_EQ(0, down());
	}
	EXPECT_EQ(0, E(umount("bound")));
}

TEST_F(u, too_deep_a_stack)
{
	ASSERT_EQ(0, shell("mkdir one two three"));
	ASSERT_EQ(0, E(mount("none", "one", "aufs2", 0, path_of("br:%s/ro=ro", area))));
	ASSERT_EQ(0, E(mount("none", "two", "aufs2", 0, path_of("br:%s/one=ro", area))));
	EXPECT_STREQ("f", list("two"));
	EXPECT_EQ(-EINVAL, E(mount("none", "three", "aufs2", 0, path_of("br:%s/two=ro", area))));
	EXPECT_EQ(-EINVAL, NEW_MOUNT(PARAM("br", path_of("%s/two=ro", area))));
	EXPECT_TRUE(logged("two")) TH_LOG("log: '%s'", fs_log);
	EXPECT_EQ(0, E(umount("two")));
	EXPECT_EQ(0, E(umount("one")));
}

TEST_F(u, refusal_holds_nothing)
{
	/* each branch is on its own mount, so a leaked reference shows */
	ASSERT_EQ(0, shell("mkdir a b; mount -t tmpfs a a; mount -t tmpfs b b; touch b/f"));
	EXPECT_EQ(-ENOENT, try("br:%/a=rw:%/b=ro:%/nowhere=ro"));
	EXPECT_EQ(-ENOTDIR, try("br:%/a=rw:%/b/f=ro"));
	EXPECT_EQ(-EINVAL, try("br:%/a=rw:%/b=ro:%/a=ro"));
	EXPECT_EQ(-EINVAL, try("br:%/a=rw:%/b=ro,nosuch"));
	EXPECT_EQ(0, E(umount("b")));
	EXPECT_EQ(0, E(umount("a")));
}

TEST_HARNESS_MAIN
