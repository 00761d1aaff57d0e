// A record of tags from a file: what is read is written back as the same bytes, and two of them (NUL between) are
// compared: nothing differs from itself, and what differs is said in printable lines, as often one way as the other.
#include "cooper/base/text.hpp"
#include "cooper/build/tag_record.hpp"

#include "fuzz/fuzz.hpp"

#include <algorithm>

namespace {

using cooper::build::compare;
using cooper::build::TagRecord;
using cooper::fuzz::check;

TagRecord read(std::string_view text) {
    auto record = cooper::build::parse_tag_record(text, "record");
    const auto written = cooper::build::to_json(record);
    check(cooper::is_valid_utf8(written), "a record is UTF-8");
    check(cooper::build::parse_tag_record(written, "again") == record, "a record comes back as it was");
    check(cooper::build::to_json(record) == written, "the same record has the same bytes");
    check(compare(record, record).empty(), "nothing differs from itself");
    return record;
}

void check_changes(const TagRecord& before, const TagRecord& after) {
    const auto changes = compare(before, after);
    for (const auto& change : changes) {
        check(!change.touches.empty(), "a change touches a tag");
        check(change.before || change.after, "a change has a side");
        const auto text = change.text();
        check(std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }),
              "a line is printable");
    }
    check(changes.size() == compare(after, before).size(), "there are as many changes back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = cooper::fuzz::text_of(data, size);
    cooper::fuzz::expect_only_errors([&] {
        const auto end = text.find('\0');
        const auto before = read(text.substr(0, end));
        auto after = end == std::string_view::npos ? before : read(text.substr(end + 1));
        after.profile = before.profile;
        std::reverse(after.inputs.begin(), after.inputs.end());
        check_changes(before, after);
    });
    return 0;
}
