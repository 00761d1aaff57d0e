// The strict tar reader: what it accepts keeps its promises, and what our writer can say of it reads back the same.
#include "cooper/base/stream.hpp"
#include "cooper/base/tar.hpp"

#include "fuzz/fuzz.hpp"
#include "fuzz/tar_checksums.hpp"

#include <optional>
#include <string>

using namespace cooper;
using cooper::fuzz::check;

namespace {

constexpr TarLimits kLimits{1000, 500, 4096, 16 * 1024};

void check_promises(const TarEntry& entry) {
    const bool is_link = entry.type == TarType::HardLink || entry.type == TarType::Symlink;
    check(!entry.path.empty() && entry.path.find('\0') == std::string::npos, "a path is neither empty nor holds a NUL");
    check(entry.link.find('\0') == std::string::npos, "a target holds no NUL");
    check(entry.path.size() <= kLimits.max_name && entry.link.size() <= kLimits.max_name, "names keep their limit");
    check(entry.type == TarType::File || entry.size == 0, "only files have a size");
    check(is_link != entry.link.empty(), "links and only links have a target");
    check(entry.mode <= 07777, "a mode is permission bits");
}

/// nullopt for what is read but not written: times before 1970 and the like.
std::optional<std::string> written(const TarEntry& entry) {
    try {
        return tar_header(entry);
    } catch (const Error&) {
        return std::nullopt;
    }
}

void check_round_trip(TarEntry entry) {
    const auto header = written(entry);
    if (!header) {
        return;
    }
    if (entry.type == TarType::Directory && !entry.path.ends_with('/')) {
        entry.path += '/';
    }
    try {
        MemorySource source{std::string_view(*header)};
        TarReader reader(source);
        check(reader.next() == entry, "what the writer wrote is read the same");
    } catch (const Error& error) {
        check(false, error.what());
    }
}

void read_archive(std::string_view archive) {
    MemorySource source(archive);
    TarReader reader(source, kLimits);
    fuzz::expect_only_errors([&] {
        while (const auto entry = reader.next()) {
            check_promises(*entry);
            check_round_trip(*entry);
            if (entry->size % 2 == 0) {  // the other half is skipped by next()
                check(skip(reader.content(), UINT64_MAX) == entry->size, "content is as long as the entry says");
            }
        }
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view archive = fuzz::text_of(data, size);
    read_archive(archive);
    read_archive(fuzz::with_checksums(std::string(archive)));
    return 0;
}
