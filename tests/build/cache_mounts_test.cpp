// The directories of RUN --mount=type=cache: who gets which one, and what is in it.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/build_cache.hpp"

#include "oci/store_support.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <future>
#include <set>

using namespace cooper;
using namespace cooper::build;
using cooper::testing::FakeClock;
using cooper::testing::make_older;
using cooper::testing::names_in;
namespace fs = std::filesystem;

namespace {

using Sharing = CacheMounts::Sharing;

Confinement confined(Isolation isolation) {
    Confinement how;
    how.isolation = isolation;
    how.owners = isolation == Isolation::Root && geteuid() == 0;
    how.devices = how.owners;
    return how;
}

struct MountSetting {
    TempDirectory directory;
    fs::path path = directory.path() / "build/mounts";
    CacheMounts mounts{path, confined(Isolation::Root)};
    Run run;

    static CacheMounts::Wanted wanted(const std::string& id, Sharing sharing = Sharing::Shared) {
        CacheMounts::Wanted made;
        made.id = id;
        made.sharing = sharing;
        return made;
    }
    auto acquire(const CacheMounts::Wanted& what) { return mounts.acquire(what, run); }
    fs::path path_of(const CacheMounts::Wanted& what) { return acquire(what)->path(); }
    /// The directory of the lock of a mount.
    static fs::path above(const fs::path& tree) { return tree.parent_path(); }
};

struct stat status_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(lstat(path.c_str(), &status) == 0);
    return status;
}

}  // namespace

TEST_CASE("cache mounts: what one step leaves the next one finds", "[unit][build]") {
    MountSetting s;
    const auto wanted = s.wanted("apt");
    {
        const auto lease = s.acquire(wanted);
        CHECK(names_in(lease->path()).empty());
        CHECK((status_of(lease->path()).st_mode & 07777) == 0755);
        write_file(lease->path() / "left", "here");
    }
    CHECK(read_file(s.acquire(wanted)->path() / "left", 100) == "here");
    CHECK(read_file(CacheMounts(s.path, confined(Isolation::Root)).acquire(wanted, s.run)->path() / "left", 100) ==
          "here");
}

TEST_CASE("cache mounts: an id may hold anything, and another one is another directory", "[unit][build]") {
    MountSetting s;
    std::set<fs::path> paths;
    const std::vector<std::string> ids = {
        "",     "/",      "..",        "../..",    "/var/cache/apt", "a/b",
        "a-0",  "a\nb\t", "a\0b",      "\xff\xfe", "tree",           std::string(100'000, 'x'),
        "lock", "~root",  "$(reboot)", "%s"};
    for (const std::string& id : ids) {
        const fs::path path = s.path_of(s.wanted(id));
        CHECK(fs::is_directory(path));
        CHECK(path.string().starts_with(s.path.string()));
        paths.insert(path);
    }
    CHECK(paths.size() == ids.size());
}

TEST_CASE("cache mounts: another owner, mode, seed or isolation is another directory", "[unit][build]") {
    MountSetting s;
    const fs::path seed = s.directory.path() / "seed";
    fs::create_directory(seed);
    std::vector<CacheMounts::Wanted> all(6, s.wanted("one"));
    all[1].uid = 1;
    all[2].gid = 1;
    all[3].mode = 0700;
    all[4].seed = seed;
    all[4].seed_digest = sha256(std::string_view("a seed"));
    all[5].seed = seed;
    all[5].seed_digest = sha256(std::string_view("another seed"));
    std::set<fs::path> paths;
    for (const auto& each : all) {
        paths.insert(s.path_of(each));
    }
    paths.insert(CacheMounts(s.path, confined(Isolation::Chroot)).acquire(all[0], s.run)->path());
    CHECK(paths.size() == all.size() + 1);
    // Who shares it does not tell directories apart.
    CHECK(s.path_of(s.wanted("one", Sharing::Locked)) == s.path_of(s.wanted("one", Sharing::Private)));
}

TEST_CASE("cache mounts: the mode is the one asked for, whatever the umask", "[unit][build]") {
    MountSetting s;
    auto wanted = s.wanted("modes");
    wanted.mode = 01777;
    if (geteuid() == 0) {
        wanted.uid = 1000;
        wanted.gid = 1001;
    }
    const auto status = status_of(s.path_of(wanted));
    CHECK((status.st_mode & 07777) == 01777);
    CHECK(status.st_uid == (geteuid() == 0 ? 1000 : geteuid()));
    CHECK(status.st_gid == (geteuid() == 0 ? 1001 : getegid()));
}

TEST_CASE("cache mounts: shared is held by several at once", "[unit][build]") {
    MountSetting s;
    const auto one = s.acquire(s.wanted("m"));
    const auto two = s.acquire(s.wanted("m"));
    CHECK(one->path() == two->path());
}

TEST_CASE("cache mounts: private ones never meet and are used again", "[unit][build]") {
    MountSetting s;
    const auto wanted = s.wanted("m", Sharing::Private);
    auto one = s.acquire(wanted);
    auto two = s.acquire(wanted);
    const auto three = s.acquire(wanted);
    CHECK(std::set<fs::path>{one->path(), two->path(), three->path()}.size() == 3);
    const fs::path freed = two->path();
    two.reset();
    CHECK(s.acquire(wanted)->path() == freed);
    const fs::path first = one->path();
    one.reset();
    CHECK(s.acquire(wanted)->path() == first);
}

TEST_CASE("cache mounts: locked waits until the other one is done, and stops when it is told to", "[unit][build]") {
    MountSetting s;
    const auto locked = s.wanted("m", Sharing::Locked);
    for (const auto other : {Sharing::Locked, Sharing::Private, Sharing::Shared}) {
        /// Lets go of the lease after some time.
        struct Letting final : Clock {
            std::unique_ptr<CacheMounts::Lease> lease;
            int waits = 0;
            [[nodiscard]] std::chrono::system_clock::time_point now() const override {
                return std::chrono::system_clock::now();
            }
            void sleep_for(std::chrono::milliseconds, std::stop_token) override {
                if (++waits == 3) {
                    lease.reset();
                }
            }
        } clock;
        clock.lease = s.acquire(s.wanted("m", other));
        Run run;
        run.clock = &clock;
        CHECK(s.mounts.acquire(locked, run)->path().string().ends_with("-0/tree"));
        CHECK(clock.waits == 3);
    }
    const auto held = s.acquire(locked);
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(s.mounts.acquire(locked, Run{}.with_stop(stop.get_token())), Cancelled);
}

TEST_CASE("cache mounts: a directory of several steps at once is made once", "[unit][build]") {
    MountSetting s;
    const fs::path seed = s.directory.path() / "seed";
    fs::create_directory(seed);
    for (int i = 0; i < 50; ++i) {
        write_file(seed / std::to_string(i), std::string(10'000, 's'));
    }
    auto wanted = s.wanted("m");
    wanted.seed = seed;
    std::vector<std::future<std::unique_ptr<CacheMounts::Lease>>> steps;
    for (int i = 0; i < 6; ++i) {
        steps.push_back(std::async(std::launch::async, [&] { return s.acquire(wanted); }));
    }
    std::vector<std::unique_ptr<CacheMounts::Lease>> leases;
    for (auto& step : steps) {
        leases.push_back(step.get());
        CHECK(leases.back()->path() == leases.front()->path());
        CHECK(names_in(leases.back()->path()).size() == 50);
    }
}

TEST_CASE("cache mounts: all of a step at once, each directory once and in one order", "[unit][build]") {
    MountSetting s;
    const auto a = s.wanted("a", Sharing::Locked);
    const auto b = s.wanted("b", Sharing::Locked);
    const auto leases = s.mounts.acquire_all({a, b, a, s.wanted("a")}, s.run);
    REQUIRE(leases.size() == 4);
    CHECK(leases[0]->path() == leases[2]->path());
    CHECK(leases[0]->path() == leases[3]->path());
    CHECK(leases[0]->path() != leases[1]->path());
    CHECK(leases[1]->path() == MountSetting::above(leases[1]->path()) / "tree");
    // Two steps that name two locked mounts in either order: sequentially taken, they would wait for ever.
    const auto c = s.wanted("c", Sharing::Locked);
    const auto d = s.wanted("d", Sharing::Locked);
    const auto work = [&](const std::vector<CacheMounts::Wanted>& wanted) {
        for (int i = 0; i < 50; ++i) {
            static_cast<void>(s.mounts.acquire_all(wanted, s.run));
        }
    };
    auto other = std::async(std::launch::async, work, std::vector{c, d});
    work({d, c});
    other.get();
}

TEST_CASE("cache mounts: a seed is copied as it is, and changed in the copy alone", "[unit][build]") {
    MountSetting s;
    const fs::path seed = s.directory.path() / "seed";
    fs::create_directories(seed / "sub/deep");
    write_file(seed / "file", "content");
    fs::create_hard_link(seed / "file", seed / "sub/deep/same");
    fs::create_symlink("/etc/passwd", seed / "link");
    fs::create_symlink("nowhere", seed / "sub/dangling");
    write_file(seed / "run", "#!/bin/sh\n");
    REQUIRE(mkfifo((seed / "fifo").c_str(), 0640) == 0);
    REQUIRE(setxattr((seed / "run").c_str(), "user.note", "kept", 4, 0) == 0);
    const bool is_root = geteuid() == 0;
    if (is_root) {
        REQUIRE(chown((seed / "run").c_str(), 1234, 5678) == 0);
        REQUIRE(lchown((seed / "link").c_str(), 1234, 5678) == 0);
        REQUIRE(mknod((seed / "null").c_str(), S_IFCHR | 0666, 0x103) == 0);
    }
    REQUIRE(chmod((seed / "run").c_str(), 04751) == 0);
    REQUIRE(chmod((seed / "sub").c_str(), 02775) == 0);
    REQUIRE(chmod(seed.c_str(), 0711) == 0);
    make_older(seed / "run", std::chrono::hours(1000));
    make_older(seed / "sub", std::chrono::hours(2000));

    auto wanted = s.wanted("m");
    wanted.seed = seed;
    const auto lease = s.acquire(wanted);
    const fs::path& copy = lease->path();
    CHECK((status_of(copy).st_mode & 07777) == 0711);
    for (const char* name : {"file", "link", "sub", "sub/deep", "sub/deep/same", "sub/dangling", "run", "fifo"}) {
        INFO(name);
        const auto ours = status_of(copy / name);
        const auto theirs = status_of(seed / name);
        CHECK(ours.st_mode == theirs.st_mode);
        CHECK(ours.st_uid == theirs.st_uid);
        CHECK(ours.st_gid == theirs.st_gid);
        CHECK(ours.st_nlink == theirs.st_nlink);
        CHECK(ours.st_mtim.tv_sec == theirs.st_mtim.tv_sec);
        CHECK(ours.st_mtim.tv_nsec == theirs.st_mtim.tv_nsec);
        CHECK(ours.st_ino != theirs.st_ino);
    }
    CHECK(status_of(copy / "file").st_ino == status_of(copy / "sub/deep/same").st_ino);
    CHECK(read_file(copy / "sub/deep/same", 100) == "content");
    CHECK(fs::read_symlink(copy / "link") == "/etc/passwd");
    char value[10] = {};
    CHECK(getxattr((copy / "run").c_str(), "user.note", value, sizeof value) == 4);
    if (is_root) {
        CHECK(status_of(copy / "null").st_rdev == 0x103);
    }
    write_file(copy / "file", "changed");
    CHECK(read_file(seed / "file", 100) == "content");

    wanted.mode = 0700;
    CHECK((status_of(s.path_of(wanted)).st_mode & 07777) == 0700);
    wanted.seed = seed / "missing";
    CHECK_THROWS_AS(s.acquire(wanted), Error);
    wanted.seed = seed / "file";
    CHECK_THROWS_AS(s.acquire(wanted), Error);
}

TEST_CASE("cache mounts: what a killed build left half made is made again", "[unit][build]") {
    MountSetting s;
    const fs::path tree = s.path_of(s.wanted("m"));
    fs::rename(tree, MountSetting::above(tree) / "new");
    write_file(MountSetting::above(tree) / "new/half", "made");
    CHECK(names_in(s.path_of(s.wanted("m"))).empty());
}

TEST_CASE("cache mounts: usage counts, and collecting takes what nobody used", "[unit][build]") {
    MountSetting s;
    CHECK(CacheMounts::usage(s.path, s.run).mounts == 0);
    const fs::path old = s.path_of(s.wanted("old"));
    write_file(old / "file", std::string(100'000, 'x'));
    fs::create_hard_link(old / "file", old / "again");
    const fs::path fresh = s.path_of(s.wanted("fresh"));
    const auto held = s.acquire(s.wanted("held"));
    static_cast<void>(CacheMounts(s.path, confined(Isolation::Chroot)).acquire(s.wanted("chroot"), s.run));
    make_older(MountSetting::above(old), std::chrono::hours(100));
    make_older(MountSetting::above(held->path()), std::chrono::hours(100));

    const auto usage = CacheMounts::usage(s.path, s.run);
    CHECK(usage.mounts == 4);
    CHECK(usage.bytes >= 100'000);
    CHECK(usage.bytes < 200'000);
    const auto collect = [&](std::chrono::seconds age, bool dry_run) {
        return CacheMounts::collect(s.path, age, dry_run, s.run);
    };
    CHECK(collect(std::chrono::hours(1000), false).mounts == 0);
    CHECK(collect(std::chrono::seconds::max(), false).mounts == 0);
    CHECK(collect(std::chrono::hours(50), true).mounts == 1);
    CHECK(fs::exists(old));
    const auto collected = collect(std::chrono::hours(50), false);
    CHECK(collected.mounts == 1);
    CHECK(collected.bytes >= 100'000);
    CHECK_FALSE(fs::exists(MountSetting::above(old)));
    CHECK(fs::exists(fresh));
    CHECK(collect(std::chrono::seconds(-10), false).mounts == 2);
    CHECK(names_in(held->path()).empty());
    CHECK(names_in(s.path_of(s.wanted("old"))).empty());
}
