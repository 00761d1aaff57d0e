#include "delivery/explain/compression.hpp"

#include "cooper/base/compression.hpp"

#include "delivery/explain/gzip_header.hpp"

#include <algorithm>
#include <vector>

namespace cooper::delivery {

namespace {

constexpr std::size_t kLongestHeader = 64 * 1024;
constexpr std::size_t kCompareStep = 1024 * 1024;

struct Stream {
    std::string head;
    Compression compression = Compression::None;
    std::size_t header_length = 0;
    std::vector<std::pair<std::string, std::string>> members;  ///< of the header

    explicit Stream(const Opener& open) : head(kLongestHeader, '\0') {
        head.resize(read_full(*open(), std::as_writable_bytes(std::span(head))));
        compression = detect_compression(as_bytes(head));
        if (const auto gzip = read_gzip_header(head)) {
            members = gzip_members(*gzip);
            header_length = gzip->length;
        } else {
            members = read_zstd_header(head);
        }
    }
};

}  // namespace

std::optional<std::uint64_t> first_different_byte(Source& a, Source& b, const Run& run) {
    std::vector<std::byte> x(kCompareStep), y(kCompareStep);
    for (std::uint64_t offset = 0;;) {
        run.check();
        const auto in_a = read_full(a, x), in_b = read_full(b, y);
        const auto common = static_cast<std::ptrdiff_t>(std::min(in_a, in_b));
        const auto at = std::mismatch(x.begin(), x.begin() + common, y.begin()).first - x.begin();
        if (at != common || in_a != in_b) {
            return offset + static_cast<std::uint64_t>(at);
        }
        if (in_a == 0) {
            return std::nullopt;
        }
        offset += in_a;
    }
}

void compare_compression(const Difference& place, const Opener& a, const Opener& b, Findings& findings,
                         const Run& run) {
    const auto tell = [&](std::string field, std::string in_a, std::string in_b, std::string detail = "") {
        auto difference = place;
        difference.field = std::move(field);
        difference.a = std::move(in_a);
        difference.b = std::move(in_b);
        difference.detail = std::move(detail);
        findings.add(std::move(difference));
    };
    const Stream x(a), y(b);
    if (x.compression != y.compression) {
        tell("compression", std::string(to_string(x.compression)), std::string(to_string(y.compression)));
        return;
    }
    const std::string kind(to_string(x.compression));
    for (std::size_t i = 0; i < std::min(x.members.size(), y.members.size()); ++i) {
        if (x.members[i].second != y.members[i].second) {
            tell(kind + " " + x.members[i].first, x.members[i].second, y.members[i].second);
        }
    }
    const auto one = a(), two = b();
    skip(*one, x.header_length);
    skip(*two, y.header_length);
    if (const auto at = first_different_byte(*one, *two, run)) {
        tell("encoder", kind, kind,
             "the encoded data differs from byte " + std::to_string(x.header_length + *at) + " of A on");
    }
}

}  // namespace cooper::delivery
