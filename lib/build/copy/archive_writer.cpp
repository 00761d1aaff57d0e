#include "build/copy/archive_writer.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/base/text.hpp"

#include "build/apply/metadata.hpp"
#include "build/copy/archive.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>
#include <string>
#include <unordered_map>

namespace cooper::build {

namespace {

std::uint32_t owner_id(std::uint64_t id) {
    if (id >= std::numeric_limits<std::uint32_t>::max()) {
        throw Error(ErrorCode::InvalidInput, "the owner " + std::to_string(id) + " is larger than any system has");
    }
    return static_cast<std::uint32_t>(id);
}

class Unpacking {
public:
    Unpacking(TreeWriter& writer, const OpenDirectory& top, const UnpackRules& rules, const Run& run)
        : writer_(writer), top_(top), rules_(rules), run_(run) {}

    void unpack(Source& tar) {
        TarReader reader(tar);
        while (const auto entry = reader.next()) {
            run_.check();
            try {
                add(*entry, reader.content());
            } catch (const SystemError&) {
                throw;
            } catch (Error& error) {
                error.add_context("unpacking '" + oci::printable(entry->path) + "'");
                throw;
            }
        }
    }

private:
    void add(const TarEntry& entry, Source& content) {
        const std::string path = clean_path(entry.path);
        if (path.empty()) {
            return;  // the archive's own root: the directory stays as it is
        }
        const std::string parent_place = resolve(std::string(parent_path(path)));
        const std::string name(file_name(path));
        const FileAttributes attributes = attributes_of(entry);
        forget(entry, path);
        if (entry.type == TarType::HardLink) {
            return add_hard_link(entry, parent_place, name);
        }
        const OpenDirectory& parent = writer_.below(top_, parent_place);
        switch (entry.type) {
            case TarType::Directory:
                return writer_.make_directory(parent, name, attributes, InTheWay::Replace);
            case TarType::File:
                return writer_.make_file(parent, name, attributes, InTheWay::Replace,
                                         [&](int file, const std::string& shown) { fill(content, file, shown); });
            case TarType::Symlink:
                return writer_.make_symlink(parent, name, entry.link, attributes, InTheWay::Replace);
            default:
                return add_node(entry, parent, name, attributes);
        }
    }

    /// Ways through what `entry` takes the place of lead elsewhere now.
    void forget(const TarEntry& entry, const std::string& path) {
        const auto way = resolved_.find(path);
        const bool stays =
            entry.type == TarType::Directory ? way == resolved_.end() || way->second == path : way == resolved_.end();
        if (entry.type == TarType::Symlink || !stays) {
            resolved_.clear();
        }
    }

    [[nodiscard]] FileAttributes attributes_of(const TarEntry& entry) const {
        FileAttributes attributes;
        attributes.mode = entry.mode & 07777U;
        std::tie(attributes.uid, attributes.gid) =
            rules_.owner ? *rules_.owner : std::pair(owner_id(entry.uid), owner_id(entry.gid));
        attributes.mtime = entry.mtime;
        for (const auto& [name, value] : entry.xattrs) {
            if (rules_.xattrs && reason_to_leave_out(name, true).empty()) {
                attributes.xattrs.emplace_back(name, value);
            }
        }
        return attributes;
    }

    void fill(Source& content, int file, const std::string& shown) {
        std::array<std::byte, kStreamStep> buffer;
        std::uint64_t done = 0;
        while (const auto count = content.read(buffer)) {
            if ((bytes_ += count) > rules_.max_bytes) {
                throw Error(ErrorCode::InvalidInput,
                            "the archive's files exceed the limit of " + format_bytes(rules_.max_bytes));
            }
            write_all_at(file, done, Bytes(buffer).first(count), shown);
            done += count;
            run_.check();
        }
    }

    void add_node(const TarEntry& entry, const OpenDirectory& parent, const std::string& name,
                  const FileAttributes& attributes) {
        const bool fifo = entry.type == TarType::Fifo;
        const mode_t type = fifo ? S_IFIFO : entry.type == TarType::CharDevice ? S_IFCHR : S_IFBLK;
        if (!fifo && !rules_.devices) {
            return leave_out(entry);
        }
        try {
            writer_.make_node(parent, name, type, fifo ? 0 : makedev(entry.device_major, entry.device_minor),
                              attributes, InTheWay::Replace);
        } catch (const SystemError& error) {
            if (fifo || error.error_number() != EPERM) {
                throw;
            }
            leave_out(entry);
        }
    }

    void leave_out(const TarEntry& entry) const {
        run_.progress->notice(NoticeLevel::Warning, "the device '" + oci::printable(entry.path) +
                                                        "' of an archive is left out: not permitted here");
    }

    void add_hard_link(const TarEntry& entry, const std::string& parent_place, const std::string& name) {
        const std::string target = clean_path(entry.link);
        const std::string target_place = resolve(std::string(parent_path(target)));
        const auto target_parent = writer_.find_directory(top_.child_path(target_place));
        struct stat status {};
        if (target.empty() || !target_parent ||
            fstatat(target_parent->descriptor.get(), std::string(file_name(target)).c_str(), &status,
                    AT_SYMLINK_NOFOLLOW) != 0 ||
            S_ISDIR(status.st_mode)) {
            throw Error(ErrorCode::InvalidInput,
                        "the target '" + oci::printable(entry.link) + "' of the hard link is not there");
        }
        if (parent_place == target_place && name == file_name(target)) {
            return;
        }
        writer_.make_link(writer_.below(top_, parent_place), name, *target_parent, std::string(file_name(target)),
                          InTheWay::Replace);
    }

    // --- the way to a member --------------------------------------------------------------------------------------

    /// `path` below the top, as after chroot(2) there: symlinks are followed, what is missing is made, but not what a
    /// symlink leads to.
    const std::string& resolve(const std::string& path) {
        if (const auto known = resolved_.find(path); known != resolved_.end()) {
            return known->second;
        }
        std::string place;
        for (const auto part : split(path, '/')) {
            if (!part.empty()) {
                place = enter(place, std::string(part));
            }
        }
        return resolved_[path] = std::move(place);
    }

    std::string enter(const std::string& place, const std::string& name) {
        const OpenDirectory& parent = writer_.below(top_, place);
        std::string here = place.empty() ? name : join_path(place, name);
        struct stat status {};
        if (fstatat(parent.descriptor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            writer_.make_missing_directory(parent, name);
            return here;
        }
        return S_ISLNK(status.st_mode) ? follow(here) : here;  // what is no directory is found when it is opened
    }

    std::string follow(const std::string& link) {
        std::unordered_map<std::string, std::string> targets;
        const auto link_at = [&](const std::string& at) -> const std::string* {
            if (const auto known = targets.find(at); known != targets.end()) {
                return &known->second;
            }
            auto target = read_link(at);
            return target ? &targets.emplace(at, std::move(*target)).first->second : nullptr;
        };
        std::string place = follow_parents(link + "/.", link_at);
        if (!place.empty() && !writer_.find_directory(top_.child_path(place))) {
            throw Error(ErrorCode::InvalidInput, "its way leads through the symbolic link '" + oci::printable(link) +
                                                     "' to '" + oci::printable(place) +
                                                     "', which is no directory of the archive's destination");
        }
        return place;
    }

    std::optional<std::string> read_link(const std::string& at) {
        const auto parent = writer_.find_directory(top_.child_path(parent_path(at)));
        std::string target(kMaxPath + 1, '\0');
        const auto length = parent ? readlinkat(parent->descriptor.get(), std::string(file_name(at)).c_str(),
                                                target.data(), target.size())
                                   : -1;
        if (length < 0) {
            return std::nullopt;
        }
        target.resize(static_cast<std::size_t>(length));
        return target;
    }

    TreeWriter& writer_;
    const OpenDirectory& top_;
    const UnpackRules& rules_;
    const Run& run_;
    std::uint64_t bytes_ = 0;
    std::unordered_map<std::string, std::string> resolved_;  // parents of members -> where they are
};

}  // namespace

void unpack_archive(const Ranged& file, TreeWriter& writer, const OpenDirectory& top, const UnpackRules& rules,
                    const Run& run) {
    DecompressionLimits limits;
    limits.max_output = std::max(limits.max_output, rules.max_bytes);  // the contents have a limit of their own
    const auto tar = open_archive(file, limits);
    Unpacking(writer, top, rules, run).unpack(*tar);
}

}  // namespace cooper::build
