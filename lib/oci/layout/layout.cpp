#include "cooper/oci/layout.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "oci/layout/entries.hpp"
#include "oci/layout/index_file.hpp"
#include "oci/layout/layout_blobs.hpp"
#include "oci/layout/layout_writer.hpp"

#include <algorithm>
#include <array>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLayoutFile = "oci-layout";

void check_is_layout(const fs::path& directory) {
    const auto text = find_file_beneath(directory, kLayoutFile, kMaxLayoutDocument);
    if (!text) {
        Error error(ErrorCode::InvalidInput, directory.string() + " is no OCI image layout: it has no oci-layout");
        error.advise("name the directory that holds oci-layout, index.json and blobs");
        throw error;
    }
    in_context(directory.string(), [&] { check_layout_document(*text); });
    if (!find_file_beneath(directory, kIndexJson, kMaxDocument)) {
        throw Error(ErrorCode::InvalidInput, directory.string() + " is no OCI image layout: it has no index.json");
    }
}

/// What a layout of ours may hold before it is complete: another process is making it, or one was killed.
bool is_part_of_new_layout(const std::string& name) {
    constexpr std::array<std::string_view, 4> kParts = {kIndexLock, kIndexJson, kLayoutFile, "blobs"};
    return std::find(kParts.begin(), kParts.end(), name) != kParts.end() ||
           (name.starts_with('.') && name.ends_with(".tmp"));
}

/// The first thing in `directory` that belongs to somebody else; empty when there is none.
std::string foreign_part(const fs::path& directory) {
    for (const auto& entry : fs::directory_iterator(directory)) {
        if (std::string name = entry.path().filename().string(); !is_part_of_new_layout(name)) {
            return name;
        }
    }
    return {};
}

/// Under the lock. `oci-layout` comes last: until then it is no layout.
void complete(const fs::path& directory) {
    if (!fs::exists(fs::symlink_status(directory / kIndexJson))) {
        write_file(directory / kIndexJson, std::string(R"({"schemaVersion":2,"mediaType":")") +
                                               std::string(media_type::kOciIndex) + R"(","manifests":[]})");
    }
    fs::create_directories(directory / "blobs/sha256");
    if (!fs::exists(fs::symlink_status(directory / kLayoutFile))) {
        write_file(directory / kLayoutFile, kLayoutDocument);
    }
}

void make_layout(const fs::path& directory) {
    fs::create_directories(directory);
    if (const std::string name = foreign_part(directory); !name.empty()) {
        Error error(ErrorCode::Conflict,
                    directory.string() + " is no OCI image layout, but not empty: it holds " + name);
        error.advise("name a new or an empty directory");
        throw error;
    }
    const IndexLock lock(directory, Run{});
    complete(directory);
}

/// What std::filesystem throws, as an Error.
template <class F>
void as_system_error(const fs::path& directory, F&& body) {
    try {
        body();
    } catch (const fs::filesystem_error& error) {
        throw SystemError("cannot make the OCI image layout " + directory.string(), error.code().value());
    }
}

}  // namespace

OciLayout OciLayout::open(const fs::path& directory) {
    std::error_code error;
    const fs::file_status status = fs::status(directory, error);
    if (status.type() == fs::file_type::not_found) {
        throw Error(ErrorCode::NotFound, "there is no directory " + directory.string());
    }
    if (status.type() == fs::file_type::none) {
        throw SystemError("cannot examine " + directory.string(), error.value());
    }
    if (status.type() != fs::file_type::directory) {
        throw Error(ErrorCode::InvalidInput, directory.string() + " is not a directory");
    }
    check_is_layout(directory);
    return OciLayout(directory);
}

OciLayout OciLayout::open_or_create(const fs::path& directory) {
    as_system_error(directory, [&] {
        const bool complete = fs::exists(directory / kLayoutFile) && fs::exists(directory / kIndexJson);
        if (!complete) {
            make_layout(directory);
        }
    });
    return open(directory);
}

Index OciLayout::index() const {
    return in_context(directory_.string(), [&] { return parse_index_json(read_index_json(directory_)); });
}

Graph OciLayout::graph(std::string_view which, const Run& run) const {
    return in_context(directory_.string(), [&] { return graph_of_entry(index(), which, blobs(), run); });
}

std::shared_ptr<const Blobs> OciLayout::blobs() const {
    return std::make_shared<LayoutBlobs>(directory_);
}

std::optional<std::uint64_t> OciLayout::find_size(const Digest& blob) const {
    return LayoutBlobs(directory_).find_size(blob);
}

bool OciLayout::has(const Descriptor& blob) const {
    return LayoutBlobs(directory_).find_size(blob.digest) == blob.size;
}

OciLayout::Written OciLayout::write(const Graph& graph, const std::vector<std::string>& names,
                                    const WriteOptions& options, const Run& run) const {
    return in_context(directory_.string(), [&] {
        std::for_each(names.begin(), names.end(), check_entry_name);
        const Written written = write_blobs(directory_, graph, options, run);
        change_index_json(
            directory_, [&](json::Value& document) { return put_entry(document, graph.root(), names); }, run);
        return written;
    });
}

bool OciLayout::remove(std::string_view which) const {
    return in_context(directory_.string(), [&] {
        return change_index_json(
            directory_, [&](json::Value& document) { return remove_entry(document, which); }, Run{});
    });
}

}  // namespace cooper::oci
