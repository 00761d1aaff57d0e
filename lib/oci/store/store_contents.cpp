#include "oci/store/store_contents.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/layout.hpp"

#include "base/json.hpp"
#include "oci/layout/entries.hpp"
#include "oci/layout/index_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <system_error>
#include <unordered_map>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

struct Child {
    std::size_t position = 0;
    bool is_document = false;
};

/// Walks documents and remembers what each needs, so that images that share them cost nothing.
class ReferenceReader {
public:
    ReferenceReader(const StoreDirectory& directory, const Run& run) : directory_(directory), run_(run) {}

    void take(const Descriptor& entry) {
        references_.images.push_back({name_of_entry(entry), entry,
                                      entry.annotations.contains(std::string(kWholeAnnotation)),
                                      below(position_of(entry.digest, entry.size))});
    }

    StoreReferences finish() && { return std::move(references_); }

private:
    std::size_t position_of(const Digest& digest, std::uint64_t size) {
        const auto [known, added] = references_.positions.emplace(digest, references_.blobs.size());
        if (added) {
            references_.blobs.push_back({digest, size});
        }
        return known->second;
    }

    /// `root` and everything below it, each once.
    std::vector<std::size_t> below(std::size_t root) {
        std::vector<std::size_t> all{root};
        std::vector<std::size_t> documents{root};
        mark_.resize(std::max(mark_.size(), references_.blobs.size()));
        mark_[root] = ++walk_;
        while (!documents.empty()) {
            const std::size_t document = documents.back();
            documents.pop_back();
            for (const Child& child : children_of(document)) {
                mark_.resize(std::max(mark_.size(), references_.blobs.size()));
                if (mark_[child.position] == walk_) {
                    continue;
                }
                mark_[child.position] = walk_;
                all.push_back(child.position);
                if (child.is_document) {
                    documents.push_back(child.position);
                }
            }
        }
        return all;
    }

    const std::vector<Child>& children_of(std::size_t position) {
        const auto known = children_.find(position);
        if (known != children_.end()) {
            return known->second;
        }
        run_.check();
        return children_[position] = read_children(references_.blobs[position].digest);
    }

    std::vector<Child> read_children(const Digest& digest) {
        std::vector<Child> children;
        const auto text = find_document(directory_, digest);
        if (!text) {
            FileStatus status{};
            if (lstat(directory_.blob_file(digest).c_str(), &status) == 0 &&
                static_cast<std::uint64_t>(status.st_size) <= kMaxDocument) {
                references_.damaged.push_back(digest);
            }
            return children;
        }
        json::Value document;
        try {
            document = json::parse(*text, "document");
        } catch (const Error&) {
            return children;  // right, and no manifest: it needs nothing
        }
        if (const json::Value* config = json::find_member(document, "config")) {
            add(*config, false, children);
        }
        for (const auto& [key, is_document] : {std::pair("layers", false), {"blobs", false}, {"manifests", true}}) {
            const json::Value* list = json::find_member(document, key);
            for (std::size_t i = 0; list != nullptr && list->is_array() && i < list->size(); ++i) {
                add((*list)[i], is_document, children);
            }
        }
        return children;
    }

    /// Lenient: what is no descriptor names nothing that could be kept.
    void add(const json::Value& value, bool is_document, std::vector<Child>& children) {
        const json::Value* digest = value.is_object() ? json::find_member(value, "digest") : nullptr;
        const auto parsed = digest != nullptr && digest->is_string()
                                ? Digest::try_parse(digest->get_ref<const std::string&>())
                                : std::nullopt;
        if (parsed) {
            const json::Value* size = json::find_member(value, "size");
            const bool has_size = size != nullptr && size->is_number_unsigned();
            children.push_back({position_of(*parsed, has_size ? size->get<std::uint64_t>() : 0), is_document});
        }
    }

    const StoreDirectory& directory_;
    const Run& run_;
    StoreReferences references_;
    std::unordered_map<std::size_t, std::vector<Child>> children_;
    std::vector<std::size_t> mark_;  // by position: the last walk that came by
    std::size_t walk_ = 0;
};

void list_algorithm(const fs::path& directory, const std::string& algorithm, std::vector<StoredFile>& files) {
    std::error_code error;
    for (fs::directory_iterator entry(directory / algorithm, error), end; !error && entry != end;
         entry.increment(error)) {
        const auto digest = Digest::try_parse(algorithm + ":" + entry->path().filename().string());
        FileStatus status{};
        if (digest && lstat(entry->path().c_str(), &status) == 0) {
            files.push_back({*digest, entry->path(), status});
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        throw SystemError("cannot list " + (directory / algorithm).string(), error.value());
    }
}

}  // namespace

std::vector<StoredFile> list_blobs(const StoreDirectory& directory) {
    std::vector<StoredFile> files;
    for (const auto* algorithm : {"sha256", "sha512"}) {
        list_algorithm(directory.path() / "blobs", algorithm, files);
    }
    std::sort(files.begin(), files.end(), [](const StoredFile& a, const StoredFile& b) { return a.digest < b.digest; });
    return files;
}

std::string name_of_entry(const Descriptor& entry) {
    for (const std::string_view key : {kRefNameAnnotation, kContainerdNameAnnotation}) {
        if (const auto found = entry.annotations.find(std::string(key)); found != entry.annotations.end()) {
            return found->second;
        }
    }
    return entry.digest.text();
}

StoreReferences read_references(const StoreDirectory& directory, const Run& run) {
    const Index index =
        in_context(directory.path().string(), [&] { return parse_index_json(read_index_json(directory.path())); });
    ReferenceReader reader(directory, run);
    for (const Descriptor& entry : index.manifests) {
        reader.take(entry);
    }
    return std::move(reader).finish();
}

std::optional<std::string> find_document(const StoreDirectory& directory, const Digest& digest) {
    FileStatus status{};
    const fs::path path = directory.blob_file(digest);
    if (lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
        static_cast<std::uint64_t>(status.st_size) > kMaxDocument) {
        return std::nullopt;
    }
    auto text = find_file(path, kMaxDocument);
    Hasher hasher(digest.algorithm());
    hasher.update(text.value_or(""));
    return hasher.finish() == digest ? std::move(text) : std::nullopt;
}

}  // namespace cooper::oci
