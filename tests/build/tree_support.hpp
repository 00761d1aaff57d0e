// Trees on disk and layers in memory for the tests of the build room.
#pragma once

#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/build/layer.hpp"
#include "cooper/oci/image.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace cooper::testing {

/// A directory that a test fills; modes and times are set, so that neither umask nor clock gets in.
class Tree {
public:
    [[nodiscard]] std::filesystem::path path(const std::string& name = "") const { return root_.path() / name; }

    void directory(const std::string& name, mode_t mode = 0755) const {
        std::filesystem::create_directories(path(name));
        chmod(path(name).c_str(), mode);
    }
    void file(const std::string& name, const std::string& content, mode_t mode = 0644) const {
        std::filesystem::create_directories(path(name).parent_path());
        std::ofstream(path(name), std::ios::binary) << content;
        chmod(path(name).c_str(), mode);
        set_time(name, kTime);
    }
    void symlink(const std::string& name, const std::string& target) const {
        std::filesystem::create_directories(path(name).parent_path());
        std::filesystem::create_symlink(target, path(name));
        set_time(name, kTime);
    }
    void hard_link(const std::string& name, const std::string& target) const {
        std::filesystem::create_directories(path(name).parent_path());
        std::filesystem::create_hard_link(path(target), path(name));
    }
    void set_time(const std::string& name, std::int64_t seconds, long nanoseconds = 0) const {
        const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
        REQUIRE(utimensat(AT_FDCWD, path(name).c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
    }
    /// Directories get new times whenever something is made in them.
    void set_all_times(std::int64_t seconds) const {
        for (const auto& item : std::filesystem::recursive_directory_iterator(root_.path())) {
            set_time(std::filesystem::relative(item.path().parent_path(), root_.path()) / item.path().filename(),
                     seconds);
        }
    }

    static constexpr std::int64_t kTime = 1'600'000'000;

private:
    TempDirectory root_;
};

/// The tar inside a gzip blob.
inline std::string unpacked(const std::filesystem::path& blob) {
    const FileRanged file(blob);
    const auto content = decompressed(file.open(), Compression::Gzip);
    return read_all(*content, 1 << 30, "layer");
}

struct Member {
    TarEntry entry;
    std::string content;
};

inline std::vector<Member> members_of(const std::string& tar) {
    MemorySource source(tar);
    TarReader reader(source);
    std::vector<Member> members;
    while (auto entry = reader.next()) {
        auto content = read_all(reader.content(), 1 << 30, "member");
        members.push_back({std::move(*entry), std::move(content)});
    }
    return members;
}

/// Paths in order, directories with a slash: what most tests look at.
inline std::vector<std::string> names_of(const std::string& tar) {
    std::vector<std::string> names;
    for (const auto& [entry, content] : members_of(tar)) {
        auto name = entry.path;
        if (entry.type == TarType::Directory && !name.ends_with('/')) {
            name += '/';
        }
        names.push_back(std::move(name));
    }
    return names;
}

/// A tar of these entries; content of files is their link member, which files have no other use for.
inline std::string tar_of(const std::vector<TarEntry>& entries) {
    StringSink sink(1 << 30);
    TarWriter tar(sink);
    for (auto entry : entries) {
        if (entry.type == TarType::File) {
            const auto content = std::exchange(entry.link, "");
            entry.size = content.size();
            MemorySource source(content);
            tar.add(entry, source);
        } else {
            tar.add(entry);
        }
    }
    tar.finish();
    return sink.take();
}

inline TarEntry tar_file(const std::string& path, const std::string& content = "") {
    TarEntry entry;
    entry.path = path;
    entry.link = content;
    return entry;
}
inline TarEntry tar_directory(const std::string& path) {
    TarEntry entry;
    entry.type = TarType::Directory;
    entry.path = path;
    entry.mode = 0755;
    return entry;
}
inline TarEntry tar_symlink(const std::string& path, const std::string& target) {
    TarEntry entry;
    entry.type = TarType::Symlink;
    entry.path = path;
    entry.link = target;
    entry.mode = 0777;
    return entry;
}

/// The code of the Error that `body` throws; fails the test when it throws none.
template <class F>
ErrorCode code_of(F&& body) {
    try {
        body();
    } catch (const Error& error) {
        INFO(error.what());
        return error.code();
    }
    FAIL("no error");
    return ErrorCode::System;
}

/// A layer of `tree`, built and unpacked again.
struct Made {
    build::BuiltLayer layer;
    std::string tar;
};
inline Made make_layer(const build::LayerOptions& options, const build::BaseTree& base = {}, const Run& run = {}) {
    const TempDirectory spool;
    auto tree = base;
    auto layer = build::build_layer(options, tree, spool.path(), run);
    auto tar = unpacked(layer.file);
    return {std::move(layer), std::move(tar)};
}

}  // namespace cooper::testing
