#include "cooper/delivery/explain.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"

#include "delivery/explain/archive.hpp"
#include "delivery/explain/compression.hpp"
#include "delivery/explain/images.hpp"
#include "delivery/explain/sides.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

Difference in_file(std::string field) {
    Difference difference;
    difference.field = std::move(field);
    return difference;
}

/// One comparison of two places.
class Explainer {
public:
    Explainer(const oci::PlaceName& a, const oci::PlaceName& b, const ExplainOptions& options,
              const oci::PlaceAccess& access, const Run& run)
        : a_(a), b_(b), access_(access), run_(run), findings_(options), report_(options.report_dir) {}

    Explanation result() {
        if (is_whole_archive(a_) && is_whole_archive(b_)) {
            compare_archives();
        } else {
            const auto a = open_side(a_, nullptr, access_, run_), b = open_side(b_, nullptr, access_, run_);
            if (!same_manifests(a, b)) {
                compare_indexes(a, b);
                compare_images(pair_images(a, b));
            }
        }
        return findings_.take();
    }

private:
    bool same_manifests(const OpenedSide& a, const OpenedSide& b) {
        const bool same = std::equal(a.images.begin(), a.images.end(), b.images.begin(), b.images.end(),
                                     [](const auto& x, const auto& y) {
                                         return x.image.manifest.raw.digest == y.image.manifest.raw.digest;
                                     }) &&
                          std::equal(a.indexes.begin(), a.indexes.end(), b.indexes.begin(), b.indexes.end(),
                                     [](const auto& x, const auto& y) { return x.digest == y.digest; });
        findings_.set_identical(same);
        return same;
    }

    void compare_indexes(const OpenedSide& a, const OpenedSide& b) {
        for (std::size_t i = 0; i < std::min(a.indexes.size(), b.indexes.size()); ++i) {
            compare_documents(ExplainLevel::Documents, "index", a.indexes[i].bytes, b.indexes[i].bytes, telling_);
        }
    }

    void compare_images(const std::vector<ImagePair>& pairs) {
        ImageComparison images(telling_, run_);
        for (const auto& pair : pairs) {
            images.compare(pair);
        }
    }

    void compare_archives() {
        const auto a = open_plain(a_, access_, run_), b = open_plain(b_, access_, run_);
        const auto parts_at = first_different_byte(*a->open(), *b->open(), run_);
        if (!compare_outside(!parts_at)) {
            return;
        }
        const auto scanned_a = scan(a_, a), scanned_b = scan(b_, b);
        if (parts_at && scanned_a && scanned_b) {
            compare_scanned(*scanned_a, *scanned_b, *parts_at);
        }
        if (findings_.seen() == 0 && parts_at) {
            auto difference = in_file("bytes");
            difference.detail = "first different byte: " + std::to_string(*parts_at);
            difference.follows = true;
            findings_.add(std::move(difference));
        }
    }

    /// Archives that are compressed as a whole: how. False: nothing else can differ.
    bool compare_outside(bool same_inside) {
        const auto file = [](const oci::PlaceName& place) {
            return [path = place.path] { return FileRanged(path).open(); };
        };
        const auto plain = [](const Opener& open) {
            std::array<std::byte, 6> head{};
            const auto source = open();
            return detect_compression(Bytes(head).first(read_full(*source, head))) == Compression::None;
        };
        const Opener a = file(a_), b = file(b_);
        if (plain(a) && plain(b)) {
            findings_.set_identical(same_inside);
        } else if (same_inside && !first_different_byte(*a(), *b(), run_)) {
            findings_.set_identical(true);
        } else {
            compare_compression(in_file(""), a, b, findings_, run_);
        }
        return !same_inside;
    }

    std::optional<ScannedArchive> scan(const oci::PlaceName& place, const std::shared_ptr<const FileRanged>& file) {
        try {
            return in_context("reading archive " + place.path, [&] { return scan_archive(file, run_); });
        } catch (const Error& error) {
            if (error.code() != ErrorCode::Integrity) {
                throw;
            }
            tell_unreadable(&place == &a_, error.what());
            return std::nullopt;
        }
    }

    void tell_unreadable(bool in_a, const std::string& damage) {
        auto difference = in_file("unreadable");
        (in_a ? difference.a : difference.b) = damage;
        findings_.add(std::move(difference));
    }

    void compare_scanned(const ScannedArchive& scanned_a, const ScannedArchive& scanned_b, std::uint64_t parts_at) {
        const auto a = open_side(a_, &scanned_a, access_, run_), b = open_side(b_, &scanned_b, access_, run_);
        const auto pairs = pair_images(a, b);
        std::vector<const SideImage*> images_a, images_b;
        for (const auto& pair : pairs) {
            images_a.push_back(pair.a);
            images_b.push_back(pair.b);
        }
        const auto roles = [](const ScannedArchive& archive, const OpenedSide& side, const auto& images) {
            return side.damage ? MemberRoles() : roles_in(archive, images);
        };
        const auto roles_a = roles(scanned_a, a, images_a), roles_b = roles(scanned_b, b, images_b);
        compare_members({scanned_a, roles_a}, {scanned_b, roles_b}, parts_at, telling_, run_);
        for (const std::string name : {"manifest.json", "index.json"}) {
            const auto x = scanned_a.text(name), y = scanned_b.text(name);
            if (x && y) {
                compare_documents(ExplainLevel::Documents, name, *x, *y, telling_);
            }
        }
        for (const auto* side : {&a, &b}) {
            if (side->damage) {
                tell_unreadable(side == &a, *side->damage);
            }
        }
        if (!a.damage && !b.damage) {
            compare_images(pairs);
        }
    }

    const oci::PlaceName& a_;
    const oci::PlaceName& b_;
    const oci::PlaceAccess& access_;
    const Run& run_;
    Findings findings_;
    ReportFiles report_;
    Telling telling_{findings_, report_};
};

}  // namespace

Explanation explain(const oci::PlaceName& a, const oci::PlaceName& b, const ExplainOptions& options,
                    const oci::PlaceAccess& access, const Run& run) {
    return Explainer(a, b, options, access, run).result();
}

}  // namespace cooper::delivery
