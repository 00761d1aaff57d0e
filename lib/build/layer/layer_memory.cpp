#include "build/layer/layer_memory.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/text.hpp"

#include "build/memory_file.hpp"
#include "build/tree/file_times.hpp"

#include <algorithm>
#include <sstream>

namespace cooper::build {

namespace {

/// Goes up whenever the same tree would become another tar.
constexpr std::uint64_t kLayerFormat = 1;
constexpr std::string_view kSuffix = ".layer";
constexpr std::string_view kCompressorSuffix = ".compressor";
constexpr std::string_view kMagic = "cooper layer 1";
constexpr std::size_t kMaxRecord = 4096;
constexpr std::size_t kMaxRecords = 1000;
constexpr std::size_t kHashStep = 64 * 1024;

/// A digest over values that cannot run into each other: numbers have eight bytes, texts their length before them.
class KeyHasher {
public:
    KeyHasher() { buffer_.reserve(kHashStep + 4096); }
    void add(std::uint64_t number) {
        buffer_.append(reinterpret_cast<const char*>(&number), sizeof number);
        if (buffer_.size() >= kHashStep) {
            flush();
        }
    }
    void add(std::int64_t number) { add(static_cast<std::uint64_t>(number)); }
    void add(std::string_view text) {
        add(std::uint64_t{text.size()});
        buffer_ += text;
    }
    Digest finish() {
        flush();
        return hasher_.finish();
    }

private:
    void flush() {
        hasher_.update(buffer_);
        buffer_.clear();
    }

    Hasher hasher_;
    std::string buffer_;
};

timespec time_of(std::int64_t seconds, std::int64_t nanoseconds) {
    timespec time{};
    time.tv_sec = seconds;
    time.tv_nsec = nanoseconds;
    return time;
}

void add_options(KeyHasher& key, const LayerOptions& options, const std::string& compressor) {
    key.add(kLayerFormat);
    key.add(compressor);
    key.add(options.target);
    key.add(std::uint64_t{options.epoch.has_value()});
    key.add(options.epoch.value_or(0));
    key.add(options.uid);
    key.add(options.gid);
    key.add(std::uint64_t{options.preserve_modes});
    key.add(std::uint64_t{options.preserve_owners});
}

void add_file(KeyHasher& key, const SourceFile& file, const LayerOptions& options) {
    key.add(file.path);
    key.add(std::uint64_t{static_cast<unsigned char>(file.type)});
    key.add(file.link);
    key.add(std::uint64_t{file.mode});
    key.add(file.uid);
    key.add(file.gid);
    // The times of what has no content matter as far as they are written.
    if (file.type != TarType::File) {
        key.add(written_time(file, options));
        key.add(std::uint64_t{file.xattrs.size()});
        for (const auto& [name, value] : file.xattrs) {
            key.add(name);
            key.add(value);
        }
        return;
    }
    for (const auto number : {file.size, file.device, file.inode, file.links}) {
        key.add(number);
    }
    for (const auto number : {file.mtime, file.mtime_nanoseconds, file.ctime, file.ctime_nanoseconds}) {
        key.add(number);
    }
}

std::filesystem::path file_of(const LayerMemory& memory, const std::string& key) {
    return memory.directory / (key + std::string(kSuffix));
}

std::filesystem::path compressor_file(const std::filesystem::path& directory, const Digest& blob) {
    return directory / (std::string(blob.hex()) + std::string(kCompressorSuffix));
}

/// One value a line.
std::string compose(const BuiltLayer& layer) {
    std::ostringstream text;
    text << kMagic << '\n'
         << layer.descriptor.media_type << '\n'
         << layer.descriptor.digest.text() << '\n'
         << layer.descriptor.size << '\n'
         << layer.diff_id.text() << '\n'
         << layer.tar_size << '\n'
         << layer.files << '\n';
    return text.str();
}

std::optional<BuiltLayer> parse(std::string_view text) {
    const auto lines = split(text, '\n');
    if (lines.size() != 8 || lines[0] != kMagic) {
        return std::nullopt;
    }
    const auto digest = Digest::try_parse(lines[2]);
    const auto diff_id = Digest::try_parse(lines[4]);
    const auto size = parse_uint(lines[3]);
    const auto tar_size = parse_uint(lines[5]);
    const auto files = parse_uint(lines[6]);
    if (!digest || !diff_id || !size || !tar_size || !files) {
        return std::nullopt;
    }
    oci::Descriptor descriptor{std::string(lines[1]), *digest, *size, {}, {}, {}, {}};
    return BuiltLayer{std::move(descriptor), *diff_id, {}, {}, *files, *tar_size, {}, true};
}

}  // namespace

LayerKey::LayerKey(const SourceTree& tree, const std::vector<SourceFile>& files, const LayerOptions& options,
                   const std::string& compressor, std::int64_t began)
    : files_(files) {
    KeyHasher key;
    key.add(machine_identity());
    add_options(key, options, compressor);
    const bool remote = has_remote_times(tree.root().get());
    for (const auto& file : files) {
        add_file(key, file, options);
        if (file.type == TarType::File) {
            const auto modified = time_of(file.mtime, file.mtime_nanoseconds);
            const auto changed = time_of(file.ctime, file.ctime_nanoseconds);
            settled_ = settled_ && build::is_settled(modified, changed, began, remote || file.device != tree.device());
            past_ = past_ && nanoseconds_of(modified).value_or(began) < began &&
                    nanoseconds_of(changed).value_or(began) < began;
        }
    }
    text_ = key.finish().text();
}

std::string LayerKey::on_layers(const std::vector<Digest>& diff_ids) const {
    KeyHasher key;
    key.add(text_);
    key.add("on layers");
    for (const auto& diff_id : diff_ids) {
        key.add(diff_id.text());
    }
    return std::string(key.finish().hex());
}

std::string LayerKey::at_places(const std::map<std::string, Planned>& plan) const {
    KeyHasher key;
    key.add(text_);
    key.add("at places");
    for (const auto& [path, planned] : plan) {
        key.add(path);
        key.add(planned.source == nullptr ? std::uint64_t{0}
                                          : static_cast<std::uint64_t>(planned.source - files_.data()) + 1);
    }
    return std::string(key.finish().hex());
}

std::optional<BuiltLayer> find_layer(const LayerMemory& memory, const std::string& key) {
    const auto text = read_memory(file_of(memory, key), kMaxRecord);
    auto layer = text ? parse(*text) : std::nullopt;
    const auto file = layer ? memory.find(layer->descriptor.digest) : std::nullopt;
    std::error_code gone;
    // What a power loss leaves of a blob is often shorter, or empty.
    if (!file || std::filesystem::file_size(*file, gone) != layer->descriptor.size || gone) {
        return std::nullopt;
    }
    layer->file = *file;
    return layer;
}

std::string find_compressor(const std::filesystem::path& directory, const Digest& blob) {
    return read_memory(compressor_file(directory, blob), kMaxRecord).value_or("");
}

void remember_compressor(const LayerMemory& memory, const BuiltLayer& layer) noexcept {
    try {
        write_memory(compressor_file(memory.directory, layer.descriptor.digest), layer.compressor);
        limit_memories(memory.directory, kCompressorSuffix, kMaxRecords);
    } catch (const std::exception&) {
        // Its lock will not say how the layer came to be: a kit keeps the blob.
    }
}

void remember_layer(const LayerMemory& memory, const std::string& key, const BuiltLayer& layer) noexcept {
    try {
        write_memory(file_of(memory, key), compose(layer));
        limit_memories(memory.directory, kSuffix, kMaxRecords);
    } catch (const std::exception&) {
        // A full disk or a directory that is not ours: the layer is made again.
    }
}

}  // namespace cooper::build
