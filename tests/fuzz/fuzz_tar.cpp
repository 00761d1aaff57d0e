// The strict tar reader: what it accepts, our writer writes in a form that reads back equal.
#include "cooper/base/stream.hpp"
#include "cooper/base/tar.hpp"

#include "fuzz/fuzz.hpp"

#include <vector>

namespace {

constexpr std::size_t kEnough = 16U << 20;

std::vector<std::pair<cooper::TarEntry, std::string>> read(std::string_view archive) {
    cooper::MemorySource source(archive);
    cooper::TarReader reader(source);
    std::vector<std::pair<cooper::TarEntry, std::string>> members;
    while (auto entry = reader.next()) {
        std::string content = cooper::read_all(reader.content(), kEnough, "a member");
        members.emplace_back(std::move(*entry), std::move(content));
    }
    return members;
}

std::string write(const std::vector<std::pair<cooper::TarEntry, std::string>>& members) {
    cooper::StringSink sink(2 * kEnough);
    cooper::TarWriter writer(sink);
    for (const auto& [entry, content] : members) {
        if (entry.type == cooper::TarType::File) {
            cooper::MemorySource source(content);
            writer.add(entry, source);
        } else {
            writer.add(entry);
        }
    }
    writer.finish();
    return sink.take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    cooper::fuzz::expect_only_errors([&] {
        const auto members = read(cooper::fuzz::text_of(data, size));
        const std::string written = write(members);  // may refuse what a reader must take: negative times
        cooper::fuzz::check(write(read(written)) == written, "what the writer wrote is read and written the same");
    });
    return 0;
}
