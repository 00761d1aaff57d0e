#include "delivery/explain/layer_entries.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "build/layer/layer_stream.hpp"
#include "build/paths.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

constexpr std::size_t kMaxListingBytes = 1ULL << 30;  // of both layers that are compared: two million entries

/// Hashes contents: all of them for their digest, and by blocks.
class ContentReader {
public:
    void read(RawTarReader& tar, ListedEntry& entry) {
        Hasher hasher;
        const MutableBytes buffer(buffer_.get(), kContentBlock);
        const bool blocks = entry.header.size > kContentBlock;
        while (const auto count = read_block(tar, buffer)) {
            const auto chunk = Bytes(buffer).first(count);
            hasher.update(chunk);
            if (blocks) {
                entry.blocks.push_back(quick_hash(count, chunk));
            }
        }
        const auto raw = from_hex(hasher.finish().hex()).value();
        std::copy_n(as_bytes(raw).begin(), entry.digest.size(), entry.digest.begin());
    }

private:
    static std::size_t read_block(RawTarReader& tar, MutableBytes into) {
        std::size_t filled = 0;
        while (filled < into.size()) {
            const auto count = tar.read(into.subspan(filled));
            if (count == 0) {
                break;
            }
            filled += count;
        }
        return filled;
    }

    std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(kContentBlock);
};

}  // namespace

ListedLayer list_entries(const oci::Image& image, std::size_t index, std::atomic<std::size_t>& bytes, const Run& run) {
    return in_context("reading " + build::layer_name(image, index), [&] {
        build::LayerStream stream(image, index, run);
        RawTarReader tar(stream);
        ContentReader contents;
        ListedLayer layer;
        while (auto header = tar.next()) {
            run.check();
            ListedEntry entry{std::move(*header), {}, {}, {}, true};
            entry.path = build::clean_path(entry.header.path);
            if (entry.header.size > 0) {
                contents.read(tar, entry);
            }
            entry.padded_with_zeros = tar.leave();
            bytes += entry.header.cost() + entry.path.size() + sizeof entry +
                     entry.blocks.size() * sizeof entry.blocks.front();
            if (bytes > kMaxListingBytes) {
                throw Error(ErrorCode::InvalidInput, "the entries of two layers exceed the limit of " +
                                                         format_bytes(kMaxListingBytes) + " in memory");
            }
            layer.entries.push_back(std::move(entry));
        }
        layer.end = tar.end();
        stream.finish();
        return layer;
    });
}

}  // namespace cooper::delivery
