#include "build/copy/copy_write.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/ranged.hpp"

#include "build/copy/archive_writer.hpp"
#include "build/copy/copy_choice.hpp"
#include "build/copy/file_content.hpp"
#include "build/copy/tree_writer.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <sys/stat.h>

#include <algorithm>

namespace cooper::build {

namespace {

/// What directories get that nothing describes: with an octal --chmod its permissions.
FileAttributes missing_directories(const CopyInstruction& copy, std::int64_t epoch, const CopyTarget& target) {
    FileAttributes missing;
    missing.mode = 0755;
    missing.mtime = epoch;
    if (!copy.chmod.empty() && copy.chmod.find_first_not_of("01234567") == std::string::npos) {
        missing.mode = changed_mode(copy.chmod, 0, true) & 0777U;
    }
    if (target.owner) {
        std::tie(missing.uid, missing.gid) = *target.owner;
    }
    return missing;
}

OwnerSetter owners_of(RootTree& tree) {
    return [&tree](const std::string& path, std::uint32_t uid, std::uint32_t gid) { tree.set_owner(path, uid, gid); };
}

/// One instruction.
class ItemWriter {
public:
    ItemWriter(const CopyInstruction& copy, std::int64_t epoch, RootTree& tree, const CopyTarget& target,
               const Run& run)
        : copy_(copy),
          epoch_(epoch),
          target_(target),
          run_(run),
          writer_(tree.path(), owners_of(tree), epoch, missing_directories(copy, epoch, target)),
          destination_(clean_path(copy.destination.starts_with('/')
                                      ? copy.destination
                                      : target.working_directory + "/" + copy.destination)) {}

    void write(const std::vector<CopyItem>& items) {
        const bool files = std::any_of(items.begin(), items.end(), [](const CopyItem& item) {
            return item.kind == CopyItem::Kind::File || item.kind == CopyItem::Kind::Text;
        });
        into_directory_ = copy_.parents || names_directory(copy_.destination);
        if (files && items.size() > 1 && !into_directory_ && !writer_.find_directory(destination_)) {
            throw Error(ErrorCode::InvalidInput, "several files cannot go to '" + oci::printable(copy_.destination) +
                                                     "', which is no directory in the image")
                .advise("end the destination with '/'");
        }
        for (const CopyItem& item : items) {
            run_.check();
            write(item);
        }
        writer_.finish();
    }

private:
    void write(const CopyItem& item) {
        switch (item.kind) {
            case CopyItem::Kind::Directory:
                return write_entries(item, writer_.make_directories(destination_));
            case CopyItem::Kind::Archive:
                return unpack(item);
            case CopyItem::Kind::File:
            case CopyItem::Kind::Text: {
                auto [directory, name] = into_directory_ ? TreeWriter::Place{writer_.make_directories(destination_), ""}
                                                         : writer_.find_place(destination_);
                const std::string& as = name.empty() ? item.name : name;
                return item.kind == CopyItem::Kind::Text ? write_text(item, directory, as)
                                                         : write_entry(item, item.entries.front(), directory, as);
            }
        }
    }

    void write_entries(const CopyItem& item, const OpenDirectory& top) {
        top_ = &top;
        for (const CopyEntry& entry : item.entries) {
            run_.check();
            write_entry(item, entry, writer_.below(top, parent_path(entry.path)), std::string(file_name(entry.path)));
        }
    }

    [[nodiscard]] FileAttributes attributes_of(const CopyEntry& entry) const {
        FileAttributes attributes = entry.attributes;
        if (!copy_.chmod.empty()) {
            attributes.mode = changed_mode(copy_.chmod, attributes.mode, S_ISDIR(entry.type));
        }
        if (target_.owner) {
            std::tie(attributes.uid, attributes.gid) = *target_.owner;
        }
        return attributes;
    }

    void write_entry(const CopyItem& item, const CopyEntry& entry, const OpenDirectory& directory,
                     const std::string& name) {
        const FileAttributes attributes = attributes_of(entry);
        if (entry.same_file) {
            // A directory of its own: below() gives one at a time.
            const std::string& first = item.entries[*entry.same_file].path;
            const auto other = writer_.find_directory(top_->child_path(parent_path(first)));
            return writer_.make_link(directory, name, other.value(), std::string(file_name(first)), InTheWay::Refuse);
        }
        switch (entry.type) {
            case S_IFDIR:
                return writer_.make_directory(directory, name, attributes, InTheWay::Refuse);
            case S_IFREG:
                return writer_.make_file(
                    directory, name, attributes, InTheWay::Refuse, [&](int file, const std::string& shown) {
                        copy_content(*item.from, item.source_path(entry), entry.status, file, shown, run_);
                    });
            case S_IFLNK:
                return writer_.make_symlink(directory, name, entry.link, attributes, InTheWay::Refuse);
            default:
                return writer_.make_node(directory, name, entry.type, entry.device, attributes, InTheWay::Refuse);
        }
    }

    void write_text(const CopyItem& item, const OpenDirectory& directory, const std::string& name) {
        CopyEntry entry;
        entry.attributes.mtime = epoch_;
        writer_.make_file(
            directory, name, attributes_of(entry), InTheWay::Refuse,
            [&](int file, const std::string& shown) { write_all_at(file, 0, as_bytes(item.text), shown); });
    }

    void unpack(const CopyItem& item) {
        FileDescriptor file = item.from->open(item.root);
        if (!file.valid()) {
            throw Error(ErrorCode::Integrity, item.from->shown(item.root) + " was removed before it could be read");
        }
        const FileRanged archive(std::move(file), item.from->path() / item.root);
        UnpackRules rules{target_.owner};
        rules.devices = target_.devices;
        unpack_archive(archive, writer_, writer_.make_directories(destination_), rules, run_);
    }

    const CopyInstruction& copy_;
    std::int64_t epoch_;
    const CopyTarget& target_;
    const Run& run_;
    TreeWriter writer_;
    std::string destination_;
    bool into_directory_ = false;
    const OpenDirectory* top_ = nullptr;  // of the directory that is being written
};

}  // namespace

void write_items(const std::vector<CopyItem>& items, const CopyInstruction& copy, std::int64_t epoch, RootTree& tree,
                 const CopyTarget& target, const Run& run) {
    ItemWriter(copy, epoch, tree, target, run).write(items);
}

void make_working_directory(RootTree& tree, const std::string& path, std::pair<std::uint32_t, std::uint32_t> owner,
                            std::int64_t epoch) {
    FileAttributes missing;
    missing.mode = 0755;
    missing.mtime = epoch;
    std::tie(missing.uid, missing.gid) = owner;
    TreeWriter writer(tree.path(), owners_of(tree), epoch, std::move(missing));
    writer.make_directories(path);
    writer.finish();
}

}  // namespace cooper::build
