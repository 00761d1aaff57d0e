// Layers written entry by entry, for the tests of applying.
#pragma once

#include "cooper/base/tar.hpp"

#include "base/tar_cases.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace cooper::testing {

class LayerTar {
public:
    using Xattrs = std::map<std::string, std::string>;
    static constexpr std::int64_t kTime = 1'600'000'000;

    LayerTar& file(const std::string& path, const std::string& content = "content", std::uint32_t mode = 0644,
                   const Xattrs& xattrs = {}) {
        TarEntry entry = make(TarType::File, path, mode);
        entry.size = content.size();
        entry.xattrs = xattrs;
        return add(entry, content);
    }
    LayerTar& directory(const std::string& path, std::uint32_t mode = 0755, const Xattrs& xattrs = {}) {
        TarEntry entry = make(TarType::Directory, path, mode);
        entry.xattrs = xattrs;
        return add(entry);
    }
    LayerTar& symlink(const std::string& path, const std::string& target, const Xattrs& xattrs = {}) {
        TarEntry entry = make(TarType::Symlink, path, 0777);
        entry.link = target;
        entry.xattrs = xattrs;
        return add(entry);
    }
    LayerTar& hard_link(const std::string& path, const std::string& target, std::uint32_t mode = 0644) {
        TarEntry entry = make(TarType::HardLink, path, mode);
        entry.link = target;
        return add(entry);
    }
    LayerTar& node(TarType type, const std::string& path, std::uint32_t major = 0, std::uint32_t minor = 0) {
        TarEntry entry = make(type, path, 0666);
        entry.device_major = major;
        entry.device_minor = minor;
        return add(entry);
    }
    LayerTar& fifo(const std::string& path) { return node(TarType::Fifo, path); }
    LayerTar& add(const TarEntry& entry, const std::string& content = "") {
        return raw(tar_header(entry) + padded(content));
    }
    LayerTar& raw(const std::string& blocks) {
        tar_ += blocks;
        return *this;
    }
    [[nodiscard]] std::string done() const { return tar_ + end_blocks(); }

    static TarEntry make(TarType type, const std::string& path, std::uint32_t mode) {
        TarEntry entry;
        entry.type = type;
        entry.path = path;
        entry.mode = mode;
        entry.mtime = kTime;
        return entry;
    }

private:
    std::string tar_;
};

}  // namespace cooper::testing
