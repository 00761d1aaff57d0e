// Tars as they were written: bounded, nothing but errors for damage, and what the strict reader accepts is read alike.
#include "cooper/base/stream.hpp"
#include "cooper/base/tar.hpp"

#include "delivery/explain/raw_tar.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/tar_checksums.hpp"

#include <string>
#include <vector>

using namespace cooper;
using cooper::fuzz::check;

namespace {

constexpr TarLimits kLimits{1000, 500, 4096, 16 * 1024};

struct Member {
    TarEntry entry;
    std::string content;
};

/// nullopt: the strict reader refuses it.
std::optional<std::vector<Member>> strictly(std::string_view archive) {
    std::vector<Member> members;
    try {
        MemorySource source(archive);
        TarReader reader(source, kLimits);
        while (auto entry = reader.next()) {
            members.push_back({std::move(*entry), read_all(reader.content(), archive.size() + 1, "content")});
        }
    } catch (const Error&) {
        return std::nullopt;
    }
    return members;
}

std::string content_of(delivery::RawTarReader& tar) {
    std::string content, step(100, '\0');
    while (const auto count = tar.read(std::as_writable_bytes(std::span(step)))) {
        content.append(step, 0, count);
    }
    return content;
}

void read_archive(std::string_view archive) {
    const auto expected = strictly(archive);
    std::size_t count = 0;
    bool read = false;
    fuzz::expect_only_errors([&] {
        MemorySource source(archive);
        delivery::RawTarReader tar(source, kLimits);
        while (const auto entry = tar.next()) {
            check(entry->path.size() <= kLimits.max_name && entry->link.size() <= kLimits.max_name,
                  "names are bounded");
            const auto content = content_of(tar);
            check(content.size() == entry->size, "a content is as long as it says");
            if (expected) {
                check(count < expected->size(), "there are no more entries than the strict reader finds");
                const auto& [strict, bytes] = (*expected)[count];
                check(entry->type == static_cast<char>(strict.type) && entry->path == strict.path, "type and path");
                check(entry->link == strict.link && entry->mode == strict.mode && content == bytes,
                      "link, mode, bytes");
                check(entry->uid == static_cast<std::int64_t>(strict.uid) && entry->xattrs == strict.xattrs, "owner");
            }
            ++count;
        }
        check(tar.end().size <= archive.size(), "no more is read than there is");
        read = true;
    });
    check(!expected || (read && count == expected->size()), "what the strict reader accepts is read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view archive = fuzz::text_of(data, size);
    read_archive(archive);
    read_archive(fuzz::with_checksums(std::string(archive)));
    return 0;
}
