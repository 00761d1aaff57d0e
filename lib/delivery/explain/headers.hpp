// Two headers of one path, field by field (private).
#pragma once

#include "delivery/explain/findings.hpp"
#include "delivery/explain/raw_tar.hpp"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace cooper::delivery {

struct HeaderDifference {
    std::string field;
    std::optional<std::string> a;
    std::optional<std::string> b;
};

/// "file", "symlink", …
std::string type_text(const RawEntry& entry);
/// "file 0644, 12 bytes".
std::string entry_text(const RawEntry& entry);
/// What stands before the first component: "", "./", "/".
std::string prefix_of(const RawEntry& entry);

/// All but path, type, link and size.
std::vector<HeaderDifference> compare_headers(const RawEntry& a, const RawEntry& b);

/// How two tars end; `place` says which ones.
void tell_ends(const Difference& place, const TarEnd& a, const TarEnd& b, Findings& findings);

/// Gives differences to Findings. What says how a tar was written is said once, for all paths of which it is true.
class HeaderFindings {
public:
    HeaderFindings(Findings& findings, ExplainLevel level, std::string where)
        : findings_(findings), level_(level), where_(std::move(where)) {}

    void add(const std::string& path, HeaderDifference&& difference);
    [[nodiscard]] Difference at(const std::string& path, std::string field) const;
    Findings& findings() { return findings_; }
    /// After the last path.
    void finish();

private:
    using Key = std::tuple<std::string, std::optional<std::string>, std::optional<std::string>>;

    Findings& findings_;
    ExplainLevel level_;
    std::string where_;
    std::vector<Difference> repeated_;
    std::map<Key, std::size_t> numbers_;  // in repeated_
};

}  // namespace cooper::delivery
