#include "oci/store/store_names.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/config.hpp"

#include "oci/descriptor_json.hpp"
#include "oci/layout/entries.hpp"
#include "oci/layout/index_file.hpp"
#include "oci/manifest_entries.hpp"
#include "oci/store/store_contents.hpp"
#include "oci/store/store_state.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

void sync(int descriptor, const fs::path& path) {
    if (fsync(descriptor) != 0) {
        throw SystemError("cannot write " + path.string() + " to the disk", errno);
    }
}

void write_durably(const fs::path& directory, std::string_view name, const std::string& text) {
    AtomicFile file(directory / name);
    file.write(as_bytes(text));
    sync(file.descriptor(), directory / name);
    file.commit();
    const FileDescriptor parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    sync(parent.get(), directory);
}

/// Entries of `root` that are called `name` say from now on that all of it was here.
bool set_whole(json::Value& document, const Digest& root, const std::string& name) {
    const std::string key(kWholeAnnotation);
    bool changed = false;
    for (json::Value& entry : document["manifests"]) {
        const Descriptor descriptor = read_descriptor(entry, "index.json");
        if (descriptor.digest == root && is_entry_called(descriptor, name) && !descriptor.annotations.contains(key)) {
            entry["annotations"][key] = "true";
            changed = true;
        }
    }
    return changed;
}

bool has_all(const StoreDirectory& directory, const Graph& graph) {
    bool all = true;
    for (const Descriptor& blob : graph.blobs) {
        const auto stored = directory.use(blob.digest);
        all = all && (is_foreign_layer(blob.media_type) ||
                      (stored && static_cast<std::uint64_t>(stored->st_size) == blob.size));
    }
    return all;
}

/// What an index says of its images that are here; of a single image its config does.
std::vector<Platform> platforms_of(const StoreDirectory& directory, const Descriptor& root) {
    const auto text = find_document(directory, root.digest);
    if (!text) {
        return {};
    }
    std::vector<Platform> platforms;
    try {
        const ClassifiedManifest manifest = classify_manifest(*text, root.media_type);
        if (manifest.kind == ManifestKind::Image) {
            const auto config = find_document(directory, Manifest::parse(manifest.raw).config.digest);
            return config ? std::vector{Config::parse(*config).platform} : std::vector<Platform>{};
        }
        for (const Descriptor& entry : Index::parse(manifest.raw).manifests) {
            FileStatus status{};
            if (is_image_entry(entry) && entry.platform &&
                lstat(directory.blob_file(entry.digest).c_str(), &status) == 0) {
                platforms.push_back(*entry.platform);
            }
        }
    } catch (const Error&) {
        return {};  // an artifact
    }
    return platforms;
}

}  // namespace

bool change_names(const StoreDirectory& directory, const std::function<bool(json::Value& document)>& change,
                  const Run& run) {
    bool changed = false;
    change_index_json(
        directory.path(),
        [&](json::Value& document) {
            changed = change(document);
            if (changed) {
                const std::string text = json::write(document);
                in_context("after this change", [&] { parse_index_json(text); });
                write_durably(directory.path(), kIndexJson, text);
            }
            return false;  // it is written: a name that was given must survive a power loss
        },
        run);
    return changed;
}

void Store::name(const Graph& graph, const std::string& name, const Run& run) const {
    check_entry_name(name);
    in_context(path().string(), [&] {
        for (const RawManifest& manifest : graph.manifests) {
            keep(manifest.digest, manifest.bytes);
        }
        const Digest& root = graph.root().digest;
        const bool whole = has_all(*state_, graph);
        change_names(
            *state_,
            [&](json::Value& document) {
                const bool put = put_entry(document, graph.root(), {name});
                const bool marked = whole && set_whole(document, root, name);
                return put || marked;
            },
            run);
    });
}

bool Store::remove(const std::string& name, const Run& run) const {
    return change_names(
        *state_, [&](json::Value& document) { return remove_entry(document, name); }, run);
}

std::vector<Store::Named> Store::names(const Run& run) const {
    const StoreReferences references = read_references(*state_, run);
    std::map<Digest, FileStatus> files;
    for (const StoredFile& file : list_blobs(*state_)) {
        files.emplace(file.digest, file.status);
    }
    std::vector<Named> all;
    for (const NamedImage& image : references.images) {
        Named named{image.name, image.root, 0, 0, platforms_of(*state_, image.root), {}};
        for (const std::size_t position : image.needs) {
            const auto file = files.find(references.blobs[position].digest);
            if (file != files.end()) {
                named.bytes += static_cast<std::uint64_t>(file->second.st_size);
            } else if (image.whole) {
                ++named.missing;
            }
        }
        if (const auto root = files.find(image.root.digest); root != files.end()) {
            named.last_used = TimePoint(std::chrono::seconds(root->second.st_mtim.tv_sec));
        }
        all.push_back(std::move(named));
    }
    std::stable_sort(all.begin(), all.end(), [](const Named& a, const Named& b) { return a.name < b.name; });
    return all;
}

}  // namespace cooper::oci
