// Lists of publishers: only Error leaves the reader, and whoever is on a list is on it once and has an id.
#include "cooper/delivery/authorize.hpp"

#include "fuzz/fuzz.hpp"

#include <set>

namespace fuzz = cooper::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::expect_only_errors([&] {
        std::set<std::uint64_t> ids;
        for (const auto& publisher : cooper::delivery::parse_publishers(fuzz::text_of(data, size), "list")) {
            fuzz::check(publisher.id != 0 && ids.insert(publisher.id).second, "an id stands for one person");
        }
        fuzz::check(!ids.empty(), "a list names somebody");
    });
    return 0;
}
