// The lock of a build from a file: what is read is written back as the same bytes, whatever order it came in, and holds
// no password that is one by its form.
#include "cooper/base/text.hpp"
#include "cooper/build/build_record.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using cooper::build::BuildRecord;
    using cooper::fuzz::check;
    const auto text = cooper::fuzz::text_of(data, size);
    cooper::fuzz::expect_only_errors([&] { static_cast<void>(cooper::build::is_pinned_image(text)); });
    cooper::fuzz::expect_only_errors([&] {
        const BuildRecord record = BuildRecord::parse(text, "record");
        const std::string written = record.json();
        check(cooper::is_valid_utf8(written), "a record is UTF-8");
        const BuildRecord again = BuildRecord::parse(written, "again");
        check(again.json() == written, "the same record has the same bytes");
        for (const auto& base : record.bases) {
            check(again.find_base(base.reference, base.platform) != nullptr, "a base is found again");
        }
        for (const auto& fetched : record.fetched) {
            check(again.find_fetched(fetched.url) != nullptr, "a file is found again");
        }
        for (const auto& checkout : record.checkouts) {
            check(again.find_checkout(checkout.reference) != nullptr, "a checkout is found again");
        }
    });
    return 0;
}
