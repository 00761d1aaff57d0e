// The head of a delta: what is read is written back as the same bytes, its ranges lie in the old file and in the
// payload and make the new file, and one byte of it changed is not read.
#include "cooper/delivery/delta.hpp"

#include "fuzz/fuzz.hpp"

namespace {

using cooper::delivery::DeltaHead;
using cooper::fuzz::check;

void check_ranges(const DeltaHead& head) {
    std::uint64_t total = 0;
    for (const auto& segment : head.segments) {
        check(segment.size > 0, "no segment is empty");
        const std::uint64_t whole = segment.sha256 ? head.payload_size() : head.old_file.size;
        check(segment.offset <= whole && segment.size <= whole - segment.offset, "a segment lies in what it is from");
        total += segment.size;
    }
    check(total == head.new_file.size, "the segments make the new file");
    check(head.reused() <= total, "no more is reused than there is");
    for (const auto& blob : head.assumed) {
        check(blob.size <= head.old_file.size && blob.offset <= head.old_file.size - blob.size,
              "a blob lies in the file");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = cooper::fuzz::text_of(data, size);
    cooper::fuzz::expect_only_errors([&] {
        const DeltaHead head = cooper::delivery::delta_head_from_json(text, "delta");
        check(cooper::delivery::delta_head_to_json(head) == text, "a head comes back as the same bytes");
        check_ranges(head);
        std::string changed(text);
        changed[size / 2] = static_cast<char>(changed[size / 2] ^ 1);
        bool refused = false;
        try {
            static_cast<void>(cooper::delivery::delta_head_from_json(changed, "delta"));
        } catch (const cooper::Error&) {
            refused = true;
        }
        check(refused, "a changed head is refused");
    });
    return 0;
}
