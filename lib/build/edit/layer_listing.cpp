#include "build/edit/layer_listing.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/workers.hpp"
#include "build/layer/layer_stream.hpp"
#include "build/paths.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxListingBytes = 1ULL << 30;  // of all entries: four million without long names
constexpr unsigned kMaxReaders = 4;                   // layers read at once

/// Hashes the content of files; one buffer for all of them.
class ContentHasher {
public:
    std::array<std::byte, 32> hash(Source& content) {
        Hasher hasher;
        const MutableBytes buffer(buffer_.get(), kStreamStep);
        while (const auto count = content.read(buffer)) {
            hasher.update(Bytes(buffer).first(count));
        }
        const auto raw = from_hex(hasher.finish().hex()).value();
        std::array<std::byte, 32> digest{};
        std::copy_n(as_bytes(raw).begin(), digest.size(), digest.begin());
        return digest;
    }

private:
    std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(kStreamStep);
};

LayerEntry compact(TarEntry&& entry, std::uint32_t member) {
    LayerEntry small;
    small.path = clean_path(entry.path);
    small.whiteout = whiteout_of(entry, small.path).kind;
    small.link = std::move(entry.link);
    if (!entry.xattrs.empty()) {
        small.xattrs = std::make_shared<const std::map<std::string, std::string>>(std::move(entry.xattrs));
    }
    small.uid = entry.uid;
    small.gid = entry.gid;
    small.size = entry.size;
    small.mtime = entry.mtime;
    small.mode = entry.mode;
    small.device_major = entry.device_major;
    small.device_minor = entry.device_minor;
    small.member = member;
    small.type = entry.type;
    return small;
}

std::size_t cost_of(const LayerEntry& entry) {
    std::size_t cost = sizeof entry + entry.path.size() + entry.link.size();
    if (entry.xattrs) {
        for (const auto& [name, value] : *entry.xattrs) {
            cost += name.size() + value.size();
        }
    }
    return cost;
}

LayerListing list_layer(const LayerOf& layer, Contents contents, std::atomic<std::size_t>& bytes, const Run& run) {
    return in_context("reading " + layer_name(*layer.image, layer.index), [&] {
        LayerStream tar(*layer.image, layer.index, run);
        TarReader reader(tar);
        ContentHasher hasher;
        LayerListing listing;
        std::uint32_t member = 0;
        while (auto entry = reader.next()) {
            run.check();
            const bool has_content = entry->type == TarType::File;
            auto small = compact(std::move(*entry), member++);
            if (has_content && contents == Contents::Hashed) {
                small.content = hasher.hash(reader.content());
            }
            if ((bytes += cost_of(small)) > kMaxListingBytes) {
                throw Error(ErrorCode::InvalidInput, "the names and attributes in the layers exceed the limit of " +
                                                         format_bytes(kMaxListingBytes));
            }
            listing.entries.push_back(std::move(small));
        }
        tar.finish();
        return listing;
    });
}

}  // namespace

TarEntry LayerEntry::header(std::string at) const {
    TarEntry entry;
    entry.type = type;
    entry.path = std::move(at);
    entry.link = link;
    entry.mode = mode;
    entry.uid = uid;
    entry.gid = gid;
    entry.size = size;
    entry.mtime = mtime;
    entry.device_major = device_major;
    entry.device_minor = device_minor;
    if (xattrs) {
        entry.xattrs = *xattrs;
    }
    return entry;
}

std::vector<LayerListing> list_layers(const std::vector<LayerOf>& layers, Contents contents, const std::string& task,
                                      const Run& run) {
    std::vector<LayerListing> listings(layers.size());
    std::atomic<std::size_t> next = 0, bytes = 0;
    std::uint64_t done = 0, total = 0;
    std::mutex progress;
    for (const auto& layer : layers) {
        total += layer.image->manifest.layers[layer.index].size;
    }
    run.progress->begin(task, total);
    Workers workers(run);
    const auto readers = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxReaders);
    for (unsigned i = 0; i < std::min<std::size_t>(readers, layers.size()); ++i) {
        workers.start([&, inner = workers.run()] {
            for (std::size_t index = 0; (index = next++) < layers.size();) {
                listings[index] = list_layer(layers[index], contents, bytes, inner);
                const std::scoped_lock lock(progress);
                const auto& [image, number] = layers[index];
                inner.progress->advance(task, done += image->manifest.layers[number].size);
            }
        });
    }
    workers.join();
    run.progress->end(task);
    return listings;
}

}  // namespace cooper::build
