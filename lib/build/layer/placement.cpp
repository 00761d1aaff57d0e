#include "build/layer/placement.hpp"

#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::uint32_t kOwnerExecutes = 0100;

class Placement {
public:
    Placement(const LayerOptions& options, const BaseTree& base) : options_(options), base_(base) {}

    std::map<std::string, Planned> plan(const std::vector<SourceFile>& files) {
        places_[""] = enter_directory(checked_target());
        for (const auto& file : files) {
            add(file);
        }
        check_parents();
        link_hard_links();
        return std::move(planned_);
    }

private:
    std::string checked_target() const {
        const std::string_view target = options_.target;
        if (target.find('\0') != std::string_view::npos ||
            ("/" + options_.target + "/").find("/../") != std::string::npos) {
            throw Error(ErrorCode::InvalidInput, "'" + oci::printable(target) + "' is no place in an image");
        }
        const auto path = clean_path(target);
        for (auto rest = std::string_view(path); !rest.empty(); rest = parent_path(rest)) {
            if (is_whiteout_name(file_name(rest))) {
                throw Error(ErrorCode::InvalidInput,
                            "'" + oci::printable(target) + "' is no place in an image: names with .wh. are whiteouts");
            }
        }
        return path;
    }

    /// The real path of the directory `path`, whose parents and itself are planned where the base lacks them.
    std::string enter_directory(const std::string& path) {
        const auto resolved = real_directory(path);
        for (auto end = resolved.find('/'); !resolved.empty(); end = resolved.find('/', end + 1)) {
            make_parent(resolved.substr(0, end));
            if (end == std::string::npos) {
                break;
            }
        }
        return resolved;
    }

    /// `path` with symlinks of the base followed, its last component's as well.
    std::string real_directory(const std::string& path) const {
        constexpr std::string_view kProbe = "/x";
        auto resolved = base_.resolve_parents(path + std::string(kProbe));
        resolved.resize(resolved.size() - (resolved.size() == 1 ? 1 : kProbe.size()));
        return resolved;
    }

    [[nodiscard]] bool base_has_directory(const std::string& path) const {
        const auto* info = base_.find(path);
        return info != nullptr && info->type == TarType::Directory;
    }

    void make_parent(const std::string& path) {
        if (!base_has_directory(path)) {
            TarEntry entry;
            entry.type = TarType::Directory;
            entry.path = path;
            entry.mode = 0755;
            entry.mtime = std::max<std::int64_t>(options_.epoch.value_or(0), 0);
            planned_.try_emplace(path, Planned{std::move(entry), nullptr});
        }
    }

    void add(const SourceFile& file) {
        // Parents come first in the list, so theirs is known.
        const auto& directory = places_.find(parent_path(file.path))->second;
        auto path = join_path(directory, file_name(file.path));
        check_path(path);
        if (file.type == TarType::Directory) {
            add_directory(file, path);
            return;
        }
        const auto [at, fresh] = planned_.try_emplace(path, Planned{entry_of(file, path), &file});
        if (!fresh) {
            throw Error(ErrorCode::InvalidInput, "'" + oci::printable(file.path) + "' and " + described(at->second) +
                                                     " both land on /" + oci::printable(path) + " in the image");
        }
    }

    void add_directory(const SourceFile& file, const std::string& path) {
        const auto* there = base_.find(path);
        const bool leads_on = there != nullptr && there->type == TarType::Symlink;
        const auto place = leads_on ? enter_directory(path) : path;
        places_[file.path] = place;
        if (base_has_directory(place)) {
            return;
        }
        auto& planned = planned_[place];
        if (planned.source == nullptr) {  // new, or made as a parent before
            planned = {entry_of(file, place), &file};
        }
    }

    static std::string described(const Planned& planned) {
        return planned.source == nullptr ? "the directory above other files"
                                         : "'" + oci::printable(planned.source->path) + "'";
    }

    TarEntry entry_of(const SourceFile& file, const std::string& path) const {
        TarEntry entry;
        entry.type = file.type;
        entry.path = path;
        entry.link = file.link;
        entry.mode = mode_of(file);
        entry.uid = options_.preserve_owners ? file.uid : options_.uid;
        entry.gid = options_.preserve_owners ? file.gid : options_.gid;
        entry.size = file.size;
        entry.mtime = written_time(file, options_);
        entry.xattrs = file.xattrs;
        return entry;
    }

    std::uint32_t mode_of(const SourceFile& file) const {
        if (file.type == TarType::Symlink) {
            return 0777;  // Linux has no other
        }
        if (options_.preserve_modes) {
            return file.mode;
        }
        const bool executable = file.type == TarType::Directory || (file.mode & kOwnerExecutes) != 0;
        return executable ? 0755 : 0644;
    }

    /// A file of the source may hide a directory that another way into the image leads through.
    void check_parents() const {
        for (const auto& [path, planned] : planned_) {
            for (auto parent = parent_path(path); !parent.empty(); parent = parent_path(parent)) {
                const auto above = planned_.find(std::string(parent));
                if (above != planned_.end() && above->second.entry.type != TarType::Directory) {
                    throw Error(ErrorCode::InvalidInput, "/" + oci::printable(path) +
                                                             " cannot be in the image: " + described(above->second) +
                                                             " takes the place of its directory");
                }
            }
        }
    }

    /// The first path of an inode is the file, the others are links to it, with the same owner, mode and time.
    void link_hard_links() {
        std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> first;
        for (auto& [path, planned] : planned_) {
            if (planned.source == nullptr || planned.entry.type != TarType::File || planned.source->links < 2) {
                continue;
            }
            const auto [at, fresh] = first.try_emplace({planned.source->device, planned.source->inode}, path);
            if (!fresh) {
                planned.entry.type = TarType::HardLink;
                planned.entry.link = at->second;
                planned.entry.size = 0;
            }
        }
    }

    const LayerOptions& options_;
    const BaseTree& base_;
    std::map<std::string, std::string, std::less<>> places_;  // directory of the source -> directory of the image
    std::map<std::string, Planned> planned_;
};

}  // namespace

std::int64_t written_time(const SourceFile& file, const LayerOptions& options) {
    return std::max<std::int64_t>(std::min(file.mtime, options.epoch.value_or(file.mtime)), 0);
}

std::map<std::string, Planned> plan_layer(const std::vector<SourceFile>& files, const LayerOptions& options,
                                          const BaseTree& base) {
    return Placement(options, base).plan(files);
}

}  // namespace cooper::build
