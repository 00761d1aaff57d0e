// Random changes in overlay mounts and in copies: the same bytes, and what a comparison of whole trees says.
#include "cooper/base/error.hpp"

#include "build/layer_tar.hpp"
#include "build/snapshot_support.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

/// Does the same in every tree for the same seed.
class RandomChanges {
public:
    RandomChanges(std::filesystem::path root, unsigned seed) : root_(std::move(root)), random_(seed) {}

    void make(unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            make_one();
        }
    }

private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    std::string some_path() {
        static constexpr std::array<const char*, 7> kNames{"a", "b", "c", "d-e", "d", "long-name-of-a-file", "z"};
        std::string path = root_.string();
        for (unsigned depth = 1 + below(3); depth > 0; --depth) {
            path += "/";
            path += kNames[below(kNames.size())];
        }
        return path;
    }

    static bool is_directory(const std::string& path) {
        struct stat status {};
        return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    }

    void remove(const std::string& path) {
        if (is_directory(path)) {
            std::filesystem::remove_all(path);
        } else {
            unlink(path.c_str());
        }
    }

    void write(const std::string& path, int flags) {
        const int file = open(path.c_str(), flags | O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
        const std::string text(below(40), static_cast<char>('a' + below(3)));
        if (file >= 0) {
            static_cast<void>(::write(file, text.data(), text.size()));
            close(file);
        }
    }

    void date(const std::string& path) {
        const timespec time{static_cast<time_t>(1'000 + below(3)), below(2) == 0 ? 0 : 500};
        const std::array<timespec, 2> times{time, time};
        utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
    }

    /// As a program that changes a file and hides it.
    void change_and_restore(const std::string& path) {
        struct stat status {};
        if (lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
            return;
        }
        const int file = open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
        const char byte = static_cast<char>('a' + below(3));
        if (status.st_size > 0) {
            static_cast<void>(pwrite(file, &byte, 1, 0));
        }
        close(file);
        const std::array<timespec, 2> times{status.st_mtim, status.st_mtim};
        utimensat(AT_FDCWD, path.c_str(), times.data(), 0);
    }

    void make_one() {
        const std::string path = some_path();
        const std::string other = some_path();
        switch (below(18)) {
            case 0:
            case 1:
                return write(path, O_CREAT | O_TRUNC);
            case 2:
                return write(path, O_APPEND);
            case 3:
            case 4:
                mkdir(path.c_str(), 0755);
                return;
            case 5:
            case 6:
                return remove(path);
            case 7:
                remove(path);
                mkdir(path.c_str(), 0750);
                return write(path + "/a", O_CREAT);
            case 8:
                remove(path);
                return write(path, O_CREAT);
            case 9:
                remove(path);
                static_cast<void>(symlink(below(2) == 0 ? "a" : "../nowhere", path.c_str()));
                return;
            case 10:
                static_cast<void>(link(path.c_str(), other.c_str()));
                return;
            case 11:
                if (!is_directory(path) && !is_directory(other)) {
                    static_cast<void>(rename(path.c_str(), other.c_str()));
                }
                return;
            case 12:
                chmod_path(path);
                return;
            case 13:
                static_cast<void>(lchown(path.c_str(), below(3), below(3)));
                return;
            case 14:
                return date(path);
            case 15:
                return change_and_restore(path);
            case 16:
                static_cast<void>(lsetxattr(path.c_str(), "user.mark", below(2) == 0 ? "1" : "2", 1, 0));
                return;
            default:
                remove(path);
                static_cast<void>(mknod(path.c_str(), below(2) == 0 ? S_IFIFO | 0600 : S_IFCHR | 0600, makedev(1, 3)));
                return;
        }
    }

    void chmod_path(const std::string& path) {
        static constexpr std::array<mode_t, 4> kModes{0755, 0644, 04755, 01777};
        struct stat status {};
        if (lstat(path.c_str(), &status) == 0 && !S_ISLNK(status.st_mode)) {
            chmod(path.c_str(), kModes[below(kModes.size())]);
        }
    }

    std::filesystem::path root_;
    std::mt19937 random_;
};

std::string everything_about(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(lstat(path.c_str(), &status) == 0);
    std::string text = std::to_string(status.st_mode) + " " + std::to_string(status.st_uid) + ":" +
                       std::to_string(status.st_gid) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
                       std::to_string(status.st_mtim.tv_nsec) + " " + std::to_string(status.st_rdev);
    std::array<char, 16> value{};
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
        const auto size = getxattr(path.c_str(), "user.mark", value.data(), value.size());
        text += size > 0 ? " " + std::string(value.data(), static_cast<std::size_t>(size)) : "";
    }
    if (S_ISREG(status.st_mode)) {
        text += " " + read_file(path, 1 << 20);
    } else if (S_ISLNK(status.st_mode)) {
        text += " " + std::filesystem::read_symlink(path).string();
    }
    return text;
}

using Listing = std::map<std::string, std::string>;

Listing list_all(const std::filesystem::path& root) {
    Listing listing;
    const auto options = std::filesystem::directory_options::none;
    for (const auto& item : std::filesystem::recursive_directory_iterator(root, options)) {
        listing[item.path().string().substr(root.string().size() + 1)] = everything_about(item.path());
    }
    return listing;
}

std::string text_of(const Listing& listing) {
    std::string text;
    for (const auto& [path, what] : listing) {
        text += path + " " + what + "\n";
    }
    return text;
}

bool is_directory(const std::string& what) {
    return S_ISDIR(static_cast<mode_t>(std::stoul(what)));
}

/// Names of one file go into the layer together.
std::set<std::string> names_of_changed(const std::filesystem::path& root, const std::set<std::string>& changed,
                                       const Listing& after) {
    std::map<ino_t, std::vector<std::string>> files;
    for (const auto& [path, what] : after) {
        struct stat status {};
        REQUIRE(lstat((root / path).c_str(), &status) == 0);
        if (S_ISREG(status.st_mode) && status.st_nlink > 1) {
            files[status.st_ino].push_back(path);
        }
    }
    std::set<std::string> all = changed;
    for (const auto& [inode, paths] : files) {
        if (std::any_of(paths.begin(), paths.end(), [&](const auto& path) { return changed.contains(path); })) {
            all.insert(paths.begin(), paths.end());
        }
    }
    return all;
}

/// What a layer holds that makes the second, which is in `root`, out of the first.
std::string naive_difference(const Listing& before, const Listing& after, const std::filesystem::path& root) {
    std::set<std::string> changed;
    for (const auto& [path, what] : after) {
        const auto found = before.find(path);
        if (found == before.end() || found->second != what) {
            changed.insert(path);
        }
    }
    std::set<std::string> paths;
    for (const auto& path : names_of_changed(root, changed, after)) {
        paths.insert(is_directory(after.at(path)) ? path + "/" : path);
    }
    for (const auto& [path, what] : before) {
        const auto slash = path.rfind('/');
        const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
        const auto found = after.find(parent);
        const bool has_parent = parent.empty() || (found != after.end() && is_directory(found->second));
        if (!after.contains(path) && has_parent) {
            paths.insert((parent.empty() ? "" : parent + "/") + ".wh." + path.substr(parent.empty() ? 0 : slash + 1));
        }
    }
    const std::set<std::string> named = paths;
    for (const auto& path : named) {
        for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
            paths.insert(path.substr(0, slash + 1));
        }
    }
    std::string text;
    for (const auto& path : paths) {
        text += (text.empty() ? "" : " ") + path;
    }
    return text;
}

/// In the order of the tar, where directories sort without the slash.
std::string sorted_words(const std::string& text) {
    std::set<std::string> words;
    std::string word;
    for (const char c : text + " ") {
        if (c == ' ') {
            words.insert(word);
            word.clear();
        } else {
            word += c;
        }
    }
    std::string sorted;
    for (const auto& one : words) {
        sorted += (sorted.empty() ? "" : " ") + one;
    }
    return sorted;
}

LayerTar random_test_base() {
    LayerTar tar;
    for (const std::string path : {"a", "b", "b/d", "d"}) {
        tar.directory(path);
    }
    tar.file("a/a", "aaaa").file("a/b", "bbbb").hard_link("a/c", "a/b").file("b/d/a", "x").file("b/d/z", "y");
    tar.symlink("c", "a").file("d/long-name-of-a-file", "").file("d-e", "file").directory("z").directory("z/a");
    return tar;
}

}  // namespace

TEST_CASE("snapshot: overlay mounts and copies give the same layers for random changes", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    const LayerSpec base{LayerSpec::Form::Plain, random_test_base().done()};
    const auto image = memory_image({base});
    const char* const more = std::getenv("COOPER_SNAPSHOT_SEEDS");
    const unsigned seeds = more == nullptr ? 5 : static_cast<unsigned>(std::stoul(more));
    for (unsigned seed = 1; seed <= seeds; ++seed) {
        INFO("seed " << seed);
        const TempDirectory place;
        Snapshots mounts(place.path() / "mounts", root_confinement(true));
        Snapshots copies(place.path() / "copies", seed % 2 == 0 ? root_confinement(false) : chroot_confinement());
        mounts.add_all(image, Run());
        copies.add_all(image, Run());
        const auto mounted = mounts.open(image.config.diff_ids, Run());
        const auto copied = copies.open(image.config.diff_ids, Run());
        std::vector<LayerSpec> layers{base};
        for (unsigned step = 0; step < 4; ++step) {
            INFO("step " << step);
            const Listing before = list_all(mounted->path());
            REQUIRE(text_of(before) == text_of(list_all(copied->path())));
            RandomChanges(mounted->path(), seed * 100 + step).make(12);
            RandomChanges(copied->path(), seed * 100 + step).make(12);
            const std::string expected = naive_difference(before, list_all(mounted->path()), mounted->path());
            const auto one = mounted->capture({kSnapshotEpoch, {}}, Run());
            const auto other = copied->capture({kSnapshotEpoch, {}}, Run());
            CHECK(sorted_words(layer_paths(mounts, one.diff_id)) == expected);
            CHECK(layer_lines(mounts, one.diff_id) == layer_lines(copies, other.diff_id));
            REQUIRE(one.diff_id == other.diff_id);
            layers.push_back({LayerSpec::Form::Gzip, layer_tar(mounts, one.diff_id)});
        }
        const std::string result = text_of(list_all(mounted->path()));
        CHECK(text_of(list_all(mounts.open(mounted->layers(), Run())->path())) == result);
        CHECK(text_of(list_all(copies.open(mounted->layers(), Run())->path())) == result);
        // Elsewhere, from blobs.
        const auto built = memory_image(layers);
        REQUIRE(built.config.diff_ids == mounted->layers());
        Snapshots pulled(place.path() / "pulled", root_confinement(true));
        pulled.add_all(built, Run());
        CHECK(text_of(list_all(pulled.open(mounted->layers(), Run())->path())) == result);
        Snapshots pulled_copies(place.path() / "pulled", root_confinement(false));
        CHECK(text_of(list_all(pulled_copies.open(mounted->layers(), Run())->path())) == result);
    }
}
