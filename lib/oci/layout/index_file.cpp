#include "oci/layout/index_file.hpp"

#include "cooper/base/error.hpp"

#include "oci/layout/entries.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace cooper::oci {

namespace {

constexpr std::chrono::milliseconds kLockPause{5};
constexpr std::chrono::seconds kLockPatience{60};

FileDescriptor open_lock_file(const std::filesystem::path& path) {
    FileDescriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!file.valid()) {
        throw SystemError("cannot open the lock file " + path.string(), errno);
    }
    return file;
}

/// False: somebody else holds it.
bool try_lock(const FileDescriptor& file, const std::filesystem::path& path) {
    int result = 0;
    do {
        result = flock(file.get(), LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EWOULDBLOCK) {
        throw SystemError("cannot lock " + path.string(), errno);
    }
    return result == 0;
}

json::Value& manifests_in(json::Value& document) {
    json::Value& manifests = document["manifests"];
    if (!manifests.is_array()) {
        manifests = json::Value::array();
    }
    return manifests;
}

json::Value new_entry(const RawManifest& root) {
    return {{"mediaType", root.media_type}, {"digest", root.digest.text()}, {"size", root.bytes.size()}};
}

bool has_a_name(const Descriptor& entry) {
    return entry.annotations.contains(std::string(kRefNameAnnotation)) ||
           entry.annotations.contains(std::string(kContainerdNameAnnotation));
}

/// The entries as they are read, in the order of `document`.
std::vector<Descriptor> entries_of(const json::Value& document) {
    return parse_index_json(json::write(document)).manifests;
}

/// Elements of `manifests` whose entry `goes`; true when there was one.
template <class Goes>
bool drop(json::Value& manifests, const std::vector<Descriptor>& entries, Goes&& goes) {
    json::Value kept = json::Value::array();
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (!goes(entries[i])) {
            kept.push_back(std::move(manifests[i]));
        }
    }
    const bool dropped = kept.size() < entries.size();
    manifests = std::move(kept);
    return dropped;
}

}  // namespace

IndexLock::IndexLock(const std::filesystem::path& layout, const Run& run) : file_(open_lock_file(layout / kIndexLock)) {
    for (int waits = 0; !try_lock(file_, layout / kIndexLock); ++waits) {
        if (waits == kLockPatience / kLockPause) {
            throw Error(ErrorCode::Unavailable, "another process has held " + (layout / kIndexLock).string() +
                                                    " for more than " + std::to_string(kLockPatience.count()) + " s");
        }
        run.clock->sleep_for(kLockPause, run.stop);
    }
}

std::string read_index_json(const std::filesystem::path& layout) {
    if (auto text = find_file_beneath(layout, kIndexJson, kMaxDocument)) {
        return std::move(*text);
    }
    throw Error(ErrorCode::InvalidInput, layout.string() + " is no OCI image layout: it has no index.json");
}

bool change_index_json(const std::filesystem::path& layout, const std::function<bool(json::Value& document)>& change,
                       const Run& run) {
    const IndexLock lock(layout, run);
    const std::string before = read_index_json(layout);
    parse_index_json(before);
    json::Value document = json::parse(before, kIndexJson);
    manifests_in(document);
    if (!change(document)) {
        return false;
    }
    const std::string after = json::write(document);
    in_context("after this change", [&] { parse_index_json(after); });
    write_file(layout / kIndexJson, after);
    return true;
}

bool put_entry(json::Value& document, const RawManifest& root, const std::vector<std::string>& names) {
    json::Value& manifests = manifests_in(document);
    const std::vector<Descriptor> entries = entries_of(document);
    if (names.empty()) {
        const bool is_there = std::any_of(entries.begin(), entries.end(), [&](const Descriptor& entry) {
            return entry.digest == root.digest && !has_a_name(entry);
        });
        if (!is_there) {
            manifests.push_back(new_entry(root));
        }
        return !is_there;
    }
    std::vector<std::string> missing;
    for (const std::string& name : names) {
        const bool is_there = std::any_of(entries.begin(), entries.end(), [&](const Descriptor& entry) {
            return entry.digest == root.digest && is_entry_called(entry, name);
        });
        if (!is_there && std::find(missing.begin(), missing.end(), name) == missing.end()) {
            missing.push_back(name);
        }
    }
    const bool dropped = drop(manifests, entries, [&](const Descriptor& entry) {
        return entry.digest != root.digest && std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                   return is_entry_called(entry, name);
               });
    });
    for (const std::string& name : missing) {
        json::Value entry = new_entry(root);
        for (const auto& [key, text] : naming_annotations(name)) {
            entry["annotations"][key] = text;
        }
        manifests.push_back(std::move(entry));
    }
    return dropped || !missing.empty();
}

bool remove_entry(json::Value& document, std::string_view which) {
    const Index index = parse_index_json(json::write(document));
    const Descriptor* chosen = nullptr;
    try {
        chosen = &choose_entry(index, which);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::NotFound) {
            throw;
        }
        return false;
    }
    const bool by_digest = Digest::try_parse(which.substr(which.starts_with('@') ? 1 : 0)).has_value();
    return drop(manifests_in(document), index.manifests,
                [&](const Descriptor& entry) { return by_digest ? entry.digest == chosen->digest : &entry == chosen; });
}

}  // namespace cooper::oci
