#include "build/paths.hpp"
#include "delivery/explain/headers.hpp"
#include "delivery/explain/layer_entries.hpp"
#include "delivery/explain/order.hpp"
#include "delivery/explain/packages.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>

namespace cooper::delivery {

namespace {

/// Entries of one path: of duplicates, the n-th of both sides.
struct Pair {
    const ListedEntry* a = nullptr;
    const ListedEntry* b = nullptr;
};

/// Positions sorted by path; those of one path in the tar's order.
std::vector<std::size_t> by_path(const ListedLayer& layer) {
    std::vector<std::size_t> positions(layer.entries.size());
    std::iota(positions.begin(), positions.end(), std::size_t{0});
    std::stable_sort(positions.begin(), positions.end(),
                     [&](std::size_t x, std::size_t y) { return layer.entries[x].path < layer.entries[y].path; });
    return positions;
}

std::vector<Pair> pair_up(const ListedLayer& a, const ListedLayer& b) {
    const auto as = by_path(a), bs = by_path(b);
    std::vector<Pair> pairs;
    for (std::size_t i = 0, j = 0; i < as.size() || j < bs.size();) {
        const auto* x = i < as.size() ? &a.entries[as[i]] : nullptr;
        const auto* y = j < bs.size() ? &b.entries[bs[j]] : nullptr;
        const int order = x == nullptr ? 1 : y == nullptr ? -1 : x->path.compare(y->path);
        pairs.push_back({order <= 0 ? x : nullptr, order >= 0 ? y : nullptr});
        i += order <= 0 ? 1 : 0;
        j += order >= 0 ? 1 : 0;
    }
    return pairs;
}

class EntryComparison {
public:
    EntryComparison(const ListedLayer& a, const ListedLayer& b, const std::string& where, Findings& findings)
        : a_(a), b_(b), pairs_(pair_up(a, b)), headers_(findings, ExplainLevel::Entries, where) {}

    std::vector<ChangedFile> result() {
        find_turned_links();
        for (const auto& pair : pairs_) {
            compare(pair);
        }
        packages_.tell(headers_);
        compare_order();
        tell_ends(headers_.at("", ""), a_.end, b_.end, headers_.findings());
        headers_.finish();
        return std::move(changed_);
    }

private:
    using PathPair = std::pair<std::string, std::string>;

    static PathPair names(const std::string& x, const std::string& y) {
        return x < y ? PathPair(x, y) : PathPair(y, x);
    }

    /// Two names of one file of which one side calls the first the file, and the other side the second.
    void find_turned_links() {
        for (const auto& [x, y] : pairs_) {
            if (x != nullptr && y != nullptr && x->header.is_file() && y->header.type == '1') {
                links_.emplace(x->path, target_of(*y));
            }
        }
        for (const auto& [x, y] : pairs_) {
            if (x == nullptr || y == nullptr || x->header.type != '1' || !y->header.is_file()) {
                continue;
            }
            const auto target = target_of(*x);
            if (const auto link = links_.find(target); link != links_.end() && link->second == y->path) {
                turned_.insert(names(target, y->path));
            }
        }
    }

    /// The file that an entry means: of a hard link, what it links to.
    static std::string target_of(const ListedEntry& entry) {
        return entry.header.type == '1' ? build::clean_path(entry.header.link) : entry.path;
    }

    [[nodiscard]] bool is_turned(const Pair& pair) const {
        return !turned_.empty() && turned_.contains(names(target_of(*pair.a), target_of(*pair.b)));
    }

    void compare(const Pair& pair) {
        if (pair.a == nullptr || pair.b == nullptr) {
            tell_one_sided(pair.a == nullptr ? *pair.b : *pair.a, pair.a != nullptr);
        } else {
            compare_both(pair);
        }
        last_path_ = pair.a == nullptr ? &pair.b->path : &pair.a->path;
    }

    void compare_both(const Pair& pair) {
        const auto& path = pair.a->path;
        const auto &x = pair.a->header, &y = pair.b->header;
        std::size_t found = 0;
        const auto tell = [&](HeaderDifference&& difference) {
            ++found;
            headers_.add(path, std::move(difference));
        };
        if ((x.type == '1' || y.type == '1') && (x.type != y.type || x.link != y.link) && is_turned(pair)) {
            tell({"hard-link", entry_text(x), entry_text(y)});
        } else if (type_text(x) != type_text(y)) {
            ++found;
            tell_type(pair);
        } else if (x.link != y.link && (x.type != '1' || target_of(*pair.a) != target_of(*pair.b))) {
            tell({"link", x.link, y.link});
        }
        for (auto& difference : compare_headers(x, y)) {
            tell(std::move(difference));
        }
        if (x.is_file() && y.is_file()) {
            found += compare_contents(pair);
        }
        if (pair.a->padded_with_zeros != pair.b->padded_with_zeros) {
            const auto padding = [](bool zeros) { return std::optional<std::string>(zeros ? "zeros" : "other bytes"); };
            tell({"padding", padding(pair.a->padded_with_zeros), padding(pair.b->padded_with_zeros)});
        }
        if (found == 0 && x.header_hash != y.header_hash) {
            tell({"header", "the same values", "in other words"});
        }
    }

    void tell_type(const Pair& pair) {
        auto difference = headers_.at(pair.a->path, "type");
        const auto &x = pair.a->header, &y = pair.b->header;
        difference.a = entry_text(x);
        difference.b = entry_text(y);
        if ((x.is_file() && y.type == '1') || (x.type == '1' && y.is_file())) {
            difference.kind = "hard link or copy";
        }
        headers_.findings().add(std::move(difference));
    }

    std::size_t compare_contents(const Pair& pair) {
        const auto &x = *pair.a, &y = *pair.b;
        const bool same_size = x.header.length == y.header.length;
        if (!same_size) {
            headers_.add(x.path, {"size", std::to_string(x.header.length), std::to_string(y.header.length)});
        }
        // Of a file with holes only what is stored is known; two with the same holes can be compared.
        if (x.header.sparse != y.header.sparse || x.digest == y.digest) {
            return same_size ? 0 : 1;
        }
        const auto [first, ignored] = std::mismatch(x.blocks.begin(), x.blocks.end(), y.blocks.begin(), y.blocks.end());
        changed_.push_back({x.path, position(a_, x), position(b_, y),
                            static_cast<std::size_t>(std::distance(x.blocks.begin(), first))});
        return 1;
    }

    static std::size_t position(const ListedLayer& layer, const ListedEntry& entry) {
        return static_cast<std::size_t>(&entry - layer.entries.data());
    }

    /// A second entry of a path has no counterpart when the other side has but one.
    void tell_one_sided(const ListedEntry& entry, bool in_a) {
        const bool again = last_path_ != nullptr && *last_path_ == entry.path;
        auto difference = headers_.at(entry.path, again ? "duplicate" : "entry");
        (in_a ? difference.a : difference.b) = entry_text(entry.header);
        packages_.see(entry.path, in_a);
        headers_.findings().add(std::move(difference));
    }

    void compare_order() {
        std::vector<OrderedPath> common;
        for (const auto& [x, y] : pairs_) {
            if (x != nullptr && y != nullptr) {
                common.push_back({position(a_, *x), position(b_, *y), &x->path, &y->path});
            }
        }
        if (auto order = compare_positions(std::move(common))) {
            auto difference = headers_.at(order->path, "order");
            difference.a = "entry " + std::to_string(order->a + 1);
            difference.b = "entry " + std::to_string(order->b + 1);
            difference.detail = order->detail;
            headers_.findings().add(std::move(difference));
        }
    }

    const ListedLayer& a_;
    const ListedLayer& b_;
    std::vector<Pair> pairs_;
    HeaderFindings headers_;
    PackagePaths packages_;
    std::vector<ChangedFile> changed_;
    std::unordered_map<std::string, std::string> links_;  // files of A that are links in B, and to what
    std::set<PathPair> turned_;
    const std::string* last_path_ = nullptr;
};

}  // namespace

std::vector<ChangedFile> compare_entries(const ListedLayer& a, const ListedLayer& b, const std::string& where,
                                         Findings& findings) {
    return EntryComparison(a, b, where, findings).result();
}

}  // namespace cooper::delivery
