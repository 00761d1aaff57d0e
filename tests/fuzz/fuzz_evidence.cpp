// Evidence and lists of files from a CI artifact: only errors; accepted evidence is written back as the same value, and
// a list is read within its limits.
#include "cooper/base/compression.hpp"
#include "cooper/delivery/evidence.hpp"

#include "delivery/gate/file_list.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace cooper;
using cooper::fuzz::check;

void read_evidence(std::string_view text) {
    fuzz::expect_only_errors([&] {
        const auto evidence = delivery::evidence_from_json(text, "evidence");
        check(delivery::evidence_from_json(delivery::evidence_to_json(evidence), "written") == evidence,
              "evidence survives being written");
        check(delivery::evidence_file_name(evidence.name).find('/') == std::string::npos, "a name stays in its place");
    });
}

void read_list(std::unique_ptr<Source> lines) {
    fuzz::expect_only_errors([&] {
        delivery::FileListReader list(std::move(lines), "list");
        check(list.config().size() <= 4U << 20, "the config is bounded");
        while (list.next_layer()) {
            while (const std::string* line = list.next_file()) {
                check(line->size() < 64 * 1024 && line->find('\n') == std::string::npos, "lines are bounded");
                fuzz::expect_only_errors([&] {
                    const auto file = delivery::parse_file_line(*line, "list");
                    check(file.path.size() <= delivery::path_of_line(*line).size(), "a path is no longer than encoded");
                });
            }
        }
        check(list.next_file() == nullptr && !list.next_layer(), "the end is the end");
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    read_evidence(text);
    read_list(std::make_unique<MemorySource>(text));
    read_list(decompressed(std::make_unique<MemorySource>(text), Compression::Zstd, {.max_output = 1 << 20}));
    return 0;
}
