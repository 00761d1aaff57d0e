#include "cooper/base/digest.hpp"
#include "cooper/oci/manifest.hpp"

#include "delivery/explain/archive.hpp"
#include "delivery/explain/compression.hpp"
#include "delivery/explain/headers.hpp"
#include "delivery/explain/order.hpp"
#include "oci/archive/archived_layers.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <unordered_map>

namespace cooper::delivery {

namespace {

/// Compared elsewhere, value by value.
constexpr std::array<std::string_view, 2> kTables = {"manifest.json", "index.json"};

struct MemberPair {
    const ArchiveMember* a = nullptr;
    const ArchiveMember* b = nullptr;
};

Digest digest_of(const ScannedArchive& archive, const ArchiveMember& member, const Run& run) {
    const auto source = archive.file->open(member.offset, member.header.size);
    Hasher hasher;
    std::vector<std::byte> buffer(kStreamStep);
    while (const auto count = source->read(buffer)) {
        run.check();
        hasher.update(Bytes(buffer).first(count));
    }
    return hasher.finish();
}

class MemberComparison {
public:
    MemberComparison(const ArchiveSide& a, const ArchiveSide& b, std::uint64_t same_until, const Telling& to,
                     const Run& run)
        : a_(a), b_(b), same_until_(same_until), to_(to), headers_(to.findings, ExplainLevel::Members, ""), run_(run) {}

    void compare() {
        pair_up();
        for (const auto& pair : pairs_) {
            if (pair.a != nullptr && pair.b != nullptr) {
                compare_both(pair);
            } else {
                tell_one_sided(pair);
            }
        }
        compare_order();
        headers_.finish();
        tell_ends({}, a_.scanned.end, b_.scanned.end, to_.findings);
    }

private:
    using ByName = std::unordered_map<std::string_view, std::deque<const ArchiveMember*>>;

    /// Counterparts by name, of repeated ones in their order; then by what they are.
    void pair_up() {
        ByName by_name, by_role;
        for (const auto& member : b_.scanned.members) {
            by_name[member.name].push_back(&member);
        }
        const auto take = [](ByName& from, std::string_view key) -> const ArchiveMember* {
            const auto found = from.find(key);
            if (found == from.end() || found->second.empty()) {
                return nullptr;
            }
            const auto* member = found->second.front();
            found->second.pop_front();
            return member;
        };
        for (const auto& member : a_.scanned.members) {
            pairs_.push_back({&member, take(by_name, member.name)});
        }
        for (const auto& [name, rest] : by_name) {
            for (const auto* member : rest) {
                by_role[role_of(b_, *member)].push_back(member);
            }
        }
        by_role.erase("");
        for (auto& pair : pairs_) {
            if (pair.b == nullptr) {
                pair.b = take(by_role, role_of(a_, *pair.a));
            }
        }
        std::vector<const ArchiveMember*> paired;
        for (const auto& pair : pairs_) {
            paired.push_back(pair.b);
        }
        std::sort(paired.begin(), paired.end());
        for (const auto& member : b_.scanned.members) {
            if (!std::binary_search(paired.begin(), paired.end(), &member)) {
                pairs_.push_back({nullptr, &member});
            }
        }
    }

    static std::string_view role_of(const ArchiveSide& side, const ArchiveMember& member) {
        const auto found = side.roles.find(member.name);
        return found == side.roles.end() ? std::string_view() : std::string_view(found->second);
    }

    void tell_one_sided(const MemberPair& pair) {
        const auto& [side, member] = pair.a != nullptr ? std::tie(a_, *pair.a) : std::tie(b_, *pair.b);
        auto difference = headers_.at(member.name, "member");
        (pair.a != nullptr ? difference.a : difference.b) = entry_text(member.header);
        difference.follows = !role_of(side, member).empty();  // of an image or layer that the other one has not
        to_.findings.add(std::move(difference));
    }

    void compare_both(const MemberPair& pair) {
        const auto &a = *pair.a, &b = *pair.b;
        if (a.name != b.name) {
            auto difference = headers_.at(a.name, "name");
            difference.a = a.name;
            difference.b = b.name;
            difference.follows = without_digests(a.name) == without_digests(b.name);
            renamed_by_digest_ = renamed_by_digest_ || difference.follows;
            to_.findings.add(std::move(difference));
        }
        std::size_t found = a.name == b.name ? 0 : 1;
        const auto tell = [&](HeaderDifference&& difference) {
            ++found;
            headers_.add(a.name, std::move(difference));
        };
        if (type_text(a.header) != type_text(b.header)) {
            tell({"type", entry_text(a.header), entry_text(b.header)});
        } else if (without_digests(a.header.link) != without_digests(b.header.link)) {
            tell({"link", a.header.link, b.header.link});
        }
        for (auto& difference : compare_headers(a.header, b.header)) {
            tell(std::move(difference));
        }
        if (a.padded_with_zeros != b.padded_with_zeros) {
            tell({"padding", a.padded_with_zeros ? "zeros" : "other bytes",
                  b.padded_with_zeros ? "zeros" : "other bytes"});
        }
        const bool same_meaning = a.header.size == b.header.size && a.header.link == b.header.link;
        if (found == 0 && same_meaning && a.header.header_hash != b.header.header_hash) {
            tell({"header", "the same values", "in other words"});
        }
        if (a.header.is_file() && b.header.is_file() && !same_bytes(a, b)) {
            compare_contents(a, b);
        }
    }

    [[nodiscard]] bool same_bytes(const ArchiveMember& a, const ArchiveMember& b) const {
        if (a.header.size != b.header.size) {
            return false;
        }
        const auto end = a.offset + a.header.size;
        if (a.offset == b.offset && end <= same_until_) {
            return true;
        }
        return a.name != b.name ? false : !first_difference(a, b);
    }

    [[nodiscard]] std::optional<std::uint64_t> first_difference(const ArchiveMember& a, const ArchiveMember& b) const {
        return first_different_byte(*open(a_, a), *open(b_, b), run_);
    }

    static std::unique_ptr<Source> open(const ArchiveSide& side, const ArchiveMember& member) {
        return side.scanned.file->open(member.offset, member.header.size);
    }

    void compare_contents(const ArchiveMember& a, const ArchiveMember& b) {
        if (std::find(kTables.begin(), kTables.end(), a.name) != kTables.end() && a.name == b.name) {
            return;
        }
        if (const auto claimed = oci::digest_in_name(a.name); claimed && a.name == b.name) {
            compare_with_name(a, b, *claimed);
            return;
        }
        if (!role_of(a_, a).empty() && role_of(a_, a) == role_of(b_, b)) {
            return;  // a config or layer: told below
        }
        if (a.header.size <= oci::kMaxDocument && b.header.size <= oci::kMaxDocument) {
            const auto text = [](const ArchiveSide& side, const ArchiveMember& member) {
                return read_all(*open(side, member), oci::kMaxDocument, "member");
            };
            compare_documents(ExplainLevel::Documents, a.name, text(a_, a), text(b_, b), to_);
            return;
        }
        auto difference = headers_.at(a.name, "content");
        difference.a = std::to_string(a.header.size) + " bytes";
        difference.b = std::to_string(b.header.size) + " bytes";
        to_.findings.add(std::move(difference));
    }

    /// One name, one digest in it, two contents: at least one is wrong. Names of layers may be their diff ID instead.
    void compare_with_name(const ArchiveMember& a, const ArchiveMember& b, const Digest& claimed) {
        const auto in_a = digest_of(a_.scanned, a, run_), in_b = digest_of(b_.scanned, b, run_);
        if (in_a != claimed && in_b != claimed && !a.name.starts_with("blobs/")) {
            return;
        }
        auto difference = headers_.at(a.name, "damaged");
        const auto text = [&](const Digest& digest) { return digest == claimed ? "right" : digest.text(); };
        difference.a = text(in_a);
        difference.b = text(in_b);
        const auto offset = first_difference(a, b);
        difference.detail = std::string(in_a == claimed   ? "B is not what the name says"
                                        : in_b == claimed ? "A is not what the name says"
                                                          : "neither side is what the name says") +
                            "; first different byte: " + std::to_string(offset.value_or(0)) + " of the member, " +
                            std::to_string(b.offset + offset.value_or(0)) + " of B";
        to_.findings.add(std::move(difference));
    }

    void compare_order() {
        std::vector<OrderedPath> common;
        for (const auto& [a, b] : pairs_) {
            if (a != nullptr && b != nullptr) {
                common.push_back({static_cast<std::size_t>(a - a_.scanned.members.data()),
                                  static_cast<std::size_t>(b - b_.scanned.members.data()), &a->name, &b->name});
            }
        }
        auto order = compare_positions(std::move(common));
        if (!order || (order->both_sorted && renamed_by_digest_)) {
            return;  // sorted names of other digests: the order follows
        }
        auto difference = headers_.at(order->path, "order");
        difference.a = "member " + std::to_string(order->a + 1);
        difference.b = "member " + std::to_string(order->b + 1);
        difference.detail = order->detail;
        to_.findings.add(std::move(difference));
    }

    const ArchiveSide& a_;
    const ArchiveSide& b_;
    std::uint64_t same_until_;
    const Telling& to_;
    HeaderFindings headers_;
    const Run& run_;
    std::vector<MemberPair> pairs_;
    bool renamed_by_digest_ = false;
};

}  // namespace

void compare_members(const ArchiveSide& a, const ArchiveSide& b, std::uint64_t same_until, const Telling& to,
                     const Run& run) {
    MemberComparison(a, b, same_until, to, run).compare();
}

}  // namespace cooper::delivery
