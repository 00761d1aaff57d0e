#include "build/copy/copy_digest.hpp"

#include "cooper/base/error.hpp"

#include <unordered_map>

namespace cooper::build {

namespace {

/// Fields with their lengths, so that no two lists of them look alike.
class Record {
public:
    void add(std::string_view text) {
        text_ += std::to_string(text.size());
        text_ += ':';
        text_ += text;
    }
    void add(std::uint64_t number) { add(std::string_view(std::to_string(number))); }
    void put_into(Hasher& hasher) {
        hasher.update(text_);
        text_.clear();
    }

private:
    std::string text_;
};

/// The regular files of all items that come from one root, each path once.
struct FilesOfRoot {
    std::vector<FileToHash> files;
    std::unordered_map<std::string, std::size_t> index;

    void add(const std::string& path, const FileStatus& status) {
        if (index.try_emplace(path, files.size()).second) {
            files.push_back({path, status});
        }
    }
};

class ContentHashes {
public:
    ContentHashes(const std::vector<CopyItem>& items, const std::filesystem::path& memory, const Run& run) {
        std::unordered_map<const SourceRoot*, FilesOfRoot> roots;
        for (const CopyItem& item : items) {
            for (const CopyEntry& entry : item.entries) {
                if (S_ISREG(entry.type) && !entry.same_file) {
                    roots[item.from.get()].add(item.source_path(entry), entry.status);
                }
            }
        }
        for (auto& [root, of_root] : roots) {
            FileHashOptions options;
            options.cache_directory = memory;
            auto hashes = hash_files(root->descriptor(), root->path(), of_root.files, options, run);
            hex_.emplace(root, std::pair(std::move(of_root.index), std::move(hashes.hex)));
        }
    }
    [[nodiscard]] const std::string& of(const CopyItem& item, const CopyEntry& entry) const {
        const auto& [index, hex] = hex_.at(item.from.get());
        return hex[index.at(item.source_path(entry))];
    }

private:
    std::unordered_map<const SourceRoot*,
                       std::pair<std::unordered_map<std::string, std::size_t>, std::vector<std::string>>>
        hex_;
};

void add_entry(Record& record, const CopyItem& item, const CopyEntry& entry, const ContentHashes& hashes) {
    const FileAttributes& attributes = entry.attributes;
    record.add(entry.path);
    record.add(entry.type);
    record.add(attributes.mode);
    record.add(attributes.uid);
    record.add(attributes.gid);
    record.add(static_cast<std::uint64_t>(attributes.mtime));
    record.add(attributes.xattrs.size());
    for (const auto& [name, value] : attributes.xattrs) {
        record.add(name);
        record.add(value);
    }
    if (S_ISREG(entry.type)) {
        record.add(entry.same_file ? "link" : "content");
        record.add(entry.same_file ? item.entries[*entry.same_file].path : hashes.of(item, entry));
    } else {
        record.add(entry.link);
        record.add(entry.device);
    }
}

}  // namespace

Digest digest_of_items(const std::vector<CopyItem>& items, const std::filesystem::path& memory, const Run& run) {
    const ContentHashes hashes(items, memory, run);
    Hasher hasher;
    Record record;
    record.add("cooper copy 1");
    for (const CopyItem& item : items) {
        record.add(static_cast<std::uint64_t>(item.kind));
        record.add(item.name);
        record.add(item.text);
        record.add(item.entries.size());
        for (const CopyEntry& entry : item.entries) {
            add_entry(record, item, entry, hashes);
            record.put_into(hasher);
        }
        record.put_into(hasher);
    }
    return hasher.finish();
}

}  // namespace cooper::build
