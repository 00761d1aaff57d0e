// What explain found so far: causes given, what is ignored left out, counted, and bounded (private).
#pragma once

#include "cooper/delivery/explain.hpp"

#include <array>
#include <map>
#include <string>
#include <tuple>

namespace cooper::delivery {

/// Of layers that were compared, in all images.
struct LayerCounts {
    std::uint64_t all = 0;
    std::uint64_t different = 0;
};

struct CauseRow;

class Findings {
public:
    explicit Findings(const ExplainOptions& options) : options_(options) {}

    /// Of one place, in any order; those of one path one after the other.
    void add(Difference difference);
    /// What stands in the text beside the place's name.
    void describe(ExplainLevel level, const std::string& where, const std::string& about);
    /// All so far, ignored ones included: who finds nothing where bytes differ has to say so.
    [[nodiscard]] std::uint64_t seen() const noexcept { return result_.found + result_.ignored; }
    [[nodiscard]] const ExplainOptions& options() const noexcept { return options_; }
    void set_identical(bool identical) noexcept { result_.identical = identical; }
    LayerCounts layers;

    /// Everything, with a verdict. Called once, at the end.
    Explanation take();

private:
    using PlaceKey = std::pair<ExplainLevel, std::string>;
    struct CauseCount {
        const Cause* cause = nullptr;
        std::uint64_t count = 0;
        std::string example;
    };

    [[nodiscard]] bool is_ignored(const CauseRow* row) const noexcept;
    void count(const Difference& difference, const CauseRow* row);
    void list(Difference&& difference);

    const ExplainOptions& options_;
    Explanation result_;
    std::vector<Difference> following_;
    std::map<PlaceKey, std::size_t> numbers_;  // in result_.places
    std::map<PlaceKey, std::string> about_;
    std::map<std::string_view, CauseCount> causes_;
    std::array<std::size_t, 7> listed_{};  // per level
    std::tuple<ExplainLevel, std::string, std::string> last_path_;
};

/// "the config differs; 2 of 9 layers differ: 3 entries, all in their mtime".
std::string verdict_of(const Explanation& explanation, const LayerCounts& layers);

}  // namespace cooper::delivery
