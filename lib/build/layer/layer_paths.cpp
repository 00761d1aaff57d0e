#include "build/layer/layer_paths.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/text.hpp"

#include "build/layer/layer_stream.hpp"
#include "build/memory_file.hpp"
#include "build/paths.hpp"

#include <algorithm>
#include <cstring>

namespace cooper::build {

namespace {

constexpr std::string_view kSuffix = ".paths";
constexpr std::string_view kMagic = "cooper layer paths 1\n";
constexpr std::size_t kMaxMemory = 256ULL << 20;
constexpr std::size_t kMaxMemories = 300;
constexpr std::size_t kMaxNames = 512ULL << 20;  // of what a memory stands for: paths share their beginnings
constexpr std::size_t kMaxField = UINT16_MAX;

/// Of an entry in a memory: what is shared with the path before, then the rest of the path and the link's target.
struct Record {
    std::uint16_t shared;
    std::uint16_t path_size;
    std::uint16_t link_size;
    std::uint8_t type;  ///< a TarType; 0 for a whiteout
    std::uint8_t unused;
};

std::string compose(const LayerPaths& paths) {
    std::string memory(kMagic);
    std::string_view last;
    const auto add = [&](std::string_view path, char type, std::string_view link) {
        const auto different = std::mismatch(path.begin(), path.end(), last.begin(), last.end()).first;
        const auto shared = static_cast<std::size_t>(different - path.begin());
        const Record record{static_cast<std::uint16_t>(shared), static_cast<std::uint16_t>(path.size() - shared),
                            static_cast<std::uint16_t>(link.size()), static_cast<std::uint8_t>(type), 0};
        memory.append(reinterpret_cast<const char*>(&record), sizeof record);
        memory.append(path.substr(shared)).append(link);
        last = path;
    };
    for (const auto& path : paths.whiteouts) {
        add(path, '\0', "");
    }
    for (const auto& [path, info] : paths.entries) {
        add(path, static_cast<char>(info.type), info.link);
    }
    return memory;
}

/// nullopt when it is nothing that compose() made, or more than it could have read.
std::optional<LayerPaths> parse(std::string_view memory) {
    if (!memory.starts_with(kMagic)) {
        return std::nullopt;
    }
    memory.remove_prefix(kMagic.size());
    LayerPaths paths;
    std::size_t bytes = 0;
    std::string last;
    while (!memory.empty()) {
        Record record{};
        if (memory.size() < sizeof record) {
            return std::nullopt;
        }
        std::memcpy(&record, memory.data(), sizeof record);
        memory.remove_prefix(sizeof record);
        const std::size_t rest = std::size_t{record.path_size} + record.link_size;
        if (record.shared > last.size() || rest > memory.size()) {
            return std::nullopt;
        }
        last.resize(record.shared);
        last.append(memory.substr(0, record.path_size));
        if ((bytes += last.size() + record.link_size) > kMaxNames) {
            return std::nullopt;
        }
        if (record.type == 0) {
            paths.whiteouts.push_back(last);
        } else {
            PathInfo info{static_cast<TarType>(record.type),
                          std::string(memory.substr(record.path_size, record.link_size))};
            paths.entries.emplace_back(last, std::move(info));
        }
        memory.remove_prefix(rest);
    }
    return paths;
}

bool fits(const LayerPaths& paths) {
    return std::all_of(paths.whiteouts.begin(), paths.whiteouts.end(),
                       [](const std::string& path) { return path.size() <= kMaxField; }) &&
           std::all_of(paths.entries.begin(), paths.entries.end(), [](const auto& entry) {
               return entry.first.size() <= kMaxField && entry.second.link.size() <= kMaxField;
           });
}

}  // namespace

std::size_t LayerPaths::name_bytes() const {
    std::size_t bytes = 0;
    for (const auto& path : whiteouts) {
        bytes += path.size();
    }
    for (const auto& [path, info] : entries) {
        bytes += path.size() + info.link.size();
    }
    return bytes;
}

bool is_whiteout(const TarEntry& entry, std::string_view path) {
    // A character device 0/0 is an overlay whiteout: containerd and overlay2 delete the path below it.
    const bool overlay_whiteout =
        entry.type == TarType::CharDevice && entry.device_major == 0 && entry.device_minor == 0;
    return overlay_whiteout || is_whiteout_name(file_name(path));
}

LayerPaths read_layer_paths(const oci::Blobs& blobs, const oci::Descriptor& layer, const Digest& diff_id,
                            const std::string& what, std::size_t max_bytes, const Run& run) {
    LayerStream tar(blobs, layer, diff_id, what, run);
    TarReader reader(tar);
    LayerPaths paths;
    std::size_t bytes = 0;
    while (auto entry = reader.next()) {
        run.check();
        auto path = clean_path(entry->path);
        if ((bytes += path.size() + entry->link.size()) > max_bytes) {
            throw Error(ErrorCode::InvalidInput,
                        "the names in the layer exceed what is left of the limit: " + format_bytes(max_bytes));
        }
        if (is_whiteout(*entry, path)) {
            paths.whiteouts.push_back(std::move(path));
        } else if (!path.empty()) {
            paths.entries.emplace_back(std::move(path), PathInfo{entry->type, std::move(entry->link)});
        }
    }
    tar.finish();
    return paths;
}

std::filesystem::path LayerPathsMemory::file_of(const Digest& blob, const Digest& diff_id) const {
    return directory_ / (std::string(sha256(blob.text() + " " + diff_id.text()).hex()) + std::string(kSuffix));
}

std::optional<LayerPaths> LayerPathsMemory::find(const Digest& blob, const Digest& diff_id) const {
    if (directory_.empty()) {
        return std::nullopt;
    }
    const auto memory = read_memory(file_of(blob, diff_id), kMaxMemory);
    return memory ? parse(*memory) : std::nullopt;
}

void LayerPathsMemory::remember(const Digest& blob, const Digest& diff_id, const LayerPaths& paths) const noexcept {
    try {
        if (directory_.empty() || !fits(paths)) {
            return;
        }
        if (auto memory = compose(paths); memory.size() + kMemorySum <= kMaxMemory) {
            write_memory(file_of(blob, diff_id), std::move(memory));
            limit_memories(directory_, kSuffix, kMaxMemories);
        }
    } catch (const std::exception&) {
        // A full disk or a directory that is not ours: the layer is read again.
    }
}

}  // namespace cooper::build
